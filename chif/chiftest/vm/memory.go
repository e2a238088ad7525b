//go:build linux

package vm

import (
	"errors"
	"fmt"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// memory is the guest's RAM as QEMU shares it. QEMU describes it anew up to
// 161 times a boot, always with the same file, so files stay mapped.
type memory struct {
	sections []section
	files    map[fileID][]byte
}

type section struct {
	address uint64 // guest physical
	data    []byte
}

type fileID struct{ device, inode uint64 }

// mapFile maps the whole file once, however often it is sent.
func (m *memory) mapFile(fd int) ([]byte, error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, fmt.Errorf("guest memory: %w", err)
	}
	id := fileID{uint64(st.Dev), st.Ino}
	if data, ok := m.files[id]; ok {
		return data, nil
	}
	data, err := unix.Mmap(fd, 0, int(st.Size), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("guest memory: %w", err)
	}
	if m.files == nil {
		m.files = make(map[fileID][]byte)
	}
	m.files[id] = data
	return data, nil
}

// at returns n bytes of guest memory at a guest physical address.
func (m *memory) at(address, n uint64) ([]byte, error) {
	for _, s := range m.sections {
		if size := uint64(len(s.data)); address >= s.address && address-s.address <= size && n <= size-(address-s.address) {
			return s.data[address-s.address:][:n:n], nil
		}
	}
	return nil, fmt.Errorf("the driver named %d bytes at %#x, outside of guest memory", n, address)
}

// word returns the 64-bit word at a guest physical address. The guest changes
// it at the same time: use atomic operations.
func (m *memory) word(address uint64) (*atomic.Uint64, error) {
	b, err := m.at(address, 8)
	if err == nil && address%8 != 0 {
		err = fmt.Errorf("the driver named an unaligned word at %#x", address)
	}
	if err != nil {
		return nil, err
	}
	return (*atomic.Uint64)(unsafe.Pointer(&b[0])), nil
}

func (m *memory) close() error {
	var errs []error
	for _, data := range m.files {
		errs = append(errs, unix.Munmap(data))
	}
	*m = memory{}
	return errors.Join(errs...)
}
