package platform

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/ilod/ilod/chif/chiftest/need"
)

// both runs a test with pidfd_open(2), and as on a kernel without it.
func both(t *testing.T, test func(*testing.T, func(int) (*Process, error))) {
	t.Run("pidfd", func(t *testing.T) { test(t, OpenProcess) })
	t.Run("proc", func(t *testing.T) {
		test(t, func(pid int) (*Process, error) {
			if ended(pid) {
				return nil, fs.ErrNotExist
			}
			return &Process{pid: pid, fd: -1}, nil
		})
	})
}

func TestWaitsUntilProcessHasEnded(t *testing.T) {
	both(t, func(t *testing.T, open func(int) (*Process, error)) {
		cmd := exec.Command("sleep", "600")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		p, err := open(cmd.Process.Pid)
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		over, cancel := context.WithCancel(t.Context())
		cancel()
		if err := p.Wait(over); !errors.Is(err, context.Canceled) {
			t.Errorf("it still runs: %v", err)
		}
		if err := p.Terminate(); err != nil {
			t.Error(err)
		}
		// Nobody has waited for it yet: it is a zombie, which does nothing any more.
		if err := p.Wait(t.Context()); err != nil {
			t.Error(err)
		}
		if err := cmd.Wait(); cmd.ProcessState.String() != "signal: terminated" {
			t.Errorf("ended by %v, %v", cmd.ProcessState, err)
		}
	})
}

func TestNoProcess(t *testing.T) {
	both(t, func(t *testing.T, open func(int) (*Process, error)) {
		cmd := exec.Command("true")
		if err := cmd.Run(); err != nil {
			t.Fatal(err)
		}
		if p, err := open(cmd.Process.Pid); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%+v, %v", p, err)
		}
	})
	for _, pid := range []int{0, -1, -os.Getpid()} {
		if p, err := OpenProcess(pid); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%d: %+v, %v", pid, p, err)
		}
	}
}

// TestOnlyProcessesOfTheSocketsOwnerAreItsAgent: an agent that runs as one user cannot
// have root end the process of another.
func TestOnlyProcessesOfTheSocketsOwnerAreItsAgent(t *testing.T) {
	need.Root(t)
	const service = 64_321
	both(t, func(t *testing.T, open func(int) (*Process, error)) {
		socket := filepath.Join(t.TempDir(), "socket")
		if err := os.WriteFile(socket, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		for _, uid := range []uint32{0, service, service + 1} {
			cmd := exec.Command("sleep", "600")
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			p, err := open(cmd.Process.Pid)
			if err != nil {
				t.Fatal(err)
			}
			for _, owner := range []uint32{0, service} {
				if err := os.Chown(socket, int(owner), 0); err != nil {
					t.Fatal(err)
				}
				if got := p.RunsAsOwnerOf(socket); got != (uid == owner) {
					t.Errorf("process of %d, socket of %d: %v", uid, owner, got)
				}
			}
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
			if p.RunsAsOwnerOf(socket) {
				t.Error("a process that has ended")
			}
			_ = p.Close()
		}
	})
}
