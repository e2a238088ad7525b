//go:build linux

package vm

import (
	"encoding/binary"
	"runtime"
	"sync/atomic"
	"syscall"
	"testing"
	"unsafe"
)

const (
	guestRAM    = 0x100000
	registers   = 0xfeb00000
	ccbs        = 0xfea00000
	doorbells   = 0xfe900000
	channelRAM  = 64 << 10
	sendEntries = 384 // offsets in a channel's DMA block (PROTOCOL.md §10)
	recvEntries = 896
	sendArea    = 928
	recvArea    = 17312
)

// driver is a model of what hpilo.c does to the hardware.
type driver struct {
	t         *testing.T
	f         *function
	ram       []byte
	ccb       uint64 // address of control block 0
	interrupt chan struct{}
	channels  [channels]*driverChannel
	broken    chan error // if not nil, gets the function's first error
}

type driverChannel struct {
	driver     *driver
	n          int
	send, recv ring
	reset      bool
}

// ring is hpilo.c's struct fifo; its words are those that the device sees.
type ring struct {
	words      []atomic.Uint64
	area       []byte
	head, tail uint64
}

func newDriver(t *testing.T, l Layout, openPort func(int) (port, error)) *driver {
	d := &driver{t: t, ram: make([]byte, 25*channelRAM), interrupt: make(chan struct{}, 1)}
	d.f = newFunction(l, openPort, func(pin byte, level bool) error {
		if pin != 11 {
			t.Errorf("interrupt on pin %d", pin)
		}
		if level {
			select {
			case d.interrupt <- struct{}{}:
			default:
			}
		}
		return nil
	})
	t.Cleanup(func() {
		if err := d.f.close(); err != nil {
			t.Error(err)
		}
	})
	d.f.memory.sections = []section{{guestRAM, d.ram}}
	d.message(commandConfigWrite, u32s(configInterruptLine, 11, 1))
	d.message(commandConfigWrite, u32s(configBAR+4*barRegisters, registers, 4))
	d.message(commandConfigWrite, u32s(configBAR+4*barDoorbells, doorbells, 4))
	bar, offset := uint32(barBlocks4), uint64(0)
	if l == ILO5 {
		bar, offset = barBlocks5, 1<<20-blocksRoom
	}
	d.message(commandConfigWrite, u32s(configBAR+4*bar, ccbs, 4))
	d.ccb = ccbs + offset
	d.write(registers+registerPending, 0xffffffff, 4)
	d.write(registers+registerInterruptEnable, d.read(registers+registerInterruptEnable, 1)|1, 1)
	return d
}

func u32s(v ...uint32) (b []byte) {
	for _, x := range v {
		b = binary.LittleEndian.AppendUint32(b, x)
	}
	return b
}

func (d *driver) message(command uint32, body []byte) uint64 {
	d.t.Helper()
	value, _, err := d.f.handle(message{command: command, body: body})
	if err != nil && d.broken == nil {
		d.t.Fatalf("command %d: %v", command, err)
	}
	if err != nil {
		d.broken <- err
		runtime.Goexit()
	}
	return value
}

// breaks runs what must end with an error of the function, and returns that.
func (d *driver) breaks(f func()) error {
	d.t.Helper()
	d.broken = make(chan error, 1)
	go func() {
		defer close(d.broken)
		f()
	}()
	err, broken := <-d.broken
	if !broken {
		d.t.Error("the function found nothing wrong")
	}
	return err
}

func (d *driver) access(command uint32, address, value uint64, size uint32) uint64 {
	d.t.Helper()
	body := binary.LittleEndian.AppendUint64(nil, address)
	body = binary.LittleEndian.AppendUint64(body, value)
	return d.message(command, append(body, u32s(size, 1)...))
}

func (d *driver) read(address uint64, size uint32) uint64 {
	d.t.Helper()
	return d.access(commandBARRead, address, 0, size)
}

func (d *driver) write(address, value uint64, size uint32) {
	d.t.Helper()
	d.access(commandBARWrite, address, value, size)
}

