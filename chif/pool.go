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
	// processor a channel (chif-protocol §1.2).
	busyPause    = 500 * time.Millisecond
	busyPauseMax = 2 * time.Second
	// resetTimeout is how long an iLO that was reset may take to serve again
	// (chif-protocol §4.4).
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

	slots chan struct{} // holds one token for each channel lent
	done  chan struct{} // closed by close
	lent  sync.WaitGroup

	mu      sync.Mutex
	closed  bool
	open    map[*lease]struct{}
	idle    []*lease
	epoch   int  // counts the resets that were noticed
	waiting bool // a reset was noticed and no channel was opened since
}

// lease is an open channel of the pool.
type lease struct {
	*Conn
	status Status
	epoch  int
	timer  *time.Timer // closes the channel while it is idle
}

func newPool(d Device, o TransportOptions) *pool {
	return &pool{
		device: d, idleTimeout: o.IdleTimeout, busyTimeout: o.BusyTimeout, anyState: o.IgnoreSecurityState, onReset: o.OnReset,
		slots: make(chan struct{}, o.MaxChannels), done: make(chan struct{}), open: map[*lease]struct{}{},
	}
}

// get lends a channel: an idle one, or a new one as soon as the device has one.
// put must follow.
func (p *pool) get(ctx context.Context) (*lease, error) {
	select {
	case p.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, contextError(ctx.Err())
	case <-p.done:
		return nil, ErrClosed
	}
	l, err := p.take(ctx)
	if err != nil {
		<-p.slots
		return nil, err
	}
	return l, nil
}

func (p *pool) take(ctx context.Context) (*lease, error) {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil, ErrClosed
	}
	p.lent.Add(1)
	if n := len(p.idle); n > 0 {
		l := p.idle[n-1]
		p.idle = p.idle[:n-1]
		p.mu.Unlock()
		l.timer.Stop()
		return l, nil
	}
	p.mu.Unlock()
	l, err := p.openWait(ctx)
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
	if l.dead == nil && !p.closed && l.epoch == p.epoch {
		p.idle = append(p.idle, l)
		l.timer = time.AfterFunc(p.idleTimeout, func() { p.retire(l) })
		p.mu.Unlock()
		return
	}
	delete(p.open, l)
	reset := errors.Is(l.dead, ErrReset) && l.epoch == p.epoch
	var others []*lease
	if reset { // every channel of the iLO died with this one (hpilo.c ilo_isr)
		p.epoch++
		p.waiting = true
		others, p.idle = p.idle, nil
		for _, o := range others {
			delete(p.open, o)
		}
	}
	p.mu.Unlock()
	for _, o := range append(others, l) {
		if o.timer != nil {
			o.timer.Stop()
		}
		_ = o.Close() // a second close of a dead channel does nothing
	}
	if reset && p.onReset != nil {
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
	}
	p.mu.Unlock()
	if i >= 0 {
		_ = l.Close()
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

// close ends the exchanges in flight, closes every channel and waits for those
// who held one.
func (p *pool) close() {
	p.mu.Lock()
	if !p.closed {
		p.closed = true
		close(p.done)
		for l := range p.open {
			if l.timer != nil {
				l.timer.Stop()
			}
			_ = l.Close()
		}
		p.idle = nil
	}
	p.mu.Unlock()
	p.lent.Wait()
}

// openWait opens a channel, waiting while all are busy: for the busy timeout,
// or longer after a reset, and never beyond ctx.
func (p *pool) openWait(ctx context.Context) (*lease, error) {
	p.mu.Lock()
	limit, pause := p.busyTimeout, busyPause
	if p.waiting {
		limit, pause = max(limit, resetTimeout), 2*busyPause
	}
	p.mu.Unlock()
	for start := time.Now(); ; pause = min(2*pause, busyPauseMax) {
		l, err := p.openOne(ctx)
		if err == nil {
			return l, nil
		}
		if again := errors.Is(err, ErrBusy) || errors.Is(err, ErrReset); !again || ctx.Err() != nil {
			return nil, err
		}
		if time.Since(start)+pause > limit {
			return nil, fmt.Errorf("%w (waited %v)", err, time.Since(start).Round(time.Second))
		}
		select {
		case <-p.done:
			return nil, ErrClosed
		default:
		}
		if ctxErr := sleep(ctx, pause); ctxErr != nil {
			return nil, fmt.Errorf("%w; %w", err, ctxErr)
		}
	}
}

// openOne opens a channel and asks for the iLO's status on it, which proves
// that the channel serves and shows the security state.
func (p *pool) openOne(ctx context.Context) (*lease, error) {
	p.mu.Lock()
	epoch := p.epoch
	p.mu.Unlock()
	ch, err := p.device.Open(ctx)
	if err != nil {
		return nil, &OpError{Op: "open", Err: err}
	}
	l := &lease{Conn: NewConn(ch), epoch: epoch}
	ctx, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	l.status, err = l.Status(ctx)
	switch {
	case errors.Is(err, ErrRefused): // says nothing about REST
	case err != nil:
		return nil, errors.Join(err, l.Close())
	case l.status.needsCredentials() && !p.anyState:
		return nil, errors.Join(l.opError("open", fmt.Errorf("%w: security state %s", ErrCredentialsRequired, l.status.SecurityState)), l.Close())
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, errors.Join(ErrClosed, l.Close())
	}
	p.open[l] = struct{}{}
	p.waiting = false
	return l, nil
}
