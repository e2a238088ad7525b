package clients

import (
	"time"

	"github.com/ilod/ilod/agent/api"
)

// Lease is the use of a client session by one request. A session with leases is
// in use: it does not expire and is not ended to make room. It must be released.
type Lease struct {
	registry *Registry
	session  *session
	released bool // guarded by the registry's lock
}

// Session is the session as it is now, or as it was when it ended.
func (l *Lease) Session() api.Session {
	l.registry.mu.Lock()
	s := l.registry.snapshot(l.session)
	l.registry.mu.Unlock()
	s.Current = true
	s.Holds = l.registry.o.Holds(s.ID)
	return s
}

// MayBegin fails with ErrOneRequest if a transaction would be gone with the request
// that begins it.
func (l *Lease) MayBegin() error {
	l.registry.mu.Lock()
	defer l.registry.mu.Unlock()
	if l.session.oneRequest(l.registry.limits.Load()) {
		return ErrOneRequest
	}
	return nil
}

// By notes who makes the request.
func (l *Lease) By(who Owner) {
	l.registry.mu.Lock()
	defer l.registry.mu.Unlock()
	who.use(&l.session.Session)
}

// Release ends the use. Only the first call counts.
func (l *Lease) Release() {
	r, s := l.registry, l.session
	r.locked(func(now time.Time) {
		if l.released {
			return
		}
		l.released = true
		s.InUse--
		if s.ended {
			return
		}
		r.used(s, now)
		if r.expired(s, now) {
			r.drop(s, r.timeout(s, now))
		}
	})
}
