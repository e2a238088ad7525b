//go:build linux

package chif

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// pollSlice bounds one poll: the driver recomputes readiness only at the
	// entry of poll, so slices survive a lost interrupt (hpilo.c ilo_poll).
	pollSlice = 250 * time.Millisecond
	// quickSlice is the first poll of a wait. Most answers come within it, and
	// only a longer wait pays for hooking the context's cancellation.
	quickSlice = 5 * time.Millisecond
	// queueRetry and queueWait: how often, and how long, a packet is offered to
	// a full queue (PROTOCOL.md §8 row 11).
	queueRetry = 50 * time.Millisecond
	queueWait  = 2 * time.Second
	// maxLeft is more than the driver's queue to the host holds, 3.
	maxLeft = 8
)

// fdChannel is a Channel on a file descriptor that moves one packet a read or
// write: an hpilo node or a packet socket. The descriptor is never given to the
// runtime's poller: hpilo ignores O_NONBLOCK, its read sleeps up to 2 s, and it
// never reports writability.
type fdChannel struct {
	name string
	fd   int
	wake int // eventfd: ends a poll when the context or the channel ends

	read, write func(fd int, packet []byte) (int, error) // unix.Read and unix.Write

	slice     time.Duration // the longest poll
	mayBeBusy bool          // the other end may still say that it has no channel left

	use    sync.Mutex // held while fd and wake are in use, so that they cannot be closed and given to another file
	closed atomic.Bool
	polled [2]unix.PollFd
}

func newFDChannel(name string, fd int) (*fdChannel, error) {
	wake, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("eventfd: %w", err)
	}
	return &fdChannel{name: name, fd: fd, wake: wake, read: unix.Read, write: unix.Write, slice: pollSlice}, nil
}

func (c *fdChannel) String() string { return c.name }

// Close wakes whoever waits on the channel, waits until it has left, and closes
// the descriptors.
func (c *fdChannel) Close() error {
	if c.closed.Swap(true) {
		return nil
	}
	c.signal()
	c.use.Lock()
	defer c.use.Unlock()
	return errors.Join(unix.Close(c.fd), unix.Close(c.wake))
}

func (c *fdChannel) signal() {
	one := [8]byte{0: 1}
	// The only failure is a full counter, which wakes as well.
	_, _ = unix.Write(c.wake, one[:])
}

// wait is one use of the channel under a context.
type wait struct {
	c      *fdChannel
	life   context.Context
	unhook func() bool
}

// slice returns how long the next poll may last. It fails when the context or
// the channel has ended.
func (w *wait) slice(longest time.Duration) (ms int, err error) {
	if w.c.closed.Load() {
		return 0, ErrClosed
	}
	if err := w.life.Err(); err != nil {
		return 0, contextError(err)
	}
	if deadline, ok := w.life.Deadline(); ok {
		left := time.Until(deadline)
		if left <= 0 {
			return 0, contextError(context.DeadlineExceeded)
		}
		longest = min(longest, left)
	}
	return int(math.Ceil(float64(longest) / float64(time.Millisecond))), nil
}

// hook makes the end of the context end the polls that follow.
func (w *wait) hook() {
	if w.unhook != nil || w.life.Done() == nil {
		return
	}
	c, done := w.c, make(chan struct{}) // not w: a wait that needs no hook stays off the heap
	stop := context.AfterFunc(w.life, func() { defer close(done); c.signal() })
	w.unhook = func() bool {
		if stop() {
			return true
		}
		<-done
		return false
	}
}

// end undoes hook and leaves no wake-up behind for the next use.
func (w *wait) end() {
	if w.unhook != nil && !w.unhook() {
		var b [8]byte
		_, _ = unix.Read(w.c.wake, b[:])
	}
}

// poll waits for the channel (if events ≠ 0) or a wake-up.
func (c *fdChannel) poll(events int16, ms int) (revents int16, err error) {
	c.polled[0] = unix.PollFd{Fd: int32(c.wake), Events: unix.POLLIN}
	c.polled[1] = unix.PollFd{Fd: int32(c.fd), Events: events}
	fds := c.polled[:]
	if events == 0 {
		fds = fds[:1]
	}
	if _, err := unix.Poll(fds, ms); err != nil && err != unix.EINTR {
		return 0, fmt.Errorf("poll: %w", err)
	}
	return c.polled[1].Revents, nil
}

