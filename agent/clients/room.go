package clients

import (
	"slices"
	"time"

	"github.com/ilod/ilod/agent/api"
)

// Full tells whether an admin with this key could make no session now, unless another
// one ends.
func (r *Registry) Full(owner string) (full bool) {
	r.locked(func(time.Time) {
		l := r.limits.Load()
		full = l.MaxSessionsPerUser > 0 && r.explicit[owner] >= l.MaxSessionsPerUser || l.MaxSessions > 0 && r.counted >= l.MaxSessions
	})
	return full
}

// makeRoom ends what the limits and the request say for one more session.
func (r *Registry) makeRoom(of Owner, q Request) error {
	over := func(n, most int) int {
		if most == 0 {
			return 0
		}
		return max(n+1-most, 0)
	}
	l := r.limits.Load()
	most := l.MaxSessions
	if !q.Admin {
		most -= most / 8 // so that no number of users locks the admins out
	}
	w := wanted{own: over(r.explicit[of.Key], l.MaxSessionsPerUser), all: over(r.counted, most), of: of.Key}
	if w.none() {
		return nil
	}
	// Sessions of others help only if there are too many of all users together.
	others := q.Admin && w.all > w.own
	full := &LimitError{PerUser: w.own > 0, Policy: l.WhenFull, MustEnd: max(w.own, w.all)}
	may := r.candidates(of, others)
	full.MayEnd = len(may) >= full.MustEnd
	var victims []*session
	switch {
	case len(q.Terminate) > 0:
		for _, id := range q.Terminate {
			if i := slices.IndexFunc(may, func(s *session) bool { return s.ID == id }); i >= 0 && w.helps(may[i]) && !slices.Contains(victims, may[i]) {
				victims = append(victims, w.take(may[i]))
			}
		}
	case l.WhenFull == api.OldestIdle:
		victims = r.oldestIdle(&w)
	}
	if !w.none() {
		if l.WhenFull == api.Ask {
			for _, s := range may {
				full.Candidates = append(full.Candidates, r.snapshot(s))
			}
		}
		return full
	}
	for _, s := range victims {
		r.drop(s, of.ends(s, "to make room for a session of "+of.Key))
	}
	return nil
}

// candidates are the explicit sessions that an owner may end, longest unused first.
func (r *Registry) candidates(of Owner, others bool) (all []*session) {
	for s := range sessions(&r.byUse) {
		if !s.Default && (s.Owner == of.Key || others) {
			all = append(all, s)
		}
	}
	return all
}

// oldestIdle are the sessions that were unused for longest, without a request or a
// transaction: the owner's own ones as far as they are too many, then anybody's.
func (r *Registry) oldestIdle(w *wanted) (victims []*session) {
	for _, own := range []bool{true, false} {
		for s := range sessions(&r.byUse) {
			enough := own && w.own == 0 || !own && w.own > 0 || w.none()
			if enough {
				break
			}
			if s.Default || s.InUse > 0 || own && s.Owner != w.of || slices.Contains(victims, s) || r.o.Holds(s.ID) != "" {
				continue
			}
			victims = append(victims, w.take(s))
		}
	}
	return victims
}

// wanted is how many sessions are too many: of an owner, and of all.
type wanted struct {
	own, all int
	of       string
}

func (w *wanted) none() bool { return w.own <= 0 && w.all <= 0 }

// helps tells whether there is more room without the session.
func (w *wanted) helps(s *session) bool { return w.all > 0 || w.own > 0 && s.Owner == w.of }

// take counts a session that is to end.
func (w *wanted) take(s *session) *session {
	w.all--
	if s.Owner == w.of {
		w.own--
	}
	return s
}
