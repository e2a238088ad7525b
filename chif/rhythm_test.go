package chif

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

// codes is the iLO's end of channels that answers each operation with what of gives:
// the message behind the header, nil for a reset of the iLO, silence if it is empty.
type codes struct {
	of    func(op operation, n int) []byte // n: how often it was asked, from 1 on
	asked map[operation]int
	times map[operation][]time.Time
}

func (c *codes) answer(request []byte) [][]byte {
	op := operation(0) // STATUS
	if binary.LittleEndian.Uint16(request[4:]) == commandBlob {
		op = operation(binary.LittleEndian.Uint32(request[8:]))
	}
	if c.asked == nil {
		c.asked, c.times = map[operation]int{}, map[operation][]time.Time{}
	}
	c.asked[op]++
	c.times[op] = append(c.times[op], time.Now())
	message := c.of(op, c.asked[op])
	switch {
	case message == nil:
		return [][]byte{nil}
	case len(message) == 0:
		return nil
	}
	return [][]byte{reply(request, binary.LittleEndian.Uint16(request[4:])|responseFlag, message...)}
}

// status is a good answer to STATUS.
func status() []byte { return make([]byte, statusSize-headerSize) }

// A blob that is busy is asked for again after 0.25 s, and 0.1 s more each time, up to
// 1.5 s, plus up to as much again by chance; for a minute in all, as HPE's client does.
func TestBusyBlobIsAskedForInHPEsRhythm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ilo := &codes{of: func(operation, int) []byte { return words(uint32(CodeBadParameter)) }}
		c := NewConn(&script{answer: ilo.answer})
		p := newPatience(t.Context())
		defer p.stop()
		start := time.Now()
		if _, err := c.info(p, newBlobName()); !errors.Is(err, CodeBadParameter) {
			t.Error(err)
		}
		if took := time.Since(start); took < time.Minute || took > time.Minute+3*time.Second {
			t.Errorf("asked for %v", took)
		}
		asked := ilo.times[opInfo]
		least := 250 * time.Millisecond
		for i := range asked[1:] {
			if pause := asked[i+1].Sub(asked[i]); pause < least || pause >= 2*least {
				t.Errorf("pause %d is %v, want %v to twice that", i, pause, least)
			}
			least = min(least+100*time.Millisecond, 1500*time.Millisecond)
		}
	})
}

// A blob of 16 MiB may be read, and one byte more is too much: it is not asked for.
func TestAnswerBlobIsBounded(t *testing.T) {
	for size, want := range map[uint32]error{16 << 20: CodeNotFound, 16<<20 + 1: ErrTooLarge} {
		ilo := &codes{of: func(op operation, _ int) []byte {
			if op == opInfo {
				return words(0, size)
			}
			return words(uint32(CodeNotFound))
		}}
		c := NewConn(&script{answer: ilo.answer})
		p := newPatience(t.Context())
		if _, err := c.readBlob(p, newBlobName(), nil); !errors.Is(err, want) || errors.Is(err, CodeNotFound) == errors.Is(err, ErrTooLarge) || ilo.asked[opInfo] != 1 {
			t.Errorf("%d bytes: %v", size, err)
		}
		p.stop()
	}
}

// What a DELETE says of the blob.
func TestWhatADeletionSays(t *testing.T) {
	for code, want := range map[Code]removal{CodeSuccess: removed, CodeNotFound: missing, CodeNotModified: missing, CodeError: unserved, CodeUnavailable: unserved} {
		ilo := &codes{of: func(operation, int) []byte { return words(uint32(code)) }}
		p := newPatience(t.Context())
		if got := NewConn(&script{answer: ilo.answer}).remove(p, newBlobName()); got != want {
			t.Errorf("%s: %d, want %d", code, got, want)
		}
		p.stop()
	}
}

// halfSent is a channel whose Send fails with err.
type halfSent struct {
	script
	err func(ctx context.Context) error
}

func (h *halfSent) Send(ctx context.Context, _ []byte) error { return h.err(ctx) }

