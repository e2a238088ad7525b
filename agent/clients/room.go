package clients

import (
	"slices"

	"github.com/ilod/ilod/agent/api"
)

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
	own, all := over(r.explicit[of.Key], l.MaxSessionsPerUser), over(r.counted, most)
	if own == 0 && all == 0 {
		return nil
	}
	full := &LimitError{PerUser: own > 0, Policy: l.WhenFull}
	var victims []*session
	switch l.WhenFull {
	case api.OldestIdle:
		idle := func(s *session) bool { return !s.Default && s.InUse == 0 && r.o.Holds(s.ID) == "" }
		for s := range sessions(&r.byUse) {
			if own == 0 {
				break
			}
			if s.Owner == of.Key && idle(s) {
				victims, own, all = append(victims, s), own-1, all-1
			}
		}
		for s := range sessions(&r.byUse) {
			if own > 0 || all <= 0 {
				break
			}
			if !slices.Contains(victims, s) && idle(s) {
				victims, all = append(victims, s), all-1
			}
		}
	case api.Ask:
		for s := range sessions(&r.byUse) {
			if s.Default || s.Owner != of.Key && (!q.Admin || own > 0) {
				continue
			}
			full.Candidates = append(full.Candidates, r.snapshot(s))
			if s.ID == q.Terminate {
				victims, own, all = append(victims, s), own-1, all-1
			}
		}
	}
	if own > 0 || all > 0 {
		return full
	}
	for _, s := range victims {
		r.drop(s, of.ends(s, "to make room for a session of "+of.Key))
	}
	return nil
}
