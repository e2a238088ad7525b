package ilosession

import (
	"cmp"
	"context"
	"net/http"
	"time"

	"github.com/ilod/ilod/agent/guard"
)

// run does what becomes due: it deletes an unused session, keeps one in use
// alive, deals with what Recover left and reaps.
func (k *Keeper) run() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-k.life.Done():
			return
		case <-k.wake:
		case <-timer.C:
		}
		var next time.Time
		if err := guard.Do("upkeep of the iLO session", func() error { next = k.due(); return nil }); err != nil {
			k.log.WithError(err).Error("it goes on")
			next = time.Now().Add(retryPause)
		}
		if !next.IsZero() {
			timer.Reset(max(time.Until(next), 0))
		}
	}
}

// due does what is due now and returns when to look again, the zero time if
// nothing is planned.
func (k *Keeper) due() (next time.Time) {
	now := time.Now()
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
			k.mu.Unlock()
			if k.linger(h) != nil { // there is no turn for it
				return time.Now().Add(retryPause)
			}
			return time.Now()
		}
		alive = h.keepAlive > 0 && plan(h.lastTraffic.Add(h.keepAlive))
		reap = k.o.ReapForeign > 0 && plan(k.reapAt)
	}
	left = !k.retry.at.IsZero() && plan(k.retry.at)
	k.mu.Unlock()
	ctx, cancel := context.WithTimeout(k.life, workTimeout)
	defer cancel()
	switch {
	case left:
		if err := k.recover(ctx); err != nil && k.life.Err() == nil {
			k.log.WithError(err).Warn("an iLO session may be left; it will be looked for again")
		}
	case alive:
		k.refresh(ctx, h)
	case reap:
		if err := k.reap(ctx, lent{k, h}); err != nil && k.life.Err() == nil {
			k.log.WithError(err).Warn("reap foreign iLO sessions")
		}
		k.mu.Lock()
		k.reapAt = time.Now().Add(reapInterval)
		k.mu.Unlock()
	default:
		return next
	}
	return time.Now() // look again
}

// linger deletes a session if nobody has used it until there is a turn for that,
// which is the only error.
func (k *Keeper) linger(h *held) error {
	ctx, cancel := context.WithTimeout(k.life, workTimeout)
	defer cancel()
	return k.turn(ctx, http.MethodDelete, func() error {
		k.mu.Lock()
		if k.current != h || k.change != nil || h.users > 0 || time.Now().Before(h.lastUse.Add(k.o.Linger)) {
			k.mu.Unlock()
			return nil
		}
		c := k.begin()
		k.current = nil
		k.mu.Unlock()
		defer k.end(c, nil)
		_ = k.logout(k.life, h, "it was unused for "+k.o.Linger.String()) // it is logged and counted
		return nil
	})
}

// refresh reads the session itself, in it, and learns the idle timeout. It never logs
// in: a session that the iLO has ended is one that nobody needs now.
func (k *Keeper) refresh(ctx context.Context, h *held) {
	var own sessionResource
	_, err := getJSON(ctx, lent{k, h}, h.session.path, &own)
	k.mu.Lock()
	h.lastTraffic = time.Now() // also when it failed: not in a loop
	k.mu.Unlock()
	if err != nil {
		k.log.WithError(err).Info("keep the iLO session alive")
		return
	}
	k.learn(h, own)
}

// learn takes the idle timeout from what the iLO shows of the session, and has it
// kept alive accordingly.
func (k *Keeper) learn(h *held, own sessionResource) {
	timeout, ok := own.idleTimeout()
	if !ok {
		return
	}
	k.mu.Lock()
	h.keepAlive = timeout / 3
	tell := timeout > 0 && k.o.KeepAlive >= timeout && k.told != timeout
	if tell {
		k.told = timeout
	}
	k.mu.Unlock()
	if tell {
		k.log.WithField("keep-alive", k.o.KeepAlive).WithField("idle timeout", timeout).
			Warn("keep-alive is not shorter than the iLO's idle timeout: ilod keeps the session alive three times within that timeout")
	}
}

// idleTimeout is what UserExpires is after AccessTime: 0 without a timeout
// (ILO.md §2). ok is false if the iLO does not tell.
func (m *sessionResource) idleTimeout() (timeout time.Duration, ok bool) {
	ext := cmp.Or(m.Oem.Hpe, m.Oem.Hp)
	if ext == nil || ext.AccessTime.IsZero() || ext.UserExpires.IsZero() {
		return 0, false
	}
	return max(ext.UserExpires.Sub(ext.AccessTime.Time), 0), true
}
