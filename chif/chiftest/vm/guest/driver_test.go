//go:build linux

package guest

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/ilod/ilod/chif/chiftest"
)

// node is an open channel node, used without package chif.
type node int

// open opens channel n, or says why not.
func open(n, flags int) (node, error) {
	for {
		fd, err := unix.Open(fmt.Sprintf("/dev/hpilo/d0ccb%d", n), unix.O_RDWR|unix.O_CLOEXEC|flags, 0)
		if err != unix.EINTR {
			return node(fd), err
		}
	}
}

func mustOpen(t *testing.T, n, flags int) node {
	t.Helper()
	f, err := open(n, flags)
	if err != nil {
		t.Fatalf("open channel %d: %v", n, err)
	}
	t.Cleanup(f.close)
	return f
}

func (f node) close() { unix.Close(int(f)) }

// poll waits for a sign of the driver.
func (f node) poll(t *testing.T) int16 {
	t.Helper()
	fds := []unix.PollFd{{Fd: int32(f), Events: unix.POLLIN}}
	for {
		if _, err := unix.Poll(fds, -1); err == nil {
			return fds[0].Revents
		} else if err != unix.EINTR {
			t.Fatalf("poll: %v", err)
		}
	}
}

func (f node) write(packet []byte) (n int, err error) {
	for {
		if n, err = unix.Write(int(f), packet); err != unix.EINTR {
			return n, err
		}
	}
}

func (f node) read(b []byte) (n int, err error) {
	for {
		if n, err = unix.Read(int(f), b); err != unix.EINTR {
			return n, err
		}
	}
}

// exchange sends a packet and checks that the iLO answers it.
func (f node) exchange(t *testing.T, packet []byte) []byte {
	t.Helper()
	if n, err := f.write(packet); n != len(packet) || err != nil {
		t.Fatalf("write of %d bytes: %d, %v", len(packet), n, err)
	}
	return f.answer(t, packet)
}

func (f node) answer(t *testing.T, packet []byte) []byte {
	t.Helper()
	if events := f.poll(t); events != unix.POLLIN {
		t.Fatalf("poll: events %#x", events)
	}
	b := make([]byte, 8096)
	n, err := f.read(b)
	if err != nil || n < 8 || !bytes.Equal(b[2:4], packet[2:4]) {
		t.Fatalf("read: %v, % x; want the answer to % x", err, b[:max(n, 0)], packet[:8])
	}
	return b[:n]
}

// ping is a packet of size bytes that the simulator answers with as many
// (PROTOCOL.md §1).
func ping(sequence uint16, size int) []byte {
	b := make([]byte, size)
	binary.LittleEndian.PutUint16(b[0:], uint16(size))
	binary.LittleEndian.PutUint16(b[2:], sequence)
	binary.LittleEndian.PutUint16(b[4:], 0x0fff)
	for i := range b[8:] {
		b[8+i] = byte(i * 7)
	}
	return b
}

func testSizes(t *testing.T, channels int) {
	f := mustOpen(t, channels-1, unix.O_EXCL)
	for i, size := range []int{8, 9, 15, 16, 17, 100, 1000, 4089, 4096} {
		packet := ping(uint16(i), size)
		got := f.exchange(t, packet)
		want := bytes.Clone(packet)
		binary.LittleEndian.PutUint16(want[4:], 0x8fff)
		// What is behind the packet may be anything.
		if len(got) != (size+7)&^7 || !bytes.Equal(got[:size], want) {
			t.Errorf("answer to %d bytes: %d bytes, % x…; the driver rounds up to a multiple of 8", size, len(got), got[:8])
		}
	}
}

func testTruncation(t *testing.T, _ int) {
	f := mustOpen(t, 0, unix.O_EXCL)
	packet := ping(1, 4096)
	if n, err := f.write(append(bytes.Clone(packet), "cut off"...)); n != 4096 || err != nil {
		t.Errorf("write of 4103 bytes: %d, %v; the driver takes 4096", n, err)
	}
	f.poll(t)
	b := make([]byte, 100)
	if n, err := f.read(b); n != 100 || err != nil {
		t.Errorf("read of 100 bytes: %d, %v", n, err)
	}
	f.exchange(t, ping(2, 8)) // what the short read left is gone
}

