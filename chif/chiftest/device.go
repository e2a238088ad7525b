package chiftest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"syscall"

	"github.com/ilod/ilod/chif"
)

// Device is the server's channels in process. A channel behaves as one of the
// Linux driver does: a packet above 4096 bytes goes out cut, a full send queue
// delays Send, a receive buffer that is too small loses the rest, and after an
// iLO reset nothing but Close works.
func (s *Server) Device() chif.Device { return device{s} }

type device struct{ server *Server }

func (d device) String() string { return "chiftest" }

// Open opens any free channel. It fails with chif.ErrBusy when there is none or
// the iLO is resetting, with chif.ErrNoDevice after Server.Close.
func (d device) Open(ctx context.Context) (chif.Channel, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	p, err := d.server.OpenPort(-1)
	switch {
	case errors.Is(err, syscall.EBUSY):
		return nil, &chif.OpError{Op: "open", Err: fmt.Errorf("%w: %w", chif.ErrBusy, err)}
	case err != nil:
		return nil, &chif.OpError{Op: "open", Err: fmt.Errorf("%w: %w", chif.ErrNoDevice, err)}
	}
	return &channel{port: p, closed: make(chan struct{})}, nil
}

type channel struct {
	port   *Port
	once   sync.Once
	closed chan struct{}
}

func (c *channel) String() string { return fmt.Sprintf("chiftest/%d", c.port.number) }

func (c *channel) Send(ctx context.Context, packet []byte) error {
	err := c.ended()
	if err == nil {
		err = c.port.submitWait(ctx, packet)
	}
	switch {
	case err == nil && len(packet) > chif.MaxPacket:
		return fmt.Errorf("%w: a packet of %d bytes went out cut to %d", chif.ErrTooLarge, len(packet), chif.MaxPacket)
	case err == nil:
		return nil
	case errors.Is(err, syscall.ENODEV):
		err = c.ended()
	case ctx.Err() != nil:
		err = cause(ctx)
	}
	return fmt.Errorf("%w: %w", chif.ErrNotSent, err)
}

func (c *channel) Receive(ctx context.Context, buf []byte) (int, error) {
	if err := c.ended(); err != nil {
		return 0, err
	}
	select {
	case p := <-c.port.Answers():
		return copy(buf, p), nil
	case <-c.port.Resets():
		return 0, chif.ErrReset
	case <-c.closed:
		return 0, chif.ErrClosed
	case <-ctx.Done():
		return 0, cause(ctx)
	}
}

// ended is the reason why the channel is of no more use, if it is so.
func (c *channel) ended() error {
	select {
	case <-c.closed:
		return chif.ErrClosed
	default:
	}
	select {
	case <-c.port.Resets():
		return chif.ErrReset
	default:
		return nil
	}
}

// cause is why ctx ended; a deadline is a chif.ErrTimeout as well.
func cause(ctx context.Context) error {
	err := ctx.Err()
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%w: %w", chif.ErrTimeout, err)
	}
	return err
}

func (c *channel) Close() error {
	c.once.Do(func() {
		close(c.closed)
		c.port.Close()
	})
	return nil
}
