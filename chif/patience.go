package chif

import (
	"context"
	"sync/atomic"
	"time"
)

// patience is the context of a row of packets: the caller's, with a deadline
// that allow moves on for each of them. One timer serves all: a context for each
// would cost as much as the packet.
type patience struct {
	context.Context // ends with the caller's, or with cause DeadlineExceeded
	caller          context.Context
	cancel          context.CancelCauseFunc
	start           time.Time
	limit           atomic.Int64 // the deadline of the packet under way, after start
	timer           *time.Timer
}

func newPatience(ctx context.Context) *patience {
	p := &patience{caller: ctx, start: time.Now()}
	p.Context, p.cancel = context.WithCancelCause(ctx)
	return p
}

// allow gives the next packet d from now.
func (p *patience) allow(d time.Duration) {
	p.limit.Store(int64(time.Since(p.start) + d))
	if p.timer == nil {
		p.timer = time.AfterFunc(d, p.expire)
		return
	}
	p.timer.Reset(d)
}

// expire ends the context, unless allow came while the timer went off.
func (p *patience) expire() {
	if time.Since(p.start) >= time.Duration(p.limit.Load()) {
		p.cancel(context.DeadlineExceeded)
	}
}

// callerErr is why the caller of an exchange has left; nil if it has not, even if
// the packet's own time is over.
func callerErr(ctx context.Context) error {
	if p, ok := ctx.(*patience); ok {
		return p.caller.Err()
	}
	return ctx.Err()
}

// stop frees what the patience holds; its context has ended then.
func (p *patience) stop() {
	if p.timer != nil {
		p.timer.Stop()
	}
	p.cancel(nil)
}

// Deadline is that of the packet under way, or the caller's if it is earlier.
func (p *patience) Deadline() (time.Time, bool) {
	limit := p.start.Add(time.Duration(p.limit.Load()))
	if d, ok := p.Context.Deadline(); ok && d.Before(limit) {
		return d, true
	}
	return limit, true
}

// Err calls the end of a packet's time what the end of a caller's is called.
func (p *patience) Err() error {
	err := p.Context.Err()
	if err != nil && context.Cause(p.Context) == context.DeadlineExceeded {
		return context.DeadlineExceeded
	}
	return err
}
