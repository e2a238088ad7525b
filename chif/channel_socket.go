//go:build linux

package chif

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"golang.org/x/sys/unix"
)

// socketDevice opens channels as connections to a SOCK_SEQPACKET socket: one
// message is one packet, one connection one channel.
type socketDevice struct{ path string }

func (d socketDevice) String() string { return "unix:" + d.path }

func (d socketDevice) Open(context.Context) (Channel, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("socket: %w", err)
	}
	err = unix.Connect(fd, &unix.SockaddrUnix{Name: d.path})
	if err == nil {
		c, err := newFDChannel(d.String(), fd)
		if err != nil {
			return nil, err
		}
		c.mayBeBusy = true
		return c, nil
	}
	unix.Close(fd)
	switch {
	case errors.Is(err, unix.EAGAIN): // the listener's backlog is full
		return nil, fmt.Errorf("%w: connect %s: %w", ErrBusy, d.path, err)
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("%w: connect %s: %w", ErrPermission, d.path, err)
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.ECONNREFUSED):
		return nil, &NoDeviceError{Address: d.String(), Reason: NoSocket, Err: err}
	case errors.Is(err, unix.EPROTOTYPE):
		return nil, &NoDeviceError{Address: d.String(), Reason: NotPacketSocket, Err: err}
	}
	return nil, fmt.Errorf("connect %s: %w", d.path, err)
}
