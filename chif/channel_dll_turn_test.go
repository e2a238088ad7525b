package chif

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// longCall occupies the library with an exchange of another channel until
// release. Its outcome must be end.
func (e *echo) longCall(l *library) (release func(), end <-chan error) {
	conn, ended := e.conn(l), make(chan error, 1)
	silent := make(chan struct{})
	e.silent = silent
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
		defer cancel()
		_, err := conn.Exchange(ctx, commandBlob, 0, nil)
		ended <- errors.Join(err, conn.Close())
	}()
	synctest.Wait()
	return func() { e.silent = nil; close(silent) }, ended
}

// TestLibraryNoCallOnAClosedChannel: a request that waits for another's call is
// not made when its channel was closed meanwhile, and certainly was not sent.
func TestLibraryNoCallOnAClosedChannel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &echo{t: t}
		l := e.start()
		waiting := []*Conn{e.conn(l), e.conn(l), e.conn(l)}
		release, end := e.longCall(l)
		results := make(chan error, len(waiting))
		for _, c := range waiting {
			go func() { _, err := c.Exchange(t.Context(), commandBlob, 0, nil); results <- err }()
		}
		synctest.Wait()
		for _, c := range waiting {
			go c.Close()
		}
		synctest.Wait()
		for range waiting {
			if err := <-results; !errors.Is(err, ErrClosed) || !errors.Is(err, ErrNotSent) {
				t.Errorf("of a closed channel: %v", err)
			}
		}
		time.Sleep(2 * closePatience) // the closing has given up waiting
		release()
		if err := <-end; err != nil {
			t.Error(err)
		}
		if n := e.done.Load(); n != 1 {
			t.Errorf("%d exchanges, want the one in progress", n)
		}
	})
}

// TestLibraryChannelClosedInItsCall: it is closed when the call returns, and not
// used again.
func TestLibraryChannelClosedInItsCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &echo{t: t}
		l := e.start()
		conn := e.conn(l)
		silent := make(chan struct{})
		e.silent = silent
		result := make(chan error, 1)
		go func() { _, err := conn.Exchange(t.Context(), commandBlob, 0, nil); result <- err }()
		synctest.Wait()
		conn.Close()
		if err := <-result; !errors.Is(err, ErrClosed) || errors.Is(err, ErrNotSent) {
			t.Errorf("of a call in progress: %v", err)
		}
		e.silent = nil
		close(silent)
		if err := conn.channel.Send(t.Context(), make([]byte, headerSize)); !errors.Is(err, ErrClosed) || !errors.Is(err, ErrNotSent) {
			t.Errorf("afterwards: %v", err)
		}
	})
}

// TestLibraryWaitingKeepsTheChannel: the deadline of a packet begins with its turn.
// A call of a minute on one channel, whose caller waits, harms no other.
func TestLibraryWaitingKeepsTheChannel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &echo{t: t}
		l := e.start()
		conn := e.conn(l)
		release, end := e.longCall(l)
		result := make(chan error, 1)
		go func() { _, err := conn.Exchange(t.Context(), commandBlob, 0, nil); result <- err }()
		time.Sleep(2 * packetTimeout)
		release()
		if err := errors.Join(<-result, <-end); err != nil || conn.dead != nil {
			t.Errorf("%v, channel %v", err, conn.dead)
		}
		conn.Close()
	})
}

// TestLibraryDeadlineInTheQueueKeepsTheChannel: whose own deadline ends while it
// waits has sent nothing, and its channel serves the next request.
func TestLibraryDeadlineInTheQueueKeepsTheChannel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &echo{t: t}
		l := e.start()
		conn := e.conn(l)
		release, end := e.longCall(l)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := conn.Exchange(ctx, commandBlob, 0, nil); !errors.Is(err, ErrNotSent) || !errors.Is(err, ErrTimeout) || conn.dead != nil {
			t.Errorf("%v, channel %v", err, conn.dead)
		}
		release()
		if err := <-end; err != nil {
			t.Error(err)
		}
		if _, err := conn.Exchange(t.Context(), commandBlob, 0, nil); err != nil {
			t.Error(err)
		}
		if n := e.done.Load(); n != 2 {
			t.Errorf("%d exchanges, want 2: that of the caller who left was made", n)
		}
		conn.Close()
	})
}

