package platform

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestLock(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	first, err := AcquireLock(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = AcquireLock(ended, dir)
	var locked *LockedError
	if !errors.Is(err, ErrLocked) || !errors.Is(err, context.Canceled) || !errors.As(err, &locked) ||
		locked.Dir != dir || locked.PID != os.Getpid() {
		t.Errorf("a second one: %v", err)
	}

	waited := make(chan error)
	go func() {
		second, err := AcquireLock(t.Context(), dir)
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

func TestLockOfTheNextDirectory(t *testing.T) {
	base := t.TempDir()
	file := filepath.Join(base, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	none, usable := filepath.Join(file, "state"), filepath.Join(base, "run")
	lock, err := AcquireLock(t.Context(), none, usable)
	if err != nil || lock.Dir() != usable {
		t.Fatalf("%v, %v", lock, err)
	}
	if err := lock.Release(); err != nil {
		t.Error(err)
	}
	if _, err := AcquireLock(t.Context(), none); err == nil || errors.Is(err, ErrLocked) {
		t.Errorf("no directory at all: %v", err)
	}
}
