package chif

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// echo is a library whose iLO answers each request with its own header.
type echo struct {
	t      *testing.T
	busy   atomic.Bool
	open   int // touched by the library's thread alone: the race detector says so
	code   uint32
	silent chan struct{} // not nil: exchanges wait for its end
}

func (e *echo) initialize() {}

func (e *echo) create() (uintptr, uint32) {
	e.open++
	return uintptr(e.open), 0
}

func (e *echo) ping(uintptr) uint32 { return e.code }

func (e *echo) exchange(_ uintptr, request, answer []byte, ms uint32) uint32 {
	if e.busy.Swap(true) {
		e.t.Error("two calls at a time")
	}
	defer e.busy.Store(false)
	if ms == 0 {
		e.t.Error("no time limit")
	}
	if e.silent != nil {
		<-e.silent
	}
	h, _, _ := ParsePacket(request)
	h.Size, h.Command = headerSize, h.Command|responseFlag
	h.append(answer[:0])
	return e.code
}

func (e *echo) close(uintptr) { e.open-- }

// start runs the library until the test's end, when no channel may be open.
func (e *echo) start() *library {
	l := newLibrary("test.dll", e)
	e.t.Cleanup(func() {
		none := make(chan bool)
		if _, err := l.call(context.Background(), func() { none <- e.open == 0 }); err != nil || !<-none {
			e.t.Error("channels are left", err)
		}
		close(l.calls)
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
		if _, err := again.Exchange(t.Context(), commandBlob, 0, nil); err != nil {
			t.Errorf("afterwards: %v", err)
		}
		again.Close()
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