// TestLibraryPoolOpensBehindALongCall: neither opening nor the first exchange on a
// new channel fails because another's call takes long.
func TestLibraryPoolOpensBehindALongCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &echo{t: t}
		l := e.start()
		release, end := e.longCall(l)
		p := newPool(libraryOf{l}, TransportOptions{MaxChannels: 1, IdleTimeout: time.Hour, BusyTimeout: time.Hour, IgnoreSecurityState: true})
		result := make(chan error, 1)
		go func() {
			lease, err := p.get(t.Context())
			if err == nil {
				p.put(lease)
			}
			result <- err
		}()
		time.Sleep(time.Minute)
		release()
		<-end
		if err := <-result; err != nil && !errors.Is(err, ErrProtocol) { // a status of 12 bytes
			t.Error(err)
		}
		p.close()
	})
}

// libraryOf is a library as a Device.
type libraryOf struct{ *library }

func (d libraryOf) Open(ctx context.Context) (Channel, error) { return d.open(ctx) }
func (d libraryOf) String() string                            { return d.name }

// TestLibraryPingsWhatWasIdleInTheQueue: a reset of the iLO shows at the next use
// only, so what counts is how long a channel was idle when its turn comes.
func TestLibraryPingsWhatWasIdleInTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &echo{t: t}
		l := e.start()
		conn := e.conn(l)
		exchange := func() {
			t.Helper()
			if _, err := conn.Exchange(t.Context(), commandBlob, 0, nil); err != nil {
				t.Error(err)
			}
		}
		const idleFor = 100 * time.Millisecond
		for _, idle := range []time.Duration{idleFor, idleFor, idleFor + 1} {
			before := e.pings.Load()
			time.Sleep(idle)
			exchange()
			if got, want := e.pings.Load()-before, int32(map[bool]int{true: 1}[idle > idleFor]); got != want {
				t.Errorf("idle %v: %d pings, want %d", idle, got, want)
			}
		}
		release, end := e.longCall(l)
		exchanged := make(chan struct{})
		before := e.pings.Load()
		go func() { exchange(); close(exchanged) }()
		time.Sleep(libraryIdle + 1)
		release()
		<-exchanged
		if err := <-end; err != nil {
			t.Error(err)
		}
		if got := e.pings.Load() - before; got != 1 {
			t.Errorf("%d pings of a channel that was idle in the queue, want 1", got)
		}
		conn.Close()
	})
}

// TestLibraryCallerLeavesDuringThePing: then its request is not sent any more.
func TestLibraryCallerLeavesDuringThePing(t *testing.T) {
	for _, cancel := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			e := &echo{t: t}
			l := e.start()
			conn := e.conn(l)
			time.Sleep(2 * libraryIdle)
			e.slow = func() { time.Sleep(12 * time.Second) }
			ctx, end := context.WithTimeout(t.Context(), time.Second)
			defer end()
			if cancel {
				time.AfterFunc(time.Millisecond, end)
			}
			if _, err := conn.Exchange(ctx, commandBlob, 0, nil); !errors.Is(err, ErrNotSent) || errors.Is(err, ErrTimeout) == cancel {
				t.Error(err)
			}
			time.Sleep(time.Minute)
			if n := e.done.Load(); n != 0 {
				t.Errorf("%d exchanges after the caller left", n)
			}
		})
	}
}

// TestLibraryEachHangIsSeen: however early the caller of a call that does not
// return leaves, others are told within hungPatience and a little.
func TestLibraryEachHangIsSeen(t *testing.T) {
	for _, before := range []time.Duration{-1, 0, 1, time.Second} {
		synctest.Test(t, func(t *testing.T) {
			e := &echo{t: t, silent: make(chan struct{})}
			l := e.start()
			other := e.conn(l)
			c, err := l.open(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			if before < 0 { // between the beginning of the work and that of the call
				w := &work{do: func() { <-e.silent }}
				if err := l.take(ctx, nil); err != nil {
					t.Fatal(err)
				}
				l.mu.Lock()
				l.current = w
				l.mu.Unlock()
				l.leave(w)
				l.works <- w
			} else {
				if err := c.Send(ctx, Header{Size: headerSize, Sequence: 1, Command: commandBlob}.append(nil)); err != nil {
					t.Fatal(err)
				}
				time.Sleep(before)
				cancel()
				synctest.Wait()
				_, err = c.Receive(ctx, make([]byte, MaxPacket))
				if !errors.Is(err, context.Canceled) {
					t.Errorf("%v: %v", before, err)
				}
			}
			cancel()
			start := time.Now()
			if before < 0 || e.done.Load() > 0 { // else the call was not made
				if _, err := other.Exchange(t.Context(), commandBlob, 0, nil); !errors.Is(err, ErrBusy) {
					t.Errorf("%v: %v", before, err)
				}
			}
			if d := time.Since(start); d > 2*hungPatience {
				t.Errorf("%v: told after %v", before, d)
			}
			close(e.silent)
			c.Close()
			other.Close()
		})
	}
}
