package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/ilod/ilod/cmd/ilod/agentsocket"
	"github.com/ilod/ilod/platform"
)

const (
	// lockSlice is how long the instance lock is waited for before an agent is looked
	// for that may have started meanwhile.
	lockSlice = 200 * time.Millisecond
	// lockQuiet is how long it is waited for without a word.
	lockQuiet = time.Second
)

// errAgentRuns: there can be one agent of a directory, and it serves.
var errAgentRuns = errors.New("an agent is running")

// lockUnlessAgent takes the instance lock, or fails with agentsocket.ErrAgentCame as soon as an
// agent serves. It says for whom it waits.
func (a *app) lockUnlessAgent(ctx context.Context) (*platform.Lock, error) {
	return a.waitForLock(ctx, func(*platform.LockedError) error {
		client, err := a.dialAgent(ctx)
		if client == nil {
			return err
		}
		client.Close()
		return agentsocket.ErrAgentCame
	})
}

// lockForAgent takes the instance lock for an agent. Beside an agent that serves it
// fails at once. One that stops is waited for, as any command is.
func (a *app) lockForAgent(ctx context.Context) (*platform.Lock, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, time.Duration(a.config.Timeout), agentsocket.ErrOverdue)
	defer cancel()
	return a.waitForLock(ctx, func(locked *platform.LockedError) error {
		if os.Getenv("LISTEN_FDS") != "" { // the socket is ours, and to connect would be to wait for ourselves
			return nil
		}
		client, err := agentsocket.Dial(ctx, a.config.SocketPath())
		if client == nil || err != nil {
			return nil // the lock decides
		}
		client.Close()
		return fmt.Errorf("%w: %w", errAgentRuns, locked)
	})
}

// waitForLock takes the instance lock. While another process has it, busy is asked
// from time to time and may end the waiting.
func (a *app) waitForLock(ctx context.Context, busy func(*platform.LockedError) error) (*platform.Lock, error) {
	said, slices := false, 0
	for {
		slice, cancel := context.WithTimeout(ctx, lockSlice)
		lock, err := platform.AcquireLock(slice, a.config.RuntimeDir, a.config.DiskDir())
		cancel()
		locked, held := errors.AsType[*platform.LockedError](err)
		if err == nil || !held {
			return lock, err
		}
		if stop := busy(locked); stop != nil && ctx.Err() == nil {
			return nil, stop
		}
		if ctx.Err() != nil { // who has the lock is the cause, whatever busy was doing by then
			return nil, err
		}
		if slices++; !said && slices >= int(lockQuiet/lockSlice) {
			said = true
			fmt.Fprintf(a.stderr, "ilod: waiting for %s, which is at work on this iLO\n", locked.Holder())
		}
	}
}
