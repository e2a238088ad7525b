package chiftest

import (
	"bytes"
	"context"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/ilod/ilod/chif"
)

// queueLen is how many packets the driver's queues hold in each direction
// (PROTOCOL.md §10: of four FIFO slots three are usable).
const queueLen = 3

// Port is the iLO's end of one open channel. Its packets are answered one after
// the other by one goroutine.
type Port struct {
	server *Server
	number int

	queued atomic.Int32 // packets handed over and not yet answered
	in     chan []byte
	out    chan []byte

	boot   context.Context // ends with an iLO reset or the server
	life   context.Context // ends, in addition, when the host closes the channel
	cancel context.CancelFunc
	reset  chan struct{}
	close  sync.Once
	line   line // nil: the host is in this process

	// For the rules for hosts. All but unanswered are used by Submit alone.
	opened     time.Time
	used       bool         // a packet was handed over
	unanswered atomic.Int32 // packets whose answers have not come whole
	sequences  []uint16     // of the last packets
}

// line is what connects a port to a host that is another process.
type line interface {
	hungUp() bool // the host has closed it, though Close was not called yet
	hangUp()      // the host sees at once that the iLO is gone
}

// Number is the channel's number, from 0.
func (p *Port) Number() int { return p.number }

// Submit hands one packet to the iLO, as the driver's write does: what exceeds
// 4096 bytes is cut off silently. It returns syscall.EBUSY when three packets
// are waiting for their answers and syscall.ENODEV after a reset (PROTOCOL.md
// §5).
func (p *Port) Submit(packet []byte) error {
	if p.life.Err() != nil {
		return syscall.ENODEV
	}
	packet = packet[:min(len(packet), chif.MaxPacket)]
	if p.server.faults.submit(packet) {
		return syscall.EBUSY
	}
	if p.queued.Add(1) > queueLen {
		p.queued.Add(-1)
		return syscall.EBUSY
	}
	p.judge(packet)
	p.in <- bytes.Clone(packet)
	return nil
}

// submitRetry is how long a host waits before it tries a busy Submit again
// (PROTOCOL.md §8 row 11).
const submitRetry = 50 * time.Millisecond

// submitWait is Submit that waits for room until ctx ends.
func (p *Port) submitWait(ctx context.Context, packet []byte) error {
	for {
		err := p.Submit(packet)
		if err != syscall.EBUSY {
			return err
		}
		if err := sleep(ctx, submitRetry); err != nil {
			return err
		}
	}
}

// Answers delivers the iLO's packets: at most 4096 bytes each, padded
// to a multiple of 8 unless a fault truncates them. At most three are queued.
// The channel is never closed; wait for Resets as well.
func (p *Port) Answers() <-chan []byte { return p.out }

// Resets is closed when the iLO is reset or the server closed. The channel
// number stays taken until Close.
func (p *Port) Resets() <-chan struct{} { return p.reset }

// Close says that the host closed the channel. Packets that were handed over
// before are still executed, their answers are lost.
func (p *Port) Close() {
	p.close.Do(func() {
		p.cancel()
		s := p.server
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.ports, p.number)
	})
}

// run answers packets until the port ends.
func (p *Port) run() {
	for {
		select {
		case packet := <-p.in:
			p.answer(packet)
		case <-p.life.Done():
			for p.boot.Err() == nil {
				select {
				case packet := <-p.in:
					p.answer(packet)
				default:
					return
				}
			}
			return
		}
	}
}

// answer executes one packet and queues what the iLO says to it.
func (p *Port) answer(packet []byte) {
	p.server.exchange(p, packet)
	p.queued.Add(-1)
}

// send queues one answer; it waits for room as long as the channel is open.
// What was on its way when the host closed the channel, the channel's next owner
// gets: whether an iLO does so is not known, and a host must bear it.
func (p *Port) send(packet []byte) {
	if p.life.Err() == nil {
		select {
		case p.out <- packet:
			return
		case <-p.life.Done():
		}
	}
	if p.boot.Err() != nil {
		return
	}
	s := p.server
	s.mu.Lock()
	defer s.mu.Unlock()
	if next := s.ports[p.number]; next != nil {
		select {
		case next.out <- packet:
		default: // its queue is full
		}
	} else if len(s.late[p.number]) < queueLen {
		s.late[p.number] = append(s.late[p.number], packet)
	}
}

// pad adds bytes up to the next multiple of 8, since FIFO lengths count in
// quadwords (hpilo.h). They are old memory of the iLO and not zero.
func pad(packet []byte) []byte {
	return append(packet, bytes.Repeat([]byte{padding}, (8-len(packet)%8)%8)...)
}

const padding = 0x5A

// sleep waits, and returns ctx's error when it ends first.
func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
