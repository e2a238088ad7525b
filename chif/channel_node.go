//go:build linux

package chif

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// maxNodes is the hardware's limit on channels (hpilo.h: "hw limited to 32";
// the driver offers at most 24).
const maxNodes = 32

type nodeDevice struct {
	dir       string
	settle    time.Duration
	sys, proc string // roots of sysfs and procfs
	open      func(name string) (fd int, err error)
}

func openNode(name string) (int, error) {
	return unix.Open(name, unix.O_RDWR|unix.O_EXCL|unix.O_CLOEXEC, 0)
}

func (d *nodeDevice) String() string { return d.dir }

// Open sweeps once over all nodes from a random start and opens the first free
// one exclusively: a shared channel would let two readers steal each other's
// answers (PROTOCOL.md §5).
func (d *nodeDevice) Open(ctx context.Context) (Channel, error) {
	count := d.nodes()
	if count == 0 {
		return nil, d.noDevice()
	}
	start, taken := rand.IntN(count), 0
	var last, memory error
	for i := range count {
		if err := ctx.Err(); err != nil {
			return nil, contextError(err)
		}
		name := d.node((start + i) % count)
		fd, err := d.open(name)
		for err == unix.EINTR {
			fd, err = d.open(name)
		}
		switch {
		case err == nil:
			return d.opened(ctx, name, fd)
		case errors.Is(err, fs.ErrPermission):
			return nil, fmt.Errorf("%w: open %s: %w", ErrPermission, name, err)
		case errors.Is(err, unix.EBUSY):
			taken++
		case errors.Is(err, unix.ENOMEM): // no memory for the channel's queues now
			memory = fmt.Errorf("open %s: %w", name, err)
		default:
			last = fmt.Errorf("open %s: %w", name, err)
		}
	}
	switch {
	case last != nil && taken == 0:
		return nil, last
	case last != nil || memory != nil:
		return nil, fmt.Errorf("%w: %d of %d are taken; %w", ErrBusy, taken, count, cmp.Or(memory, last))
	}
	return nil, fmt.Errorf("%w: %d of %d are taken, or the iLO is resetting", ErrBusy, taken, count)
}

func (d *nodeDevice) opened(ctx context.Context, name string, fd int) (Channel, error) {
	c, err := newFDChannel(name, fd)
	if err != nil {
		return nil, err
	}
	if !isDevice(fd) {
		return nil, errors.Join(&NoDeviceError{Address: d.dir, Reason: NotNodes}, c.Close())
	}
	err = sleep(ctx, nil, d.settle)
	if err == nil {
		err = c.drain() // as HPE's library does
	}
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

func (d *nodeDevice) node(n int) string { return filepath.Join(d.dir, fmt.Sprintf("d0ccb%d", n)) }

// nodes counts the nodes up to the first gap, as HPE's library does.
func (d *nodeDevice) nodes() int {
	for n := range maxNodes {
		if _, err := os.Stat(d.node(n)); err != nil && !errors.Is(err, fs.ErrPermission) {
			return n
		}
	}
	return maxNodes
}

// isDevice tells a node from a file that only has its name, which must never be
// written to.
func isDevice(fd int) bool {
	var s unix.Stat_t
	return unix.Fstat(fd, &s) == nil && s.Mode&unix.S_IFMT == unix.S_IFCHR
}

// noDevice finds out why there are no nodes.
func (d *nodeDevice) noDevice() error {
	e := &NoDeviceError{Address: d.dir}
	_, module := os.Stat(filepath.Join(d.sys, "module/hpilo"))
	classes, _ := filepath.Glob(filepath.Join(d.sys, "class/iLO/*d0ccb*"))
	switch {
	case len(classes) > 0:
		e.Reason = NoNodes
	case d.dir != NodeDirectory && !isDir(d.dir):
		e.Reason = NoDirectory
	case module != nil && d.hasFunction():
		e.Reason = NoModule
	case d.virtualMachine():
		e.Reason = VirtualMachine
	case module != nil:
		e.Reason = NoFunction
	default:
		e.Reason = ModuleWithoutDevice
	}
	return e
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// hasFunction looks for a PCI function that hpilo drives (hpilo.c ilo_devices).
func (d *nodeDevice) hasFunction() bool {
	devices, _ := filepath.Glob(filepath.Join(d.sys, "bus/pci/devices/*"))
	for _, dev := range devices {
		vendor, _ := os.ReadFile(filepath.Join(dev, "vendor"))
		device, _ := os.ReadFile(filepath.Join(dev, "device"))
		switch strings.TrimSpace(string(vendor)) + ":" + strings.TrimSpace(string(device)) {
		case "0x103c:0x3307", "0x0e11:0xb204":
			return true
		}
	}
	return false
}

// virtualMachine asks the processor, which tells its guests of the hypervisor.
func (d *nodeDevice) virtualMachine() bool {
	info, _ := os.ReadFile(filepath.Join(d.proc, "cpuinfo"))
	for line := range bytes.Lines(info) {
		if bytes.HasPrefix(line, []byte("flags")) {
			return bytes.Contains(line, []byte(" hypervisor"))
		}
	}
	return false
}
