//go:build unix

package chiftest

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// hungUp reports whether the other end of a connection is closed, even when
// unread packets of it wait.
func hungUp(c syscall.Conn) (gone bool) {
	raw, err := c.SyscallConn()
	if err != nil {
		return true
	}
	err = raw.Control(func(fd uintptr) {
		p := []unix.PollFd{{Fd: int32(fd)}}
		n, err := unix.Poll(p, 0)
		gone = err == nil && n == 1 && p[0].Revents&unix.POLLHUP != 0
	})
	return gone || err != nil
}

// atEnd reports whether the other end of a stream is closed and everything that
// it sent was read.
func atEnd(c syscall.Conn) (end bool) {
	raw, err := c.SyscallConn()
	if err != nil {
		return true
	}
	err = raw.Control(func(fd uintptr) {
		var b [1]byte
		n, _, err := unix.Recvfrom(int(fd), b[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
		end = n == 0 && err == nil || err != nil && err != unix.EAGAIN
	})
	return end || err != nil
}
