package ownedfile

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/ilod/ilod/chif/chiftest/need"
)

// service is a user who is neither root nor the one that tests run as.
const service = 64_321

// foreign makes a directory of the user service, and beside it a file of root's that
// nothing may touch. It needs root.
func foreign(t *testing.T) (dir, precious string) {
	t.Helper()
	need.Root(t)
	base := t.TempDir()
	dir, precious = filepath.Join(base, "dir"), filepath.Join(base, "precious")
	must(t, os.Mkdir(dir, 0o755))
	must(t, os.Chown(dir, service, service))
	must(t, os.WriteFile(precious, []byte("precious"), 0o640))
	t.Cleanup(func() {
		content, err := os.ReadFile(precious)
		info, gone := os.Stat(precious)
		if string(content) != "precious" || err != nil || gone != nil || info.Mode().Perm() != 0o640 || owner(t, precious) != 0 {
			t.Errorf("root's file was changed: %q, %v, %v", content, info, err)
		}
	})
	return dir, precious
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func owner(t *testing.T, name string) int {
	t.Helper()
	var stat unix.Stat_t
	must(t, unix.Lstat(name, &stat))
	return int(stat.Uid)
}

// plants are what the owner of a directory can put into the place of a file.
var plants = map[string]func(name, target string) error{
	"symbolic link": func(name, target string) error { return os.Symlink(target, name) },
	"dangling link": func(name, target string) error { return os.Symlink(target+"-none", name) },
	"hard link":     func(name, target string) error { return os.Link(target, name) },
	"pipe":          func(name, _ string) error { return unix.Mkfifo(name, 0o666) },
	"directory":     func(name, _ string) error { return os.Mkdir(name, 0o777) },
}

// TestWhatWasPlantedIsNotOpened: no link is followed, no pipe is waited for, whatever
// the file is opened for.
func TestWhatWasPlantedIsNotOpened(t *testing.T) {
	for kind, plant := range plants {
		for how, open := range map[string]func(name string) error{
			"read":           func(name string) error { _, err := ReadFile(name); return err },
			"append":         func(name string) error { return closed(Open(name, os.O_WRONLY|os.O_APPEND)) },
			"truncate":       func(name string) error { return closed(Open(name, os.O_RDWR|os.O_TRUNC)) },
			"open or create": func(name string) error { return closed(OpenOrCreate(name, 0o600)) },
		} {
			t.Run(kind+" "+how, func(t *testing.T) {
				dir, precious := foreign(t)
				name := filepath.Join(dir, "file")
				must(t, plant(name, precious))
				if err := open(name); !errors.Is(err, ErrPlanted) || !strings.Contains(err.Error(), name) {
					t.Errorf("%v", err)
				}
				if _, err := os.Lstat(precious + "-none"); err == nil {
					t.Error("what a link names was made")
				}
			})
		}
	}
}

func closed(file *os.File, err error) error {
	if err != nil {
		return err
	}
	return file.Close()
}

// TestWhatWasPlantedIsReplacedAndRemovedAsSuch: the name goes, and what it led to
// stays.
func TestWhatWasPlantedIsReplacedAndRemovedAsSuch(t *testing.T) {
	for kind, plant := range plants {
		for how, do := range map[string]func(name string) error{
			"replace":    func(name string) error { return Replace(name, []byte("new"), 0o644, true) },
			"remove":     Remove,
			"remove all": RemoveAll,
			"create":     func(name string) error { return closed(Create(name, 0o644)) },
		} {
			t.Run(kind+" "+how, func(t *testing.T) {
				dir, precious := foreign(t)
				name := filepath.Join(dir, "file")
				must(t, plant(name, precious))
				err := do(name)
				switch {
				case how == "create":
					if !errors.Is(err, fs.ErrExist) {
						t.Errorf("%v", err)
					}
				case how == "replace" && kind == "directory":
					if err == nil {
						t.Error("a directory was replaced")
					}
				case err != nil:
					t.Error(err)
				case how == "replace":
					if content, reading := os.ReadFile(name); string(content) != "new" || reading != nil || owner(t, name) != service {
						t.Errorf("%q of user %d, %v", content, owner(t, name), reading)
					}
				default:
					if _, err := os.Lstat(name); !errors.Is(err, fs.ErrNotExist) {
						t.Errorf("it is left: %v", err)
					}
				}
				if left, err := filepath.Glob(filepath.Join(dir, TempPrefix+"*")); len(left) > 0 || err != nil {
					t.Errorf("left: %v, %v", left, err)
				}
			})
		}
	}
}

// TestOutputGoesToNothingPlanted: a command of root's writes where its user says, and in
// a directory of others to a new file. His own links, pipes and devices are used.
func TestOutputGoesToNothingPlanted(t *testing.T) {
	for kind, plant := range plants {
		for _, sticky := range []bool{false, true} {
			dir, precious := foreign(t)
			name := filepath.Join(dir, "output")
			must(t, plant(name, precious))
			if kind != "hard link" {
				must(t, os.Lchown(name, service, service))
			}
			if sticky { // as /tmp
				must(t, os.Chown(dir, 0, 0))
				must(t, os.Chmod(dir, 0o777|os.ModeSticky))
			}
			if err := Write(name, []byte("told"), 0o600); (err != nil) != (kind == "directory") {
				t.Errorf("%s: %v", kind, err)
			}
			info, err := os.Lstat(name)
			if content, _ := os.ReadFile(name); kind != "directory" && (string(content) != "told" || err != nil || info.Mode() != 0o600 || owner(t, name) != 0) {
				t.Errorf("%s: %q, %v, %v", kind, content, info, err)
			}
		}
	}
	own, target := filepath.Join(t.TempDir(), "own"), filepath.Join(t.TempDir(), "target")
	must(t, os.Symlink(target, own))
	must(t, os.WriteFile(target, []byte("old and longer"), 0o666))
	for _, name := range []string{own, "/dev/null"} {
		must(t, Write(name, []byte("told"), 0o600))
	}
	if content, err := os.ReadFile(target); string(content) != "told" || err != nil {
		t.Errorf("%q, %v", content, err)
	}
}

// TestNoLinkOfAnotherUserLeadsToADirectory: neither by its own link nor by one in its
// directory does a user send root elsewhere. Root's own links are followed.
func TestNoLinkOfAnotherUserLeadsToADirectory(t *testing.T) {
	dir, _ := foreign(t)
	elsewhere := t.TempDir()
	must(t, os.WriteFile(filepath.Join(elsewhere, "file"), []byte("root's"), 0o600))
	must(t, os.Symlink(elsewhere, filepath.Join(dir, "roots")))
	shared := t.TempDir()
	must(t, os.Chmod(shared, 0o777|os.ModeSticky))
	must(t, os.Symlink(elsewhere, filepath.Join(shared, "his")))
	must(t, os.Lchown(filepath.Join(shared, "his"), service, service))
	for _, link := range []string{filepath.Join(dir, "roots"), filepath.Join(shared, "his")} {
		file := filepath.Join(link, "file")
		for how, do := range map[string]func() error{
			"read":         func() error { _, err := ReadFile(file); return err },
			"replace":      func() error { return Replace(file, nil, 0o600, false) },
			"create":       func() error { return closed(Create(file+"2", 0o600)) },
			"remove":       func() error { return Remove(file) },
			"remove all":   func() error { return RemoveAll(file) },
			"rename":       func() error { return Rename(file, "other") },
			"look":         func() error { _, err := Lstat(file); return err },
			"list":         func() error { _, err := ReadDir(link); return err },
			"make":         func() error { return MakeAll(filepath.Join(link, "new"), 0o755) },
			"make private": func() error { return MakePrivate(link, 0o755) },
			"make below":   func() error { return MakePrivate(filepath.Join(link, "new", "new"), 0o755) },
			"own":          func() error { return Own(link) },
		} {
			if err := do(); !errors.Is(err, ErrPlanted) && !(how == "own" && errors.Is(err, ErrForeign)) {
				t.Errorf("%s by %s: %v", how, link, err)
			}
		}
	}
	if files, err := os.ReadDir(elsewhere); len(files) != 1 || err != nil {
		t.Errorf("%v, %v", files, err)
	}
	own := filepath.Join(t.TempDir(), "own")
	must(t, os.Symlink(elsewhere, own))
	if content, err := ReadFile(filepath.Join(own, "file")); string(content) != "root's" || err != nil {
		t.Errorf("%q, %v", content, err)
	}
	if err := MakePrivate(own, 0o755); err != nil {
		t.Error(err)
	}
}

// TestWhatRootMakesBelongsToTheDirectorysOwner: else the service could not read it.
func TestWhatRootMakesBelongsToTheDirectorysOwner(t *testing.T) {
	dir, _ := foreign(t)
	must(t, Replace(filepath.Join(dir, "a"), nil, 0o600, false))
	must(t, closed(OpenOrCreate(filepath.Join(dir, "b"), 0o600)))
	must(t, MakePrivate(filepath.Join(dir, "c", "d"), 0o755))
	must(t, Replace(filepath.Join(dir, "c", "d", "e"), nil, 0o600, false))
	for _, name := range []string{"a", "b", "c", "c/d", "c/d/e"} {
		if uid := owner(t, filepath.Join(dir, name)); uid != service {
			t.Errorf("%s belongs to user %d", name, uid)
		}
	}
}

// TestOnlyWhatRootMadeThereIsGiven to the owner of the directory: no link is followed,
// and no file with a name elsewhere.
func TestOnlyWhatRootMadeThereIsGiven(t *testing.T) {
	dir, precious := foreign(t)
	must(t, os.MkdirAll(filepath.Join(dir, "a", "b"), 0o700))
	must(t, os.WriteFile(filepath.Join(dir, "a", "b", "file"), nil, 0o600))
	must(t, os.WriteFile(filepath.Join(dir, "others"), nil, 0o600))
	must(t, os.Chown(filepath.Join(dir, "others"), service+1, 0))
	must(t, os.Symlink(precious, filepath.Join(dir, "a", "link")))
	must(t, os.Symlink(filepath.Dir(precious), filepath.Join(dir, "a", "up")))
	must(t, os.Link(precious, filepath.Join(dir, "a", "hard")))
	must(t, GiveAll(dir))
	for name, uid := range map[string]int{"a": service, "a/b": service, "a/b/file": service, "others": service + 1, "a/hard": 0} {
		if got := owner(t, filepath.Join(dir, name)); got != uid {
			t.Errorf("%s belongs to user %d", name, got)
		}
	}
	if err := GiveAll(filepath.Join(dir, "a", "up")); !errors.Is(err, ErrPlanted) {
		t.Errorf("%v", err)
	}
}

// TestWhatGoesMeanwhileIsNotMissed: a service must start although another process
// removes its files at that time.
func TestWhatGoesMeanwhileIsNotMissed(t *testing.T) {
	dir, _ := foreign(t)
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			for n := range 50 {
				_ = os.WriteFile(filepath.Join(dir, strconv.Itoa(n)), nil, 0o600)
			}
			for n := range 50 {
				_ = os.Remove(filepath.Join(dir, strconv.Itoa(n)))
			}
			select {
			case <-stop:
				return
			default:
			}
		}
	}()
	for range 300 {
		if err := GiveAll(dir); err != nil {
			t.Error(err)
			break
		}
	}
	close(stop)
	<-done
}