// A channel stays open after a Send that failed only if nothing was sent and its
// caller has left.
func TestChannelSurvivesACallerWhoLeavesBeforeTheSend(t *testing.T) {
	for _, c := range []struct {
		name string
		err  func(context.Context) error
		kept bool
	}{
		{"the caller left, nothing was sent", func(ctx context.Context) error { return notSent(ctx.Err()) }, true},
		{"the caller left, and it may have been sent", func(ctx context.Context) error { return ctx.Err() }, false},
		{"the caller left, and the iLO was reset", func(context.Context) error { return notSent(ErrReset) }, false},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		s := &halfSent{err: func(ctx context.Context) error { cancel(); return c.err(ctx) }}
		conn := NewConn(s)
		if _, err := conn.Exchange(ctx, 1, 0, nil); err == nil || (conn.dead == nil) != c.kept || (s.closed == 0) != c.kept {
			t.Errorf("%s: %v, closed %d times", c.name, err, s.closed)
		}
	}
	s := &halfSent{err: func(context.Context) error { return notSent(ErrTimeout) }} // its queue stayed full
	conn := NewConn(s)
	if _, err := conn.Exchange(t.Context(), 1, 0, nil); !errors.Is(err, ErrTimeout) || conn.dead == nil || s.closed == 0 {
		t.Errorf("%v, closed %d times", err, s.closed)
	}
}

// transport is a Transport to such an iLO.
func (c *codes) transport(t *testing.T, o TransportOptions) (*Transport, *scripts) {
	t.Helper()
	d := &scripts{answer: c.answer}
	tr, err := NewTransport(d, o)
	if err != nil {
		t.Fatal(err)
	}
	return tr, d
}

// A new channel is asked for its status for ten seconds, and STATUS itself is tried
// four times if the iLO is reset.
func TestStatusIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ilo := &codes{of: func(operation, int) []byte { return []byte{} }}
		tr, _ := ilo.transport(t, TransportOptions{})
		defer tr.Close()
		start := time.Now()
		if _, err := tr.Status(t.Context()); !errors.Is(err, ErrTimeout) || time.Since(start) != 10*time.Second {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		ilo := &codes{of: func(_ operation, n int) []byte {
			if n%2 == 0 { // the first on each channel is the pool's
				return nil
			}
			return status()
		}}
		tr, d := ilo.transport(t, TransportOptions{})
		defer tr.Close()
		if _, err := tr.Status(t.Context()); !errors.Is(err, ErrReset) || len(d.opened) != 4 {
			t.Errorf("%d channels: %v", len(d.opened), err)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		ilo := &codes{of: func(_ operation, n int) []byte {
			if n > 1 {
				return make([]byte, 1) // a violation of the protocol
			}
			return status()
		}}
		tr, d := ilo.transport(t, TransportOptions{})
		defer tr.Close()
		if _, err := tr.Status(t.Context()); !errors.Is(err, ErrProtocol) || len(d.opened) != 1 {
			t.Errorf("%d channels: %v", len(d.opened), err)
		}
	})
}

// Without options a Transport has two channels, which close after a minute of
// idleness, and waits half a minute for one; a negative time is as good as none.
func TestTransportHasDefaults(t *testing.T) {
	for _, o := range []TransportOptions{{}, {IdleTimeout: -1, BusyTimeout: -1}} {
		for idle, closed := range map[time.Duration]int{time.Minute - 1: 0, time.Minute: 1} {
			synctest.Test(t, func(t *testing.T) {
				ilo := &codes{of: func(operation, int) []byte { return status() }}
				tr, d := ilo.transport(t, o)
				if err := tr.Connect(t.Context()); err != nil {
					t.Fatal(err)
				}
				pass(idle)
				if got := d.opened[0].closed; got != closed {
					t.Errorf("%+v: closed %d times after %v", o, got, idle)
				}
				if n := cap(tr.pool.slots); n != 2 || tr.pool.busyTimeout != 30*time.Second {
					t.Errorf("%+v: %d channels, waits %v", o, n, tr.pool.busyTimeout)
				}
				tr.Close()
			})
		}
	}
}

