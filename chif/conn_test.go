package chif

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// script is a Channel whose other end is a function.
type script struct {
	answer func(request []byte) [][]byte // what comes for it
	sent   [][]byte
	queue  [][]byte
	closed int
}

func (s *script) Send(_ context.Context, packet []byte) error {
	if s.closed > 0 {
		return notSent(ErrClosed)
	}
	s.sent = append(s.sent, bytes.Clone(packet))
	s.queue = append(s.queue, s.answer(packet)...)
	return nil
}

func (s *script) Receive(ctx context.Context, buf []byte) (int, error) {
	if len(s.queue) == 0 {
		<-ctx.Done()
		return 0, contextError(ctx.Err())
	}
	b := s.queue[0]
	s.queue = s.queue[1:]
	if b == nil {
		return 0, fmt.Errorf("%w: in the script", ErrReset)
	}
	return copy(buf, b), nil
}

func (s *script) Close() error   { s.closed++; return nil }
func (s *script) String() string { return "script" }

// reply is an answer to request with this command and message.
func reply(request []byte, command uint16, message ...byte) []byte {
	h := Header{Size: uint16(headerSize + len(message)), Sequence: binary.LittleEndian.Uint16(request[2:]), Command: command}
	return append(h.append(nil), message...)
}

// serve answers STATUS with an iLO 5 and everything else with code 0.
func serve(request []byte) [][]byte {
	command := binary.LittleEndian.Uint16(request[4:]) | responseFlag
	return [][]byte{reply(request, command, make([]byte, statusSize-headerSize)...)}
}

// What leaves a channel's state in doubt closes it, and nothing is sent on it any
// more.
func TestDoubtClosesTheChannel(t *testing.T) {
	echo := func(r []byte) []byte { return reply(r, binary.LittleEndian.Uint16(r[4:])|responseFlag, 0, 0, 0, 0) }
	spoil := func(f func(a []byte) []byte) func([]byte) [][]byte {
		return func(r []byte) [][]byte { return [][]byte{f(echo(r))} }
	}
	size := func(n uint16) func([]byte) [][]byte {
		return spoil(func(a []byte) []byte { binary.LittleEndian.PutUint16(a, n); return a })
	}
	for _, c := range []struct {
		name   string
		answer func([]byte) [][]byte
		want   error
		closed bool
	}{
		{"right", spoil(func(a []byte) []byte { return a }), nil, false},
		{"no whole header", spoil(func(a []byte) []byte { return a[:7] }), ErrProtocol, true},
		{"nothing", spoil(func(a []byte) []byte { return a[:0] }), ErrProtocol, true},
		{"size below the header's", size(7), ErrProtocol, true},
		{"size beyond the packet", size(13), ErrProtocol, true},
		{"size above all packets", size(MaxPacket + 1), ErrProtocol, true},
		{"another command", func(r []byte) [][]byte { return [][]byte{reply(r, 0x8777)} }, ErrProtocol, true},
		{"the command of the request", func(r []byte) [][]byte { return [][]byte{bytes.Clone(r)} }, ErrProtocol, true},
		{"reset", func([]byte) [][]byte { return [][]byte{nil} }, ErrReset, true},
		{"silence", func([]byte) [][]byte { return nil }, ErrTimeout, true},
		{"refused", func(r []byte) [][]byte { return [][]byte{reply(r, commandBad, []byte("Bad command")...)} }, ErrRefused, false},
		{"refused by a bare header", func(r []byte) [][]byte { return [][]byte{reply(r, commandBad)} }, ErrRefused, false},
		{"a stale answer, even a refusal, first", func(r []byte) [][]byte {
			stale := reply(r, commandBad)
			stale[2]++
			return [][]byte{stale, echo(r)}
		}, nil, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := &script{answer: c.answer}
			conn := NewConn(s)
			start := time.Now()
			_, err := conn.Exchange(t.Context(), 0x0FFF, 0, nil)
			if !errors.Is(err, c.want) || errors.Is(err, ErrNotSent) || (s.closed > 0) != c.closed {
				t.Errorf("%s: %v, closed %d times", c.name, err, s.closed)
			}
			if took := time.Since(start); c.want == ErrTimeout && took != 30*time.Second || c.want != ErrTimeout && took != 0 {
				t.Errorf("%s: took %v", c.name, took)
			}
			s.answer = serve
			if _, err := conn.Exchange(t.Context(), 0x0FFF, 0, nil); (err != nil) != c.closed || c.closed && !errors.Is(err, ErrClosed) {
				t.Errorf("%s: the next exchange: %v", c.name, err)
			} else if c.closed && (!errors.Is(err, ErrNotSent) || len(s.sent) != 1) {
				t.Errorf("%s: %d packets sent, %v", c.name, len(s.sent), err)
			}
		})
	}
}

