package platform

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/ilod/ilod/chif/chiftest/need"
)

// TestServerOfAnotherUserIsNotBelieved: root talks to root, and to who owns the
// directory of the socket alone. What another user serves in a directory of all, or as
// a process of his in the directory of the service, is refused with his name.
func TestServerOfAnotherUserIsNotBelieved(t *testing.T) {
	need.Root(t)
	const service = 64_321
	for _, c := range []struct {
		name          string
		server, owner int
		mode          os.FileMode
		want          bool
	}{
		{"root in root's", 0, 0, 0o755, true},
		{"root in the service's", 0, service, 0o755, true},
		{"root in everybody's", 0, 0, 0o777 | os.ModeSticky, true},
		{"the service in its own", service, service, 0o755, true},
		{"the service in its own, which its group shares", service, service, 0o775, true},
		{"the service in its own, where all can write", service, service, 0o777, false},
		{"another one in the service's", service + 1, service, 0o755, false},
		{"another one in root's", service, 0, 0o755, false},
		{"another one in everybody's", service, 0, 0o777 | os.ModeSticky, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "s")
			serveAs(t, path, c.server)
			if err := errors.Join(os.Chown(dir, c.owner, c.owner), os.Chmod(dir, c.mode)); err != nil {
				t.Fatal(err)
			}
			conn, err := Dial(t.Context(), path)
			if conn != nil {
				_ = conn.Close()
			}
			if (err == nil) != c.want || err != nil && (!errors.Is(err, ErrNotOurs) || !strings.Contains(err.Error(), path)) {
				t.Errorf("%v", err)
			}
		})
	}
}

// serveAs has a thread of a user listen: whose that was is what the kernel tells.
func serveAs(t *testing.T, path string, uid int) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err == nil {
		err = unix.Bind(fd, &unix.SockaddrUnix{Name: path})
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) })
	need.As(t, uid, func() error { return unix.Listen(fd, 1) })
}