// The answer names the request that was made, also after a redirection.
func TestAnswerNamesItsRequest(t *testing.T) {
	text := "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
	ilo := &codes{of: func(op operation, n int) []byte {
		switch {
		case op != opREST:
			return status()
		case n == 1:
			moved := "HTTP/1.1 301 Moved\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n"
			return append(words(0, 0, uint32(len(moved))), moved...)
		}
		return append(words(0, 0, uint32(len(text))), text...)
	}}
	tr, _ := ilo.transport(t, TransportOptions{})
	defer tr.Close()
	r, err := http.NewRequest("GET", "https://ilo/a", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := tr.RoundTrip(r)
	if err != nil || resp.Request != r || ilo.asked[opREST] != 2 {
		t.Errorf("%v, %v", resp, err)
	}
}

// An answer that the iLO has stored and then refuses to give is asked for once on its
// channel, which stays; only a channel that broke is replaced, at most three times, and
// not after a reset or when the caller has left.
func TestStoredAnswerIsFetchedOnceFromASoundChannel(t *testing.T) {
	for _, c := range []struct {
		name            string
		read            []byte // the answer to INFO
		reads, channels int
		want            error
	}{
		{"refused", words(uint32(CodeUnsupported)), 1, 1, CodeUnsupported},
		{"a broken channel", words(0), 4, 4, ErrProtocol},
		{"silence", []byte{}, 4, 4, ErrTimeout},
	} {
		synctest.Test(t, func(t *testing.T) {
			ilo := &codes{of: func(op operation, n int) []byte {
				switch op {
				case 0:
					return status()
				case opREST:
					return words(0, 1, 0)
				case opInfo:
					return c.read
				}
				return words(0)
			}}
			tr, d := ilo.transport(t, TransportOptions{})
			m := &message{method: "POST", path: "/"}
			_, f, err := tr.attempt(t.Context(), m)
			if !errors.Is(err, c.want) || f != unknown || ilo.asked[opInfo] != c.reads || len(d.opened) != c.channels {
				t.Errorf("%s: asked %d times on %d channels, %v", c.name, ilo.asked[opInfo], len(d.opened), err)
			}
			tr.Close()
		})
	}
	for name, leave := range map[string]bool{"reset": false, "the caller left": true} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			ilo := &codes{of: func(op operation, n int) []byte {
				switch op {
				case 0:
					return status()
				case opREST:
					return words(0, 1, 0)
				case opInfo:
					if leave {
						cancel()
						return []byte{}
					}
					return nil
				}
				return words(0)
			}}
			tr, _ := ilo.transport(t, TransportOptions{})
			_, _, err := tr.attempt(ctx, &message{method: "POST", path: "/"})
			if ilo.asked[opInfo] != 1 || !leave && !errors.Is(err, ErrReset) || leave && !errors.Is(err, context.Canceled) {
				t.Errorf("%s: asked %d times, %v", name, ilo.asked[opInfo], err)
			}
			tr.Close()
			if want := map[bool]int{false: 0, true: 1}[leave]; ilo.asked[opDelete] != want {
				t.Errorf("%s: %d deletions, want %d", name, ilo.asked[opDelete], want)
			}
		})
	}
}

// A deletion that failed is counted: the next try comes two seconds later. One that
// was not made, because the channel had broken, is made at once.
func TestDeletionAfterARequestIsTheFirstTry(t *testing.T) {
	for _, broken := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			ilo := &codes{of: func(op operation, n int) []byte {
				switch {
				case op == 0:
					return status()
				case op == opREST && broken:
					return []byte{1} // no code
				case op == opREST:
					return words(0, 1, 0)
				case op == opInfo:
					return words(uint32(CodeUnsupported))
				case n == 1 && !broken:
					return words(uint32(CodeUnavailable))
				}
				return words(0)
			}}
			tr, _ := ilo.transport(t, TransportOptions{})
			defer tr.Close()
			start := time.Now()
			if _, _, err := tr.attempt(t.Context(), &message{method: "POST", path: "/"}); err == nil {
				t.Error("no error")
			}
			pass(time.Hour)
			var got []time.Duration
			for _, at := range ilo.times[opDelete] {
				got = append(got, at.Sub(start))
			}
			want := []time.Duration{0, 2 * time.Second}
			if broken {
				want = want[:1]
			}
			if fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("broken %v: deleted at %v, want %v", broken, got, want)
			}
		})
	}
}
