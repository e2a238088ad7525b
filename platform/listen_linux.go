package platform

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/ilod/ilod/platform/ownedfile"
)

const (
	socketMode = 0o660
	// maxSocketPath is the room for a path in a sockaddr_un, less its final
	// zero (unix(7)).
	maxSocketPath = len(unix.RawSockaddrUnix{}.Path) - 1
)

// Listen makes a Unix socket at path that root and the group of that name may
// use, or root alone if there is no such group. Members count on Windows. What a holder of the lock that
// died has left there is removed; that one has the lock is why it cannot be the
// socket of a living one. Anything else at path is an error.
func (l *Lock) Listen(ctx context.Context, path, group string, _ ...string) (net.Listener, error) {
	if len(path) > maxSocketPath {
		return nil, fmt.Errorf("socket %s: the path has %d bytes, a socket's can have %d", path, len(path), maxSocketPath)
	}
	if err := ownedfile.MakeAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("socket %s: %w", path, err)
	}
	if err := removeStale(ctx, path); err != nil {
		return nil, fmt.Errorf("socket %s: %w", path, err)
	}
	listener, err := bind(ctx, path)
	if err != nil {
		return nil, err
	}
	gid := -1
	if g, err := user.LookupGroup(group); err == nil {
		if n, err := strconv.Atoi(g.Gid); err == nil {
			gid = n
		}
	}
	if err := ownedfile.ShareSocket(path, gid, socketMode); err != nil { // the umask may have taken some
		return nil, errors.Join(err, listener.Close())
	}
	return listener, nil
}

// bind makes a Unix socket. Its file has the mode of the descriptor, less the umask,
// from the beginning: bind(2) takes it from there. So there is no time at which others
// may connect.
func bind(ctx context.Context, path string) (net.Listener, error) {
	config := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) (err error) {
		return errors.Join(c.Control(func(fd uintptr) { err = unix.Fchmod(int(fd), socketMode) }), err)
	}}
	return config.Listen(ctx, "unix", path)
}

// removeStale removes a socket on which nobody listens.
func removeStale(ctx context.Context, path string) error {
	info, err := ownedfile.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode().Type() != fs.ModeSocket:
		return fmt.Errorf("there is something that is not a socket (%s)", info.Mode())
	}
	// The holder of another directory's lock may have been told the same path.
	conn, err := new(net.Dialer).DialContext(ctx, "unix", path)
	if err == nil {
		return errors.Join(errors.New("another program listens on it"), conn.Close())
	}
	if !errors.Is(err, unix.ECONNREFUSED) {
		return err
	}
	return ownedfile.Remove(path)
}
