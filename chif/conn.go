package chif

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

const (
	// packetTimeout is the deadline of an exchange that has none of its own, and
	// of every packet but REST and DELETE.
	packetTimeout = 30 * time.Second
	// restTimeout is how long a REST request may take to be answered. HPE's client
	// gives up after 60 s and sends again; ours cannot, so it waits longer.
	restTimeout = 180 * time.Second
	// deleteTimeout is that of DELETE, whose caller has its answer already.
	deleteTimeout = 5 * time.Second
)

// Conn exchanges packets on one channel: one request in flight, its answer
// matched by sequence and command. Whatever leaves the state of the channel in
// doubt closes it, so that no answer is ever read as another request's. A Conn
// belongs to one goroutine at a time; only Close may be called concurrently.
type Conn struct {
	channel  Channel
	closing  <-chan struct{} // ends pauses; nil: nothing does
	sequence uint16
	out, in  []byte // reused for each request and answer
	dead     error  // why the channel was closed
}

// NewConn returns a Conn on an open channel and takes ownership of it. The
// sequence starts at a random number.
func NewConn(c Channel) *Conn {
	return &Conn{channel: c, sequence: uint16(rand.Uint32()), out: make([]byte, 0, MaxPacket), in: make([]byte, MaxPacket)}
}

func (c *Conn) Close() error { return c.channel.Close() }

// next returns the sequence of the next request; 0 is skipped (PROTOCOL.md
// §1 rule 1).
func (c *Conn) next() uint16 {
	c.sequence++
	if c.sequence == 0 {
		c.sequence = 1
	}
	return c.sequence
}

// Exchange sends one request and returns the message of its answer, without
// the header, valid until the next call. Without a deadline in ctx it waits 30
// s.
//
// It fails with ErrRefused (the answer was command 0xFFFF), ErrProtocol,
// ErrReset, ErrTimeout or the context's error. The channel stays usable after
// ErrRefused, and where the context ended before anything was sent; all else
// closes it. The error matches ErrNotSent if the iLO cannot have seen the
// request, and ErrInvalidRequest for a message over 4088 bytes.
func (c *Conn) Exchange(ctx context.Context, command uint16, service uint8, message []byte) ([]byte, error) {
	if len(message) > MaxPacket-headerSize {
		return nil, notSent(fmt.Errorf("%w: a message of %d bytes does not fit a packet", ErrInvalidRequest, len(message)))
	}
	h := Header{Size: uint16(headerSize + len(message)), Sequence: c.next(), Command: command, Service: service}
	return c.exchange(ctx, append(h.append(c.out[:0]), message...))
}

// exchange is Exchange for a packet that is built already, on c.out and with
// the sequence of c.next.
func (c *Conn) exchange(ctx context.Context, request []byte) ([]byte, error) {
	if c.dead != nil {
		return nil, notSent(fmt.Errorf("%w: %v", ErrClosed, c.dead))
	}
	if err := ctx.Err(); err != nil {
		return nil, notSent(contextError(err))
	}
	if err := c.wait(ctx); err != nil {
		return nil, notSent(err)
	}
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, packetTimeout)
		defer cancel()
	}
	if err := c.channel.Send(ctx, request); err != nil {
		if end := callerErr(ctx); end != nil && errors.Is(err, end) && errors.Is(err, ErrNotSent) {
			return nil, err // nothing is under way: the channel is as it was
		}
		return nil, c.kill(err)
	}
	sequence := binary.LittleEndian.Uint16(request[2:])
	command := binary.LittleEndian.Uint16(request[4:])
	for {
		n, err := c.channel.Receive(ctx, c.in)
		if err != nil {
			return nil, c.kill(err)
		}
		h, message, err := ParsePacket(c.in[:n])
		switch {
		case err != nil:
			return nil, c.kill(err)
		case h.Sequence != sequence: // a late answer to an earlier owner of the channel
		case h.Command == commandBad:
			return nil, ErrRefused
		case h.Command != command|responseFlag:
			return nil, c.kill(fmt.Errorf("%w: command %#04x answered by %#04x", ErrProtocol, command, h.Command))
		default:
			return message, nil
		}
	}
}

// wait waits for the turn of a channel that shares its library with others,
// before the deadline of the packet that must follow begins. Its error leaves the
// channel as it was.
func (c *Conn) wait(ctx context.Context) error {
	if shared, ok := c.channel.(interface{ wait(context.Context) error }); ok {
		return shared.wait(ctx)
	}
	return nil
}

// kill closes the channel because of err and returns err.
func (c *Conn) kill(err error) error {
	c.dead = err
	return errors.Join(err, c.channel.Close())
}

// opError names the operation and the channel of err.
func (c *Conn) opError(op string, err error) error {
	return &OpError{Op: op, Channel: c.channel.String(), Err: err}
}

// Status asks the iLO for its SMIF status.
func (c *Conn) Status(ctx context.Context) (Status, error) {
	msg, err := c.exchange(ctx, appendStatus(c.out[:0], c.next()))
	if err == nil {
		var s Status
		if s, err = parseStatus(msg); err == nil {
			return s, nil
		}
	}
	return Status{}, c.opError("STATUS", err)
}
