package chif

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// hungPatience is how long a call waits behind one that its caller has given
	// up, if its context does not end before.
	hungPatience = 10 * time.Second
	// closePatience is how long Close waits for its turn. Then the channel is
	// closed as soon as the call in progress returns.
	closePatience = 2 * time.Second
	// libraryIdle is after how long a channel is asked whether it still works,
	// before a request that could not be sent twice: a reset of the iLO shows at
	// the next use only, and then not whether the request was sent.
	libraryIdle = 100 * time.Millisecond
	// libraryRounds is less than the library tries to get a channel while all are
	// taken, 8 s, and more than it takes to see that there is no driver
	// (PROTOCOL.md §6).
	libraryRounds = time.Second
)

// functions are what is used of HPE's channel library (PROTOCOL.md §6). The
// codes are 0 for success, and else what libraryError knows.
type functions interface {
	initialize()                           // ChifInitialize, ChifDisableSecurity
	create() (handle uintptr, code uint32) // ChifCreate
	ping(handle uintptr) uint32            // ChifPing, which opens the channel
	// exchange is ChifSetRecvTimeout and ChifPacketExchange: the length of the
	// request is taken from its header, and nothing tells that of the answer.
	exchange(handle uintptr, request, answer []byte, ms uint32) uint32
	close(handle uintptr) // ChifClose
}

// library lets one thread alone call into HPE's library, one call after the
// other: whether it would bear more is not known. It is never unloaded, so that
// thread ends with the process.
//
// Who wants a call made takes the turn, which may take as long as another's call,
// and then gives the thread its work. The thread ends the turn.
type library struct {
	name string
	functions
	turn  chan struct{} // holds a token from take until the thread has done the work
	works chan *work    // never full: whoever fills it has the turn

	mu      sync.Mutex
	current *work     // what the thread does, or is about to do
	left    []*handle // to close
}

// handle is one of the library's channels. Only the library's thread uses it.
type handle struct {
	value uintptr
	used  time.Time // when its last call ended
}

// work is what a caller wants the library's thread to do.
type work struct {
	do      func()
	begun   atomic.Bool // by the thread or, if it is not to be done any more, by who wanted it
	settled atomic.Bool // by the thread, or by who does not wait any longer
	left    time.Time   // since when nobody waits for it; zero: somebody does. Under library.mu
}

func newLibrary(name string, f functions) *library {
	l := &library{name: name, functions: f, turn: make(chan struct{}, 1), works: make(chan *work, 1)}
	go l.serve()
	return l
}

func (l *library) serve() {
	runtime.LockOSThread()
	l.initialize()
	for w := range l.works {
		w.do()
		l.closeLeft()
		l.mu.Lock()
		l.current = nil
		l.mu.Unlock()
		<-l.turn
	}
}

// closeLeft closes the channels whose owners have left. It runs on the thread.
func (l *library) closeLeft() {
	l.mu.Lock()
	left := l.left
	l.left = nil
	l.mu.Unlock()
	for _, h := range left {
		l.close(h.value)
	}
}

// take waits for the turn, at most until ctx or gone ends. It fails with ErrBusy
// when a call that its caller has given up does not return. Whoever has the turn
// must do begin or give it back.
func (l *library) take(ctx context.Context, gone <-chan struct{}) error {
	ticker := time.NewTicker(hungPatience / 4)
	defer ticker.Stop()
	for {
		select {
		case <-gone:
			return notSent(ErrClosed)
		default:
		}
		if err := ctx.Err(); err != nil {
			return notSent(fmt.Errorf("an earlier call into %s has not returned: %w", l.name, contextError(err)))
		}
		select {
		case l.turn <- struct{}{}:
			return nil
		case <-gone:
		case <-ctx.Done():
		case <-ticker.C:
			if l.hung() {
				return notSent(fmt.Errorf("%w: a call into %s does not return", ErrBusy, l.name))
			}
		}
	}
}

func (l *library) giveBack() { <-l.turn }

// begin has the thread do w. It needs the turn, which ends with w.
func (l *library) begin(w *work) {
	l.mu.Lock()
	l.current = w
	l.mu.Unlock()
	l.works <- w
}

// leave says that nobody waits for w any more. It returns true if w will not be
// done, nor anything of it.
func (l *library) leave(w *work) (undone bool) {
	undone = !w.begun.Swap(true)
	l.mu.Lock()
	defer l.mu.Unlock()
	w.left = time.Now()
	return undone
}

// hung tells whether the thread is in a call that nobody waits for since long.
func (l *library) hung() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.current != nil && !l.current.left.IsZero() && time.Since(l.current.left) > hungPatience
}

// open makes and opens a channel.
func (l *library) open(ctx context.Context) (Channel, error) {
	if err := l.take(ctx, nil); err != nil {
		return nil, err
	}
	type opened struct {
		value uintptr
		code  uint32
		tried time.Duration
	}
	result := make(chan opened, 1)
	w := &work{}
	w.do = func() {
		var o opened
		if w.begun.Swap(true) {
			return
		}
		if o.value, o.code = l.create(); o.code == 0 {
			start := time.Now()
			o.code = l.ping(o.value)
			o.tried = time.Since(start)
		}
		// A refused ping says nothing about other commands.
		if o.value != 0 && (o.code != 0 && o.code != codeBadCommand || w.settled.Swap(true)) {
			l.close(o.value)
		}
		result <- o
	}
	l.begin(w)
	var o opened
	select {
	case o = <-result:
	case <-ctx.Done():
		if l.leave(w) || !w.settled.Swap(true) {
			return nil, contextError(ctx.Err())
		}
		o = <-result
	}
	switch {
	case o.code == 2 && o.tried > libraryRounds: // on Linux this code means just this
		return nil, fmt.Errorf("%w (code %d of %s after %v)", ErrBusy, o.code, l.name, o.tried.Round(time.Second))
	case o.code != 0 && o.code != codeBadCommand:
		return nil, libraryError(l.name, o.code)
	}
	return &libraryChannel{
		library: l, name: fmt.Sprintf("%s channel %#x", l.name, o.value), handle: &handle{value: o.value, used: time.Now()},
		result: make(chan outcome, 1), done: make(chan struct{}),
	}, nil
}

