package chif

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// moody is a device that opens scripts while it is not busy, and keeps the times at
// which it was asked.
type moody struct {
	scripts
	busy, hangs bool
	asked       []time.Time
}

func (d *moody) Open(ctx context.Context) (Channel, error) {
	d.asked = append(d.asked, time.Now())
	switch {
	case d.hangs:
		<-ctx.Done()
		return nil, ctx.Err()
	case d.busy:
		return nil, ErrBusy
	}
	return d.scripts.Open(ctx)
}

// since are the times of the sweeps after start.
func (d *moody) since(start time.Time) (all []time.Duration) {
	for _, at := range d.asked {
		all = append(all, at.Sub(start))
	}
	return all
}

func seconds(all ...float64) (d []time.Duration) {
	for _, s := range all {
		d = append(d, time.Duration(s*float64(time.Second)))
	}
	return d
}

// newMoodyPool is a pool of two channels on such a device, to be closed by end.
func newMoodyPool(o TransportOptions) (p *pool, d *moody, end func()) {
	d = &moody{scripts: scripts{answer: serve}}
	if o.MaxChannels == 0 {
		o.MaxChannels = 2
	}
	if o.IdleTimeout == 0 {
		o.IdleTimeout = time.Minute
	}
	p = newPool(d, o)
	return p, d, func() { p.endRequests(); p.close() }
}

// Busy channels are swept after 0.5 s, 1 s, and then each 2 s, as long as the last
// sweep is within the time that they may be busy. After a reset of the iLO the first
// pause is 1 s, and they may be busy for two minutes at least.
func TestBusyChannelsAreSweptAgain(t *testing.T) {
	for _, c := range []struct {
		busy  time.Duration
		reset bool
		want  []time.Duration // the last one is near the end of many
		count int
	}{
		{3500 * time.Millisecond, false, seconds(0, 0.5, 1.5, 3.5), 4},
		{3499 * time.Millisecond, false, seconds(0, 0.5, 1.5), 3},
		{10 * time.Second, false, seconds(0, 0.5, 1.5, 3.5, 5.5, 7.5, 9.5), 7},
		{time.Second, true, seconds(0, 1, 3, 5, 7), 61},        // to 119 s
		{200 * time.Second, true, seconds(0, 1, 3, 5, 7), 101}, // to 199 s
	} {
		synctest.Test(t, func(t *testing.T) {
			p, d, end := newMoodyPool(TransportOptions{BusyTimeout: c.busy})
			defer end()
			if c.reset {
				p.noticeReset(0)
			}
			d.busy = true
			start := time.Now()
			_, err := p.get(t.Context())
			got := d.since(start)
			if len(got) != c.count || !slices.Equal(got[:len(c.want)], c.want) {
				t.Errorf("busy for %v, reset %v: %d sweeps at %v", c.busy, c.reset, len(got), got)
			}
			if waited := "(waited " + time.Since(start).Round(time.Second).String() + ")"; !errors.Is(err, ErrBusy) || !strings.Contains(err.Error(), waited) {
				t.Errorf("%v, want %s", err, waited)
			}
		})
	}
}

// That channels are busy is the cause of a deadline that passes, if none of ours is
// open and the last sweep found it: also where ours were closed a moment ago.
func TestBusyIsNoCauseOfLongAgo(t *testing.T) {
	for _, c := range []struct {
		name  string
		leave func(p *pool, d *moody, l *lease) // how our channel came to its end
	}{
		{"broken", func(p *pool, _ *moody, l *lease) { l.kill(ErrProtocol); p.put(l) }},
		{"reset", func(p *pool, _ *moody, l *lease) { l.kill(ErrReset); p.put(l) }},
		{"idle for too long", func(p *pool, _ *moody, l *lease) { p.put(l); pass(time.Hour) }},
		{"idle closed", func(p *pool, _ *moody, l *lease) { p.put(l); p.closeIdle() }},
		{"reset while idle", func(p *pool, _ *moody, l *lease) { p.put(l); p.noticeReset(p.epoch) }},
	} {
		synctest.Test(t, func(t *testing.T) {
			p, d, end := newMoodyPool(TransportOptions{BusyTimeout: time.Minute})
			defer end()
			l, err := p.get(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			c.leave(p, d, l)
			if d.opened[0].closed == 0 {
				t.Errorf("%s: the channel is open", c.name)
			}
			d.busy = true
			late := func() error {
				ctx, cancel := context.WithTimeout(t.Context(), 1900*time.Millisecond)
				defer cancel()
				_, err := p.get(ctx)
				return err
			}
			if err := late(); !errors.Is(err, ErrBusy) || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s: %v", c.name, err)
			}
			d.hangs = true
			time.Sleep(time.Second)
			if err := late(); !errors.Is(err, ErrTimeout) || errors.Is(err, ErrBusy) {
				t.Errorf("%s: the sweep does not end: %v", c.name, err)
			}
		})
	}
}

