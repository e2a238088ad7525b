package agent

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/ilod/ilod/agent/guard"
)

// lifecycle is what has been acquired, to be given back in the opposite order,
// and the goroutines that run meanwhile.
type lifecycle struct {
	stops []stop
	// running ends when a goroutine has failed, with its error as the cause, or
	// when the goroutines are stopped.
	running context.Context
	cancel  context.CancelCauseFunc
	tasks   sync.WaitGroup
	mu      sync.Mutex
	failed  error
}

type stop struct {
	what string
	do   func() error
}

// errStopping is the cause of the end of goroutines that are stopped.
var errStopping = errors.New("the agent stops")

func newLifecycle(ctx context.Context) *lifecycle {
	l := &lifecycle{}
	l.running, l.cancel = context.WithCancelCause(context.WithoutCancel(ctx))
	return l
}

// onStop adds what is to be done before everything that was added earlier.
func (l *lifecycle) onStop(what string, do func() error) { l.stops = append(l.stops, stop{what, do}) }

// spawn runs a goroutine. If it fails or panics, running ends.
func (l *lifecycle) spawn(what string, f func(context.Context) error) {
	l.tasks.Go(func() {
		err := guard.Do(what, func() error { return f(l.running) })
		if err == nil || context.Cause(l.running) == errStopping {
			return
		}
		l.mu.Lock()
		l.failed = errors.Join(l.failed, err)
		l.mu.Unlock()
		l.cancel(err)
	})
}

// stopTasks ends the goroutines and waits for them. It returns what they failed
// with.
func (l *lifecycle) stopTasks() error {
	l.cancel(errStopping)
	l.tasks.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.failed
}

// stop does what onStop has collected, each step whatever became of the others.
func (l *lifecycle) stop() error {
	var errs []error
	for _, s := range slices.Backward(l.stops) {
		errs = append(errs, guard.Do(s.what, s.do))
	}
	l.stops = nil
	return errors.Join(errs...)
}