// Send writes one packet. A full queue (EBUSY from the driver, EAGAIN from a
// socket) is retried for 2 s.
func (c *fdChannel) Send(ctx context.Context, packet []byte) error {
	c.use.Lock()
	defer c.use.Unlock()
	w := wait{c: c, life: ctx}
	defer w.end()
	var giveUp time.Time
	for {
		ms, err := w.slice(queueRetry)
		if err != nil {
			return notSent(err)
		}
		n, err := c.write(c.fd, packet)
		switch err {
		case nil:
			if n < len(packet) {
				return fmt.Errorf("%w: the driver took %d bytes of a packet of %d", ErrProtocol, n, len(packet))
			}
			return nil
		case unix.EINTR:
		case unix.EBUSY, unix.EAGAIN:
			if giveUp.IsZero() {
				giveUp = time.Now().Add(queueWait)
			} else if time.Now().After(giveUp) {
				return notSent(fmt.Errorf("%w: its packet queue stayed full for %v", ErrTimeout, queueWait))
			}
			w.hook()
			if _, err := c.poll(0, ms); err != nil {
				return notSent(err)
			}
		case unix.ENODEV, unix.EPIPE, unix.ECONNRESET:
			if c.refused() {
				return notSent(ErrBusy)
			}
			return notSent(fmt.Errorf("%w: write: %w", ErrReset, err))
		default:
			return notSent(fmt.Errorf("write: %w", err))
		}
	}
}

// Receive waits for one packet and reads it. read is called only after poll
// has announced a packet.
func (c *fdChannel) Receive(ctx context.Context, buf []byte) (int, error) {
	c.use.Lock()
	defer c.use.Unlock()
	w := wait{c: c, life: ctx}
	defer w.end()
	for longest := quickSlice; ; longest = c.slice {
		ms, err := w.slice(longest)
		if err != nil {
			return 0, err
		}
		revents, err := c.poll(unix.POLLIN, ms)
		if err != nil {
			return 0, err
		}
		switch {
		case revents&unix.POLLIN != 0:
			n, err := c.read(c.fd, buf)
			switch {
			case err == unix.EAGAIN || err == unix.EINTR:
				continue
			case err == unix.ENODEV || err == unix.ECONNRESET:
				return 0, fmt.Errorf("%w: read: %w", ErrReset, err)
			case err != nil:
				return 0, fmt.Errorf("read: %w", err)
			case n == 0:
				return 0, fmt.Errorf("%w: the other end closed the channel", ErrReset)
			case c.mayBeBusy && isBusyPacket(buf[:n]):
				return 0, notSent(ErrBusy)
			}
			c.mayBeBusy = false
			return n, nil
		case revents != 0:
			return 0, fmt.Errorf("%w: poll reports %#x", ErrReset, revents)
		}
		w.hook()
	}
}

// refused reports whether the last packet before the other end closed was a
// busy packet.
func (c *fdChannel) refused() bool {
	if !c.mayBeBusy {
		return false
	}
	var b [headerSize + 1]byte
	n, err := c.read(c.fd, b[:])
	return err == nil && isBusyPacket(b[:n])
}

// drain takes what an earlier owner of the channel has left unread.
func (c *fdChannel) drain() error {
	c.use.Lock()
	defer c.use.Unlock()
	var buf [MaxPacket]byte
	for range maxLeft {
		revents, err := c.poll(unix.POLLIN, 0)
		if err != nil || revents&unix.POLLIN == 0 {
			return err
		}
		if _, err := c.read(c.fd, buf[:]); err != nil {
			return nil // the first exchange meets it again
		}
	}
	return nil
}

// isBusyPacket knows the packet with which the server of a packet socket says
// that it has no channel left: a bare header with command 0xFFFF and the
// sequence 0, which no request of ours carries. A node says it with EBUSY.
func isBusyPacket(b []byte) bool {
	h, msg, err := ParsePacket(b)
	return err == nil && len(msg) == 0 && h.Sequence == 0 && h.Command == commandBad
}
