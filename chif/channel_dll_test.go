package chif

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// echo is a library whose iLO answers each request with its own header. It
// complains of calls that HPE's library might not bear: two at a time, and those
// on a handle that was closed or never made.
type echo struct {
	t      *testing.T
	busy   atomic.Bool
	made   uintptr          // handles so far, and those that are open;
	open   map[uintptr]bool // touched by the library's thread alone: the race detector says so
	code   uint32
	silent chan struct{} // not nil: exchanges wait for its end
	pings  atomic.Int32
	done   atomic.Int32 // exchanges
	slow   func()       // not nil: what a ping does besides

	refused          uint32        // the code of create
	handles          bool          // and then there is a handle all the same
	loading, closing time.Duration // how long initialize and close take
	closes           atomic.Int32
	limit            atomic.Uint32                // the last exchange's time limit
	fill             func(request, answer []byte) // not nil: makes the answers
}

func (e *echo) call(name string, handle uintptr) (end func()) {
	if e.busy.Swap(true) {
		e.t.Error("two calls at a time")
	}
	if name != "create" && !e.open[handle] {
		e.t.Errorf("%s on handle %d, which is not open", name, handle)
	}
	return func() { e.busy.Store(false) }
}

func (e *echo) initialize() {
	time.Sleep(e.loading)
	e.open = map[uintptr]bool{}
}

func (e *echo) create() (uintptr, uint32) {
	defer e.call("create", 0)()
	if e.refused != 0 && !e.handles {
		return 0, e.refused
	}
	e.made++
	e.open[e.made] = true
	return e.made, e.refused
}

func (e *echo) ping(handle uintptr) uint32 {
	defer e.call("ping", handle)()
	e.pings.Add(1)
	if e.slow != nil {
		e.slow()
	}
	return e.code
}

func (e *echo) exchange(handle uintptr, request, answer []byte, ms uint32) uint32 {
	defer e.call("exchange", handle)()
	e.done.Add(1)
	if ms == 0 {
		e.t.Error("no time limit")
	}
	if e.silent != nil {
		<-e.silent
	}
	e.limit.Store(ms)
	if e.fill != nil {
		e.fill(request, answer)
		return e.code
	}
	h, _, _ := ParsePacket(request)
	if h.Command == commandStatus {
		h.Size = 12
	} else {
		h.Size = headerSize
	}
	h.Command |= responseFlag
	h.append(answer[:0])
	return e.code
}

func (e *echo) close(handle uintptr) {
	defer e.call("close", handle)()
	time.Sleep(e.closing)
	e.closes.Add(1)
	delete(e.open, handle)
}

// start runs the library until the test's end, when no channel may be open.
func (e *echo) start() *library {
	l := newLibrary("test.dll", e)
	e.t.Cleanup(func() {
		none := make(chan bool)
		if err := l.take(context.Background(), nil); err != nil {
			e.t.Error(err)
			return
		}
		l.begin(&work{do: func() { none <- len(e.open) == 0 }})
		if !<-none {
			e.t.Error("channels are left")
		}
		close(l.works)
	})
	return l
}

func (e *echo) conn(l *library) *Conn {
	e.t.Helper()
	c, err := l.open(e.t.Context())
	if err != nil {
		e.t.Fatal(err)
	}
	return NewConn(c)
}

// TestLibraryOneCallAtATime: channels are used at the same time, the library not.
func TestLibraryOneCallAtATime(t *testing.T) {
	e := &echo{t: t}
	l := e.start()
	done := make(chan error)
	const channels, exchanges = 4, 100
	for range channels {
		go func() {
			c, err := l.open(t.Context())
			if err != nil {
				done <- err
				return
			}
			conn := NewConn(c)
			for range exchanges {
				_, failed := conn.Exchange(t.Context(), commandBlob, 0, make([]byte, 52))
				err = errors.Join(err, failed)
			}
			done <- errors.Join(err, conn.Close())
		}()
	}
	for range channels {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// TestLibraryHangs: who waits for a call that does not return is told so, as are
// those who come later; when it returns everything works again.
func TestLibraryHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &echo{t: t, silent: make(chan struct{})}
		l := e.start()
		hanging, other := e.conn(l), e.conn(l)
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := hanging.Exchange(short, commandBlob, 0, nil); !errors.Is(err, ErrTimeout) || errors.Is(err, ErrNotSent) {
			t.Errorf("of the hanging call: %v", err)
		}
		if _, err := other.Exchange(t.Context(), commandBlob, 0, nil); !errors.Is(err, ErrBusy) || !errors.Is(err, ErrNotSent) {
			t.Errorf("of the next: %v", err)
		}
		if _, err := l.open(t.Context()); !errors.Is(err, ErrBusy) {
			t.Errorf("of a new channel: %v", err)
		}
		soon, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := l.open(soon); !errors.Is(err, ErrTimeout) {
			t.Errorf("of an impatient one: %v", err)
		}
		close(e.silent)
		again := e.conn(l)
		for _, conn := range []*Conn{again, other} { // whose request was not sent
			if _, err := conn.Exchange(t.Context(), commandBlob, 0, nil); err != nil {
				t.Errorf("afterwards: %v", err)
			}
			conn.Close()
		}
	})
}

// TestLibraryCodes: each code is one of the errors that callers know, or at least
// one. Refused, code 8, does not end the channel.
func TestLibraryCodes(t *testing.T) {
	for code, want := range map[uint32]error{
		2: ErrNoDevice, 5: ErrPermission, 11: ErrTimeout, 13: ErrCredentialsRequired, 19: ErrNoDevice,
		22: ErrNotSent, 32: ErrReset, 34: ErrProtocol, 71: ErrProtocol, 4711: nil,
	} {
		e := &echo{t: t}
		l := e.start()
		conn := e.conn(l)
		e.code = code
		_, exchanging := conn.Exchange(t.Context(), commandBlob, 0, nil)
		_, opening := l.open(t.Context())
		for _, err := range []error{exchanging, opening} {
			if err == nil || want != nil && !errors.Is(err, want) {
				t.Errorf("code %d: %v, want %v", code, err, want)
			}
		}
		conn.Close()
	}
	e := &echo{t: t, code: codeBadCommand}
	conn := e.conn(e.start())
	if _, err := conn.Exchange(t.Context(), commandBlob, 0, nil); !errors.Is(err, ErrRefused) || conn.dead != nil {
		t.Errorf("code 8: %v, channel %v", err, conn.dead)
	}
	conn.Close()
}