// While one of ours is open, the iLO and not the host is what a request waits for.
func TestOwnChannelsAreNotBusyOnes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, d, end := newMoodyPool(TransportOptions{BusyTimeout: time.Minute})
		defer end()
		l, err := p.get(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		d.busy = true
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := p.get(ctx); !errors.Is(err, ErrTimeout) || errors.Is(err, ErrBusy) {
			t.Error(err)
		}
		p.put(l)
	})
}

// A reset that shows on one channel ends those that are idle, and the next request has
// a new one. It is told once, until a channel served again.
func TestResetEndsIdleChannels(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		told := 0
		p, d, end := newMoodyPool(TransportOptions{BusyTimeout: time.Minute, OnReset: func() { told++ }})
		defer end()
		for round := 1; round <= 2; round++ {
			d.opened = nil
			one, err := p.get(t.Context())
			two, err2 := p.get(t.Context())
			if err := errors.Join(err, err2); err != nil {
				t.Fatal(err)
			}
			p.put(one)
			two.kill(ErrReset)
			p.put(two)
			if len(d.opened) != 2 || d.opened[0].closed == 0 || d.opened[1].closed == 0 || told != round {
				t.Errorf("%d channels, told %d times", len(d.opened), told)
			}
			p.noticeReset(p.epoch) // again, before any channel served
			if told != round {
				t.Errorf("told %d times in round %d", told, round)
			}
		}
		l, err := p.get(t.Context())
		if err != nil || len(d.opened) != 3 {
			t.Errorf("%d channels, %v", len(d.opened), err)
		}
		p.put(l)
		pass(time.Hour)
		if d.opened[2].closed != 1 || d.opened[0].closed != 1 {
			t.Errorf("closed %d and %d times", d.opened[0].closed, d.opened[2].closed)
		}
	})
}

// All idle channels are closed when they are told to, and those in use are not.
func TestAllIdleChannelsAreClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, d, end := newMoodyPool(TransportOptions{MaxChannels: 4, BusyTimeout: time.Minute})
		defer end()
		var leases []*lease
		for range 4 {
			l, err := p.get(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			leases = append(leases, l)
		}
		for _, l := range leases[:3] {
			p.put(l)
		}
		p.closeIdle()
		for i, s := range d.opened {
			if want := map[bool]int{true: 1}[i < 3]; s.closed != want {
				t.Errorf("channel %d was closed %d times, want %d", i, s.closed, want)
			}
		}
		p.put(leases[3])
	})
}

// A channel that will not be lent is closed: that of an iLO which needs credentials,
// and one whose turn in its library does not come, on which nothing is sent.
func TestChannelThatIsNotLentIsClosed(t *testing.T) {
	p, d, end := newMoodyPool(TransportOptions{})
	d.answer = func(r []byte) [][]byte {
		m := status()
		m[68-headerSize], m[71-headerSize], m[72-headerSize] = 7, 5, byte(SecurityFIPS)
		return [][]byte{reply(r, commandStatus|responseFlag, m...)}
	}
	if _, err := p.get(t.Context()); !errors.Is(err, ErrCredentialsRequired) || d.opened[0].closed == 0 {
		t.Errorf("%v, closed %d times", err, d.opened[0].closed)
	}
	end()
	w := &waits{script: script{answer: serve}}
	q := newPool(w, TransportOptions{MaxChannels: 1})
	if _, err := q.get(t.Context()); !errors.Is(err, ErrBusy) || w.closed == 0 || len(w.sent) > 0 {
		t.Errorf("%v, closed %d times, %d packets", err, w.closed, len(w.sent))
	}
	q.endRequests()
	q.close()
}

// waits is a device, and its channel, whose turn does not come.
type waits struct{ script }

func (w *waits) Open(context.Context) (Channel, error) { return w, nil }
func (w *waits) wait(context.Context) error            { return notSent(ErrBusy) }

// Close ends the requests alone: what deletes blobs goes on with its channel, and takes
// an idle one.
func TestCloseLeavesTheDeletionsTheirChannel(t *testing.T) {
	for _, under := range []bool{false, true} { // the deletions are under way, or begin with Close
		synctest.Test(t, func(t *testing.T) {
			ilo := &codes{of: func(op operation, n int) []byte {
				if op == opDelete {
					time.Sleep(50 * time.Millisecond)
				}
				return words(0, 0, 0)
			}}
			tr, d := ilo.transport(t, TransportOptions{MaxChannels: 1})
			if err := tr.Connect(t.Context()); err != nil {
				t.Fatal(err)
			}
			tries := 3
			if under {
				tries = 0
			}
			tr.discardLater(blobs(3, tries, false))
			time.Sleep(10 * time.Millisecond)
			tr.Close()
			if ilo.asked[opDelete] != 3 || len(d.opened) != 1 || d.opened[0].closed == 0 {
				t.Errorf("under way %v: %d deletions on %d channels", under, ilo.asked[opDelete], len(d.opened))
			}
		})
	}
}
