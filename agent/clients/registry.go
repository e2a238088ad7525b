// Package clients keeps the client sessions: sessions of local clients with the
// agent, which cost the iLO nothing. Their variables shape requests and answers here,
// between package gateway above and package transaction below.
package clients

import (
	"cmp"
	"container/list"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/sirupsen/logrus"

	"github.com/ilod/ilod/agent/api"
	"github.com/ilod/ilod/agent/silent"
)

// Options is what a Registry needs.
type Options struct {
	// Limits are those of the configuration. One that SetLimits has set wins, also
	// after a restart.
	Limits api.Limits
	// Dir is the directory for what survives a restart, of which this Registry is
	// the only user. Empty: in memory only.
	Dir string
	// Holds is what would be lost with a session, for people. It must not call
	// the Registry except for Limits, nor wait. Nil: nothing.
	Holds func(id string) string
	// Gone reports a process that has ended; it must not wait. Nil: that is not known.
	Gone func(api.Process) bool
	// Ended is called when a session has ended, without any lock.
	Ended func(id, why string)
	// Audit is told what happens to sessions, without any lock. Nil: nobody is.
	Audit func(api.SessionEvent)

	Now func() time.Time   // nil: time.Now
	Log logrus.FieldLogger // nil: none
}

// Registry has all client sessions. It is safe for concurrent use and has no
// goroutine: what has expired goes with the next call, such as one of Expire.
type Registry struct {
	o      Options
	key    atomic.Pointer[macKey]
	limits atomic.Pointer[api.Limits]
	forged atomic.Int64

	// disk is held while the files are written, and taken before mu. It guards what
	// the journal has; which one that is changes with both locks held.
	disk sync.Mutex
	set  map[string]bool // the limits that SetLimits has set; disk guards it

	mu         sync.Mutex // never held while a file is written
	journal    *journal   // nil: in memory
	unwritten  []record   // for the journal, oldest first
	version    uint64
	live       map[string]*session
	defaults   map[string]*session // by owner, the newest
	explicit   map[string]int      // live ones that count, by owner
	counted    int                 // all of them
	byUse      list.List           // of live *session, longest unused first
	byAge      list.List           // of live *session, oldest first
	terminated ring
	ended      []ending // to be told
	events     []api.SessionEvent
	stats      api.ClientStats
}

// session is a client session. The registry's lock guards it.
type session struct {
	api.Session      // less what snapshot fills in
	compatible  bool // see Request
	use, age    *list.Element
	saved       time.Time // the use that the journal knows of
	ended       bool
}

type ending struct{ id, why string }

const (
	maxName = 128 // bytes of a session's name
	// saveEvery bounds how old the last use of a session is that the journal has.
	saveEvery = time.Minute
)

// Open makes a Registry of what survived in o.Dir. It fails if o.Limits are not
// valid. A directory that cannot be used is warned of,
// and nothing survives then.
func Open(o Options) (*Registry, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	o.Log = silent.Unless(o.Log)
	if o.Holds == nil {
		o.Holds = func(string) string { return "" }
	}
	if o.Gone == nil {
		o.Gone = func(api.Process) bool { return false }
	}
	if o.Audit == nil {
		o.Audit = func(api.SessionEvent) {}
	}
	if o.Ended == nil {
		o.Ended = func(string, string) {}
	}
	if err := checkLimits(&o.Limits); err != nil {
		return nil, fmt.Errorf("limits of client sessions: %w", err)
	}
	r := &Registry{
		o: o, version: 1,
		set:  map[string]bool{},
		live: map[string]*session{}, defaults: map[string]*session{}, explicit: map[string]int{},
	}
	r.limits.Store(&o.Limits)
	secret := newSecret()
	if o.Dir != "" {
		if kept, err := r.restore(secret); err != nil {
			o.Log.WithError(err).Warn("client sessions will not survive a restart")
		} else {
			secret = kept
		}
	}
	r.key.Store(newMACKey(secret))
	return r, nil
}

