package ilosession

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/ilod/ilod/agent/api"
	"github.com/ilod/ilod/agent/guard"
	"github.com/ilod/ilod/agent/pause"
	"github.com/ilod/ilod/agent/redfisherror"
)

// errForgotten: the iLO rejected the token that it had just issued.
var errForgotten = errors.New("the iLO does not know the session that it has just opened")

// change is a login or logout that others wait for.
type change struct {
	done chan struct{}
	err  error // set before done is closed
}

// failedLogin is what the last login ended with, if it failed.
type failedLogin struct {
	err         error
	until       time.Time
	pause       time.Duration
	credentials *Credentials // that the iLO did not like
}

// acquire returns the session, after a login if there is none. The end of ctx
// ends the waiting and not the login. release must follow.
func (k *Keeper) acquire(ctx context.Context, use bool) (*held, error) {
	for patience := loginPatience; ; {
		others := k.otherCredentials()
		k.mu.Lock()
		if h := k.current; h != nil {
			h.users++
			k.mu.Unlock()
			return h, nil
		}
		c := k.change
		if c == nil {
			if err := k.mayLogin(use, others); err != nil {
				wait := time.Until(k.refusal.until)
				k.mu.Unlock()
				if patience -= wait; !use || patience < 0 || !k.sleep(ctx, wait) {
					return nil, err
				}
				continue
			}
			c = k.begin()
			k.background.Go(func() { k.end(c, guard.Panics(k.login)) })
		}
		k.mu.Unlock()
		select {
		case <-c.done:
			if c.err != nil {
				return nil, c.err
			}
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for a login: %w", context.Cause(ctx))
		case <-k.readLife.Done(): // also for a write, of which nothing was sent
			return nil, ErrClosed
		}
	}
}

