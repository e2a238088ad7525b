package cache

import (
	"bufio"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/ilod/ilod/chif/chiftest/need"
)

// mountTmpfs returns a file system of its own, of so many MiB.
func mountTmpfs(t *testing.T, size int) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("ilod-cache-test", dir, "tmpfs", 0, fmt.Sprintf("size=%dm,mode=0700", size)); err != nil {
		need.Absent(t, fmt.Sprintf("cannot mount a tmpfs (needs root): %v", err))
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// leave fills the file system of dir until so many MiB are free.
func leave(t *testing.T, dir string, free int) (undo func()) {
	t.Helper()
	file, err := os.CreateTemp(dir, "filler")
	if err != nil {
		t.Fatal(err)
	}
	for length := int64(0); ; { // others may write, too
		now, err := freeSpace(dir)
		if err != nil {
			t.Fatal(err)
		}
		more := int64(now) - int64(free)<<20
		if more <= 0 {
			break
		}
		switch err := unix.Fallocate(int(file.Fd()), 0, length, more); err {
		case nil:
			length += more
		case unix.ENOSPC, unix.EINTR:
		default:
			t.Fatal(err)
		}
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := os.Remove(file.Name()); err != nil {
			t.Error(err)
		}
	}
}

// TestFullAtOpen: there is no room, then there is.
func TestFullAtOpen(t *testing.T) {
	root := mountTmpfs(t, 160)
	o := diskOptions(t, filepath.Join(root, "cache"))
	s := open(t, o)
	if err := s.Put("/1", document("/1", 1)); err != nil {
		t.Fatal(err)
	}
	checkWorks(t, s, o)
	for _, free := range []int{0, 1, 63} {
		undo := leave(t, root, free)
		s := open(t, o)
		if stats := s.Stats(); stats.OnDisk || !strings.Contains(stats.Fallback, errLowSpace.Error()) {
			t.Errorf("%d MiB free: %+v", free, stats)
		}
		checkWorks(t, s, o)
		undo()
	}
	s = open(t, o)
	if n := checkContent(t, s); n != 1 || !s.Stats().OnDisk {
		t.Errorf("%d entries, %+v", n, s.Stats())
	}
}

// TestFullWhileOpen: the space goes away between two writes.
func TestFullWhileOpen(t *testing.T) {
	if !inChild(t) {
		return
	}
	root := mountTmpfs(t, 160)
	for _, act := range []struct {
		name string
		do   func(*Store) error
	}{
		{"Put", func(s *Store) error { return s.Put("/new", document("/new", 1)) }},
		{"Drop", func(s *Store) error { s.Drop("/1"); return nil }},
		{"Clear", func(s *Store) error { return s.Clear() }},
		{"Close", func(s *Store) error { return s.Close() }},
	} {
		t.Run(act.name, func(t *testing.T) {
			o := diskOptions(t, filepath.Join(root, act.name))
			s := open(t, o)
			for i := range 100 {
				key := fmt.Sprint("/", i)
				if err := s.Put(key, document(key, 1)); err != nil {
					t.Fatal(err)
				}
			}
			s.Drop("/0") // waits for the disk
			defer leave(t, root, 0)()
			if err := act.do(s); err != nil {
				t.Fatal(err)
			}
			<-s.gaveUp
			if stats := s.Stats(); stats.OnDisk || !strings.Contains(stats.Fallback, errLowSpace.Error()) {
				t.Errorf("%+v", stats)
			}
			checkContent(t, s)
			if act.name == "Close" {
				return
			}
			for key, there := range map[string]bool{"/1": false, "/new": act.name == "Put"} {
				if _, ok := s.Get(key); ok != there {
					t.Errorf("%s: %t", key, ok)
				}
			}
			checkWorks(t, s, o)
			if size := directory(o.Dir).size(); size != 0 {
				t.Errorf("%d bytes of files are left", size)
			}
		})
	}
}

// TestFullSuddenly takes all space away from a process that writes as fast as it
// can, which may kill it. Whatever is left is no obstacle.
func TestFullSuddenly(t *testing.T) {
	root := mountTmpfs(t, 120)
	o := diskOptions(t, filepath.Join(root, "cache"))
	for range 10 {
		cmd := childProcess(t.Context(), "churn", o.Dir)
		cmd.Env = append(cmd.Env, "ILOD_CACHE_TEST_VERSION=0")
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		var undo func()
		lines, start := bufio.NewScanner(out), 1+rand.IntN(50)
		for n := 0; lines.Scan(); n++ {
			if n == start {
				undo = leave(t, root, 0)
			}
			if n == start+200 {
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
		}
		t.Log(cmd.Wait())
		s := open(t, o)
		if s.Stats().OnDisk {
			t.Error("on a full disk")
		}
		checkWorks(t, s, o)
		undo()
		s = open(t, o)
		if stats := s.Stats(); !stats.OnDisk {
			t.Errorf("%+v", stats)
		}
		checkContent(t, s)
		checkWorks(t, s, o)
	}
}

// TestReadOnly: nothing is lost by a read-only file system, neither.
func TestReadOnly(t *testing.T) {
	root := mountTmpfs(t, 160)
	for name, state := range map[string]string{"closed": "", "killed": stateOpen, "opening": stateOpening} {
		o := diskOptions(t, filepath.Join(root, name))
		s := open(t, o)
		if err := s.Put("/1", document("/1", 1)); err != nil {
			t.Fatal(err)
		}
		closeStore(t, s)
		if state != "" {
			if err := directory(o.Dir).setState(state); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := unix.Mount("", root, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"closed", "killed", "opening", "none"} {
		o := diskOptions(t, filepath.Join(root, name))
		s := open(t, o)
		if stats := s.Stats(); stats.OnDisk || !strings.Contains(stats.Fallback, "read-only") {
			t.Errorf("%s: %+v", name, stats)
		}
		checkWorks(t, s, o)
	}
	if err := unix.Mount("", root, "", unix.MS_REMOUNT, ""); err != nil {
		t.Fatal(err)
	}
	s := open(t, diskOptions(t, filepath.Join(root, "closed")))
	if n := checkContent(t, s); n != 1 || !s.Stats().OnDisk {
		t.Errorf("writable again: %d entries, %+v", n, s.Stats())
	}
}

// TestNoDirectory: there is nowhere to write at all.
func TestNoDirectory(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{file, filepath.Join(file, "cache"), "/proc/self/cache", "/proc/self", "\x00", strings.Repeat("x", 300)} {
		o := diskOptions(t, dir)
		s := open(t, o)
		if stats := s.Stats(); stats.OnDisk || stats.Fallback == "" || stats.MaxBytes != defaultMemoryBytes {
			t.Errorf("%q: %+v", dir, stats)
		}
		checkWorks(t, s, o)
	}
}

// TestFreeSpaceUnknown: without the figure there is no writing.
func TestFreeSpaceUnknown(t *testing.T) {
	o := diskOptions(t, t.TempDir())
	o.freeSpace = func(string) (uint64, error) { return 0, errors.New("no figure") }
	s := open(t, o)
	if stats := s.Stats(); stats.OnDisk || !strings.Contains(stats.Fallback, "no figure") {
		t.Errorf("%+v", stats)
	}
	checkWorks(t, s, o)
}
