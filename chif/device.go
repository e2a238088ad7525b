package chif

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"time"
)

const (
	// NodeDirectory is where the hpilo driver's nodes d0ccb0, d0ccb1, … appear
	// (hpilo.c ilo_probe; one iLO, so always d0).
	NodeDirectory = "/dev/hpilo"
	// settle is how long a node is left alone after its open, so that the
	// iLO takes note of it; HPE's library was seen to wait as long.
	settle = 100 * time.Millisecond
)

// ParseDevice returns the device that addr names:
//
//	auto           the platform's own driver: on Linux the same as /dev/hpilo, on
//	               Windows HPE's library: beside this program, in the directory of
//	               HPE's RESTful Interface Tool, or in System32
//	/dev/hpilo     a directory of hpilo's nodes d0ccb0, d0ccb1, …
//	unix:PATH      a SOCK_SEQPACKET socket: one connection is one channel
//	dll:PATH       HPE's library for Windows; the path is absolute
//
// It looks at nothing on the host: a missing device shows at the first Open.
// It fails with ErrInvalidRequest for anything else, and with
// ErrUnsupportedPlatform for an address of another platform.
func ParseDevice(addr string) (Device, error) {
	path, socket := strings.CutPrefix(addr, "unix:")
	switch {
	case addr == "auto":
		return platformDevice()
	case socket && path == "":
		return nil, fmt.Errorf("%w: device address %q names no socket", ErrInvalidRequest, addr)
	case socket:
		return platformSocket(path)
	case strings.HasPrefix(addr, "/"):
		return platformNodes(addr)
	}
	if path, library := strings.CutPrefix(addr, "dll:"); library {
		return platformLibrary(path)
	}
	return nil, fmt.Errorf("%w: device address %q is not one of auto, /DIRECTORY, unix:PATH, dll:PATH", ErrInvalidRequest, addr)
}

func unsupported(addr string) (Device, error) {
	return nil, fmt.Errorf("device address %q on %s: %w", addr, runtime.GOOS, ErrUnsupportedPlatform)
}

// sleep waits for d, the end of ctx or that of closing, if it is not nil.
func sleep(ctx context.Context, closing <-chan struct{}, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-closing:
		return ErrClosed
	case <-ctx.Done():
		return contextError(ctx.Err())
	}
}