// sleep reports false, at once if possible, if ctx or the Keeper ends first.
func (k *Keeper) sleep(ctx context.Context, d time.Duration) bool {
	if end, ok := ctx.Deadline(); ok && time.Until(end) <= d {
		return false
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(k.readLife, cancel)()
	return pause.For(ctx, d)
}

// release ends the use of a session; worked tells that the iLO took its token.
func (k *Keeper) release(h *held, use, worked bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if h.users--; h.users == 0 && h.idle != nil {
		close(h.idle)
	}
	if worked {
		h.worked, k.refusal = true, failedLogin{}
	}
	h.lastTraffic = time.Now()
	if use {
		h.lastUse = h.lastTraffic
	}
	k.poke()
}

// begin announces a change of the session; mu is held.
func (k *Keeper) begin() *change {
	k.change = &change{done: make(chan struct{})}
	return k.change
}

func (k *Keeper) end(c *change, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	c.err, k.change = err, nil
	close(c.done)
	k.poke()
}

// poke makes run look what is due.
func (k *Keeper) poke() {
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

// otherCredentials reports whether the credentials, which are read from a file, are
// others than those that the iLO refused last.
func (k *Keeper) otherCredentials() bool {
	k.mu.Lock()
	r := k.refusal
	k.mu.Unlock()
	if !errors.Is(r.err, ErrCredentials) {
		return false
	}
	c, err := k.credentials()
	return err == nil && !same(c, r.credentials)
}

// mayLogin is the error of the last login while it is too early for another; mu
// is held. Other credentials may be tried at once, those that the iLO refused
// only for somebody who asks for it.
func (k *Keeper) mayLogin(use, others bool) error {
	r := &k.refusal
	wrong := errors.Is(r.err, ErrCredentials)
	if r.err == nil || wrong && others {
		return nil
	}
	if (use || !wrong) && !time.Now().Before(r.until) {
		return nil
	}
	return r.err
}

func same(a, b *Credentials) bool {
	if a == nil || b == nil {
		return a == b
	}
	return *a == *b
}

func (k *Keeper) credentials() (*Credentials, error) {
	if k.o.Credentials == nil {
		return nil, nil
	}
	c, err := k.o.Credentials()
	if err != nil {
		return nil, fmt.Errorf("credentials for the iLO: %w", err)
	}
	return c, nil
}

// login makes a session the current one. It is one half of a change.
func (k *Keeper) login() error {
	ctx, cancel := context.WithTimeout(k.life, loginTimeout)
	defer cancel()
	h, c, err := k.attempt(ctx)
	full := errors.Is(err, ErrSessionLimit)
	// A refusal of no credentials may be that of a full table (ILO.md §3).
	if full || c == nil && errors.Is(err, ErrCredentials) {
		if h = k.adopt(ctx); h != nil {
			full, err = false, nil
		}
	}
	if full {
		if err = k.makeRoom(ctx, c, err); err == nil {
			h, c, err = k.attempt(ctx)
		}
	}
	if err != nil {
		k.log.WithError(err).Warn("login to the iLO")
		k.tell(ctx, api.SessionRefused, "", err.Error())
		k.mu.Lock()
		defer k.mu.Unlock()
		k.refuse(c, err)
		return err
	}
	now := time.Now()
	k.mu.Lock()
	k.refusal = failedLogin{pause: k.refusal.pause} // until it has worked
	k.loginError = ""
	k.hold(h)
	k.retry.soon(now) // there may be entries that only now can be dealt with
	k.mu.Unlock()
	k.learn(h, h.session.shown)
	return nil
}

// hold makes a session the current one; mu is held.
func (k *Keeper) hold(h *held) {
	now := time.Now()
	h.checking = make(chan struct{}, 1)
	h.since, h.lastUse, h.lastTraffic, h.keepAlive = now, now, now, min(k.o.KeepAlive, defaultKeepAlive)
	k.owned[h.entry.Nonce] = true
	k.current = h
}

// refuse notes a login that failed; mu is held.
func (k *Keeper) refuse(c *Credentials, err error) {
	k.counts.Refusals++
	k.loginError = err.Error()
	first, longest := refusedPause, refusedPauseMax
	r := failedLogin{err: err}
	switch {
	case k.o.NotSent != nil && k.o.NotSent(err), k.life.Err() != nil:
		k.refusal = failedLogin{}
		return
	case errors.Is(err, ErrCredentials):
		first, longest = credentialsPause, credentialsPauseMax
		r.credentials = c
	}
	r.pause = min(max(2*k.refusal.pause, first), longest)
	r.until = time.Now().Add(r.pause)
	k.refusal = r
}

// attempt logs in once: intent, POST, record. The intent of a
// login whose outcome is not known stays for Recover.
func (k *Keeper) attempt(ctx context.Context) (*held, *Credentials, error) {
	credentials, err := k.credentials()
	if err != nil {
		return nil, nil, err
	}
	id, iloTime, err := k.identify(ctx, k.o.Next)
	if err != nil {
		return nil, credentials, err
	}
	e := entry{Nonce: rand.Text(), Identity: id, Boot: k.o.Boot, User: inBandUser, Time: time.Now(), ILOTime: iloTime}
	if credentials != nil {
		e.User = credentials.UserName
	}
	k.mu.Lock()
	e.Before, e.Guardian = k.known, k.wards != nil
	k.owned[e.Nonce] = true
	k.attempts++
	k.mu.Unlock()
	k.o.Guardian.note(e, credentials) // first: it must know of each entry
	k.o.Ledger.put(e)

	var s *Session
	returned := false
	err = guard.Panics(func() (err error) {
		s, err = Login(ctx, k.o.Next, Options{Credentials: credentials, NotSent: k.o.NotSent})
		returned = true
		return err
	})
	if !returned { // it panicked
		err = fmt.Errorf("log in: %w: %w", ErrMayRemain, err)
	}
	if err != nil {
		switch {
		case mayRemain(err):
			e.End, e.Answered = time.Now(), answered(err)
			k.o.Ledger.put(e)
			k.mu.Lock()
			delete(k.owned, e.Nonce)
			k.retry.soon(time.Now())
			k.mu.Unlock()
		default:
			k.forget(e.Nonce)
		}
		return nil, credentials, err
	}
	e.Path, e.Opened, e.authorize = s.path, time.Now(), s.authorize
	k.o.Ledger.put(e)
	k.o.Guardian.note(e, credentials)
	k.mu.Lock()
	k.counts.Logins++
	k.mu.Unlock()
	k.tell(ctx, api.SessionMade, s.path, "")
	return &held{session: s, entry: e}, credentials, nil
}

// mayRemain reports a login after which there may be a session. Two answers prove that
// there is none: a plain refusal, and that the table is full. An answer that says that
// the iLO has failed proves nothing.
func mayRemain(err error) bool {
	if errors.Is(err, ErrMayRemain) {
		return true
	}
	e, ok := errors.AsType[*redfisherror.Error](err)
	if !ok || errors.Is(err, ErrSessionLimit) {
		return false
	}
	return e.Status >= 500 || e.Status == http.StatusRequestTimeout || e.Has("InternalError")
}

// answered reports a login that the iLO has answered, with whatever.
func answered(err error) bool {
	_, status := errors.AsType[*redfisherror.Error](err)
	return status || errors.Is(err, errUnusable)
}

// forget removes the entry of a session that is certainly gone.
func (k *Keeper) forget(nonce string) {
	k.o.Ledger.remove(nonce)
	k.o.Guardian.gone(nonce)
	k.mu.Lock()
	delete(k.owned, nonce)
	k.mu.Unlock()
}
