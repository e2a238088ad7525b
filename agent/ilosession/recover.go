package ilosession

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

// lateness is how long after we gave it up an iLO may still execute a login. It
// is a variable for tests with real processes.
var lateness = 30 * time.Second

const (
	// clockSlack allows for the whole seconds of a Date and of a session's id.
	clockSlack = 2 * time.Second
	// elsewhereFor is how long entries of another iLO are kept.
	elsewhereFor = 30 * 24 * time.Hour

	retryPause, retryPauseMax = 15 * time.Second, 10 * time.Minute
)

// schedule is when to try again; the zero value is never.
type schedule struct {
	at    time.Time
	pause time.Duration
}

func (s *schedule) soon(now time.Time) { s.at = now }

func (s *schedule) later(now time.Time) {
	s.pause = min(max(2*s.pause, retryPause), retryPauseMax)
	s.at = now.Add(s.pause)
}

// Recover deals with the sessions that earlier processes left: those in the
// ledger, and those of logins that ended unnoticed. It deletes each, with its own
// token if the ledger has it, else from a session of its own; or, with
// KeeperOptions.Resume, takes over one whose token still works. Without entries
// it sends nothing.
//
// What it cannot deal with now stays in the ledger; the Keeper tries again by
// itself, later and after each login. The error says what failed.
func (k *Keeper) Recover(ctx context.Context) error {
	k.mu.Lock()
	if k.closing {
		k.mu.Unlock()
		return ErrClosed
	}
	k.requests.Add(1)
	k.mu.Unlock()
	defer k.requests.Done()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(k.readsCtx, cancel)()
	return k.recover(ctx, k.o.Resume)
}

func (k *Keeper) recover(ctx context.Context, resume bool) error {
	select {
	case k.recovering <- struct{}{}:
		defer func() { <-k.recovering }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	k.mu.Lock()
	k.retry.at = time.Time{} // an event from now on asks for another round
	k.mu.Unlock()
	err := k.settle(ctx, resume)
	left, now := k.unsettled(), k.now()
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case len(left) > 0:
		k.retry.later(now)
		for _, e := range left {
			if old := e.oldAt(); e.Path == "" && old.After(now) && old.Before(k.retry.at) {
				k.retry.at = old
			}
		}
	case k.retry.at.IsZero():
		k.retry = schedule{}
	}
	if err != nil {
		k.counts.LastError = err.Error()
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
		return k.owned[e.Nonce] || k.only != nil && !k.only[e.Nonce] || !e.Identity.is(k.identity)
	})
}

// settle makes one attempt at each entry.
func (k *Keeper) settle(ctx context.Context, resume bool) error {
	if len(k.unsettled()) == 0 {
		return nil
	}
	_, iloNow, err := k.identify(ctx)
	if err != nil {
		return fmt.Errorf("sessions of earlier processes: %w", err)
	}
	k.ageOut()
	if resume {
		k.resume(ctx)
	}
	var errs []error
	var intents, records []entry
	for _, e := range k.unsettled() {
		switch {
		case e.Path == "":
			intents = append(intents, e)
		case e.authorize == nil:
			records = append(records, e)
		default:
			s := &Session{rt: k.o.Next, path: e.Path, authorize: e.authorize}
			if _, err := s.delete(ctx); err != nil {
				errs = append(errs, fmt.Errorf("delete session %s: %w", e.Path, err))
				continue
			}
			k.settled(e)
		}
	}
	for _, e := range records {
		if err := k.deleteRecord(ctx, e); err != nil {
			errs = append(errs, fmt.Errorf("delete session %s: %w", e.Path, err))
			continue
		}
		k.settled(e)
	}
	if len(intents) > 0 {
		errs = append(errs, k.searchOrphans(ctx, intents, iloNow))
	}
	return errors.Join(errs...)
}

func (k *Keeper) settled(e entry) {
	if e.Path != "" {
		k.log.WithField("session", e.Path).WithField("opened", e.Opened).Info("a session that was left is gone")
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
		switch age := k.now().Sub(e.Time); {
		case e.Identity.is(here):
		case age < 0:
			e.Time = k.now()
			k.o.Ledger.put(e)
		case age > elsewhereFor:
			k.log.WithField("session", e.Path).Info("a session on another iLO is forgotten")
			k.o.Ledger.remove(e.Nonce)
		}
	}
}

