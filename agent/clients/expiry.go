package clients

import (
	"container/list"
	"time"

	"github.com/ilod/ilod/agent/api"
)

// unused is the end of a session that nobody has ended.
func unused(why string) end { return end{deed: api.SessionExpired, why: why} }

// timeout is the end of a session that is spent.
func (r *Registry) timeout(s *session, now time.Time) end {
	l := r.limits.Load()
	switch {
	case l.Lifetime > 0 && now.Sub(s.Created) >= time.Duration(l.Lifetime):
		return unused("its lifetime of " + time.Duration(l.Lifetime).String() + " is over")
	case s.oneRequest(l) && s.Requests > 0:
		return unused("its one request is over")
	case s.Default && r.defaults[s.Owner] != s:
		return unused("a new one has taken its place")
	}
	return unused("it was not used for " + r.mayIdle(s, l).String())
}

// unusedGrace is how long a session may be unused when the limit is 0: one that nobody
// has used yet, and one of a command.
const unusedGrace = time.Minute

// expires is when the session ends if nobody uses it any more.
func (r *Registry) expires(s *session) time.Time {
	l := r.limits.Load()
	end := s.Used.Add(r.mayIdle(s, l))
	if l.Lifetime > 0 {
		if last := s.Created.Add(time.Duration(l.Lifetime)); last.Before(end) {
			return last
		}
	}
	return end
}

// mayIdle is how long the session may be unused.
func (r *Registry) mayIdle(s *session, l *api.Limits) time.Duration {
	if l.InactivityTimeout == 0 && (s.Requests == 0 || !s.oneRequest(l)) {
		return unusedGrace
	}
	return time.Duration(l.InactivityTimeout)
}

// oneRequest tells whether the session lasts one request. That of a command lasts as
// long as the command, which makes several of one and ends it.
func (s *session) oneRequest(l *api.Limits) bool {
	return l.InactivityTimeout == 0 && s.Kind != api.KindCommand
}

// spent tells whether the session takes no more requests.
func (r *Registry) spent(s *session, now time.Time) bool {
	l := r.limits.Load()
	return s.Default && r.defaults[s.Owner] != s ||
		l.Lifetime > 0 && now.Sub(s.Created) >= time.Duration(l.Lifetime) ||
		s.oneRequest(l) && s.Requests > 0 ||
		s.InUse == 0 && now.Sub(s.Used) >= r.mayIdle(s, l)
}

// expired tells whether the session is to go.
func (r *Registry) expired(s *session, now time.Time) bool {
	return s.InUse == 0 && r.spent(s, now)
}

// sweep drops what has expired: by use as far as it must look, and by age.
func (r *Registry) sweep(now time.Time) {
	l := r.limits.Load()
	for s := range sessions(&r.byUse) {
		if r.expired(s, now) {
			r.drop(s, r.timeout(s, now))
		} else if s.InUse == 0 && l.InactivityTimeout > 0 {
			break
		}
	}
	for s := range sessions(&r.byAge) {
		if l.Lifetime == 0 || now.Sub(s.Created) < time.Duration(l.Lifetime) {
			break
		}
		if r.expired(s, now) {
			r.drop(s, r.timeout(s, now))
		}
	}
}

// Expire ends what has expired, and returns after what time to do so again, so that the
// end of a session is told soon even if nobody asks for anything.
func (r *Registry) Expire() (again time.Duration) {
	r.locked(func(time.Time) {})
	l := r.limits.Load()
	again = time.Duration(l.InactivityTimeout)
	if l.Lifetime > 0 {
		again = min(again, time.Duration(l.Lifetime))
	}
	return min(max(again/2, time.Second), time.Minute)
}

// sessions are those of a list, each of which may be dropped.
func sessions(l *list.List) func(func(*session) bool) {
	return func(yield func(*session) bool) {
		for e := l.Front(); e != nil; {
			s := e.Value.(*session)
			e = e.Next()
			if !yield(s) {
				return
			}
		}
	}
}
