//go:build linux

package vm

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"syscall"
	"time"
)

const (
	channels      = 32 // what the hardware could serve; the driver uses up to 24
	blockSize     = 128
	blocksRoom    = 8 << 10
	doorbellShift = 14 // log2 of one channel's doorbell in BAR3

	registerInterruptEnable = 0xb2 // bit 0, one byte
	registerPending         = 0xd4 // bit n: channel n has a packet for the host; write 1 to clear
	pendingReset            = 1 << 26

	controlActive = 1 << 30 // owned by the device
	controlGo     = 1 << 31 // owned by the driver

	doorbellSet = 1
)

// port is the iLO's end of an open channel: *chiftest.Port.
type port interface {
	Submit(packet []byte) error
	Answers() <-chan []byte
	Close()
}

// function is the iLO's PCI function, as hpilo.c needs it (PROTOCOL.md §10).
// Whatever a doorbell causes is done before its write is answered: for the guest it takes no time, so the driver's 10 ms limits hold
// on a loaded host.
type function struct {
	openPort func(channel int) (port, error)
	setLine  func(pin byte, level bool) error // drives the interrupt line

	mu      sync.Mutex
	config  *configSpace
	memory  memory
	blocks  [blocksRoom]byte // channel control blocks
	enable  byte             // interrupt enable
	pending uint32
	line    bool
	open    [channels]*channel
	refused [channels]bool // opened by the driver, not by the simulator
	err     error          // the first fault of driver or simulator; ends serve

	pumps sync.WaitGroup
}

// channel is one channel that driver and iLO have open.
type channel struct {
	port          port
	send, receive fifo
	closed        chan struct{}
	stalled       chan struct{} // a packet waits for the port to take it
}

func newFunction(l Layout, openPort func(int) (port, error), setLine func(byte, bool) error) *function {
	return &function{openPort: openPort, setLine: setLine, config: newConfigSpace(l)}
}

// close ends all channels and unmaps the guest's memory.
func (f *function) close() error {
	f.mu.Lock()
	f.dropAll()
	f.mu.Unlock()
	f.pumps.Wait()
	return f.memory.close()
}

// powerOn puts the function in the state after power-on.
func (f *function) powerOn() {
	f.forget()
	f.enable, f.pending = 0, 0
	f.updateLine() // while the configuration still says which pin
	f.config.reset()
}

// reset is an iLO reset: control blocks are zeroed, channels forgotten, and
// the driver is told by bit 26.
func (f *function) reset() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.forget()
	f.pending |= pendingReset
	f.updateLine()
}

func (f *function) forget() {
	f.dropAll()
	clear(f.blocks[:])
	clear(f.refused[:])
}

func (f *function) dropAll() {
	for n := range f.open {
		f.drop(n)
	}
}

// drop forgets a channel; its memory in the guest is not touched again,
// because the driver frees it next.
func (f *function) drop(n int) {
	if c := f.open[n]; c != nil {
		f.open[n] = nil
		close(c.closed)
		c.port.Close()
	}
}

func (f *function) fail(err error) {
	if f.err == nil {
		f.err = err
	}
}

func (f *function) updateLine() {
	level := f.pending != 0 && f.enable&1 != 0
	if level == f.line {
		return
	}
	f.line = level
	if err := f.setLine(f.config.bytes[configInterruptLine], level); err != nil {
		f.fail(err)
	}
}

// block is the part of the control blocks at an offset in a BAR, or nil.
func (f *function) block(bar int, offset uint32, size uint32) []byte {
	start := uint32(0)
	switch {
	case bar == barBlocks4 && f.config.bytes[configRevision] < 7:
	case bar == barBlocks5 && f.config.bytes[configRevision] >= 7:
		start = f.config.size[bar] - blocksRoom
	default:
		return nil
	}
	if size > 8 || offset < start || offset-start > blocksRoom-size {
		return nil
	}
	return f.blocks[offset-start:][:size]
}

// read is a read of size bytes at an absolute address; what nothing answers to
// reads as 0.
func (f *function) read(address uint64, size uint32, memory bool) uint64 {
	bar, offset, ok := f.config.locate(address, memory)
	switch {
	case !ok:
		return 0
	case bar == barRegisters && offset == registerInterruptEnable:
		return uint64(f.enable)
	case bar == barRegisters && offset == registerPending:
		return uint64(f.pending)
	}
	var b [8]byte
	copy(b[:], f.block(bar, offset, size))
	return binary.LittleEndian.Uint64(b[:])
}