// resume takes over a session if there is none.
func (k *Keeper) resume(ctx context.Context) {
	k.mu.Lock()
	if k.current != nil || k.change != nil {
		k.mu.Unlock()
		return
	}
	c := k.begin()
	k.mu.Unlock()
	if h := k.adopt(ctx); h != nil {
		k.mu.Lock()
		k.hold(h)
		k.mu.Unlock()
	}
	k.end(c, nil)
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
		k.log.WithField("session", e.Path).Info("resumed an iLO session")
		return &held{session: s, entry: e}
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

// span is during what time after the intent, by any clock, the iLO may have
// executed the login.
func (e entry) span() time.Duration {
	span := e.End.Sub(e.Time)
	if e.End.IsZero() || span < 0 || span > loginTimeout+loginGrace {
		span = loginTimeout + loginGrace
	}
	return span + lateness
}

// window is when, by the iLO's clock, an intent's session may have been opened;
// ok is false if that cannot be told.
func (e entry) window(now, iloNow time.Time) (from, to time.Time, ok bool) {
	start := e.ILOTime
	if start.IsZero() {
		if iloNow.IsZero() || e.Time.After(now) {
			return from, to, false
		}
		start = iloNow.Add(-now.Sub(e.Time))
	}
	return start.Add(-clockSlack), start.Add(e.span() + clockSlack), true
}

// mayBeOf reports whether a session can be that of an intent: opened over a host
// channel for its user in its window, not there before, and never used, since
// nobody got its token.
func (t TableEntry) mayBeOf(e entry, now, iloNow time.Time) bool {
	from, to, ok := e.window(now, iloNow)
	login, timed := loginTime(t.ID, e.User)
	return ok && timed && t.neverUsed() && !login.Before(from) && !login.After(to) && !slices.Contains(e.Before, t.ID)
}

func (t TableEntry) neverUsed() bool {
	return t.InBand && !t.Ours && !t.Current && t.Access.Sub(t.Login) <= clockSlack
}

// searchOrphans looks for the sessions of logins that ended without a record.
// Sessions are deleted only if there are no more of them than logins that they
// may belong to.
func (k *Keeper) searchOrphans(ctx context.Context, intents []entry, iloNow time.Time) error {
	table, err := k.table(ctx, internal{k})
	if err != nil {
		return err
	}
	now := k.now()
	// Logins of others that are under way have no record yet, either.
	var foreign []entry
	for _, e := range k.o.Ledger.entries() {
		if e.Path == "" && !slices.ContainsFunc(intents, func(i entry) bool { return i.Nonce == e.Nonce }) {
			foreign = append(foreign, e)
		}
	}
	var errs []error
	for len(intents) > 0 {
		group, sessions := related(&intents, table, func(t TableEntry, e entry) bool { return t.mayBeOf(e, now, iloNow) })
		contested := slices.ContainsFunc(foreign, func(e entry) bool {
			return slices.ContainsFunc(sessions, func(t TableEntry) bool { return t.mayBeOf(e, now, iloNow) })
		})
		if contested || len(sessions) > len(group) {
			k.log.WithField("logins", len(group)).WithField("candidates", ids(sessions)).
				Warn("sessions may be ours or another program's; they are left to the iLO's idle timeout")
			continue
		}
		found := 0
		for _, t := range sessions {
			_, err := k.terminate(ctx, internal{k}, t.ID, false, TableEntry.neverUsed)
			if err != nil && !errors.Is(err, ErrNoSession) {
				errs = append(errs, fmt.Errorf("session of a login without a record: %w", err))
				continue
			}
			found++
		}
		for _, e := range group {
			// Without a session the login may still come to be executed.
			if found == len(group) || found == len(sessions) && (!e.oldAt().After(now) || e.Time.After(now)) {
				k.settled(e)
			}
		}
	}
	return errors.Join(errs...)
}

// oldAt is when the iLO will not execute an intent's login any more. An intent
// from the future is that of another clock, and old.
func (e entry) oldAt() time.Time {
	if e.End.After(e.Time) {
		return e.End.Add(lateness)
	}
	return e.Time.Add(lateness)
}

// related takes the first intent, and all that compete with it for sessions,
// out of intents, and returns them with these sessions.
func related(intents *[]entry, table []TableEntry, fits func(TableEntry, entry) bool) (group []entry, sessions []TableEntry) {
	members := map[string]TableEntry{}
	group = []entry{(*intents)[0]}
	*intents = slices.Clone((*intents)[1:])
	for i := 0; i < len(group); i++ {
		for _, t := range table {
			if !fits(t, group[i]) {
				continue
			}
			members[t.ID] = t
			*intents = slices.DeleteFunc(*intents, func(e entry) bool {
				if fits(t, e) {
					group = append(group, e)
					return true
				}
				return false
			})
		}
	}
	sessions = slices.SortedFunc(maps.Values(members), func(a, b TableEntry) int { return strings.Compare(a.ID, b.ID) })
	return group, sessions
}

func ids(sessions []TableEntry) []string {
	var all []string
	for _, t := range sessions {
		all = append(all, t.ID)
	}
	return all
}