// isr waits for an interrupt and handles it; the new pending bits are returned.
func (d *driver) isr() uint64 {
	d.t.Helper()
	<-d.interrupt
	pending := d.read(registers+registerPending, 4)
	if pending&pendingReset != 0 {
		for _, c := range d.channels {
			if c != nil {
				c.reset = true
			}
		}
	}
	d.write(registers+registerPending, pending, 4)
	return pending
}

func (r *ring) enqueue(descriptor, words int) bool {
	if r.words[(r.tail+1)&3].Load()&entryOccupied != 0 {
		return false
	}
	r.words[r.tail&3].Or(uint64(descriptor<<10 | words | entryOccupied))
	r.tail++
	return true
}

func (r *ring) dequeue() (descriptor, words int, ok bool) {
	word := &r.words[r.head&3]
	entry := word.Load()
	if entry&entryConsumed == 0 {
		return 0, 0, false
	}
	word.Store((entry | 0xffffff) + 1)
	r.head++
	return int(entry >> 10 & 0xfff), int(entry & 0x3ff), true
}

func (r *ring) descriptor(n int) []byte { return r.area[n*descriptorSize:][:descriptorSize] }

func (c *driverChannel) field(offset uint64) uint64 {
	return c.driver.ccb + uint64(c.n*blockSize) + offset
}

func (c *driverChannel) ring() {
	c.driver.write(doorbells+uint64(c.n)<<doorbellShift, doorbellSet, 1)
}

// open is ilo_open of a free channel.
func (d *driver) open(n int) (*driverChannel, error) {
	d.t.Helper()
	ram := d.ram[n*channelRAM:][:channelRAM]
	clear(ram)
	half := func(entries, area int) ring {
		return ring{words: driverWords(ram[entries:]), area: ram[area:][:4*descriptorSize]}
	}
	c := &driverChannel{driver: d, n: n, send: half(sendEntries, sendArea), recv: half(recvEntries, recvArea)}
	const control = 0xffffffff_800c003c
	physical := uint64(guestRAM + n*channelRAM)
	for i, v := range []uint64{physical + sendEntries, physical + sendArea, control,
		physical + recvEntries, physical + recvArea, control, 0, uint64(n)} {
		d.write(c.field(uint64(i*8)), v, 8)
	}
	for i := range 4 {
		c.send.enqueue(i, 0)
		c.ring()
	}
	for i := range 4 {
		c.recv.enqueue(i, descriptorRoom)
	}
	d.channels[n] = c
	i, _, ok := c.send.dequeue()
	if !ok {
		c.close()
		return nil, syscall.EBUSY
	}
	c.send.enqueue(i, 0)
	c.ring()
	return c, nil
}

func (c *driverChannel) close() {
	c.driver.t.Helper()
	for _, control := range []uint64{blockSend + halfControl, blockReceive + halfControl} {
		c.driver.write(c.field(control), c.driver.read(c.field(control), 4)&^controlGo, 4)
	}
	c.ring()
	for _, control := range []uint64{blockSend + halfControl, blockReceive + halfControl} {
		if c.driver.read(c.field(control), 4)&controlActive != 0 {
			c.driver.t.Errorf("channel %d: closing, but controller still active", c.n)
		}
	}
	for i := range uint64(8) {
		c.driver.write(c.field(i*8), 0, 8)
	}
	c.driver.channels[c.n] = nil
}

func (c *driverChannel) write(packet []byte) (int, error) {
	if c.reset {
		return 0, syscall.ENODEV
	}
	i, words, ok := c.send.dequeue()
	if !ok {
		return 0, syscall.EBUSY
	}
	n := copy(c.send.descriptor(i)[:words*8], packet)
	c.send.enqueue(i, (n+7)/8)
	c.ring()
	return n, nil
}

// read waits for a packet.
func (c *driverChannel) read() ([]byte, error) {
	for {
		if c.reset {
			return nil, syscall.ENODEV
		}
		if i, words, ok := c.recv.dequeue(); ok {
			packet := append([]byte(nil), c.recv.descriptor(i)[:words*8]...)
			c.recv.enqueue(i, descriptorRoom)
			return packet, nil
		}
		c.driver.isr()
	}
}

func driverWords(ram []byte) []atomic.Uint64 {
	return unsafe.Slice((*atomic.Uint64)(unsafe.Pointer(&ram[0])), 4)
}
