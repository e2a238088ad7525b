package cache

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
)

// descriptors are the open ones of this process that lead to path, or all.
func descriptors(t *testing.T, path string) (fds []string) {
	t.Helper()
	all, err := filepath.Glob("/proc/self/fd/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range all {
		if to, err := os.Readlink(fd); err == nil && (path == "" || to == path) {
			fds = append(fds, fd)
		}
	}
	return fds
}

// TestLockLeavesNoDescriptor, neither when it is had nor when it is not; and it is
// given back although a child that was forked meanwhile has a copy of the descriptor.
func TestLockLeavesNoDescriptor(t *testing.T) {
	dir := t.TempDir()
	unlock, err := lock(dir)
	if err != nil {
		t.Fatal(err)
	}
	fds := descriptors(t, dir)
	if len(fds) != 1 {
		t.Fatalf("%d descriptors of a lock", len(fds))
	}
	fd, err := strconv.Atoi(filepath.Base(fds[0]))
	if err != nil {
		t.Fatal(err)
	}
	child, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(child)
	for range 3 {
		if _, err := lock(dir); !errors.Is(err, errInUse) {
			t.Error(err)
		}
	}
	if n := len(descriptors(t, dir)); n != 2 {
		t.Errorf("%d descriptors after locks that were not to be had, want 2", n)
	}
	unlock()
	if n := len(descriptors(t, dir)); n != 1 {
		t.Errorf("%d descriptors after the unlock, want 1", n)
	}
	again, err := lock(dir)
	if err != nil {
		t.Fatalf("the copy keeps the lock: %v", err)
	}
	again()
}

// TestFilesAreClosed: a store that was closed has no file open, nor has one that was
// looked at.
func TestFilesAreClosed(t *testing.T) {
	o := diskOptions(t, t.TempDir())
	s := open(t, o)
	if err := s.Put("k", []byte("v")); err != nil {
		t.Fatal(err)
	}
	closeStore(t, s)
	before := len(descriptors(t, ""))
	for range 10 {
		if !directory(o.Dir).intact() {
			t.Fatal("not what was closed")
		}
	}
	if after := len(descriptors(t, "")); after > before {
		t.Errorf("%d descriptors, %d before", after, before)
	}
}
