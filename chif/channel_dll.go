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
	// (chif-captures §3).
	libraryRounds = time.Second
)

// functions are what is used of HPE's channel library (chif-protocol §6). The
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
type library struct {
	name string
	functions
	calls chan *call

	mu      sync.Mutex
	current *call     // what the library is doing
	hung    time.Time // since when nobody waits for current; zero: somebody does
	left    []uintptr // channels to close
}

type call struct{ f func() }

func newLibrary(name string, f functions) *library {
	l := &library{name: name, functions: f, calls: make(chan *call)}
	go l.serve()
	return l
}

func (l *library) serve() {
	runtime.LockOSThread()
	l.initialize()
	for c := range l.calls {
		l.now(c)
		c.f()
		l.closeLeft()
		l.now(nil)
	}
}

func (l *library) now(c *call) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.current, l.hung = c, time.Time{}
}

// closeLeft closes the channels whose owners have left.
func (l *library) closeLeft() {
	l.mu.Lock()
	left := l.left
	l.left = nil
	l.mu.Unlock()
	for _, handle := range left {
		l.close(handle)
	}
}

// call has the library's thread begin with f. Its error promises that f was not
// and will not be called.
func (l *library) call(ctx context.Context, f func()) (*call, error) {
	c := &call{f}
	ticker := time.NewTicker(hungPatience / 4)
	defer ticker.Stop()
	for {
		select {
		case l.calls <- c:
			return c, nil
		case <-ctx.Done():
			return nil, notSent(fmt.Errorf("an earlier call into %s has not returned: %w", l.name, contextError(ctx.Err())))
		case <-ticker.C:
			l.mu.Lock()
			hung := l.hung
			l.mu.Unlock()
			if !hung.IsZero() && time.Since(hung) > hungPatience {
				return nil, notSent(fmt.Errorf("%w: a call into %s does not return", ErrBusy, l.name))
			}
		}
	}
}

// giveUp says that nobody waits for c any more.
func (l *library) giveUp(c *call) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.current == c && l.hung.IsZero() {
		l.hung = time.Now()
	}
}