func (f *function) write(address, value uint64, size uint32, memory bool) {
	bar, offset, ok := f.config.locate(address, memory)
	switch {
	case !ok:
	case bar == barRegisters && offset == registerInterruptEnable:
		f.enable = byte(value)
		f.updateLine()
	case bar == barRegisters && offset == registerPending:
		f.pending &^= uint32(value)
		f.updateLine()
	case bar == barDoorbells && value == doorbellSet:
		f.ring(int(offset >> doorbellShift))
	default:
		var b [8]byte
		binary.LittleEndian.PutUint64(b[:], value)
		copy(f.block(bar, offset, size), b[:])
	}
}

// Fields of a channel control block.
const (
	blockSend    = 0x00 // entries, descriptors, control: 8 bytes each
	blockReceive = 0x18
	halfControl  = 0x10 // offset of the control word in a half
)

// ring is the driver's doorbell of channel n.
func (f *function) ring(n int) {
	block := f.blocks[n*blockSize:][:blockSize]
	control := func(half int) uint32 { return binary.LittleEndian.Uint32(block[half+halfControl:]) }
	setControl := func(half int, v uint32) { binary.LittleEndian.PutUint32(block[half+halfControl:], v) }

	if control(blockSend)&control(blockReceive)&controlGo == 0 {
		f.drop(n)
		f.refused[n] = false
		setControl(blockSend, control(blockSend)&^controlActive)
		setControl(blockReceive, control(blockReceive)&^controlActive)
		return
	}
	if f.refused[n] {
		return
	}
	if f.open[n] == nil {
		if err := f.openChannel(n, block); err != nil {
			// A refused channel stays deaf: the driver's open, which rings four
			// times, ends with EBUSY.
			f.refused[n] = true
			if !errors.Is(err, syscall.EBUSY) {
				f.fail(fmt.Errorf("channel %d: %w", n, err))
			}
			return
		}
		setControl(blockSend, control(blockSend)|controlActive)
		setControl(blockReceive, control(blockReceive)|controlActive)
	}
	f.takePackets(n, f.open[n])
}

func (f *function) openChannel(n int, block []byte) error {
	half := func(offset int) (fifo, error) {
		word := func(i int) uint64 { return binary.LittleEndian.Uint64(block[offset+i:]) }
		return newFIFO(&f.memory, word(0), word(8), word(halfControl))
	}
	send, err := half(blockSend)
	if err != nil {
		return err
	}
	receive, err := half(blockReceive)
	if err != nil {
		return err
	}
	p, err := f.openPort(n)
	if err != nil {
		return err
	}
	c := &channel{port: p, send: send, receive: receive, closed: make(chan struct{}), stalled: make(chan struct{}, 1)}
	f.open[n] = c
	f.pumps.Go(func() { f.pump(n, c) })
	return nil
}

// takePackets moves what the driver has sent to the port. What the port does
// not take stays occupied in the queue and pump tries again.
func (f *function) takePackets(n int, c *channel) {
	empty, err := c.send.take(func(packet []byte) bool {
		err := c.port.Submit(packet)
		// ENODEV: the iLO was reset; reset is about to tell the driver.
		if err != nil && !errors.Is(err, syscall.EBUSY) && !errors.Is(err, syscall.ENODEV) {
			f.fail(fmt.Errorf("channel %d: %w", n, err))
		}
		return err == nil
	})
	if err != nil {
		f.fail(fmt.Errorf("channel %d: %w", n, err))
	} else if !empty {
		select {
		case c.stalled <- struct{}{}:
		default:
		}
	}
}

// pollInterval is how often a full queue is looked at again: neither the
// driver nor the port says when there is room.
const pollInterval = time.Millisecond

// pump moves the port's answers to the driver until the channel is closed.
func (f *function) pump(n int, c *channel) {
	var answer []byte
	var again <-chan time.Time
	for {
		answers := c.port.Answers()
		if answer != nil {
			answers = nil // one at a time
		}
		select {
		case <-c.closed:
			return
		case answer = <-answers:
		case <-c.stalled:
		case <-again:
		}
		var stalled bool
		answer, stalled = f.advance(n, c, answer)
		again = nil
		if answer != nil || stalled {
			again = time.After(pollInterval)
		}
	}
}

// advance delivers an answer, if the driver has room for it, and takes the
// packets that an earlier attempt left.
func (f *function) advance(n int, c *channel, answer []byte) (left []byte, stalled bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.open[n] != c {
		return nil, false
	}
	f.takePackets(n, c)
	select {
	case <-c.stalled:
		stalled = true
	default:
	}
	if answer == nil {
		return nil, stalled
	}
	done, err := c.receive.put(answer)
	if err != nil {
		f.fail(fmt.Errorf("channel %d: %w", n, err))
		return nil, false
	}
	if !done {
		return answer, stalled
	}
	f.pending |= 1 << n
	f.updateLine()
	return nil, stalled
}
