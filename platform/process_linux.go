package platform

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ilod/ilod/platform/ownedfile"
)

// processPoll is how often a context is looked at while a process is waited for.
const processPoll = 50 * time.Millisecond

// Process is another process, of any user. Its number can become that of yet
// another one; a Process stays the one that was opened.
type Process struct {
	pid int
	fd  int // of pidfd_open(2); -1 before Linux 5.3
}

// OpenProcess finds a process by its number. It fails with fs.ErrNotExist if there
// is none that this process can see.
func OpenProcess(pid int) (*Process, error) {
	if pid <= 0 {
		return nil, fmt.Errorf("process %d: %w", pid, fs.ErrNotExist)
	}
	fd, err := unix.PidfdOpen(pid, 0)
	switch {
	case errors.Is(err, unix.ENOSYS), errors.Is(err, unix.EPERM): // EPERM: seccomp of old containers
		fd = -1
		if ended(pid) {
			return nil, fmt.Errorf("process %d: %w", pid, fs.ErrNotExist)
		}
	case errors.Is(err, unix.ESRCH), errors.Is(err, unix.EINVAL): // EINVAL: a thread
		return nil, fmt.Errorf("process %d: %w", pid, fs.ErrNotExist)
	case err != nil:
		return nil, fmt.Errorf("process %d: %w", pid, err)
	}
	return &Process{pid, fd}, nil
}

// Wait waits until the process has ended, or ctx.
func (p *Process) Wait(ctx context.Context) error {
	for {
		gone := false
		if p.fd >= 0 {
			n, err := unix.Poll([]unix.PollFd{{Fd: int32(p.fd), Events: unix.POLLIN}}, int(processPoll.Milliseconds()))
			if err != nil && !errors.Is(err, unix.EINTR) {
				return fmt.Errorf("process %d: %w", p.pid, err)
			}
			gone = n > 0
		} else if gone = ended(p.pid); !gone {
			time.Sleep(processPoll)
		}
		if gone {
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
}

// RunsAsOwnerOf tells whether the process is of the user who owns the socket at path:
// systemd gives it to the user of the service.
func (p *Process) RunsAsOwnerOf(path string) bool {
	info, err := ownedfile.Lstat(path)
	if err != nil {
		return false
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.pid))
	if !ok || err != nil || p.fd >= 0 && unix.PidfdSendSignal(p.fd, 0, nil, 0) == unix.ESRCH {
		return false // what was read may be about another one
	}
	var ids [4]uint32 // real, effective, saved, of the file system (proc_pid_status(5))
	_, line, _ := strings.Cut(string(status), "\nUid:")
	if _, err := fmt.Sscan(line, &ids[0], &ids[1], &ids[2], &ids[3]); err != nil {
		return false
	}
	return ids == [4]uint32{stat.Uid, stat.Uid, stat.Uid, stat.Uid}
}

// Terminate sends SIGTERM.
func (p *Process) Terminate() error {
	if p.fd >= 0 {
		return unix.PidfdSendSignal(p.fd, unix.SIGTERM, nil, 0)
	}
	return unix.Kill(p.pid, unix.SIGTERM)
}

// Close gives back what the system keeps for p.
func (p *Process) Close() error {
	if p.fd < 0 {
		return nil
	}
	return unix.Close(p.fd)
}

// ended tells whether a process is gone, or a zombie (proc_pid_stat(5): the state
// follows the name, which is in parentheses).
func ended(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return !errors.Is(unix.Kill(pid, 0), unix.EPERM) && unix.Kill(pid, 0) != nil
	}
	rest := stat[strings.LastIndexByte(string(stat), ')')+1:]
	return len(rest) > 1 && (rest[1] == 'Z' || rest[1] == 'X')
}