// Close keeps everything for the next Open.
func (r *Registry) Close() error {
	r.disk.Lock()
	defer r.disk.Unlock()
	j := r.journal
	if j == nil {
		return nil
	}
	err := errors.Join(j.rewrite(r.state()), j.close())
	r.mu.Lock()
	r.journal, r.unwritten = nil, nil
	r.mu.Unlock()
	return err
}

// locked runs f with the sessions locked and without the expired ones, waits until
// the journal has what that changed, and tells about all that ended.
func (r *Registry) locked(f func(now time.Time)) {
	ended, events, changed := func() ([]ending, []api.SessionEvent, bool) {
		r.mu.Lock()
		defer r.mu.Unlock()
		before := len(r.unwritten)
		now := r.o.Now()
		r.sweep(now)
		f(now)
		ended, events := r.ended, r.events
		r.ended, r.events = nil, nil
		return ended, events, len(r.unwritten) > before
	}()
	if changed {
		r.flush()
	}
	for _, e := range events {
		r.o.Audit(e)
	}
	for _, e := range ended {
		r.o.Ended(e.id, e.why)
	}
}

// add makes a session live.
func (r *Registry) add(s *session) {
	r.live[s.ID] = s
	s.use, s.age = r.byUse.PushBack(s), r.byAge.PushBack(s)
	if s.Default {
		old := r.defaults[s.Owner]
		r.defaults[s.Owner] = s
		if old != nil && old.InUse == 0 { // else it goes when it is released
			r.drop(old, unused("a new one has taken its place"))
		}
	} else {
		r.explicit[s.Owner]++
		r.counted++
	}
}

// drop ends a live session.
func (r *Registry) drop(s *session, e end) {
	s.ended = true
	delete(r.live, s.ID)
	r.byUse.Remove(s.use)
	r.byAge.Remove(s.age)
	if !s.Default {
		r.counted--
		if r.explicit[s.Owner]--; r.explicit[s.Owner] == 0 {
			delete(r.explicit, s.Owner)
		}
	} else if r.defaults[s.Owner] == s {
		delete(r.defaults, s.Owner)
	}
	if e.deed == api.SessionExpired {
		r.stats.Expired++
		r.write(record{Expired: s.ID})
	} else {
		r.stats.Terminated++
		r.terminated.add(s.ID)
		r.write(record{Terminated: []string{s.ID}})
	}
	r.ended = append(r.ended, ending{s.ID, e.String()})
	r.tell(e.deed, s, e.by, e.why)
}

// complete fills in what a snapshot lacks. It is called without a lock.
func (r *Registry) complete(s *api.Session) {
	s.Holds = r.o.Holds(s.ID)
	s.Process.Ended = s.Process.ID != 0 && r.o.Gone(s.Process)
}

// snapshot is a session for others, less what it holds, and whether its process lives.
func (r *Registry) snapshot(s *session) api.Session {
	out := s.Session
	out.Path, out.Version = SessionsPath+s.ID, r.version
	out.Created, out.Used, out.Expires = s.Created.UTC(), s.Used.UTC(), r.expires(s).UTC()
	return out
}

// save has the journal know a session as it is now.
func (r *Registry) save(s *session) {
	s.saved = s.Used
	r.write(record{Session: r.stored(s)})
}

// used counts the begin or the end of a request.
func (r *Registry) used(s *session, now time.Time) {
	s.Used = now
	r.byUse.MoveToBack(s.use)
	if now.Sub(s.saved) >= min(saveEvery, time.Duration(r.limits.Load().InactivityTimeout)/8) {
		r.save(s)
	}
}

// make makes a live session.
func (r *Registry) make(id string, of Owner, now time.Time) *session {
	s := &session{Session: api.Session{
		ID: id, Owner: of.Key, User: of.Name, Kind: api.KindSocket, Created: now, Used: now,
	}}
	of.use(&s.Session)
	_ = checkVariables(&s.Variables) // the defaults are valid
	r.stats.Created++
	return s
}

