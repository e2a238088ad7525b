package platform

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"golang.org/x/sys/windows"
)

// processPoll is how often a context is looked at while a process is waited for.
const processPoll = 50 * time.Millisecond

// Process is another process, of any user. Its number can become that of yet
// another one; a Process stays the one that was opened.
type Process struct {
	pid    int
	handle windows.Handle
}

// OpenProcess finds a process by its number. It fails with fs.ErrNotExist if there
// is none, and with an error of Windows if this user may not wait for it.
func OpenProcess(pid int) (*Process, error) {
	handle, err := windows.OpenProcess(windows.SYNCHRONIZE, false, uint32(pid))
	if errors.Is(err, windows.ERROR_INVALID_PARAMETER) {
		err = fs.ErrNotExist
	}
	if err != nil {
		return nil, fmt.Errorf("process %d: %w", pid, err)
	}
	return &Process{pid, handle}, nil
}

// Wait waits until the process has ended, or ctx.
func (p *Process) Wait(ctx context.Context) error {
	for {
		event, err := windows.WaitForSingleObject(p.handle, uint32(processPoll.Milliseconds()))
		switch {
		case err != nil:
			return fmt.Errorf("process %d: %w", p.pid, err)
		case event == windows.WAIT_OBJECT_0:
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		}
	}
}

// RunsAsOwnerOf is true: Dial has looked whose the pipe is.
func (p *Process) RunsAsOwnerOf(string) bool { return true }

// Terminate fails with errors.ErrUnsupported: Windows has no signal that asks a
// process to end.
func (p *Process) Terminate() error {
	return fmt.Errorf("ask process %d to end: %w", p.pid, errors.ErrUnsupported)
}

// Close gives back what the system keeps for p.
func (p *Process) Close() error { return windows.CloseHandle(p.handle) }
