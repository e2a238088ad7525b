package chif

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

const (
	// busyPause and busyPauseMax: the first and the longest pause between two
	// sweeps over busy channels; a sweep during an iLO reset costs 10 ms of
	// processor a channel (PROTOCOL.md §5).
	busyPause    = 500 * time.Millisecond
	busyPauseMax = 2 * time.Second
	// resetTimeout is how long an iLO that was reset may take to serve again
	// (PROTOCOL.md §4).
	resetTimeout = 120 * time.Second
	// statusTimeout bounds the first exchange on a new channel: a live iLO
	// answers it in milliseconds.
	statusTimeout = 10 * time.Second
)

// pool opens channels as they are needed, lends each to one user at a time and
// closes those that nobody used for a while.
type pool struct {
	device      Device
	idleTimeout time.Duration
	busyTimeout time.Duration
	anyState    bool // serve security states that need credentials, too
	onReset     func()

	slots chan struct{}  // holds one token for each channel lent
	lent  sync.WaitGroup // for each channel lent, and each being closed

	// Who borrows names one of these: the first ends with endRequests, the second
	// with close. Both end under mu.
	requests, life         context.Context
	cancelRequests, cancel context.CancelFunc

	mu      sync.Mutex
	open    map[*lease]struct{}
	idle    []*lease
	epoch   int       // counts the resets that were noticed
	waiting bool      // a reset was noticed and no channel was opened since
	busy    error     // what the last sweep met that opened no channel
	swept   time.Time // when that was
}

// lease is an open channel of the pool.
type lease struct {
	*Conn
	status Status
	epoch  int
	timer  *time.Timer     // closes the channel while it is idle
	until  context.Context // of who borrowed it
}

func newPool(d Device, o TransportOptions) *pool {
	p := &pool{
		device: d, idleTimeout: o.IdleTimeout, busyTimeout: o.BusyTimeout, anyState: o.IgnoreSecurityState, onReset: o.OnReset,
		slots: make(chan struct{}, o.MaxChannels), open: map[*lease]struct{}{},
	}
	p.life, p.cancel = context.WithCancel(context.Background())
	p.requests, p.cancelRequests = context.WithCancel(p.life)
	return p
}

// get lends a channel to a request: an idle one, or a new one as soon as the
// device has one. put must follow.
func (p *pool) get(ctx context.Context) (*lease, error) { return p.borrow(ctx, p.requests) }

// borrow is get for a user that until ends as well: requests or life.
func (p *pool) borrow(ctx, until context.Context) (*lease, error) {
	select {
	case p.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, p.overdue(ctx)
	case <-until.Done():
		return nil, ErrClosed
	}
	l, err := p.take(ctx, until)
	if err != nil {
		<-p.slots
		return nil, err
	}
	return l, nil
}

// overdue says why no channel was to be had before ctx ended: if none is open
// and the last sweep, of whoever, found all busy, that is the cause.
func (p *pool) overdue(ctx context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.busy != nil && len(p.open) == 0 && time.Since(p.swept) <= busyPauseMax {
		return fmt.Errorf("%w; %w", p.busy, ctx.Err())
	}
	return contextError(ctx.Err())
}

func (p *pool) take(ctx, until context.Context) (*lease, error) {
	p.mu.Lock()
	if until.Err() != nil {
		p.mu.Unlock()
		return nil, ErrClosed
	}
	p.lent.Add(1)
	if n := len(p.idle); n > 0 {
		l := p.idle[n-1]
		p.idle = p.idle[:n-1]
		l.until = until
		p.mu.Unlock()
		l.timer.Stop()
		return l, nil
	}
	p.mu.Unlock()
	l, err := p.openWait(ctx, until)
	if err != nil {
		p.lent.Done()
		return nil, err
	}
	return l, nil
}

// put takes a channel back.
func (p *pool) put(l *lease) {
	defer func() { <-p.slots; p.lent.Done() }()
	p.mu.Lock()
	if l.dead == nil && l.until.Err() == nil && l.epoch == p.epoch {
		p.idle = append(p.idle, l)
		l.timer = time.AfterFunc(p.idleTimeout, func() { p.retire(l) })
		p.mu.Unlock()
		return
	}
	delete(p.open, l)
	p.mu.Unlock()
	_ = l.Close() // a second close of a dead channel does nothing
	if errors.Is(l.dead, ErrReset) {
		p.noticeReset(l.epoch)
	}
}

