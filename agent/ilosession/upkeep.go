package ilosession

import (
	"context"
	"time"
)

// run does what becomes due: it deletes an unused session, keeps one in use
// alive, deals with what Recover left and reaps.
func (k *Keeper) run() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-k.ctx.Done():
			return
		case <-k.wake:
		case <-timer.C:
		}
		if next := k.due(); !next.IsZero() {
			timer.Reset(max(next.Sub(k.now()), 0))
		}
	}
}

// due does what is due now and returns when to look again, the zero time if
// nothing is planned.
func (k *Keeper) due() (next time.Time) {
	now := k.now()
	k.mu.Lock()
	h := k.current
	var reap, alive, left bool
	plan := func(at time.Time) bool {
		if at.After(now) && (next.IsZero() || at.Before(next)) {
			next = at
		}
		return !at.After(now)
	}
	if h != nil && k.change == nil {
		if h.users == 0 && plan(h.lastUse.Add(k.o.Linger)) {
			c := k.begin()
			k.current = nil
			k.mu.Unlock()
			_ = k.logout(h) // it is logged and counted
			k.end(c, nil)
			return now
		}
		alive = h.keepAlive > 0 && plan(h.lastTraffic.Add(h.keepAlive))
		reap = k.o.ReapForeign > 0 && plan(k.reapAt)
	}
	left = !k.retry.at.IsZero() && plan(k.retry.at)
	k.mu.Unlock()
	ctx, cancel := context.WithTimeout(k.ctx, workTimeout)
	defer cancel()
	switch {
	case left:
		if err := k.recover(ctx, false); err != nil && k.ctx.Err() == nil {
			k.log.WithError(err).Warn("an iLO session may be left; it will be looked for again")
		}
	case alive:
		k.refresh(ctx, h)
	case reap:
		if err := k.reap(ctx, internal{k}); err != nil && k.ctx.Err() == nil {
			k.log.WithError(err).Warn("reap foreign iLO sessions")
		}
		k.mu.Lock()
		k.reapAt = k.now().Add(reapInterval)
		k.mu.Unlock()
	default:
		return next
	}
	return k.now() // look again
}

// refresh reads the session itself, in it, and learns the idle timeout: what
// UserExpires is after AccessTime, nothing without a timeout (ilo-behaviour §0.4,
// §0.5).
func (k *Keeper) refresh(ctx context.Context, h *held) {
	var own sessionResource
	_, err := getJSON(ctx, internal{k}, h.session.path, &own)
	k.mu.Lock()
	defer k.mu.Unlock()
	h.lastTraffic = k.now() // also when it failed: not in a loop
	if err != nil {
		k.log.WithError(err).Info("keep the iLO session alive")
		return
	}
	ext := own.Oem.Hpe
	if ext == nil {
		ext = own.Oem.Hp
	}
	if ext == nil || ext.AccessTime.IsZero() || ext.UserExpires.IsZero() {
		return
	}
	h.keepAlive = max(ext.UserExpires.Sub(ext.AccessTime.Time)/3, 0)
}