func testEveryChannel(t *testing.T, channels int) {
	var open []node
	for n := range channels {
		open = append(open, mustOpen(t, n, unix.O_EXCL))
	}
	for i, f := range open {
		if _, err := f.write(ping(uint16(i), 16)); err != nil {
			t.Errorf("channel %d: %v", i, err)
		}
	}
	for i, f := range open {
		f.answer(t, ping(uint16(i), 16))
	}
	if n := stats(t).ChannelsOpen; n != channels {
		t.Errorf("the iLO sees %d channels, want %d", n, channels)
	}
}

func testExclusive(t *testing.T, _ int) {
	f := mustOpen(t, 3, unix.O_EXCL)
	for _, flags := range []int{0, unix.O_EXCL} {
		if f, err := open(3, flags); err != unix.EBUSY {
			t.Errorf("open with flags %#x of a channel held exclusively: %d, %v; want EBUSY", flags, f, err)
		}
	}
	mustOpen(t, 4, unix.O_EXCL)
	f.exchange(t, ping(1, 16))
}

func testShared(t *testing.T, _ int) {
	a := mustOpen(t, 3, 0)
	b, err := open(3, 0)
	if err != nil {
		t.Fatalf("second shared open: %v", err)
	}
	if f, err := open(3, unix.O_EXCL); err != unix.EBUSY {
		t.Errorf("exclusive open of a shared channel: %d, %v; want EBUSY", f, err)
	}
	if n := stats(t).ChannelsOpen; n != 1 {
		t.Errorf("the iLO sees %d channels, want 1", n)
	}
	packet := ping(1, 16)
	if _, err := a.write(packet); err != nil {
		t.Fatal(err)
	}
	b.answer(t, packet) // there is one stream of packets
	b.close()
	a.exchange(t, ping(2, 16))
}

func testDeaf(t *testing.T, _ int) {
	f := mustOpen(t, 0, unix.O_EXCL)
	setFaults(t, chiftest.Rule{Fault: chiftest.FaultSubmitBusy})
	for i := range uint16(3) {
		if _, err := f.write(ping(i, 16)); err != nil {
			t.Errorf("write %d: %v", i+1, err)
		}
	}
	if _, err := f.write(ping(3, 16)); err != unix.EBUSY {
		t.Errorf("fourth write: %v, want EBUSY", err)
	}
	setFaults(t)
	for i := range uint16(3) {
		f.answer(t, ping(i, 16))
	}
	f.exchange(t, ping(4, 16))
}

func testNothingToRead(t *testing.T, _ int) {
	f := mustOpen(t, 0, unix.O_EXCL|unix.O_NONBLOCK)
	if n, err := f.read(make([]byte, 4096)); err != unix.EAGAIN {
		t.Errorf("read: %d, %v; want EAGAIN", n, err)
	}
	f.exchange(t, ping(1, 16))
}

func testResetIdle(t *testing.T, channels int) {
	var held []node
	for _, n := range []int{0, 3, channels - 1} {
		f, err := open(n, unix.O_EXCL)
		if err != nil {
			t.Fatalf("open channel %d: %v", n, err)
		}
		held = append(held, f)
	}
	reset(t, 0)
	for _, f := range held {
		if events := f.poll(t); events != unix.POLLERR {
			t.Errorf("poll after a reset: events %#x, want POLLERR alone", events)
		}
		if n, err := f.write(ping(1, 16)); err != unix.ENODEV {
			t.Errorf("write after a reset: %d, %v; want ENODEV", n, err)
		}
		if n, err := f.read(make([]byte, 4096)); err != unix.ENODEV {
			t.Errorf("read after a reset: %d, %v; want ENODEV", n, err)
		}
		f.close()
	}
	mustOpen(t, 0, unix.O_EXCL).exchange(t, ping(2, 16))
}

// testResetBusy resets the iLO while it has a packet to answer.
func testResetBusy(t *testing.T, _ int) {
	f := mustOpen(t, 0, unix.O_EXCL)
	setFaults(t, chiftest.Rule{Fault: chiftest.FaultResetBefore, Op: chiftest.OpPing, Times: 1})
	if _, err := f.write(ping(1, 16)); err != nil {
		t.Fatal(err)
	}
	if events := f.poll(t); events != unix.POLLERR {
		t.Errorf("poll: events %#x, want POLLERR alone", events)
	}
	if n, err := f.read(make([]byte, 4096)); err != unix.ENODEV {
		t.Errorf("read: %d, %v; want ENODEV", n, err)
	}
	mustOpen(t, 1, unix.O_EXCL).exchange(t, ping(2, 16))
}
