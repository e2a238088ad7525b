//go:build linux

package vm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/ilod/ilod/chif/chiftest"
)

// Machine is a virtual machine whose iLO is a simulator.
type Machine struct {
	Kernel     Kernel
	Initramfs  []byte
	Parameters []string // more of the kernel's
	Arguments  []string // of the guest's /init
	Layout     Layout
	ILO        *chiftest.Server // also answers control requests on the guest's /dev/ttyS1
	Console    io.Writer        // gets what the guest writes to /dev/ttyS0
}

// reentrant is QEMU's only sign of a doorbell that it dropped.
const reentrant = "Blocked re-entrant IO"

// Run boots the machine and returns when the guest has powered off or reset the
// machine, nil if all parts of the machine did their work. When ctx ends, or when this process
// dies, QEMU is killed.
func (m *Machine) Run(ctx context.Context) (err error) {
	cmd := m.command()
	defer closeAll(cmd)
	initramfs, err := memoryFile(m.Initramfs)
	if err != nil {
		return err
	}
	cmd.ExtraFiles = []*os.File{initramfs}
	var lines [4]*net.UnixConn // proxy device, qtest, console, control
	for i := range lines {
		ours, theirs, err := socketPair()
		if err != nil {
			return err
		}
		defer ours.Close()
		lines[i] = ours
		cmd.ExtraFiles = append(cmd.ExtraFiles, theirs)
	}
	proxy, qtest, console, control := lines[0], lines[1], lines[2], lines[3]
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said

	open := func(channel int) (port, error) { return m.ILO.OpenPort(channel) }
	function := newFunction(m.Layout, open, newInterruptLine(qtest).set)
	defer func() { err = errors.Join(err, function.close()) }()
	defer m.ILO.NotifyReset(function.reset)()

	// The parent-death signal comes when the thread that started QEMU ends.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := cmd.Start(); err != nil {
		return err
	}
	closeAll(cmd) // else our ends never see QEMU's exit
	defer context.AfterFunc(ctx, func() { cmd.Process.Kill() })()

	var wg sync.WaitGroup
	errs := make([]error, 3)
	part := func(i int, work func() error) {
		wg.Go(func() {
			if errs[i] = work(); errs[i] != nil {
				cmd.Process.Kill()
			}
		})
	}
	part(0, func() error { return function.serve(proxy) })
	part(1, func() error { return serveControl(control, m.ILO.Control()) })
	part(2, func() error {
		_, err := io.Copy(m.Console, console)
		return err
	})
	wg.Wait()
	return errors.Join(append(errs, verdict(cmd.Wait(), said.String()), ctx.Err())...)
}

// command is QEMU, which inherits the initramfs as file 3 and then the four lines.
func (m *Machine) command() *exec.Cmd {
	const memory = "384M"
	// The processor is emulated (no KVM) and alone: with a second one QEMU
	// drops doorbells (PROTOCOL.md §10).
	cmd := exec.Command("qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
		"-accel", "tcg", "-smp", "1", "-m", memory,
		"-object", "memory-backend-memfd,id=mem,share=on,size="+memory, "-machine", "pc,memory-backend=mem",
		"-kernel", m.Kernel.Image, "-initrd", "/proc/self/fd/3",
		"-append", strings.Join(slices.Concat([]string{"console=ttyS0 loglevel=1 panic=-1 mitigations=off"}, m.Parameters, []string{"--"}, m.Arguments), " "),
		"-device", "x-pci-proxy-dev,id=ilo,fd=4,addr=4",
		"-chardev", "socket,id=qtest,fd=5", "-qtest", "chardev:qtest", "-qtest-log", "none",
		"-chardev", "socket,id=console,fd=6", "-serial", "chardev:console",
		"-chardev", "socket,id=control,fd=7", "-serial", "chardev:control")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd
}

// closeAll closes our copies of what a program inherits.
func closeAll(cmd *exec.Cmd) {
	for _, f := range cmd.ExtraFiles {
		f.Close()
	}
}

// verdict is how QEMU has ended, or that it has dropped a doorbell.
func verdict(ended error, said string) error {
	if ended != nil {
		ended = fmt.Errorf("qemu: %w", ended)
	}
	if ended == nil && !strings.Contains(said, reentrant) {
		return nil
	}
	return errors.Join(ended, fmt.Errorf("qemu said: %s", strings.TrimSpace(said)))
}

// memoryFile returns an unnamed file, which vanishes with its last user.
func memoryFile(data []byte) (*os.File, error) {
	fd, err := unix.MemfdCreate("initramfs", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("memfd_create", err)
	}
	f := os.NewFile(uintptr(fd), "initramfs")
	if _, err := f.Write(data); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// socketPair returns a connection and the file that a child inherits.
func socketPair() (ours *net.UnixConn, theirs *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	theirs = os.NewFile(uintptr(fds[1]), "qemu")
	f := os.NewFile(uintptr(fds[0]), "vm")
	defer f.Close()
	conn, err := net.FileConn(f)
	if err != nil {
		theirs.Close()
		return nil, nil, err
	}
	return conn.(*net.UnixConn), theirs, nil
}
