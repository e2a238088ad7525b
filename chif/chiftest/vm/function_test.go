//go:build linux

package vm

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"syscall"
	"testing"
)

// echo is a port that answers each packet with itself.
type echo struct {
	answers chan []byte
	deaf    chan struct{} // takes nothing until it is closed
	closed  bool
}

func newEcho() *echo {
	deaf := make(chan struct{})
	close(deaf)
	return &echo{answers: make(chan []byte, 3), deaf: deaf}
}

func (e *echo) Submit(packet []byte) error {
	select {
	case <-e.deaf:
	default:
		return syscall.EBUSY
	}
	select {
	case e.answers <- packet:
		return nil
	default:
		return syscall.EBUSY
	}
}

func (e *echo) Answers() <-chan []byte { return e.answers }
func (e *echo) Close()                 { e.closed = true }

// echoes opens one echo for each channel.
func echoes(ports *[channels]*echo) func(int) (port, error) {
	return func(n int) (port, error) {
		ports[n] = newEcho()
		return ports[n], nil
	}
}

func mustOpen(t *testing.T, d *driver, n int) *driverChannel {
	t.Helper()
	c, err := d.open(n)
	if err != nil {
		t.Fatalf("open channel %d: %v", n, err)
	}
	return c
}

func eachLayout(t *testing.T, test func(t *testing.T, l Layout)) {
	for _, l := range []Layout{ILO4, ILO5} {
		t.Run(l.String(), func(t *testing.T) { test(t, l) })
	}
}

func TestExchange(t *testing.T) {
	eachLayout(t, func(t *testing.T, l Layout) {
		var ports [channels]*echo
		d := newDriver(t, l, echoes(&ports))
		c := mustOpen(t, d, 23)
		packet := make([]byte, descriptorSize)
		for n := 1; n <= len(packet); n++ {
			for i := range n {
				packet[i] = byte(rand.Uint32())
			}
			if sent, err := c.write(packet[:n]); sent != n || err != nil {
				t.Fatalf("write of %d bytes: %d, %v", n, sent, err)
			}
			got, err := c.read()
			if err != nil || len(got) != (n+7)&^7 || !bytes.Equal(got[:n], packet[:n]) {
				t.Fatalf("exchange of %d bytes: %d came back, %v", n, len(got), err)
			}
		}
		if n, err := c.write(make([]byte, 5000)); n != descriptorSize || err != nil {
			t.Errorf("write of 5000 bytes: %d, %v; the driver cuts to %d", n, err, descriptorSize)
		}
		c.close()
		if !ports[23].closed {
			t.Error("the port is still open")
		}
	})
}

func TestAnswersInOrder(t *testing.T) {
	var ports [channels]*echo
	d := newDriver(t, ILO5, echoes(&ports))
	c := mustOpen(t, d, 0)
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		for i := range 50 {
			ports[0].answers <- bytes.Repeat([]byte{byte(i)}, 1+i)
		}
	}()
	for i := range 50 {
		want := append(bytes.Repeat([]byte{byte(i)}, 1+i), make([]byte, -(1+i)&7)...)
		if got, err := c.read(); err != nil || !bytes.Equal(got, want) {
			t.Fatalf("answer %d: % x, %v", i, got, err)
		}
	}
	<-sent
	c.close()
}

func TestDeafPort(t *testing.T) {
	var ports [channels]*echo
	d := newDriver(t, ILO4, echoes(&ports))
	c := mustOpen(t, d, 7)
	deaf := make(chan struct{})
	ports[7].deaf = deaf
	for i := range byte(3) {
		if _, err := c.write([]byte{i}); err != nil {
			t.Fatalf("write %d: %v", i, err)
		}
	}
	if _, err := c.write([]byte{3}); err != syscall.EBUSY {
		t.Errorf("fourth write: %v, want EBUSY", err)
	}
	close(deaf)
	for i := range byte(3) {
		if got, err := c.read(); err != nil || got[0] != i {
			t.Errorf("answer %d: % x, %v", i, got, err)
		}
	}
	c.close()
}

func TestRefusedOpen(t *testing.T) {
	attempts := 0
	d := newDriver(t, ILO5, func(int) (port, error) {
		if attempts++; attempts == 1 {
			return nil, syscall.EBUSY
		}
		return newEcho(), nil
	})
	if _, err := d.open(2); err != syscall.EBUSY || attempts != 1 {
		t.Errorf("open: %v after %d attempts, want EBUSY after one", err, attempts)
	}
	mustOpen(t, d, 2).close()
}

