package chif

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"math"
	"testing"
	"testing/synctest"
	"time"
)

// TestLibraryOpenFails: after a failed open the handle is closed, if the library made
// one. Code 2 has two meanings. Within a second: no driver. Later: all channels are
// taken. A refused ping does not make the open fail.
func TestLibraryOpenFails(t *testing.T) {
	for _, c := range []struct {
		name   string
		create uint32
		handle bool // although create failed
		ping   uint32
		takes  time.Duration
		want   error
		closes int32
	}{
		{"create, without a handle", 5, false, 0, 0, ErrPermission, 0},
		{"create, with a handle", 5, true, 0, 0, ErrPermission, 1},
		{"ping", 0, false, 32, 0, ErrReset, 1},
		{"refused ping", 0, false, codeBadCommand, 0, nil, 0},
		{"no driver", 0, false, 2, time.Second, ErrNoDevice, 1},
		{"all taken", 0, false, 2, time.Second + 1, ErrBusy, 1},
		{"another code after long", 0, false, 13, time.Minute, ErrCredentialsRequired, 1},
		{"success after long", 0, false, 0, time.Minute, nil, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			e := &echo{t: t, refused: c.create, handles: c.handle, code: c.ping, slow: func() { time.Sleep(c.takes) }}
			l := e.start()
			ch, err := l.open(t.Context())
			if !errors.Is(err, c.want) || errors.Is(err, ErrBusy) && errors.Is(err, ErrNoDevice) || e.closes.Load() != c.closes {
				t.Errorf("%s: %v, %d handles closed", c.name, err, e.closes.Load())
			}
			if err == nil {
				ch.Close()
			}
		})
	}
}

// TestLibraryOpenIsAbandoned: whoever leaves while a channel is being opened gets
// none, or the one that was just ready; none is left open (start looks), and one that
// has not been begun is not opened at all.
func TestLibraryOpenIsAbandoned(t *testing.T) {
	for _, leaves := range []time.Duration{0, time.Second, time.Minute - 1, time.Minute, time.Minute + 1} {
		for range 20 {
			synctest.Test(t, func(t *testing.T) {
				e := &echo{t: t, slow: func() { time.Sleep(time.Minute) }}
				l := e.start()
				ctx, cancel := context.WithTimeout(t.Context(), leaves)
				defer cancel()
				ch, err := l.open(ctx)
				if err != nil && !errors.Is(err, ErrTimeout) || err == nil && leaves < time.Minute || err != nil && leaves > time.Minute {
					t.Errorf("after %v: %v", leaves, err)
				}
				pass(time.Hour)
				if err == nil {
					e.slow = nil
					if _, err := NewConn(ch).Exchange(t.Context(), commandBlob, 0, nil); err != nil {
						t.Errorf("after %v: an exchange: %v", leaves, err)
					}
					ch.Close()
				}
			})
		}
	}
}

// TestLibraryOpenOfALeftCallerIsNotBegun: what the thread has not begun when its
// caller leaves is not done.
func TestLibraryOpenOfALeftCallerIsNotBegun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &echo{t: t, loading: time.Minute}
		l := e.start()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := l.open(ctx); !errors.Is(err, ErrTimeout) {
			t.Error(err)
		}
		pass(time.Hour)
		if n := e.pings.Load(); n != 0 {
			t.Errorf("%d channels were opened for nobody", n)
		}
		e.conn(l).Close()
	})
}