// open makes and opens a channel.
func (l *library) open(ctx context.Context) (Channel, error) {
	type opened struct {
		handle uintptr
		code   uint32
		tried  time.Duration
	}
	result := make(chan opened, 1)
	var settled atomic.Bool // by the first of both sides
	c, err := l.call(ctx, func() {
		var o opened
		if o.handle, o.code = l.create(); o.code == 0 {
			start := time.Now()
			o.code = l.ping(o.handle)
			o.tried = time.Since(start)
		}
		// A refused ping says nothing about other commands.
		if o.handle != 0 && (o.code != 0 && o.code != codeBadCommand || settled.Swap(true)) {
			l.close(o.handle)
		}
		result <- o
	})
	if err != nil {
		return nil, err
	}
	var o opened
	select {
	case o = <-result:
	case <-ctx.Done():
		if !settled.Swap(true) {
			l.giveUp(c)
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
	return &libraryChannel{library: l, handle: o.handle, used: time.Now(), result: make(chan outcome, 1), done: make(chan struct{})}, nil
}

// outcome is that of one exchange.
type outcome struct {
	code   uint32
	unsent bool // the request was not handed over
}

// libraryChannel is a Channel of HPE's library. That sends a request and waits
// for its answer in one call, which Send begins and Receive waits for.
type libraryChannel struct {
	library *library
	handle  uintptr

	inFlight        *call
	result          chan outcome // of inFlight
	request, answer [MaxPacket]byte
	used            time.Time // when the last call ended

	closed sync.Once
	done   chan struct{} // closed by Close
}

func (c *libraryChannel) String() string {
	return fmt.Sprintf("%s channel %#x", c.library.name, c.handle)
}

// Send begins the exchange. It waits for those of other channels.
func (c *libraryChannel) Send(ctx context.Context, packet []byte) error {
	select {
	case <-c.done:
		return notSent(ErrClosed)
	default:
	}
	if c.inFlight != nil || len(packet) < headerSize || len(packet) > MaxPacket {
		return notSent(fmt.Errorf("%w: a packet of %d bytes, or a second one", ErrInvalidRequest, len(packet)))
	}
	// The call may outlive the caller, so the buffers are the channel's own.
	clear(c.request[copy(c.request[:], packet):])
	clear(c.answer[:])
	idle := time.Since(c.used) > libraryIdle
	begun, err := c.library.call(ctx, func() {
		if idle {
			if code := c.library.ping(c.handle); code != 0 && code != codeBadCommand {
				c.result <- outcome{code, true}
				return
			}
		}
		c.result <- outcome{c.library.exchange(c.handle, c.request[:], c.answer[:], milliseconds(ctx)), false}
	})
	c.inFlight = begun
	return err
}

// milliseconds is what is left of ctx, for ChifSetRecvTimeout, which rounds it up
// to slices of 6 s and takes 0 for 18 s (chif-captures §4).
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
	select {
	case o := <-c.result:
		c.inFlight, c.used = nil, time.Now()
		switch o.code {
		case 0:
			size := int(binary.LittleEndian.Uint16(c.answer[:]))
			return copy(buf, c.answer[:min(max(size, headerSize), MaxPacket)]), nil
		case codeBadCommand: // what the answer was is known, whether it was stored is not
			bad := Header{Size: headerSize, Sequence: binary.LittleEndian.Uint16(c.request[2:]), Command: commandBad}
			return copy(buf, bad.append(nil)), nil
		}
		err := libraryError(c.library.name, o.code)
		if o.unsent {
			err = notSent(err)
		}
		return 0, err
	case <-c.done:
		c.library.giveUp(c.inFlight)
		return 0, ErrClosed
	case <-ctx.Done():
		c.library.giveUp(c.inFlight)
		return 0, contextError(ctx.Err())
	}
}

// Close gives the channel back, at once or when the call in progress returns.
func (c *libraryChannel) Close() error {
	c.closed.Do(func() {
		close(c.done)
		l := c.library
		l.mu.Lock()
		l.left = append(l.left, c.handle)
		l.mu.Unlock()
		ctx, cancel := context.WithTimeout(context.Background(), closePatience)
		defer cancel()
		closed := make(chan struct{})
		if _, err := l.call(ctx, func() { l.closeLeft(); close(closed) }); err != nil {
			return
		}
		select {
		case <-closed:
		case <-ctx.Done():
		}
	})
	return nil
}

// codeBadCommand: the answer was command 0xFFFF (chif-protocol §2.2).
const codeBadCommand = 8

// libraryCodes are the codes of HPE's library (0 is success, 8 codeBadCommand).
// Those of opening a channel on Windows are what HPE's Python gives names to
// (python-ilorest-library, rishpilo.py, BlobReturnCodes); the others were seen on
// Linux (chif-protocol §2.2, chif-captures §4), where the same sources made the
// library. What it returns on Windows while all channels are taken is not known.
var libraryCodes = map[uint32]error{
	5:  fmt.Errorf("%w: run as Administrator", ErrPermission),
	11: ErrTimeout,
	13: fmt.Errorf("%w (the library may also mean: no permission)", ErrCredentialsRequired),
	22: notSent(fmt.Errorf("%w: it was refused by the library", ErrInvalidRequest)),
	32: ErrReset, // reading or writing failed; the channel is of no more use
	34: fmt.Errorf("%w: an answer larger than %d bytes", ErrProtocol, MaxPacket),
	71: fmt.Errorf("%w: an answer shorter than it says", ErrProtocol),
}

// libraryError is the error of a code other than 0.
func libraryError(name string, code uint32) error {
	err := libraryCodes[code]
	switch {
	case code == 2 || code == 19:
		err = &NoDeviceError{Address: name, Reason: NoDriver}
	case err == nil:
		return fmt.Errorf("%s: code %d, which is not documented", name, code)
	}
	return fmt.Errorf("%w (code %d of %s)", err, code, name)
}
