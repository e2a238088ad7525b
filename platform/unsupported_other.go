//go:build !linux && !windows

package platform

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"time"
)

func unsupported(what string) error {
	return fmt.Errorf("%s on %s: %w", what, runtime.GOOS, errors.ErrUnsupported)
}

// Listen fails with errors.ErrUnsupported.
func (l *Lock) Listen(context.Context, string, string, ...string) (net.Listener, error) {
	return nil, unsupported("listening for local clients")
}

// PeerOf fails with errors.ErrUnsupported.
func PeerOf(net.Conn) (Peer, error) { return Peer{}, unsupported("identity of a local client") }

func trustServer(net.Conn, string) error { return nil }

func openState(string) (*os.File, error) { return nil, unsupported("instance lock") }

func tryLock(*os.File) (bool, error) { return false, unsupported("instance lock") }

func unlock(*os.File) error { return nil }

// BootID fails with errors.ErrUnsupported.
func BootID() (string, error) { return "", unsupported("boot id") }

// Machine knows nothing.
func Machine() (serial, product string) { return "", "" }

// Uptime fails with errors.ErrUnsupported.
func Uptime() (time.Duration, error) { return 0, unsupported("uptime") }

// DiskSpace fails with errors.ErrUnsupported.
func DiskSpace(string) (free, total uint64, err error) { return 0, 0, unsupported("disk space") }

// Writable knows of nothing that forbids to write.
func Writable(string) error { return nil }

// ProcessEnded knows of no process that has ended.
func ProcessEnded(uint32, uint64) bool { return false }

// Process is another process.
type Process struct{}

// OpenProcess fails with errors.ErrUnsupported.
func OpenProcess(int) (*Process, error) { return nil, unsupported("another process") }

// Wait fails with errors.ErrUnsupported.
func (*Process) Wait(context.Context) error { return unsupported("another process") }

// RunsAsOwnerOf is false.
func (*Process) RunsAsOwnerOf(string) bool { return false }

// Terminate fails with errors.ErrUnsupported.
func (*Process) Terminate() error { return unsupported("another process") }

// Close does nothing.
func (*Process) Close() error { return nil }

func lockHolder(*os.File) int { return 0 }

func commandLine(int) []string { return nil }
