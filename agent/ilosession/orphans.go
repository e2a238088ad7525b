package ilosession

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/ilod/ilod/agent/api"
)

// span is during what time after the intent, by any clock, the iLO may have
// executed the login: one that it has answered, not later.
func (e entry) span() time.Duration {
	span := e.End.Sub(e.Time)
	if e.End.IsZero() || span < 0 || span > loginTimeout+loginGrace {
		span = loginTimeout + loginGrace
	}
	if e.Answered {
		return span
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
func mayBeOf(t api.ILOSession, e entry, now, iloNow time.Time) bool {
	from, to, ok := e.window(now, iloNow)
	login, timed := loginTime(t.ID, e.User)
	return ok && timed && neverUsed(t) && !login.Before(from) && !login.After(to) && !slices.Contains(e.Before, t.ID)
}

// neverUsed reports a session of a host program that was not used since its login:
// then the iLO shows the same two times, as one iLO 5 2.46 did for a session seven
// minutes old. They are whole seconds, so this also holds for a session that was
// used only within the second of its login.
func neverUsed(t api.ILOSession) bool {
	return t.InBand && !t.Ours && !t.Current && !t.Login.IsZero() && t.Access.Equal(t.Login)
}

// searchOrphans looks for the sessions of logins that ended without a record.
// Sessions are deleted only if there are no more of them than logins that they
// may belong to, whichever process made these: who comes first deletes. It
// returns when the youngest of those left will have been there for long enough.
func (k *Keeper) searchOrphans(ctx context.Context, iloNow time.Time) (again time.Time, err error) {
	asked := time.Now()
	table, err := k.table(ctx, internal{k})
	if err != nil {
		return again, err
	}
	now := time.Now()
	k.noteUnused(table, now)
	alive, dead := k.intents(now)
	fits := func(t api.ILOSession, e entry) bool { return mayBeOf(t, e, now, iloNow) }
	var errs []error
	for len(dead) > 0 {
		group, sessions := related(&dead, table, fits)
		abandoned := slices.DeleteFunc(slices.Clone(sessions), func(t api.ILOSession) bool {
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
			return slices.ContainsFunc(sessions, func(t api.ILOSession) bool { return fits(t, e) })
		})
		switch {
		case contested:
			log.Debug("these sessions may belong to a login that is under way")
			continue
		case len(sessions) > len(group):
			log.Warn("these sessions may be ours or another program's; an unused one stays until the iLO's idle timeout")
			continue
		}
		found := 0
		for _, t := range abandoned {
			_, err := k.terminate(ctx, internal{k}, t.ID, false, neverUsed)
			if err != nil && !errors.Is(err, ErrNoSession) {
				errs = append(errs, fmt.Errorf("session of a login without a record: %w", err))
				continue
			}
			found++
		}
		for _, e := range group {
			// Without a session the login may still come to be executed.
			if found == len(group) || found == len(sessions) && !e.oldAt().After(now) {
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
func (k *Keeper) noteUnused(table []api.ILOSession, now time.Time) {
	unused := map[string]time.Time{}
	for _, t := range table {
		if neverUsed(t) {
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
func (k *Keeper) abandonedAt(t api.ILOSession, intents []entry, now time.Time) time.Time {
	const enough = time.Second // for what whole seconds hide
	at := k.unused[t.ID].Add(lateness + enough)
	login, ok := loginTime(t.ID, t.UserName)
	if !ok || t.Read.Before(login) || slices.ContainsFunc(intents, func(e entry) bool { return e.clockSet(now, t.Read) }) {
		return at
	}
	if by := now.Add(lateness + enough - t.Read.Sub(login)); by.Before(at) {
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
// may have been there for long enough, or will not come any more; or a clock was
// set, and looking twice must tell.
func (e entry) ripe(now, iloNow time.Time) bool {
	if e.ILOTime.IsZero() || iloNow.IsZero() {
		return !e.oldAt().After(now)
	}
	return e.clockSet(now, iloNow) || iloNow.Sub(e.ILOTime) > lateness || !e.oldAt().After(now)
}

// lost reports an intent whose session cannot be told from others: nobody knows when
// it was opened.
func (e entry) lost(now, iloNow time.Time) bool {
	_, _, known := e.window(now, iloNow)
	return !known && !e.oldAt().After(now)
}

// oldAt is when the iLO will not execute an intent's login any more.
func (e entry) oldAt() time.Time {
	if !e.End.IsZero() {
		return e.End.Add(lateness)
	}
	return e.Time.Add(lateness)
}

// related takes the first intent, and all that compete with it for sessions,
// out of intents, and returns them with these sessions.
func related(intents *[]entry, table []api.ILOSession, fits func(api.ILOSession, entry) bool) (group []entry, sessions []api.ILOSession) {
	members := map[string]api.ILOSession{}
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
	sessions = slices.SortedFunc(maps.Values(members), func(a, b api.ILOSession) int { return strings.Compare(a.ID, b.ID) })
	return group, sessions
}

func ids(sessions []api.ILOSession) []string {
	var all []string
	for _, t := range sessions {
		all = append(all, t.ID)
	}
	return all
}
