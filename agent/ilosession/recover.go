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
	again, err := k.settle(ctx, resume)
	err = errors.Join(err, k.reapBeforeBoot(ctx))
	left, now := k.unsettled(), k.now()
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
		k.retry.later(now)
		if !again.IsZero() && again.Before(k.retry.at) {
			k.retry.at = again
		}
	case len(left) > 0:
		k.retry = schedule{at: again}
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

// settle makes one attempt at each entry. It returns when another one will get
// further, if that is known.
func (k *Keeper) settle(ctx context.Context, resume bool) (again time.Time, err error) {
	if len(k.unsettled()) == 0 {
		return again, nil
	}
	k.noteEnds()
	_, iloNow, err := k.identify(ctx)
	if err != nil {
		return again, fmt.Errorf("sessions of earlier processes: %w", err)
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
	now := k.now()
	if slices.ContainsFunc(intents, func(e entry) bool { return e.ripe(now, iloNow) }) {
		again, err = k.searchOrphans(ctx, iloNow)
		errs = append(errs, err)
	}
	return again, errors.Join(errs...)
}

// noteEnds notes the end of logins whose processes are dead, so that no session
// of a later login is taken for theirs: the instance lock leaves only guardians
// alive beside us, and a guardian's wards are dead.
func (k *Keeper) noteEnds() {
	for _, e := range k.unsettled() {
		if e.Path == "" && e.End.IsZero() && (k.only != nil || !e.Guardian) {
			e.End = k.now()
			k.o.Ledger.put(e)
		}
	}
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
	return t.InBand && !t.Ours && !t.Current && t.Access.Sub(t.Login).Abs() <= clockSlack
}

// searchOrphans looks for the sessions of logins that ended without a record.
// Sessions are deleted only if there are no more of them than logins that they
// may belong to, whichever process made these: who comes first deletes. It
// returns when the youngest of those left will have been there for long enough.
func (k *Keeper) searchOrphans(ctx context.Context, iloNow time.Time) (again time.Time, err error) {
	asked := k.now()
	table, err := k.table(ctx, internal{k})
	if err != nil {
		return again, err
	}
	now := k.now()
	k.noteUnused(table, now)
	alive, dead := k.intents(now)
	fits := func(t TableEntry, e entry) bool { return t.mayBeOf(e, now, iloNow) }
	var errs []error
	for len(dead) > 0 {
		group, sessions := related(&dead, table, fits)
		abandoned := slices.DeleteFunc(slices.Clone(sessions), func(t TableEntry) bool {
			at := k.abandonedAt(t, group, asked)
			young := at.After(asked)
			if young && at.After(again) {
				again = at
			}
			return young
		})
		log := k.log.WithField("logins", len(group)).WithField("candidates", ids(sessions))
		// A login that is under way has no record yet, either.
		contested := slices.ContainsFunc(alive, func(e entry) bool {
			return slices.ContainsFunc(sessions, func(t TableEntry) bool { return fits(t, e) })
		})
		switch {
		case contested:
			log.Debug("sessions may be those of a login that is under way")
			continue
		case len(sessions) > len(group):
			log.Warn("sessions may be ours or another program's; if nobody uses one they are left to the iLO's idle timeout")
			continue
		}
		found := 0
		for _, t := range abandoned {
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
	return again, errors.Join(errs...)
}

// intents are the logins without a record on this iLO, of whatever process:
// those that may be under way, and those that ended.
func (k *Keeper) intents(now time.Time) (alive, dead []entry) {
	entries := k.o.Ledger.entries()
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, e := range entries {
		switch {
		case e.Path != "" || !e.Identity.is(k.identity):
		case k.owned[e.Nonce], e.End.IsZero() && !e.Time.After(now) && now.Sub(e.Time) <= loginTimeout+loginGrace:
			alive = append(alive, e)
		default:
			dead = append(dead, e)
		}
	}
	return alive, dead
}

// noteUnused remembers since when sessions are known that were never used.
func (k *Keeper) noteUnused(table []TableEntry, now time.Time) {
	unused := map[string]time.Time{}
	for _, t := range table {
		if t.neverUsed() {
			if unused[t.ID] = now; !k.unused[t.ID].IsZero() {
				unused[t.ID] = k.unused[t.ID]
			}
		}
	}
	k.unused = unused
}

// abandonedAt is when, by our clock, a session that was never used has been there
// for longer than lateness: by the iLO's clock, or if that may have been set since
// the intents, since we saw it first.
func (k *Keeper) abandonedAt(t TableEntry, intents []entry, now time.Time) time.Time {
	const enough = time.Second // for what whole seconds hide
	at := k.unused[t.ID].Add(lateness + enough)
	login, ok := loginTime(t.ID, t.UserName)
	if !ok || t.read.Before(login) || slices.ContainsFunc(intents, func(e entry) bool { return e.clockSet(now, t.read) }) {
		return at
	}
	if by := now.Add(lateness + enough - t.read.Sub(login)); by.Before(at) {
		return by
	}
	return at
}

// clockSet reports whether one of the clocks may have been set since an intent.
func (e entry) clockSet(now, iloNow time.Time) bool {
	ahead := iloNow.Sub(e.ILOTime) - now.Sub(e.Time)
	return e.ILOTime.IsZero() || iloNow.IsZero() || ahead.Abs() > clockJump
}

// ripe reports whether it is worth a look at the table: a session of the intent
// may have been there for long enough, or will not come any more; or the clocks do
// not tell, and looking twice must.
func (e entry) ripe(now, iloNow time.Time) bool {
	return e.clockSet(now, iloNow) || iloNow.Sub(e.ILOTime) > lateness || !e.oldAt().After(now)
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