// outcome is that of one exchange.
type outcome struct {
	code   uint32
	unsent error // why the request was not handed over
}

// libraryChannel is a Channel of HPE's library. That sends a request and waits
// for its answer in one call, which Send begins and Receive waits for.
type libraryChannel struct {
	library *library
	name    string
	handle  *handle

	hasTurn         bool
	inFlight        *work
	result          chan outcome // of inFlight
	request, answer [MaxPacket]byte

	closed atomic.Bool
	done   chan struct{} // closed by Close
}

func (c *libraryChannel) String() string { return c.name }

// wait waits until the library has time for this channel: so a packet's deadline
// need not begin while calls of other channels go on. Send must follow. After an
// error the channel is as good as before.
func (c *libraryChannel) wait(ctx context.Context) error {
	if c.hasTurn {
		return nil
	}
	err := c.library.take(ctx, c.done)
	c.hasTurn = err == nil
	return err
}

// Send begins the exchange. It waits for those of other channels.
func (c *libraryChannel) Send(ctx context.Context, packet []byte) error {
	if err := c.wait(ctx); err != nil {
		return err
	}
	c.hasTurn = false
	if c.inFlight != nil || len(packet) < headerSize || len(packet) > MaxPacket {
		c.library.giveBack()
		return notSent(fmt.Errorf("%w: a packet of %d bytes, or a second one", ErrInvalidRequest, len(packet)))
	}
	// The call may outlive the caller, so the buffers are the channel's own.
	clear(c.request[copy(c.request[:], packet):])
	clear(c.answer[:])
	w := &work{}
	w.do = func() { c.result <- c.exchange(ctx, w) }
	c.inFlight = w
	c.library.begin(w)
	return nil
}

// exchange is what the library's thread does for Send. What is not wanted any
// more is not done: the channel may be closed, its caller gone.
func (c *libraryChannel) exchange(ctx context.Context, w *work) outcome {
	h := c.handle
	if err := c.unwanted(ctx); err != nil {
		return outcome{unsent: notSent(err)}
	}
	if time.Since(h.used) > libraryIdle {
		code := c.library.ping(h.value)
		if h.used = time.Now(); code != 0 && code != codeBadCommand {
			return outcome{unsent: notSent(libraryError(c.library.name, code))}
		}
	}
	if err := c.unwanted(ctx); err != nil {
		return outcome{unsent: notSent(err)}
	}
	if w.begun.Swap(true) {
		return outcome{} // the caller has left, and knows that nothing was sent
	}
	code := c.library.exchange(h.value, c.request[:], c.answer[:], milliseconds(ctx))
	h.used = time.Now()
	return outcome{code: code}
}

// unwanted says why an exchange need not, or must not, be made. It runs on the
// thread. A channel whose handle the thread has closed was ended by Close before.
func (c *libraryChannel) unwanted(ctx context.Context) error {
	select {
	case <-c.done:
		return ErrClosed
	default:
	}
	if err := ctx.Err(); err != nil {
		return contextError(err)
	}
	return nil
}

// milliseconds is what is left of ctx, for ChifSetRecvTimeout, which rounds it up
// to slices of 6 s and takes 0 for 18 s (PROTOCOL.md §6).
func milliseconds(ctx context.Context) uint32 {
	left := packetTimeout
	if deadline, ok := ctx.Deadline(); ok {
		left = time.Until(deadline)
	}
	return uint32(min(max(left.Milliseconds(), 1), math.MaxInt32))
}

// Receive waits for the answer to what was sent. If ctx ends before, the channel
// is good for Close only.
func (c *libraryChannel) Receive(ctx context.Context, buf []byte) (int, error) {
	if c.inFlight == nil {
		return 0, fmt.Errorf("%w: %s gave an answer that belongs to another request", ErrProtocol, c.library.name)
	}
	var err error
	select {
	case o := <-c.result:
		c.inFlight = nil
		switch {
		case o.unsent != nil:
			return 0, o.unsent
		case o.code == 0:
			size := int(binary.LittleEndian.Uint16(c.answer[:]))
			return copy(buf, c.answer[:min(max(size, headerSize), MaxPacket)]), nil
		case o.code == codeBadCommand: // what the answer was is known, whether it was stored is not
			bad := Header{Size: headerSize, Sequence: binary.LittleEndian.Uint16(c.request[2:]), Command: commandBad}
			return copy(buf, bad.append(nil)), nil
		}
		return 0, libraryError(c.library.name, o.code)
	case <-c.done:
		err = ErrClosed
	case <-ctx.Done():
		err = contextError(ctx.Err())
	}
	if c.library.leave(c.inFlight) {
		err = notSent(err)
	}
	return 0, err
}

// Close gives the channel back, at once or when the call in progress returns.
func (c *libraryChannel) Close() error {
	if c.closed.Swap(true) {
		return nil
	}
	close(c.done)
	l := c.library
	l.mu.Lock()
	l.left = append(l.left, c.handle)
	l.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), closePatience)
	defer cancel()
	if l.take(ctx, nil) != nil {
		return nil // the thread closes it after the call in progress
	}
	closed := make(chan struct{})
	l.begin(&work{do: func() { l.closeLeft(); close(closed) }})
	select {
	case <-closed:
	case <-ctx.Done():
	}
	return nil
}
