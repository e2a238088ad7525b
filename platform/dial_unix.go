//go:build unix

package platform

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"syscall"
)

// Dial connects to the socket of an agent. It fails with fs.ErrNotExist if there
// is none, or nobody listens on it any more, and with ErrNotOurs if who listens is
// neither root nor this user nor the owner of the directory of the socket.
func Dial(ctx context.Context, path string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "unix", path)
	if errors.Is(err, syscall.ECONNREFUSED) {
		return nil, fmt.Errorf("%w: %w", fs.ErrNotExist, err)
	}
	if err != nil {
		return nil, err
	}
	if err := trustServer(conn, path); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return conn, nil
}