// TestLibraryRefusesWhatIsNoPacket: of 8 to 4096 bytes, and one at a time. The next
// request has the turn as before.
func TestLibraryRefusesWhatIsNoPacket(t *testing.T) {
	e := &echo{t: t}
	l := e.start()
	ch, err := l.open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer ch.Close()
	good := Header{Size: 8, Sequence: 1, Command: commandBlob}.append(nil)
	buf := make([]byte, MaxPacket)
	for size, want := range map[int]error{0: ErrInvalidRequest, 7: ErrInvalidRequest, 8: nil, 4096: nil, 4097: ErrInvalidRequest} {
		p := append(bytes.Clone(good), make([]byte, 4096)...)[:size]
		err := ch.Send(t.Context(), p)
		if !errors.Is(err, want) || err != nil && !errors.Is(err, ErrNotSent) {
			t.Errorf("%d bytes: %v", size, err)
		}
		if err != nil {
			continue
		}
		if err := ch.Send(t.Context(), p); !errors.Is(err, ErrInvalidRequest) || !errors.Is(err, ErrNotSent) {
			t.Errorf("a second one of %d bytes: %v", size, err)
		}
		if _, err := ch.Receive(t.Context(), buf); err != nil {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
	if _, err := ch.Receive(t.Context(), buf); !errors.Is(err, ErrProtocol) {
		t.Errorf("an answer to nothing: %v", err)
	}
}

// TestLibraryBuffersAreEmpty: neither what follows a request nor what an answer
// leaves out is that of an exchange before.
func TestLibraryBuffersAreEmpty(t *testing.T) {
	e := &echo{t: t}
	answers := 0
	e.fill = func(request, answer []byte) {
		size := binary.LittleEndian.Uint16(request)
		if rest := bytes.Trim(request[size:], "\x00"); len(rest) > 0 {
			t.Errorf("behind the request: %q", rest)
		}
		if answers++; answers == 1 {
			copy(answer, request)
			return
		}
		Header{Size: 100, Sequence: 2, Command: commandBlob}.append(answer[:0])
	}
	l := e.start()
	ch, err := l.open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer ch.Close()
	buf := make([]byte, MaxPacket)
	for i, p := range [][]byte{bytes.Repeat([]byte("\x00\x01"), 128), Header{Size: 8, Sequence: 2, Command: commandBlob}.append(nil)} {
		if err := ch.Send(t.Context(), p); err != nil {
			t.Fatal(err)
		}
		n, err := ch.Receive(t.Context(), buf)
		if want := []int{256, 100}[i]; err != nil || n != want {
			t.Errorf("%d bytes, want %d; %v", n, want, err)
		}
	}
	if rest := bytes.Trim(buf[8:100], "\x00"); len(rest) > 0 {
		t.Errorf("the answer holds %q of the one before", rest)
	}
}

// TestLibraryAnswerSizes: of what the header of an answer says, 8 to 4096 bytes are
// believed, and ParsePacket sees the rest.
func TestLibraryAnswerSizes(t *testing.T) {
	for size, want := range map[uint16]int{0: 8, 7: 8, 8: 8, 9: 9, 4096: 4096, 4097: 4096, 65535: 4096} {
		e := &echo{t: t, fill: func(_, answer []byte) { Header{Size: size}.append(answer[:0]) }}
		ch, err := e.start().open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := ch.Send(t.Context(), packetOf(8)); err != nil {
			t.Fatal(err)
		}
		if n, err := ch.Receive(t.Context(), make([]byte, MaxPacket)); err != nil || n != want {
			t.Errorf("size %d: %d bytes, want %d; %v", size, n, want, err)
		}
		ch.Close()
	}
}

func packetOf(size int) []byte {
	return append(Header{Size: uint16(size), Sequence: 1, Command: commandBlob}.append(nil), make([]byte, size-headerSize)...)
}

// TestLibraryTimeLimit: an exchange has what is left of its context, in milliseconds,
// at least one, for 0 means 18 s to the library.
func TestLibraryTimeLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		if got := milliseconds(context.Background()); got != 30000 {
			t.Errorf("without a deadline: %d", got)
		}
		for left, want := range map[time.Duration]uint32{
			-time.Hour: 1, 0: 1, time.Microsecond: 1, time.Millisecond: 1, 2 * time.Millisecond: 2, time.Minute: 60000, 10000 * time.Hour: math.MaxInt32,
		} {
			ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(left))
			if got := milliseconds(ctx); got != want {
				t.Errorf("%v left: %d, want %d", left, got, want)
			}
			cancel()
		}
		e := &echo{t: t}
		conn := e.conn(e.start())
		ctx, cancel := context.WithTimeout(t.Context(), 7*time.Second)
		defer cancel()
		if _, err := conn.Exchange(ctx, commandBlob, 0, nil); err != nil || e.limit.Load() != 7000 {
			t.Errorf("limit %d ms, %v", e.limit.Load(), err)
		}
		conn.Close()
	})
}

