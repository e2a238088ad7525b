package platform

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestLock(t *testing.T) {
	runtime, state := filepath.Join(t.TempDir(), "run"), filepath.Join(t.TempDir(), "state")
	first, err := AcquireLock(t.Context(), runtime, state)
	if err != nil {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	// Either directory is enough to keep others out.
	for _, c := range []struct{ runtime, state, of string }{
		{runtime, state, filepath.Join(runtime, lockFile)},
		{runtime, "", filepath.Join(runtime, lockFile)},
		{runtime, filepath.Join(t.TempDir(), "other"), filepath.Join(runtime, lockFile)},
		{filepath.Join(t.TempDir(), "other"), state, state},
	} {
		_, err = AcquireLock(ended, c.runtime, c.state)
		var locked *LockedError
		if !errors.Is(err, ErrLocked) || !errors.Is(err, context.Canceled) || !errors.As(err, &locked) ||
			!strings.HasPrefix(locked.Of, c.of) || locked.PID != 0 {
			t.Errorf("a second one, which must not be told of itself: %v", err)
		}
	}

	waited := make(chan error)
	go func() {
		second, err := AcquireLock(t.Context(), runtime, state)
		if err == nil {
			err = second.Release()
		}
		waited <- err
	}()
	time.AfterFunc(2*lockPoll, func() {
		if err := first.Release(); err != nil {
			t.Error(err)
		}
	})
	if err := <-waited; err != nil {
		t.Errorf("one that waited: %v", err)
	}
}

func TestLockOfOneDirectory(t *testing.T) {
	base := t.TempDir()
	file := filepath.Join(base, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	none, usable := filepath.Join(file, "none"), filepath.Join(base, "usable")
	for _, dirs := range [][2]string{{none, usable}, {usable, none}, {usable, ""}} {
		lock, err := AcquireLock(t.Context(), dirs[0], dirs[1])
		if err != nil {
			t.Errorf("%v: %v", dirs, err)
			continue
		}
		if err := lock.Release(); err != nil {
			t.Error(err)
		}
	}
	if _, err := AcquireLock(t.Context(), none, none); err == nil || errors.Is(err, ErrLocked) {
		t.Errorf("no directory at all: %v", err)
	}
}