// TestDirectoriesOfOthersAreNotForLibraries: a library that opens files by their paths
// gets those directories alone in which nobody else can change anything, at any level.
func TestDirectoriesOfOthersAreNotForLibraries(t *testing.T) {
	dir, _ := foreign(t)
	below := filepath.Join(dir, "below")
	must(t, os.Mkdir(below, 0o700)) // root's
	shared := filepath.Join(t.TempDir(), "shared")
	must(t, os.Mkdir(shared, 0o700))
	must(t, os.Chmod(shared, 0o777))
	group := filepath.Join(t.TempDir(), "group")
	must(t, os.Mkdir(group, 0o700))
	must(t, os.Chown(group, 0, service))
	must(t, os.Chmod(group, 0o770))
	for _, name := range []string{dir, below, shared, group} {
		if err := Own(name); !errors.Is(err, ErrForeign) {
			t.Errorf("%s: %v", name, err)
		}
	}
	must(t, os.Chmod(shared, 0o777|os.ModeSticky)) // in which nobody can rename what is of others
	for _, name := range []string{t.TempDir(), shared, "/"} {
		if err := Own(name); err != nil {
			t.Error(err)
		}
	}
}

// TestNoOtherSocketIsShared: root gives no socket of another program a group or mode,
// whatever its path has become.
func TestNoOtherSocketIsShared(t *testing.T) {
	dir, precious := foreign(t)
	listen := func(name string) {
		l, err := net.Listen("unix", name)
		must(t, err)
		t.Cleanup(func() { l.Close() })
		must(t, os.Chmod(name, 0o600))
	}
	own, other := filepath.Join(dir, "own"), filepath.Join(filepath.Dir(dir), "other")
	listen(own)
	listen(other)
	must(t, ShareSocket(own, service, 0o660))
	if info, err := os.Lstat(own); err != nil || info.Mode().Perm() != 0o660 {
		t.Errorf("%v, %v", info, err)
	}
	for kind, plant := range map[string]func(name string) error{
		"symbolic link":     func(name string) error { return os.Symlink(other, name) },
		"hard link":         func(name string) error { return os.Link(other, name) },
		"hard link of file": func(name string) error { return os.Link(precious, name) },
		"his own":           func(name string) error { listen(name); return os.Chown(name, service, service) },
	} {
		name := filepath.Join(dir, "planted")
		must(t, plant(name))
		if err := ShareSocket(name, service, 0o660); !errors.Is(err, ErrPlanted) {
			t.Errorf("%s: %v", kind, err)
		}
		if info, err := os.Lstat(other); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", kind, info, err)
		}
		must(t, Remove(name))
	}
}

