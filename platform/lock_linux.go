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
	pidFile  = "pid"
)

// AcquireLock takes the instance lock of the first of dirs that exists or can be
// made, with mode 0700; it waits for another holder until ctx ends, and then
// fails with a *LockedError. The lock is on the directory itself, so that one on
// a read-only file system will do, too.
func AcquireLock(ctx context.Context, dirs ...string) (*Lock, error) {
	var unusable error
	for _, dir := range dirs {
		err := os.MkdirAll(dir, 0o700)
		if err == nil {
			var file *os.File
			if file, err = os.Open(dir); err == nil {
				return acquire(ctx, dir, file)
			}
		}
		unusable = errors.Join(unusable, err)
	}
	return nil, fmt.Errorf("instance lock: %w", unusable)
}

func acquire(ctx context.Context, dir string, file *os.File) (*Lock, error) {
	name := filepath.Join(dir, pidFile)
	for {
		err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			// Only for the text of LockedError, so that a full or read-only disk
			// does not matter.
			_ = os.WriteFile(name, []byte(strconv.Itoa(os.Getpid())+"\n"), 0o600)
			return &Lock{dir, file}, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			return nil, errors.Join(fmt.Errorf("instance lock of %s: %w", dir, err), file.Close())
		}
		timer := time.NewTimer(lockPoll)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			content, _ := os.ReadFile(name)
			pid, _ := strconv.Atoi(strings.TrimSpace(string(content)))
			return nil, errors.Join(&LockedError{dir, pid, context.Cause(ctx)}, file.Close())
		}
	}
}
