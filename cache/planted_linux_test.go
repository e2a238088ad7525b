package cache

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/ilod/ilod/chif/chiftest/need"
	"github.com/ilod/ilod/platform/ownedfile"
)

// give makes another user the owner of a directory and all in it.
func give(t *testing.T, dir string, uid int) {
	t.Helper()
	need.Root(t)
	if err := filepath.WalkDir(dir, func(name string, _ fs.DirEntry, err error) error {
		return errors.Join(err, os.Lchown(name, uid, uid))
	}); err != nil {
		t.Fatal(err)
	}
}

// TestNoDatabaseOfAnotherUserIsOpened: BadgerDB would follow his links. What is
// dropped meanwhile does not come back when he opens his database again; what is only
// read leaves it as it is.
func TestNoDatabaseOfAnotherUserIsOpened(t *testing.T) {
	for _, c := range []struct {
		name string
		use  func(s *Store) error
		want bool
	}{
		{"read", func(s *Store) error { s.Get("/a"); return s.Put("/b", []byte("b")) }, true},
		{"drop", func(s *Store) error { s.Drop("/a"); return nil }, false},
		{"clear", (*Store).Clear, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := diskOptions(t, filepath.Join(t.TempDir(), "state", "cache"))
			s := open(t, o)
			if err := s.Put("/a", []byte("a")); err != nil {
				t.Fatal(err)
			}
			closeStore(t, s)
			parent := filepath.Dir(o.Dir)
			give(t, parent, 64_321)
			s = open(t, o)
			if stats := s.Stats(); stats.OnDisk || !strings.Contains(stats.Fallback, parent) {
				t.Errorf("%+v", stats)
			}
			if err := c.use(s); err != nil {
				t.Error(err)
			}
			closeStore(t, s)
			if err := Verify(o.Dir); !errors.Is(err, ownedfile.ErrForeign) {
				t.Errorf("verify: %v", err)
			}
			if err := Peek(o.Dir, func(func(string) ([]byte, error)) error { return nil }); !errors.Is(err, ownedfile.ErrForeign) {
				t.Errorf("peek: %v", err)
			}
			give(t, parent, 0)
			if _, ok := open(t, o).Get("/a"); ok != c.want {
				t.Errorf("its owner finds what was there: %v", ok)
			}
		})
	}
}

// TestWhatIsDroppedInMemoryDoesNotComeBackFromTheDisk, for whatever reason the disk
// was not used.
func TestWhatIsDroppedInMemoryDoesNotComeBackFromTheDisk(t *testing.T) {
	o := diskOptions(t, filepath.Join(t.TempDir(), "cache"))
	s := open(t, o)
	if err := s.Put("/a", []byte("a")); err != nil {
		t.Fatal(err)
	}
	closeStore(t, s)
	full := o
	full.freeSpace = func(string) (uint64, error) { return 0, nil }
	s = open(t, full)
	s.Drop("/a")
	closeStore(t, s)
	if _, ok := open(t, o).Get("/a"); ok {
		t.Error("it is back")
	}
}

// TestStateIsNothingPlanted: neither read through a link or from a pipe nor written
// through a link.
func TestStateIsNothingPlanted(t *testing.T) {
	target := filepath.Join(t.TempDir(), "precious")
	for kind, plant := range map[string]func(name string) error{
		"symbolic link": func(name string) error { return os.Symlink(target, name) },
		"hard link":     func(name string) error { return os.Link(target, name) },
		"pipe":          func(name string) error { return unix.Mkfifo(name, 0o666) },
	} {
		for _, name := range []string{"state", "state.new"} {
			if err := os.WriteFile(target, []byte(stateOpen), 0o600); err != nil {
				t.Fatal(err)
			}
			d := directory(t.TempDir())
			if err := plant(filepath.Join(string(d), name)); err != nil {
				t.Fatal(err)
			}
			if state := d.state(); state != "" {
				t.Errorf("%s: %q", kind, state)
			}
			if err := d.setState(stateClosed); err != nil || d.state() != stateClosed {
				t.Errorf("%s: %q, %v", kind, d.state(), err)
			}
			if content, err := os.ReadFile(target); string(content) != stateOpen {
				t.Errorf("%s at %s: %q, %v", kind, name, content, err)
			}
		}
	}
}
