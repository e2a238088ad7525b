package ilosession

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/ilod/ilod/agent/api"
)

// lateness is how long after we gave it up an iLO may still execute a request. So
// the first request in a session comes at most so long after its login, and nobody
// has the token of a session that was not used for longer. It is a variable for
// tests with real processes.
var lateness = 30 * time.Second

const (
	// clockSlack allows for the whole seconds of a Date and of a session's id.
	clockSlack = 2 * time.Second
	// clockJump is by how much the clocks of host and iLO may drift apart before
	// one of them counts as set anew.
	clockJump = 5 * time.Minute
	// elsewhereFor is how long entries of another iLO are kept.
	elsewhereFor = 30 * 24 * time.Hour

	retryPause, retryPauseMax = 15 * time.Second, 10 * time.Minute
	// maxLoginPause is the longest wait for a login for the sake of recovery.
	maxLoginPause = 24 * time.Hour
)

// retryTimer is when to try again; the zero value is never.
type retryTimer struct {
	at    time.Time
	pause time.Duration
}

func (t *retryTimer) soon(now time.Time) { t.at = now }

func (t *retryTimer) later(now time.Time, longest time.Duration) {
	t.pause = min(max(2*t.pause, retryPause), longest)
	t.at = now.Add(t.pause)
}

// Recover deals with the sessions that earlier processes left: those in the
// ledger, and those of logins that ended unnoticed. It deletes each, with its own
// token if the ledger has it, else from a session of its own. Without entries
// it sends nothing, unless KeeperOptions.Uptime is set.
//
// What it cannot deal with now stays in the ledger; the Keeper tries again by
// itself, later and after each login. The error says what failed. It is no
// failure that the session of a login without a record may still be another
// program's: it is not deleted before it was there for half a minute, unused.
func (k *Keeper) Recover(ctx context.Context) error {
	leave, err := k.enter()
	if err != nil {
		return err
	}
	defer leave()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(k.readLife, cancel)()
	return k.recover(ctx)
}