// Bytes behind the size that the header tells are the driver's padding.
func TestPaddingBehindTheSizeIsDropped(t *testing.T) {
	c := NewConn(&script{answer: func(r []byte) [][]byte {
		return [][]byte{append(reply(r, 0x8FFF, 1, 2, 3), 0xA5, 0xA5, 0xA5, 0xA5, 0xA5)}
	}})
	if got, err := c.Exchange(t.Context(), 0x0FFF, 0, nil); err != nil || !bytes.Equal(got, []byte{1, 2, 3}) {
		t.Errorf("%x, %v", got, err)
	}
}

// An answer inside a packet stays what it was when the channel receives the next.
func TestInlineAnswerOutlivesTheNextPacket(t *testing.T) {
	http := "HTTP/1.1 204 No Content\r\n\r\n"
	c := NewConn(&script{answer: func(r []byte) [][]byte {
		m := append(make([]byte, 8, 99), byte(len(http)), 0, 0, 0)
		return [][]byte{reply(r, commandBlob|responseFlag, append(m, http...)...)}
	}})
	p := newPatience(t.Context())
	defer p.stop()
	a, err := c.rest(p, appendRESTImmediate(nil, c.next(), newBlobName(), 0))
	if err != nil {
		t.Fatal(err)
	}
	clear(c.in)
	if string(a.inline) != http {
		t.Errorf("%q", a.inline)
	}
}

// scripts is a device of scripts.
type scripts struct {
	answer func([]byte) [][]byte
	opened []*script
}

func (d *scripts) String() string { return "scripts" }

func (d *scripts) Open(context.Context) (Channel, error) {
	s := &script{answer: d.answer}
	d.opened = append(d.opened, s)
	return s, nil
}

// A channel whose first exchange fails is closed, and none is kept that was open
// before a reset of the iLO.
func TestPoolKeepsSoundChannelsOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &scripts{answer: func(r []byte) [][]byte { return [][]byte{reply(r, 0x8777)} }}
		p := newPool(d, TransportOptions{MaxChannels: 2, IdleTimeout: time.Minute, BusyTimeout: time.Minute})
		defer func() { p.endRequests(); p.close() }()
		if _, err := p.get(t.Context()); !errors.Is(err, ErrProtocol) || len(d.opened) != 1 || d.opened[0].closed == 0 {
			t.Errorf("a channel that does not serve: %v", err)
		}
		d.answer, d.opened = serve, nil
		var leases []*lease
		for range 2 {
			l, err := p.get(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			leases = append(leases, l)
		}
		d.opened[1].answer = func([]byte) [][]byte { return [][]byte{nil} }
		if _, err := leases[1].Status(t.Context()); !errors.Is(err, ErrReset) {
			t.Error(err)
		}
		p.put(leases[1])
		p.put(leases[0]) // which has not noticed
		if d.opened[0].closed == 0 || d.opened[1].closed == 0 || len(p.idle) != 0 {
			t.Errorf("%d channels of the time before the reset are kept", len(p.idle))
		}
	})
}

// A channel that comes while its pool ends the requests is lent to none.
func TestChannelThatComesTooLateIsClosed(t *testing.T) {
	d := &scripts{}
	p := newPool(d, TransportOptions{MaxChannels: 1, IdleTimeout: time.Minute, BusyTimeout: time.Minute})
	d.answer = func(r []byte) [][]byte { p.endRequests(); return serve(r) }
	if _, err := p.get(t.Context()); !errors.Is(err, ErrClosed) || d.opened[0].closed == 0 {
		t.Errorf("%v, closed %d times", err, d.opened[0].closed)
	}
	p.close()
}

// Each packet has its time from allow on; a timer that went off just before is
// no end.
func TestPatienceStartsAnewWithEachPacket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPatience(t.Context())
		defer p.stop()
		for range 100 {
			p.allow(time.Second)
			if d, ok := p.Deadline(); !ok || time.Until(d) != time.Second {
				t.Errorf("%v left", time.Until(d))
			}
			time.Sleep(time.Second - 1)
			if p.Err() != nil {
				t.Fatal(p.Err())
			}
		}
		p.allow(time.Second)
		p.expire() // the timer of the packet before
		if p.Err() != nil {
			t.Fatal("an old timer ended the packet")
		}
		<-p.Done()
		if p.Err() != context.DeadlineExceeded {
			t.Error(p.Err())
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		q := newPatience(ctx)
		defer q.stop()
		q.allow(time.Minute)
		if d, _ := q.Deadline(); time.Until(d) != time.Second {
			t.Errorf("the caller's deadline is %v away", time.Until(d))
		}
		cancel()
		if q.Err() != context.Canceled {
			t.Error(q.Err())
		}
	})
}

// Names are never shared by two requests, and fit HPE's store.
func TestBlobNamesDiffer(t *testing.T) {
	var seen []blobName
	for range 100 {
		n := newBlobName()
		if slices.Contains(seen, n) || n.key[9] == 0 || n.key[10] != 0 || string(n.namespace[:9]) != "volatile\x00" {
			t.Errorf("%q %q", n.namespace, n.key)
		}
		seen = append(seen, n)
	}
}