// Create makes a session and the handle that is good for it. It fails with
// ErrVariable and *LimitError; nothing has changed then.
func (r *Registry) Create(of Owner, q Request) (out api.Session, handle string, err error) {
	if len(q.Name) > maxName || !utf8.ValidString(q.Name) || strings.ContainsFunc(q.Name, unicode.IsControl) {
		return out, "", &ValueError{"Name", q.Name, fmt.Sprintf("is not plain text of at most %d bytes", maxName)}
	}
	r.locked(func(now time.Time) {
		id := r.newID()
		if err = r.makeRoom(of, q); err != nil {
			r.stats.Refused++
			r.tell(api.SessionRefused, &session{Session: api.Session{Owner: of.Key, User: of.Name}}, of, err.Error())
			return
		}
		s := r.make(id, of, now)
		s.Name, s.Kind, s.compatible = q.Name, cmp.Or(q.Kind, s.Kind), q.Compatible
		r.add(s)
		r.save(s)
		r.tell(api.SessionMade, s, of, "")
		out, handle = r.snapshot(s), r.key.Load().handle(id, r.version)
	})
	if full, ok := errors.AsType[*LimitError](err); ok {
		for i := range full.Candidates {
			r.complete(&full.Candidates[i])
		}
	}
	return out, handle, err
}

// newID makes an id that no session has or had.
func (r *Registry) newID() string {
	for {
		if id := newID(); r.live[id] == nil && !r.terminated.has(id) {
			return id
		}
	}
}

// find runs f with a live session. It fails with ErrNoSession.
func (r *Registry) find(id string, f func(s *session, now time.Time) error) (out api.Session, err error) {
	r.locked(func(now time.Time) {
		s := r.live[id]
		if s == nil {
			err = fmt.Errorf("%w: %.64q", ErrNoSession, id)
		} else if err = f(s, now); err == nil {
			out = r.snapshot(s)
		}
	})
	if err == nil {
		r.complete(&out)
	}
	return out, err
}

// Get returns a session. It fails with ErrNoSession.
func (r *Registry) Get(id string) (api.Session, error) {
	return r.find(id, func(*session, time.Time) error { return nil })
}

// List returns the sessions that are visible, oldest first. What they hold is
// not known yet when visible is asked.
func (r *Registry) List(visible func(api.Session) bool) []api.Session {
	var all []api.Session
	r.locked(func(time.Time) {
		for s := range sessions(&r.byAge) {
			all = append(all, r.snapshot(s))
		}
	})
	all = slices.DeleteFunc(all, func(s api.Session) bool { return !visible(s) })
	for i := range all {
		r.complete(&all[i])
	}
	return all
}

// Set changes variables of a session, all or none: it fails with what change
// returns, ErrVariable, and ErrNoSession. change must not call the Registry.
func (r *Registry) Set(id string, change func(*api.Variables) error) (api.Session, error) {
	return r.find(id, func(s *session, _ time.Time) error {
		v := s.Variables
		if err := cmp.Or(change(&v), checkVariables(&v)); err != nil {
			return err
		}
		s.Variables = v
		r.save(s)
		return nil
	})
}

// End terminates a session. It fails with ErrNoSession.
func (r *Registry) End(id string, by Owner) error {
	_, err := r.find(id, func(s *session, _ time.Time) error {
		r.drop(s, by.ends(s, ""))
		return nil
	})
	return err
}

// EndUser terminates all sessions of a user and returns their ids, the oldest
// session's first.
func (r *Registry) EndUser(ownerKeyOrName string, by Owner) (ids []string) {
	r.locked(func(time.Time) {
		for s := range sessions(&r.byAge) {
			if s.Owner == ownerKeyOrName || s.User == ownerKeyOrName {
				ids = append(ids, s.ID)
				r.drop(s, by.ends(s, ""))
			}
		}
	})
	return ids
}

// Reissue makes a handle of a session that is good now. It fails with
// ErrNoSession, also for a default session, which has no handle.
func (r *Registry) Reissue(id string) (out api.Session, handle string, err error) {
	out, err = r.find(id, func(s *session, _ time.Time) error {
		if s.Default {
			return fmt.Errorf("%w with a handle: %q is a default session", ErrNoSession, id)
		}
		handle = r.key.Load().handle(id, r.version)
		return nil
	})
	return out, handle, err
}
