package platform

import (
	"bufio"
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/ilod/ilod/platform/ownedfile"
)

// holdLock is the variable that makes this test program hold locks.
const holdLock = "ILOD_TEST_HOLD_LOCK"

func TestMain(m *testing.M) {
	if dirs := os.Getenv(holdLock); dirs != "" {
		runtime, state, _ := strings.Cut(dirs, ",")
		if _, err := AcquireLock(context.Background(), runtime, state); err != nil {
			os.Stdout.WriteString(err.Error() + "\n")
			os.Exit(1)
		}
		os.Stdout.WriteString("held\n")
		_, _ = os.Stdin.Read(make([]byte, 1)) // until the test ends
		os.Exit(0)
	}
	if path := os.Getenv(connectTo); path != "" {
		conn, err := net.Dial("unix", path)
		if err != nil {
			os.Exit(1)
		}
		_, _ = conn.Read(make([]byte, 1)) // until the other end closes
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// holder starts a process that has the locks of both directories.
func holder(t *testing.T, runtime, state string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), holdLock+"="+runtime+","+state)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = stdin.Close()
		_ = cmd.Wait()
	})
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "held\n" {
		t.Fatalf("the holder: %q, %v", line, err)
	}
	return cmd
}

func TestLockedErrorTellsWhoHoldsIt(t *testing.T) {
	runtime, state := filepath.Join(t.TempDir(), "run"), filepath.Join(t.TempDir(), "state")
	cmd := holder(t, runtime, state, "health", "--watch=5s", "secret")
	now, cancel := context.WithCancel(t.Context())
	cancel()
	for name, dirs := range map[string][2]string{
		"runtime directory":            {runtime, ""},
		"both":                         {runtime, state},
		"state directory, other lock":  {filepath.Join(t.TempDir(), "run"), state},
		"runtime directory, no /other": {runtime, filepath.Join(t.TempDir(), "state")},
	} {
		_, err := AcquireLock(now, dirs[0], dirs[1])
		locked, _ := errors.AsType[*LockedError](err)
		if locked == nil || locked.PID != cmd.Process.Pid || locked.Command != filepath.Base(os.Args[0])+" health --watch" {
			t.Errorf("%s: %v", name, err)
		}
	}
	// Where the kernel does not tell, the file does.
	if content, err := os.ReadFile(filepath.Join(runtime, lockFile)); err != nil || strings.TrimSpace(string(content)) != strconv.Itoa(cmd.Process.Pid) {
		t.Errorf("the file says %q, %v; the holder is %d", content, err, cmd.Process.Pid)
	}
}

func TestWhoCannotHaveAllLocksIsNotNamed(t *testing.T) {
	state, runtime := filepath.Join(t.TempDir(), "state"), filepath.Join(t.TempDir(), "run")
	holder(t, filepath.Join(t.TempDir(), "other"), state)
	now, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := AcquireLock(now, runtime, state); !errors.Is(err, ErrLocked) {
		t.Fatal(err)
	}
	if content, err := os.ReadFile(filepath.Join(runtime, lockFile)); err != nil || len(content) > 0 {
		t.Errorf("it has no lock, and its file says %q, %v", content, err)
	}
	lock, err := AcquireLock(now, runtime, "")
	if err != nil {
		t.Fatalf("the lock of the runtime directory was not given back: %v", err)
	}
	if err := lock.Release(); err != nil {
		t.Error(err)
	}
}

