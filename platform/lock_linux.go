package platform

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// lockPoll is how often a lock that is held is tried again: flock(2) cannot
	// be told to give up.
	lockPoll = 20 * time.Millisecond
	// lockFile is the lock in the runtime directory, and tells who holds it.
	lockFile = "lock"
)

// AcquireLock takes the instance lock of both directories: of a file in runtime,
// and of the directory state itself, which works on a read-only file system, too.
// An empty state is left out. Each is made if it does not exist. It waits for
// another holder until ctx ends, and then fails with a *LockedError. One
// directory that cannot be used is no error.
func AcquireLock(ctx context.Context, runtime, state string) (*Lock, error) {
	l := &Lock{}
	holder, unusable := openLockFile(runtime)
	if unusable == nil {
		if err := l.take(ctx, holder, holder.Name()); err != nil {
			return nil, err
		}
		// Only for the text of LockedError, so that a full disk does not matter.
		_ = holder.Truncate(0)
		_, _ = holder.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	}
	if state != "" {
		dir, err := openDirectory(state)
		if err == nil {
			err = l.take(ctx, dir, filepath.Join(runtime, lockFile))
		}
		if errors.Is(err, ErrLocked) {
			return nil, err
		}
		unusable = errors.Join(unusable, err)
	}
	if len(l.files) == 0 {
		return nil, fmt.Errorf("instance lock: %w", unusable)
	}
	return l, nil
}

func openLockFile(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	return os.OpenFile(filepath.Join(dir, lockFile), os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
}

func openDirectory(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	return os.Open(dir)
}

// take locks a file and adds it. If that fails nothing stays locked.
func (l *Lock) take(ctx context.Context, file *os.File, teller string) error {
	l.files = append(l.files, file)
	for {
		err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			return errors.Join(fmt.Errorf("instance lock of %s: %w", file.Name(), err), l.Release())
		}
		timer := time.NewTimer(lockPoll)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			content, _ := os.ReadFile(teller)
			pid, _ := strconv.Atoi(strings.TrimSpace(string(content)))
			return errors.Join(&LockedError{file.Name(), pid, context.Cause(ctx)}, l.Release())
		}
	}
}

// Release gives the lock back.
func (l *Lock) Release() error {
	var errs []error
	for _, f := range l.files {
		// A child that is being started has the file open until it executes.
		errs = append(errs, unix.Flock(int(f.Fd()), unix.LOCK_UN), f.Close())
	}
	l.files = nil
	return errors.Join(errs...)
}