func (k *Keeper) recover(ctx context.Context) error {
	select {
	case k.recovering <- struct{}{}:
		defer func() { <-k.recovering }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	k.mu.Lock()
	k.retry.at = time.Time{} // an event from now on asks for another round
	attempts := k.attempts
	k.mu.Unlock()
	again, err := k.settle(ctx)
	err = errors.Join(err, k.reapBeforeBoot(ctx))
	left, now := k.unsettled(), time.Now()
	k.mu.Lock()
	defer k.mu.Unlock()
	stuck := err != nil
	for _, e := range left {
		if old := e.oldAt().Add(clockSlack); e.Path != "" || !old.After(now) {
			stuck = true
		} else if again.IsZero() || old.Before(again) {
			again = old
		}
	}
	switch {
	case stuck:
		longest := retryPauseMax
		if k.attempts > attempts { // each is a session for nobody else
			longest = maxLoginPause
		}
		k.retry.later(now, longest)
		if !again.IsZero() && again.Before(k.retry.at) {
			k.retry.at = again
		}
	case len(left) > 0:
		k.retry = retryTimer{at: again}
	case k.retry.at.IsZero():
		k.retry = retryTimer{}
	}
	if k.leftError = ""; err != nil {
		k.leftError = err.Error()
	} else {
		k.counts.Recovered = now
	}
	k.poke()
	return err
}

// unsettled are the entries of this iLO, as far as it is known, that belong to
// no login or session of this Keeper.
func (k *Keeper) unsettled() []entry {
	entries := k.o.Ledger.entries()
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.DeleteFunc(entries, func(e entry) bool {
		return k.owned[e.Nonce] || k.wards != nil && !k.wards[e.Nonce] || !e.Identity.is(k.identity)
	})
}

// settle makes one attempt at each entry. It returns when another one will get
// further, if that is known.
func (k *Keeper) settle(ctx context.Context) (again time.Time, err error) {
	if len(k.unsettled()) == 0 {
		return again, nil
	}
	k.noteEnds()
	_, iloNow, err := k.identify(ctx, k.direct())
	if err != nil {
		return again, fmt.Errorf("sessions of earlier processes: %w", err)
	}
	k.ageOut()
	var errs []error
	var intents, records []entry
	now := time.Now()
	for _, e := range k.unsettled() {
		switch {
		case e.Path == "" && e.lost(now, iloNow):
			k.log.WithField("tried", e.Time).Warn("the iLO does not report the time: the session of a login without a record may stay until its idle timeout")
			k.forget(e.Nonce)
		case e.Path == "":
			intents = append(intents, e)
		case e.authorize == nil:
			records = append(records, e)
		default:
			s := &Session{rt: k.direct(), path: e.Path, authorize: e.authorize}
			if _, err := s.delete(ctx); err != nil {
				errs = append(errs, fmt.Errorf("delete session %s: %w", e.Path, err))
				continue
			}
			k.settled(e)
		}
	}
	ripe := slices.ContainsFunc(intents, func(e entry) bool { return e.ripe(now, iloNow) })
	if len(records) == 0 && !ripe {
		return again, errors.Join(errs...)
	}
	if at := k.mayLogInAgain(); at.After(now) {
		return at, errors.Join(errs...)
	}
	for _, e := range records {
		if err := k.deleteRecord(ctx, e); err != nil {
			errs = append(errs, fmt.Errorf("delete session %s: %w", e.Path, err))
			continue
		}
		k.settled(e)
	}
	if ripe {
		again, err = k.searchOrphans(ctx, iloNow)
		errs = append(errs, err)
	}
	return again, errors.Join(errs...)
}

// mayLogInAgain is when the next login for the sake of recovery alone is due: each
// that the iLO answers without a session that can be used leaves one more, and the
// ledger knows those of other processes, too. The zero time: now, as when there is
// a session.
func (k *Keeper) mayLogInAgain() (at time.Time) {
	entries := k.o.Ledger.entries()
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.current != nil {
		return at
	}
	pause := lateness
	for _, e := range entries {
		if e.Answered && e.Path == "" && e.Identity.is(k.identity) {
			if end := e.End.Add(pause); end.After(at) {
				at = end
			}
			pause = min(4*pause, maxLoginPause)
		}
	}
	return at
}

// noteEnds notes the end of logins whose processes are dead, so that no session
// of a later login is taken for theirs: the instance lock leaves only guardians
// alive beside us, and a guardian's wards are dead.
func (k *Keeper) noteEnds() {
	for _, e := range k.unsettled() {
		if e.Path == "" && e.End.IsZero() && (k.wards != nil || !e.Guardian) {
			e.End = time.Now()
			k.o.Ledger.amend(e)
		}
	}
}

func (k *Keeper) settled(e entry) {
	if e.Path != "" {
		k.tell(context.Background(), api.SessionEnded, e.Path, "an earlier process has left it")
	} else {
		k.log.WithField("tried", e.Time).Info("a login without a record is settled")
	}
	k.forget(e.Nonce)
}

// ageOut forgets old entries of other iLOs: the disk was moved. One from the
// future has seen a wrong clock, and ages from now on.
func (k *Keeper) ageOut() {
	k.mu.Lock()
	here := k.identity
	k.mu.Unlock()
	for _, e := range k.o.Ledger.entries() {
		switch age := time.Since(e.Time); {
		case e.Identity.is(here):
		case age < 0:
			e.Time = time.Now()
			k.o.Ledger.amend(e)
		case age > elsewhereFor:
			k.log.WithField("session", e.Path).Info("a session on another iLO is forgotten")
			k.o.Ledger.remove(e.Nonce)
		}
	}
}

// adopt finds the youngest session in the ledger whose token works; nil if there
// is none.
func (k *Keeper) adopt(ctx context.Context) *held {
	for _, e := range slices.Backward(k.unsettled()) {
		if e.Path == "" || e.authorize == nil {
			continue
		}
		s := &Session{rt: k.o.Next, path: e.Path, authorize: e.authorize}
		var list sessionCollection
		if _, err := getJSON(ctx, s, collection, &list); err != nil {
			continue
		}
		if mine := list.mine(); mine != "" && sessionID(mine) != sessionID(e.Path) {
			continue
		}
		k.tell(ctx, api.SessionMade, e.Path, "an earlier process has left it, and it is taken over")
		return &held{session: s, entry: e, worked: true}
	}
	return nil
}

// deleteRecord deletes a session without its token.
func (k *Keeper) deleteRecord(ctx context.Context, e entry) error {
	err := deleteSession(ctx, internal{k}, e.Path)
	if isStatus(err, http.StatusForbidden) {
		// A session that is gone needs no privilege.
		var left sessionResource
		if _, gone := getJSON(ctx, internal{k}, e.Path, &left); isStatus(gone, http.StatusNotFound) {
			return nil
		}
	}
	return err
}
