package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

// interrupted is the cause of a context that a signal ended.
type interrupted struct{ signal syscall.Signal }

func (e interrupted) Error() string { return fmt.Sprintf("ended by a signal (%s)", e.signal) }

// isSignal claims errors of one signal.
func isSignal(n syscall.Signal) func(error) bool {
	return func(err error) bool { return errors.Is(err, interrupted{n}) }
}

// interruptible returns a context that ends at the first of some signals, or of
// SIGINT, SIGTERM and SIGHUP. Until stop is called further ones do nothing, so that
// they cannot keep the session from being deleted. A signal that the parent had us
// ignore, as nohup does, stays ignored.
func interruptible(parent context.Context, some ...syscall.Signal) (ctx context.Context, stop func()) {
	if some == nil {
		some = []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP}
	}
	ctx, cancel := context.WithCancelCause(parent)
	signals := make(chan os.Signal, 1)
	for _, s := range some {
		if !signal.Ignored(s) {
			signal.Notify(signals, s)
		}
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if s, ok := <-signals; ok {
			cancel(interrupted{s.(syscall.Signal)})
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		close(signals)
		<-done
		cancel(nil)
	}
}
