package platform

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/ilod/ilod/chif/chiftest/need"
)

func lockOf(t *testing.T, dir string) *Lock {
	t.Helper()
	lock, err := AcquireLock(t.Context(), dir, "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = lock.Release() })
	return lock
}

func TestListen(t *testing.T) {
	old := unix.Umask(0o077)
	defer unix.Umask(old)
	dir := t.TempDir()
	lock := lockOf(t, dir)
	path := filepath.Join(dir, "run", "ilod.sock")

	// The holder before was killed: its socket has stayed.
	stale, err := net.ListenUnix("unix", &net.UnixAddr{Name: mkdirFor(t, path), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	stale.SetUnlinkOnClose(false)
	if err := stale.Close(); err != nil {
		t.Fatal(err)
	}

	listener, err := lock.Listen(t.Context(), path, "root")
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode() != os.ModeSocket|0o660 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if _, err := lock.Listen(t.Context(), path, "root"); err == nil || !strings.Contains(err.Error(), "listens") {
		t.Errorf("a second one: %v", err)
	}
	if err := listener.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("after Close: %v", err)
	}
}

func mkdirFor(t *testing.T, path string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestSocketIsNeverOpenToOthers(t *testing.T) {
	old := unix.Umask(0)
	defer unix.Umask(old)
	path := filepath.Join(t.TempDir(), "s")
	listener, err := bind(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	if info, err := os.Stat(path); err != nil || info.Mode() != os.ModeSocket|0o660 {
		t.Errorf("as soon as it is there: %v, %v", info.Mode(), err)
	}
}

func TestSocketIsForItsGroup(t *testing.T) {
	need.Root(t)
	daemon, err := user.LookupGroup("daemon")
	if err != nil {
		need.Absent(t, err.Error())
	}
	for group, want := range map[string]string{"daemon": daemon.Gid, "no such group": strconv.Itoa(os.Getegid())} {
		dir := t.TempDir()
		listener, err := lockOf(t, dir).Listen(t.Context(), filepath.Join(dir, "s"), group)
		if err != nil {
			t.Fatal(err)
		}
		defer listener.Close()
		var stat unix.Stat_t
		if err := unix.Stat(filepath.Join(dir, "s"), &stat); err != nil || strconv.Itoa(int(stat.Gid)) != want || stat.Uid != 0 {
			t.Errorf("%s: user %d, group %d, want 0, %s; %v", group, stat.Uid, stat.Gid, want, err)
		}
	}
}

// TestListenLeavesSocketsThatAreInUse: another kind of socket refuses a connection,
// too, and somebody uses it all the same.
func TestListenLeavesSocketsThatAreInUse(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "s")
	other, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if _, err := lockOf(t, dir).Listen(t.Context(), path, "root"); !errors.Is(err, unix.EPROTOTYPE) {
		t.Errorf("a datagram socket: %v", err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Error(err)
	}
}

func TestListenRefuses(t *testing.T) {
	dir := t.TempDir()
	lock := lockOf(t, dir)
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		filepath.Join(dir, strings.Repeat("x", 108)): "a socket's can have 107",
		file:                          "not a socket",
		filepath.Join(file, "socket"): "not a directory",
	} {
		if _, err := lock.Listen(t.Context(), path, "no such group"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
	}
	if content, err := os.ReadFile(file); string(content) != "precious" {
		t.Errorf("the file now is %q, %v", content, err)
	}
}

func TestPeerOf(t *testing.T) {
	dir := t.TempDir()
	listener, err := lockOf(t, dir).Listen(t.Context(), filepath.Join(dir, "s"), "no such group")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	client, err := new(net.Dialer).DialContext(t.Context(), "unix", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	conn, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	p, err := PeerOf(conn)
	if err != nil {
		t.Fatal(err)
	}
	groups, err := os.Getgroups()
	if err != nil {
		t.Fatal(err)
	}
	var want []uint32
	for _, g := range groups {
		want = append(want, uint32(g))
	}
	if p.UID != uint32(os.Getuid()) || p.GID != uint32(os.Getgid()) || p.PID != uint32(os.Getpid()) || !slices.Equal(p.Groups, want) {
		t.Errorf("%+v, want groups %v", p, want)
	}
	if p.UID == 0 && p.User != "root" {
		t.Errorf("user %q", p.User)
	}
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	if p, err := PeerOf(conn); err == nil {
		t.Errorf("of a closed connection: %+v", p)
	}
}

// connectTo is the variable that makes this test program connect to a socket.
const connectTo = "ILOD_TEST_CONNECT"

func TestPeerOfAnotherUser(t *testing.T) {
	need.Root(t)
	dir, err := os.MkdirTemp("", "") // those of a test are for its user alone
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "s")
	listener, err := lockOf(t, dir).Listen(t.Context(), path, "no such group")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	if err := os.Chmod(path, 0o666); err != nil {
		t.Fatal(err)
	}
	// More than fit into the first try.
	groups := make([]uint32, 40)
	for i := range groups {
		groups[i] = 70000 + uint32(i)
	}
	program := filepath.Join(dir, "test")
	if err := copyFile(program, os.Args[0]); err != nil {
		t.Fatal(err)
	}
	for _, groups := range [][]uint32{{}, {7, 12}, groups} {
		cmd := exec.Command(program)
		cmd.Env = append(os.Environ(), connectTo+"="+path)
		cmd.Dir = dir
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65533, Gid: 65532, Groups: groups}}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		conn, err := listener.Accept()
		if err != nil {
			t.Fatal(err)
		}
		p, err := PeerOf(conn)
		if err != nil || p.UID != 65533 || p.GID != 65532 || p.PID != uint32(cmd.Process.Pid) || !slices.Equal(p.Groups, groups) {
			t.Errorf("%+v, %v; want groups %v", p, err, groups)
		}
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	}
}

func copyFile(to, from string) error {
	data, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, data, 0o755)
	}
	return err
}

func TestPeerOfNoSocket(t *testing.T) {
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	if p, err := PeerOf(a); err == nil {
		t.Errorf("of a pipe: %+v", p)
	}
}

// A path of 107 bytes is the longest that the kernel takes; the directory of a socket
// is for everybody to enter.
func TestLongestPathOfASocket(t *testing.T) {
	old := unix.Umask(0)
	defer unix.Umask(old)
	dir, err := os.MkdirTemp("", "") // t.TempDir may be too long by itself
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "run", strings.Repeat("x", 107-len(dir)-len("/run/")))
	listener, err := lockOf(t, dir).Listen(t.Context(), path, "no such group")
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(filepath.Dir(path)); err != nil || info.Mode() != os.ModeDir|0o755 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	conn, err := Dial(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(conn.Close(), listener.Close()); err != nil {
		t.Error(err)
	}
}