// noticeReset closes what a reset of the iLO has killed, every channel that was
// opened in the epoch (hpilo.c ilo_isr), and tells of it. One that comes before
// any channel served again is still the same.
func (p *pool) noticeReset(epoch int) {
	p.mu.Lock()
	if epoch != p.epoch {
		p.mu.Unlock()
		return // noticed before
	}
	again := p.waiting
	p.epoch++
	p.waiting = true
	others := p.idle
	p.idle = nil
	for _, o := range others {
		delete(p.open, o)
	}
	p.mu.Unlock()
	for _, o := range others {
		o.timer.Stop()
		_ = o.Close()
	}
	if !again && p.onReset != nil {
		p.onReset()
	}
}

// retire closes a channel that stayed idle.
func (p *pool) retire(l *lease) {
	p.mu.Lock()
	i := slices.Index(p.idle, l)
	if i >= 0 {
		p.idle = slices.Delete(p.idle, i, i+1)
		delete(p.open, l)
		p.lent.Add(1) // close waits for this, too
	}
	p.mu.Unlock()
	if i >= 0 {
		_ = l.Close()
		p.lent.Done()
	}
}

// closeIdle closes all channels that nobody uses.
func (p *pool) closeIdle() {
	p.mu.Lock()
	idle := slices.Clone(p.idle)
	p.mu.Unlock()
	for _, l := range idle {
		p.retire(l)
	}
}

// endRequests ends the requests in flight and lets none begin. Whoever borrows
// without an end goes on.
func (p *pool) endRequests() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cancelRequests()
	for l := range p.open {
		if l.until == p.requests && !slices.Contains(p.idle, l) {
			_ = l.Close()
		}
	}
}

// close closes every channel and waits for those who held one. endRequests comes
// before.
func (p *pool) close() {
	p.mu.Lock()
	p.cancel()
	for l := range p.open {
		if l.timer != nil {
			l.timer.Stop()
		}
		_ = l.Close()
	}
	p.idle = nil
	p.mu.Unlock()
	p.lent.Wait()
}

// openWait opens a channel, waiting while all are busy: for the busy timeout,
// or longer after a reset, and never beyond ctx.
func (p *pool) openWait(ctx, until context.Context) (*lease, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(until, func() { cancel(ErrClosed) })()
	start, pause := time.Now(), busyPause
	for {
		l, err := p.openOne(ctx, until)
		if err == nil {
			return l, nil
		}
		if context.Cause(ctx) == ErrClosed {
			return nil, fmt.Errorf("%w: %v", ErrClosed, err)
		}
		busy := errors.Is(err, ErrBusy) || errors.Is(err, ErrReset)
		if busy {
			p.mu.Lock()
			p.busy, p.swept = err, time.Now()
			p.mu.Unlock()
		}
		switch {
		case ctx.Err() != nil:
			return nil, p.overdue(ctx)
		case !busy:
			return nil, err
		}
		limit, after := p.limit()
		if after {
			pause = max(pause, 2*busyPause)
		}
		if time.Since(start)+pause > limit {
			if errors.Is(err, ErrReset) {
				err = fmt.Errorf("%w: %v", ErrBusy, err)
			}
			return nil, fmt.Errorf("%w (waited %v)", err, time.Since(start).Round(time.Second))
		}
		// The next openOne tells of the end of ctx.
		_ = sleep(ctx, nil, pause)
		pause = min(2*pause, busyPauseMax)
	}
}

// limit is how long channels may be busy, and whether that is after a reset.
func (p *pool) limit() (limit time.Duration, afterReset bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.waiting {
		return max(p.busyTimeout, resetTimeout), true
	}
	return p.busyTimeout, false
}

// openOne opens a channel and asks for the iLO's status on it, which proves
// that the channel serves and shows the security state.
func (p *pool) openOne(ctx, until context.Context) (*lease, error) {
	p.mu.Lock()
	epoch := p.epoch
	p.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, &OpError{Op: "open", Err: contextError(err)}
	}
	ch, err := p.device.Open(ctx)
	if err != nil {
		return nil, &OpError{Op: "open", Err: err}
	}
	l := &lease{Conn: NewConn(ch), epoch: epoch, until: until}
	l.closing = p.requests.Done()
	if err := l.wait(ctx); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	ctx, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	l.status, err = l.Status(ctx)
	switch {
	case errors.Is(err, ErrRefused): // says nothing about REST
	case err != nil:
		err = errors.Join(err, l.Close())
		if errors.Is(err, ErrReset) {
			p.noticeReset(epoch)
		}
		return nil, err
	case l.status.needsCredentials() && !p.anyState:
		return nil, errors.Join(l.opError("open", fmt.Errorf("%w: security state %s", ErrCredentialsRequired, l.status.SecurityState)), l.Close())
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if until.Err() != nil {
		return nil, errors.Join(ErrClosed, l.Close())
	}
	p.open[l] = struct{}{}
	p.waiting, p.busy = false, nil
	return l, nil
}
