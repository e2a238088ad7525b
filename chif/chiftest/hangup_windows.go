package chiftest

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/windows"
)

// wsaPoll is WSAPoll of winsock2.h.
var wsaPoll = windows.NewLazySystemDLL("ws2_32.dll").NewProc("WSAPoll")

// hungUp reports whether the other end of a connection is closed.
func hungUp(c syscall.Conn) (gone bool) {
	const hangUp, failed = 0x0002, 0x0001 | 0x0004 // POLLHUP; POLLERR, POLLNVAL
	raw, err := c.SyscallConn()
	if err != nil {
		return true
	}
	err = raw.Control(func(fd uintptr) {
		p := struct {
			fd              uintptr
			events, revents int16
		}{fd: fd}
		n, _, _ := wsaPoll.Call(uintptr(unsafe.Pointer(&p)), 1, 0)
		gone = n == 1 && p.revents&(hangUp|failed) != 0
	})
	return gone || err != nil
}

func atEnd(c syscall.Conn) bool { return hungUp(c) }
