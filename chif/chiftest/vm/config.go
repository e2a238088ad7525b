//go:build linux

package vm

import "encoding/binary"

// Layout is a register layout of the iLO's PCI function.
type Layout int

const (
	// ILO4 keeps the channel control blocks at the start of BAR2
	// (PCI revision below 7).
	ILO4 Layout = iota
	// ILO5 keeps them in the last 8 KiB of BAR5 (PCI revision 7 and up).
	ILO5
)

// String names the layout in lower case, such as "ilo4".
func (l Layout) String() string {
	if l == ILO5 {
		return "ilo5"
	}
	return "ilo4"
}

const (
	barPorts = iota // I/O ports, unused by the driver
	barRegisters
	barBlocks4 // the control blocks of ILO4
	barDoorbells
	barUnused
	barBlocks5 // the control blocks of ILO5
	bars
)

// Offsets in configuration space.
const (
	configCommand       = 0x04
	configRevision      = 0x08
	configClass         = 0x0a
	configBAR           = 0x10
	configSubsystem     = 0x2c
	configInterruptLine = 0x3c
	configInterruptPin  = 0x3d
)

// configSpace is the function's configuration space. QEMU keeps none for it,
// and BAR messages carry absolute addresses, so the bases live here.
type configSpace struct {
	bytes, writable [256]byte
	size            [bars]uint32 // of each BAR in bytes, a power of two
}

// newConfigSpace has the ids and sizes of a ProLiant Gen8's function 2; that
// BAR5 of an iLO 5 measures 1 MiB is an assumption (PROTOCOL.md §10).
func newConfigSpace(l Layout) *configSpace {
	c := &configSpace{size: [bars]uint32{256, 256, 1 << 20, channels << doorbellShift, 32 << 10, 32 << 10}}
	c.bytes[configRevision] = 5
	if l == ILO5 {
		c.bytes[configRevision] = 7
		c.size[barBlocks5] = 1 << 20
	}
	binary.LittleEndian.PutUint32(c.bytes[0:], 0x3307_103c)
	binary.LittleEndian.PutUint16(c.bytes[configClass:], 0x0880)
	binary.LittleEndian.PutUint32(c.bytes[configSubsystem:], 0x3381_103c)
	c.bytes[configInterruptPin] = 1
	c.bytes[configBAR] = 1 // BAR0 is an I/O BAR

	binary.LittleEndian.PutUint16(c.writable[configCommand:], 0x0407)
	c.writable[configInterruptLine] = 0xff
	for i, size := range c.size {
		binary.LittleEndian.PutUint32(c.writable[configBAR+4*i:], -size)
	}
	return c
}

func (c *configSpace) read(offset uint32, length int32) uint32 {
	var b [4]byte
	if offset < uint32(len(c.bytes)) && length > 0 {
		copy(b[:min(length, 4)], c.bytes[offset:])
	}
	return binary.LittleEndian.Uint32(b[:])
}

func (c *configSpace) write(offset, value uint32, length int32) {
	for i := offset; i < uint32(len(c.bytes)) && i < offset+uint32(min(max(length, 0), 4)); i++ {
		c.bytes[i] = c.bytes[i]&^c.writable[i] | byte(value)&c.writable[i]
		value >>= 8
	}
}

// reset clears what the host may write, as after power-on.
func (c *configSpace) reset() {
	for i, w := range c.writable {
		c.bytes[i] &^= w
	}
}

// locate finds the BAR of an absolute address and the offset in it.
func (c *configSpace) locate(address uint64, memory bool) (bar int, offset uint32, ok bool) {
	for i, size := range c.size {
		base := binary.LittleEndian.Uint32(c.bytes[configBAR+4*i:]) & -size
		if memory == (i != barPorts) && base != 0 && address >= uint64(base) && address-uint64(base) < uint64(size) {
			return i, uint32(address - uint64(base)), true
		}
	}
	return 0, 0, false
}
