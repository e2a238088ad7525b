package platform

import (
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
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
	if err != nil || info.Mode() != os.ModeSocket|socketMode {
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
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	if p, err := PeerOf(a); err == nil {
		t.Errorf("of a pipe: %+v", p)
	}
}