// TestLibraryPingBeforeARequest: one that fails ends the request, which is not sent;
// one that is refused does not.
func TestLibraryPingBeforeARequest(t *testing.T) {
	for code, want := range map[uint32]error{32: ErrReset, 11: ErrTimeout, codeBadCommand: nil, 0: nil} {
		synctest.Test(t, func(t *testing.T) {
			e := &echo{t: t}
			conn := e.conn(e.start())
			defer conn.Close()
			e.slow = func() { e.code = code }
			e.fill = func(request, answer []byte) {
				e.code = 0
				copy(answer, request[:8])
				answer[5] |= 0x80
			}
			time.Sleep(time.Minute)
			_, err := conn.Exchange(t.Context(), commandBlob, 0, nil)
			if !errors.Is(err, want) || (err != nil) != errors.Is(err, ErrNotSent) || (e.done.Load() == 0) != (err != nil) {
				t.Errorf("code %d: %v, %d exchanges", code, err, e.done.Load())
			}
		})
	}
}

// TestLibraryCloseWaits: it returns when the channel is closed, or after two seconds
// behind another's call, and closes once.
func TestLibraryCloseWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &echo{t: t, closing: time.Second}
		l := e.start()
		conn, late := e.conn(l), e.conn(l)
		start := time.Now()
		conn.Close()
		if n := e.closes.Load(); n != 1 || time.Since(start) != time.Second {
			t.Errorf("%d closed after %v", n, time.Since(start))
		}
		conn.Close()
		synctest.Wait()
		e.closing = time.Minute
		start = time.Now()
		late.Close() // which the library does not return from
		if time.Since(start) != 2*time.Second {
			t.Errorf("a close that takes long: after %v", time.Since(start))
		}
		pass(time.Hour)
		e.closing = 0
		next := e.conn(l)
		release, end := e.longCall(l)
		start = time.Now()
		next.Close()
		if time.Since(start) != 2*time.Second || e.closes.Load() != 2 {
			t.Errorf("behind a long call: %d closed after %v", e.closes.Load(), time.Since(start))
		}
		release()
		if err := <-end; err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if n := e.closes.Load(); n != 4 {
			t.Errorf("%d closed, want 4", n)
		}
	})
}

// TestLibraryThatReturnedHangsNoMore: a call that its caller gave up, and that has
// returned since, is none that hangs, though somebody else keeps the turn.
func TestLibraryThatReturnedHangsNoMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &echo{t: t, silent: make(chan struct{})}
		l := e.start()
		conn := e.conn(l)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := conn.Exchange(ctx, commandBlob, 0, nil); !errors.Is(err, ErrTimeout) {
			t.Error(err)
		}
		close(e.silent)
		if err := l.take(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		later, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := l.take(later, nil); !errors.Is(err, ErrTimeout) || errors.Is(err, ErrBusy) {
			t.Errorf("behind one who has the turn: %v", err)
		}
		l.giveBack()
	})
}

// TestLibraryHangIsToldAfterTenSeconds, not before: a call may end yet.
func TestLibraryHangIsToldAfterTenSeconds(t *testing.T) {
	for returns, want := range map[time.Duration]error{9 * time.Second: nil, 13 * time.Second: ErrBusy} {
		synctest.Test(t, func(t *testing.T) {
			e := &echo{t: t, silent: make(chan struct{})}
			l := e.start()
			hanging, other := e.conn(l), e.conn(l)
			ctx, cancel := context.WithCancel(t.Context())
			go func() { hanging.Exchange(ctx, commandBlob, 0, nil) }()
			synctest.Wait()
			cancel()
			synctest.Wait()
			time.AfterFunc(returns, func() { close(e.silent) })
			if _, err := other.Exchange(t.Context(), commandBlob, 0, nil); !errors.Is(err, want) {
				t.Errorf("returns after %v: %v", returns, err)
			}
			pass(time.Minute)
			other.Close()
		})
	}
}