func TestFunctionReset(t *testing.T) {
	eachLayout(t, func(t *testing.T, l Layout) {
		var ports [channels]*echo
		d := newDriver(t, l, echoes(&ports))
		a, b := mustOpen(t, d, 0), mustOpen(t, d, 15)
		d.f.reset()
		if pending := d.isr(); pending&pendingReset == 0 {
			t.Errorf("pending register %#x after a reset", pending)
		}
		for _, c := range []*driverChannel{a, b} {
			if _, err := c.write([]byte{1}); err != syscall.ENODEV {
				t.Errorf("write after the reset: %v, want ENODEV", err)
			}
			if !ports[c.n].closed {
				t.Errorf("port %d is still open", c.n)
			}
			c.close()
		}
		c := mustOpen(t, d, 15)
		if _, err := c.write([]byte("again")); err != nil {
			t.Fatal(err)
		}
		if got, err := c.read(); err != nil || !bytes.HasPrefix(got, []byte("again")) {
			t.Errorf("exchange after the reset: %q, %v", got, err)
		}
	})
}

func TestPowerOn(t *testing.T) {
	var ports [channels]*echo
	d := newDriver(t, ILO4, echoes(&ports))
	c := mustOpen(t, d, 15)
	if _, err := c.write([]byte("unread")); err != nil {
		t.Fatal(err)
	}
	<-d.interrupt
	d.message(commandDeviceReset, nil)
	if !ports[15].closed || d.f.line || d.f.pending != 0 || d.f.config.read(configBAR+4*barRegisters, 4) != 0 {
		t.Errorf("power-on left a channel, the interrupt line (%v) or a register", d.f.line)
	}
}

func TestBadDriver(t *testing.T) {
	for name, spoil := range map[string]func(d *driver, block uint64){
		"entries outside of memory":     func(d *driver, b uint64) { d.write(b, 1<<40, 8) },
		"unaligned entries":             func(d *driver, b uint64) { d.write(b, guestRAM+3, 8) },
		"descriptors outside of memory": func(d *driver, b uint64) { d.write(b+8, ^uint64(0), 8) },
		"descriptor size":               func(d *driver, b uint64) { d.write(b+halfControl, 0x800c003f, 8) },
	} {
		t.Run(name, func(t *testing.T) {
			var ports [channels]*echo
			d := newDriver(t, ILO4, echoes(&ports))
			for i, v := range []uint64{guestRAM, guestRAM + 4096, 0x800c003c, guestRAM, guestRAM + 4096, 0x800c003c} {
				d.write(d.ccb+uint64(i*8), v, 8)
			}
			spoil(d, d.ccb)
			(&ring{words: driverWords(d.ram)}).enqueue(0, 1)
			d.breaks(func() { d.write(doorbells, doorbellSet, 1) })
		})
	}
}

func TestConfigSpace(t *testing.T) {
	c := newConfigSpace(ILO5)
	if id := c.read(0, 4); id != 0x3307103c {
		t.Errorf("vendor and device %#x", id)
	}
	for bar, want := range []uint32{0xffffff01, 0xffffff00, 0xfff00000, 0xfff80000, 0xffff8000, 0xfff00000, 0} {
		offset := uint32(configBAR + 4*bar)
		c.write(offset, 0xffffffff, 4)
		if got := c.read(offset, 4); got != want {
			t.Errorf("BAR%d sizes as %#x, want %#x", bar, got, want)
		}
	}
	c.write(configBAR+4*barDoorbells, 0xfeb80000, 4)
	if bar, offset, ok := c.locate(0xfeb84000, true); bar != barDoorbells || offset != 0x4000 || !ok {
		t.Errorf("locate: BAR%d + %#x, %v", bar, offset, ok)
	}
	if _, _, ok := c.locate(0xfec00000, true); ok {
		t.Error("an address after the BAR belongs to it")
	}
	c.write(0, 0, 4)
	c.write(1000, 0xff, 4)
	c.write(0xfe, 0xffffffff, 4)
	c.write(configCommand, 0xffff, -1)
	if id, cmd := c.read(0, 4), c.read(configCommand, 2); id != 0x3307103c || cmd != 0 {
		t.Errorf("ids %#x, command %#x after writes that change nothing", id, cmd)
	}
	c.write(configCommand, 0x0007, 2)
	c.reset()
	if got := c.read(configCommand, 2); got != 0 {
		t.Errorf("command %#x after power-on", got)
	}
}

func TestSimulatorError(t *testing.T) {
	broken := errors.New("broken")
	d := newDriver(t, ILO4, func(int) (port, error) { return nil, broken })
	if err := d.breaks(func() { d.open(0) }); !errors.Is(err, broken) {
		t.Errorf("open: %v", err)
	}
}

func TestAnswerTooLong(t *testing.T) {
	var ports [channels]*echo
	d := newDriver(t, ILO5, echoes(&ports))
	mustOpen(t, d, 1)
	ports[1].answers <- make([]byte, descriptorSize+1)
	ports[1].answers <- []byte("after it")
	d.breaks(func() { d.isr() })
}
