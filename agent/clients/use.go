package clients

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/ilod/ilod/agent/api"
)

// lease begins a use.
func (r *Registry) lease(s *session, now time.Time) *Lease {
	s.Requests++
	s.InUse++
	r.used(s, now)
	return &Lease{registry: r, session: s}
}

// Use is the use of the session of a handle by its owner. Without ownerKey the
// handle alone is enough, if the session is of an account. Use fails with
// ErrHandle, ErrExpired, ErrTerminated and ErrStale; a handle that is not genuine
// costs no memory, no lock, and no search.
func (r *Registry) Use(handle, ownerKey string) (*Lease, error) {
	id, version, ok := r.key.Load().open(handle)
	if !ok {
		r.forged.Add(1)
		return nil, ErrHandle
	}
	return r.use(id, version, ownerKey)
}

func (r *Registry) use(id string, version uint64, ownerKey string) (l *Lease, err error) {
	r.locked(func(now time.Time) {
		r.stats.Lookups++
		s := r.live[id]
		switch {
		case s == nil && r.terminated.has(id):
			err = ErrTerminated
		case s == nil:
			err = ErrExpired
		case s.Owner != ownerKey && (ownerKey != "" || !strings.HasPrefix(s.Owner, accountPrefix)):
			err = ErrHandle
		case r.spent(s, now):
			err = ErrExpired
		case version != r.version && !s.compatible:
			err = &StaleError{id}
		default:
			l = r.lease(s, now)
		}
	})
	return l, err
}

// Default is the use of the owner's default session, which is made if there is
// none. It fails with ErrForceSessions.
func (r *Registry) Default(of Owner) (l *Lease, err error) {
	r.locked(func(now time.Time) {
		if r.limits.Load().ForceSessions {
			err = fmt.Errorf("%w: the default one of %s is not allowed", ErrForceSessions, cmp.Or(of.Name, of.Key))
			r.tell(api.SessionRefused, &session{Session: api.Session{Owner: of.Key, User: of.Name}}, of, err.Error())
			return
		}
		s := r.defaults[of.Key]
		if s == nil || r.spent(s, now) {
			s = r.make(r.newID(), of, now)
			s.Default = true
			r.add(s)
			r.save(s)
			r.tell(api.SessionMade, s, of, "by default")
		}
		of.use(&s.Session)
		l = r.lease(s, now)
	})
	return l, err
}
