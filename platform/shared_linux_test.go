package platform

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ilod/ilod/chif/chiftest/need"
)

// sharedCase is a file or directory as its owner has left it.
type sharedCase struct {
	mode     os.FileMode
	uid, gid int
	want     string // a part of the error, empty for none
}

func (c sharedCase) give(t *testing.T, name string) {
	t.Helper()
	if err := errors.Join(os.Chown(name, c.uid, c.gid), os.Chmod(name, c.mode)); err != nil {
		t.Fatal(err)
	}
}

func (c sharedCase) check(t *testing.T, what string, err error) {
	t.Helper()
	told := new(SharedError)
	switch {
	case c.want == "" && err == nil:
	case c.want == "" || err == nil || !strings.Contains(err.Error(), c.want) || !errors.As(err, &told):
		t.Errorf("%s, %v of %d:%d: %v, want %q", what, c.mode, c.uid, c.gid, err, c.want)
	}
}

// TestFilesThatOthersCanChange: by their mode, their owner, or the directory in which
// they stand; of a link both directories count.
func TestFilesThatOthersCanChange(t *testing.T) {
	need.Root(t)
	files := []sharedCase{
		{0o644, 0, 0, ""}, {0o600, 0, 0, ""}, {0o664, 0, 0, ""}, {0o640, 0, 99, ""},
		{0o646, 0, 0, "has mode 0646"}, {0o660, 0, 99, "has mode 0660"}, {0o1666, 0, 0, "has mode 0666"}, {os.ModeSticky | 0o666, 0, 0, "has mode 1666"},
		{0o600, 99, 0, "belongs to user"}, {0o600, 54321, 54321, "belongs to user 54321"},
	}
	for _, c := range files {
		name := filepath.Join(t.TempDir(), "f")
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		c.give(t, name)
		c.check(t, "file", SharedFile(name))
	}
	for _, c := range []sharedCase{
		{0o755, 0, 0, ""}, {os.ModeSticky | 0o777, 0, 0, ""}, {0o777, 0, 0, "has mode 0777"}, {0o775, 0, 99, "has mode 0775"}, {0o755, 99, 0, "belongs to user"},
	} {
		top := t.TempDir()
		dir, elsewhere := filepath.Join(top, "d"), filepath.Join(top, "e")
		for _, d := range []string{dir, elsewhere} {
			if err := os.Mkdir(d, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		name, link, other := filepath.Join(dir, "f"), filepath.Join(elsewhere, "link"), filepath.Join(dir, "link")
		if err := errors.Join(os.WriteFile(name, nil, 0o600), os.Symlink(name, link), os.WriteFile(filepath.Join(elsewhere, "f"), nil, 0o600),
			os.Symlink(filepath.Join(elsewhere, "f"), other)); err != nil {
			t.Fatal(err)
		}
		c.give(t, dir)
		c.check(t, "file in a directory", SharedFile(name))
		c.check(t, "link into a directory", SharedFile(link))
		c.check(t, "link out of a directory", SharedFile(other))
	}
	if err := SharedFile(os.DevNull); err != nil {
		t.Errorf("no configuration: %v", err)
	}
	if err := SharedFile("/dev/zero"); err == nil {
		t.Error("another device that anybody can write to is no error")
	}
	if err := SharedFile(filepath.Join(t.TempDir(), "none")); err != nil {
		t.Errorf("a file that does not exist: %v", err)
	}
}

// TestDirectoriesOfOthers: those of a named user are no others.
func TestDirectoriesOfOthers(t *testing.T) {
	need.Root(t)
	for _, c := range []struct {
		sharedCase
		owners []string
	}{
		{sharedCase{0o700, 0, 0, ""}, nil},
		{sharedCase{os.ModeSticky | 0o777, 0, 0, "has mode 1777"}, nil},
		{sharedCase{0o700, 54321, 54321, "belongs to user 54321"}, []string{"ilod"}},
		{sharedCase{0o700, 54321, 54321, ""}, []string{"ilod", "54321"}},
		{sharedCase{0o770, 54321, 54321, ""}, []string{"54321"}}, // a group of its user alone
		{sharedCase{0o770, 54321, 99, "has mode 0770"}, []string{"54321"}},
	} {
		dir := t.TempDir()
		c.give(t, dir)
		c.check(t, "directory", SharedDirectory(dir, c.owners...))
	}
	if err := SharedDirectory(filepath.Join(t.TempDir(), "none")); err != nil {
		t.Errorf("a directory that does not exist: %v", err)
	}
}

// TestReleaseTwice: the second time gives nothing back, for the number may be another
// file's by then.
func TestReleaseTwice(t *testing.T) {
	lock, err := AcquireLock(t.Context(), t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := lock.Release(); err != nil {
			t.Error(err)
		}
	}
}