func TestReleasedLockCanBeTakenAtOnce(t *testing.T) {
	dir := t.TempDir()
	first, err := AcquireLock(t.Context(), dir, dir)
	if err != nil {
		t.Fatal(err)
	}
	// A child that is being started has what we have open: it must not keep the lock.
	var kept []int
	for _, f := range first.files {
		fd, err := unix.Dup(int(f.Fd()))
		if err != nil {
			t.Fatal(err)
		}
		kept = append(kept, fd)
	}
	if err := first.Release(); err != nil {
		t.Fatal(err)
	}
	now, cancel := context.WithCancel(t.Context())
	cancel()
	second, err := AcquireLock(now, dir, dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := second.Release(); err != nil {
		t.Error(err)
	}
	for _, fd := range kept {
		_ = unix.Close(fd)
	}
}

func TestLockFileIsForItsUserAlone(t *testing.T) {
	old := unix.Umask(0)
	defer unix.Umask(old)
	base := t.TempDir()
	runtime, state := filepath.Join(base, "run"), filepath.Join(base, "state")
	lock, err := AcquireLock(t.Context(), runtime, state)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = lock.Release() }()
	for path, want := range map[string]os.FileMode{
		filepath.Join(runtime, lockFile): 0o600, // else anybody could lock root out
		state:                            0o700 | os.ModeDir,
		runtime:                          0o755 | os.ModeDir,
	} {
		if info, err := os.Stat(path); err != nil || info.Mode() != want {
			t.Errorf("%s: %v, want %v; %v", path, info.Mode(), want, err)
		}
	}
}

// TestNothingPlantedIsALock: whoever owns the directory has root write to no file
// elsewhere, and wait for no pipe. What it says of the holder is not waited for either.
func TestNothingPlantedIsALock(t *testing.T) {
	target := filepath.Join(t.TempDir(), "precious")
	if err := os.WriteFile(target, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	for kind, plant := range map[string]func(name string) error{
		"symbolic link": func(name string) error { return os.Symlink(target, name) },
		"dangling link": func(name string) error { return os.Symlink(target+"2", name) },
		"hard link":     func(name string) error { return os.Link(target, name) },
		"pipe":          func(name string) error { return unix.Mkfifo(name, 0o666) },
		"directory":     func(name string) error { return os.Mkdir(name, 0o777) },
	} {
		dir, state := t.TempDir(), t.TempDir()
		if err := plant(filepath.Join(dir, lockFile)); err != nil {
			t.Fatal(err)
		}
		if _, err := AcquireLock(t.Context(), dir, state); !errors.Is(err, ownedfile.ErrPlanted) {
			t.Errorf("%s: %v", kind, err)
		}
		file, err := os.Open(state)
		if err != nil {
			t.Fatal(err)
		}
		if e := newLockedError(file, filepath.Join(dir, lockFile), nil); e.PID != 0 {
			t.Errorf("%s: %v", kind, e)
		}
		_ = file.Close()
		if content, err := os.ReadFile(target); string(content) != "precious" {
			t.Errorf("%s: %q, %v", kind, content, err)
		}
		if _, err := os.Lstat(target + "2"); err == nil {
			t.Errorf("%s: what it names was made", kind)
		}
	}
}

func TestHolderIn(t *testing.T) {
	const locks = `1: POSIX  ADVISORY  WRITE 7 fd:01:42 0 EOF
2: FLOCK  ADVISORY  WRITE 12 fd:01:41 0 EOF
3: FLOCK  ADVISORY  WRITE 0 fd:01:42 0 EOF
4: FLOCK  ADVISORY  WRITE 1274 fd:01:42 0 EOF
4: -> FLOCK  ADVISORY  WRITE 99 fd:01:42 0 EOF
garbage
`
	for file, want := range map[string]int{"fd:01:42": 1274, "fd:01:41": 12, "fd:01:4": 0} {
		if got := holderIn([]byte(locks), file); got != want {
			t.Errorf("%s: %d, want %d", file, got, want)
		}
	}
}

func TestSafeCommand(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{nil, ""},
		{[]string{"/usr/bin/ilod", "agent"}, "ilod agent"},
		{[]string{"ilod", "health", "--watch=5s"}, "ilod health --watch"},
		{[]string{"ilod", "login", "--password", "hunter"}, "ilod login --password"},
		{[]string{"ilod", "-p", "hunter", "get"}, "ilod -p"},
		{[]string{"ilod", "set", "Password=hunter"}, "ilod set"},
		{[]string{"ilod", "session", "use", "7.1.abc"}, "ilod session use"},
		{[]string{"ilod", "a", "b", "c", "d"}, "ilod a b c"},
	} {
		if got := safeCommand(c.args); got != c.want {
			t.Errorf("%q: %q, want %q", c.args, got, c.want)
		}
	}
}