// TestReplaceLeavesOldOrNew: what fails leaves the old content and nothing else.
func TestReplaceLeavesOldOrNew(t *testing.T) {
	old := unix.Umask(0o777)
	defer unix.Umask(old)
	unix.Umask(0o077)
	dir := t.TempDir()
	name := filepath.Join(dir, "file")
	for _, content := range []string{"old", "new"} {
		must(t, Replace(name, []byte(content), 0o644, true))
		got, err := ReadFile(name)
		if info, _ := os.Stat(name); string(got) != content || err != nil || info.Mode() != 0o644 {
			t.Errorf("%q, %v, %v", got, info.Mode(), err)
		}
	}
	full := errors.New("full")
	if err := ReplaceIf(name, []byte("newer"), 0o600, true, func() error { return full }); !errors.Is(err, full) {
		t.Errorf("%v", err)
	}
	if got, err := ReadFile(name); string(got) != "new" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	must(t, os.MkdirAll(filepath.Join(dir, "full", "of"), 0o700))
	if err := Replace(filepath.Join(dir, "full"), nil, 0o600, false); err == nil {
		t.Error("a directory was replaced")
	}
	if entries, err := ReadDir(dir); len(entries) != 2 || err != nil || entries[0].Name() != "file" {
		t.Errorf("%v, %v", entries, err)
	}
}

// TestMakePrivateRemovesWhatACrashLeft and nothing else.
func TestMakePrivateRemovesWhatACrashLeft(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	must(t, MakePrivate(dir, 0o755))
	for _, name := range []string{TempPrefix + "x", "kept"} {
		must(t, os.WriteFile(filepath.Join(dir, name), nil, 0o600))
	}
	must(t, os.Chmod(dir, 0o777))
	must(t, MakePrivate(dir, 0o755))
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v", info, err)
	}
	if entries, err := ReadDir(dir); len(entries) != 1 || err != nil || entries[0].Name() != "kept" {
		t.Errorf("%v, %v", entries, err)
	}
	must(t, RemoveAll(filepath.Dir(dir)))
	must(t, RemoveAll(filepath.Dir(dir)))
	if _, err := Lstat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v", err)
	}
}
