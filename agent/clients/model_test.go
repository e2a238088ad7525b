package clients

import (
	"cmp"
	"errors"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/ilod/ilod/agent/api"
)

// model is what a Registry has to be like, in the simplest words: all sessions
// that ever were, looked at one by one.
type model struct {
	dir    string
	clock  *clock
	r      *Registry
	limits api.Limits

	key      int // how often it was rotated
	version  uint64
	sessions map[string]*modelled
	handles  []modelledHandle
	leases   []modelledLease
	holds    map[string]string
	told     map[string]string // why sessions have ended, as the Registry says
	damaged  bool              // a journal was: a session may end once more
}

type modelled struct {
	api.Session
	compatible bool
	why        string // it has ended
	replaced   bool   // another session has become its owner's default one
	forgotten  bool   // a damaged journal has lost it, or why it has ended
}

type modelledHandle struct {
	text, id string
	version  uint64
	key      int
}

type modelledLease struct {
	*Lease
	id string
}

var owners = []Owner{alice, bob, carol}

func (m *model) open(t *rapid.T) {
	var err error
	m.r, err = Open(Options{
		Limits: DefaultLimits(), Dir: m.dir, Now: m.clock.now,
		Holds: func(id string) string { return m.holds[id] },
		Ended: func(id, why string) {
			if m.told[id] != "" && !m.damaged {
				t.Errorf("%s has ended twice: %s, %s", id, m.told[id], why)
			}
			m.told[id] = why
		},
	})
	if err != nil {
		t.Fatal(err)
	}
}

// spent and the like are the definitions of Limits.
func (m *model) spent(s *modelled) bool {
	now, idle := m.clock.now(), time.Duration(m.limits.InactivityTimeout)
	switch {
	case s.replaced:
		return true
	case m.limits.Lifetime > 0 && now.Sub(s.Created) >= time.Duration(m.limits.Lifetime):
		return true
	case idle == 0 && s.Requests > 0:
		return true
	case idle == 0:
		idle = unusedGrace
	}
	return s.InUse == 0 && now.Sub(s.Used) >= idle
}

// expires is the first moment at which the session, unused from now on, is spent.
func (m *model) expires(s *modelled) time.Time {
	end := s.Used.Add(time.Duration(m.limits.InactivityTimeout))
	if m.limits.InactivityTimeout == 0 && s.Requests == 0 {
		end = s.Used.Add(unusedGrace)
	}
	if oldest := s.Created.Add(time.Duration(m.limits.Lifetime)); m.limits.Lifetime > 0 && oldest.Before(end) {
		return oldest
	}
	return end
}

// live are the sessions that have not ended, longest unused first.
func (m *model) live() []*modelled {
	var all []*modelled
	for _, s := range m.sessions {
		if s.why == "" && s.InUse == 0 && m.spent(s) {
			s.why = "expired"
		}
		if s.why == "" {
			all = append(all, s)
		}
	}
	slices.SortFunc(all, func(a, b *modelled) int { return a.Used.Compare(b.Used) })
	return all
}

func (m *model) tick(d time.Duration) {
	m.clock.advance(d)
	m.live()
}

func (m *model) made(s api.Session, compatible bool) *modelled {
	now := m.clock.now()
	s.Created, s.Used = now, now
	m.sessions[s.ID] = &modelled{Session: s, compatible: compatible}
	return m.sessions[s.ID]
}

// room says which sessions have to go for one more.
func (m *model) room(of Owner, q Request) (victims []*modelled, ok bool) {
	all := slices.DeleteFunc(m.live(), func(s *modelled) bool { return s.Default })
	full := func(most int, mine bool) bool {
		n := 0
		for _, s := range all {
			if !slices.Contains(victims, s) && (!mine || s.Owner == of.Key) {
				n++
			}
		}
		return most > 0 && n >= most
	}
	ownFull := func() bool { return full(m.limits.MaxSessionsPerUser, true) }
	most := m.limits.MaxSessions
	if !q.Admin {
		most -= most / 8
	}
	allFull := func() bool { return full(most, false) }
	choose := func(allowed func(*modelled) bool) bool {
		i := slices.IndexFunc(all, func(s *modelled) bool { return !slices.Contains(victims, s) && allowed(s) })
		if i >= 0 {
			victims = append(victims, all[i])
		}
		return i >= 0
	}
	if !ownFull() && !allFull() {
		return nil, true
	}
	own := len(slices.DeleteFunc(slices.Clone(all), func(s *modelled) bool { return s.Owner != of.Key }))
	tooMany := func(n, most int) int {
		if most == 0 {
			return 0
		}
		return max(n-most+1, 0)
	}
	moreAllThanOwn := tooMany(len(all), most) > tooMany(own, m.limits.MaxSessionsPerUser)
	switch {
	case len(q.Terminate) > 0:
		for _, id := range q.Terminate {
			if anybody := q.Admin && moreAllThanOwn; ownFull() || allFull() {
				choose(func(s *modelled) bool {
					return s.ID == id && (s.Owner == of.Key || anybody) && (allFull() || s.Owner == of.Key)
				})
			}
		}
	case m.limits.WhenFull == api.OldestIdle:
		idle := func(s *modelled) bool { return s.InUse == 0 && m.holds[s.ID] == "" }
		for ownFull() && choose(func(s *modelled) bool { return s.Owner == of.Key && idle(s) }) {
		}
		for !ownFull() && allFull() && choose(idle) {
		}
	}
	return victims, !ownFull() && !allFull()
}

// wantErr fails the test if the error is not the wanted one.
func wantErr(t *rapid.T, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Fatalf("%v, want %v", got, want)
	}
}

func (m *model) pick(t *rapid.T) *modelled {
	if len(m.sessions) == 0 {
		t.Skip("no session")
	}
	all := slices.SortedFunc(maps.Values(m.sessions), func(a, b *modelled) int {
		return cmp.Or(a.Created.Compare(b.Created), cmp.Compare(a.ID, b.ID))
	})
	return rapid.SampledFrom(all[max(0, len(all)-12):]).Draw(t, "session")
}

func (m *model) create(t *rapid.T) {
	of := rapid.SampledFrom(owners).Draw(t, "owner")
	q := Request{
		Name: rapid.SampledFrom([]string{"", "x"}).Draw(t, "name"), Compatible: rapid.Bool().Draw(t, "compatible"),
		Admin: rapid.Bool().Draw(t, "admin"),
	}
	if len(m.sessions) > 0 && rapid.Bool().Draw(t, "chooses") {
		q.Terminate = []string{m.pick(t).ID}
		if rapid.Bool().Draw(t, "two") {
			q.Terminate = append(q.Terminate, m.pick(t).ID)
		}
	}
	victims, ok := m.room(of, q)
	s, handle, err := m.r.Create(of, q)
	if full, _ := errors.AsType[*LimitError](err); !ok {
		if full == nil || full.Policy != m.limits.WhenFull {
			t.Fatalf("%v at a maximum", err)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range victims {
		v.why = "ended to make room for a session of " + of.Key
	}
	if s.Owner != of.Key || s.Name != q.Name || s.Default || s.Variables != m.made(s, q.Compatible).Variables {
		t.Fatalf("%+v", s)
	}
	m.handles = append(m.handles, modelledHandle{handle, s.ID, m.version, m.key})
}

func (m *model) use(t *rapid.T) {
	if len(m.handles) == 0 {
		t.Skip("no handle")
	}
	h := rapid.SampledFrom(m.handles).Draw(t, "handle")
	s := m.sessions[h.id]
	key := rapid.SampledFrom([]string{s.Owner, s.Owner, s.Owner, alice.Key, ""}).Draw(t, "key")
	l, err := m.r.Use(h.text, key)
	switch {
	case h.key != m.key:
		wantErr(t, err, ErrHandle)
	case s.why == "expired":
		wantErr(t, err, ErrExpired)
	case s.why != "" && s.forgotten:
		wantErr(t, err, ErrExpired)
	case s.why != "":
		wantErr(t, err, ErrTerminated)
	case key != s.Owner && (key != "" || s.Owner != carol.Key):
		wantErr(t, err, ErrHandle)
	case m.spent(s):
		wantErr(t, err, ErrExpired)
	case h.version != m.version && !s.compatible:
		wantErr(t, err, ErrStale)
	default:
		wantErr(t, err, nil)
		m.lease(l, s)
	}
}

func (m *model) lease(l *Lease, s *modelled) {
	s.Requests++
	s.InUse++
	s.Used = m.clock.now()
	m.leases = append(m.leases, modelledLease{l, s.ID})
}

func (m *model) forge(t *rapid.T) {
	if len(m.handles) == 0 {
		t.Skip("no handle")
	}
	h := rapid.SampledFrom(m.handles).Draw(t, "handle")
	b := []byte(h.text)
	b[rapid.IntRange(0, len(b)-1).Draw(t, "byte")] ^= byte(rapid.IntRange(1, 255).Draw(t, "bits"))
	_, err := m.r.Use(string(b), m.sessions[h.id].Owner)
	wantErr(t, err, ErrHandle)
}

func (m *model) byDefault(t *rapid.T) {
	of := rapid.SampledFrom(owners).Draw(t, "owner")
	l, err := m.r.Default(of)
	if m.limits.ForceSessions {
		wantErr(t, err, ErrForceSessions)
		return
	}
	wantErr(t, err, nil)
	s := l.Session()
	var old *modelled
	for _, o := range m.live() {
		if o.Default && o.Owner == of.Key && !m.spent(o) {
			old = o
		}
	}
	switch known := m.sessions[s.ID]; {
	case !s.Default || s.Owner != of.Key || known != old:
		t.Fatalf("%+v, want %+v", s, old)
	case known == nil:
		for _, o := range m.live() {
			o.replaced = o.replaced || o.Default && o.Owner == of.Key
		}
		s.Requests, s.InUse, s.Current = 0, 0, false
		old = m.made(s, false)
	}
	m.lease(l, old)
}

func (m *model) release(t *rapid.T) {
	if len(m.leases) == 0 {
		t.Skip("no lease")
	}
	i := rapid.IntRange(0, len(m.leases)-1).Draw(t, "lease")
	l := m.leases[i]
	m.leases = slices.Delete(m.leases, i, i+1)
	l.Release()
	l.Release()
	s := m.sessions[l.id]
	s.InUse--
	if s.why == "" {
		s.Used = m.clock.now()
	}
}

func (m *model) set(t *rapid.T) {
	s := m.pick(t)
	v := api.Variables{
		ActivePath: rapid.SampledFrom([]string{"", Root, "/redfish/v1/Systems/1/", "nonsense"}).Draw(t, "path"),
		Recursive:  rapid.Bool().Draw(t, "recursive"),
	}
	got, err := m.r.Set(s.ID, func(of *api.Variables) error { *of = v; return nil })
	switch bad := checkVariables(&v); {
	case s.why != "":
		wantErr(t, err, ErrNoSession)
	case bad != nil:
		wantErr(t, err, ErrVariable)
	case err != nil || got.Variables != v:
		t.Fatalf("%+v %v", got, err)
	default:
		s.Variables = v
	}
}

func (m *model) reissue(t *rapid.T) {
	s := m.pick(t)
	_, handle, err := m.r.Reissue(s.ID)
	if s.why != "" || s.Default {
		wantErr(t, err, ErrNoSession)
		return
	}
	wantErr(t, err, nil)
	m.handles = append(m.handles, modelledHandle{handle, s.ID, m.version, m.key})
}

func (m *model) end(t *rapid.T) {
	s := m.pick(t)
	err := m.r.End(s.ID, Owner{Name: "test"})
	if s.why != "" {
		wantErr(t, err, ErrNoSession)
		return
	}
	wantErr(t, err, nil)
	s.why = "terminated by test"
}

func (m *model) endUser(t *rapid.T) {
	of := rapid.SampledFrom(owners).Draw(t, "owner")
	got := m.r.EndUser(rapid.SampledFrom([]string{of.Key, of.Name}).Draw(t, "name"), Owner{Name: "test"})
	n := 0
	for _, s := range m.live() {
		if s.Owner == of.Key {
			s.why = "terminated by test"
			n++
			if !slices.Contains(got, s.ID) {
				t.Fatalf("%s is not among %q", s.ID, got)
			}
		}
	}
	if n != len(got) {
		t.Fatalf("%q, want %d", got, n)
	}
}

func (m *model) setLimits(t *rapid.T) {
	seconds := func(name string, of ...api.Seconds) api.Seconds {
		return rapid.SampledFrom(of).Draw(t, name) * api.Seconds(time.Second)
	}
	l := api.Limits{
		MaxSessions:        rapid.SampledFrom([]int{0, 1, 3, 8}).Draw(t, "max"),
		MaxSessionsPerUser: rapid.SampledFrom([]int{0, 1, 2, 3}).Draw(t, "per user"),
		InactivityTimeout:  seconds("idle", 1800, 1800, 100, 0),
		Lifetime:           seconds("life", 0, 0, 500, 5000),
		ForceSessions:      rapid.IntRange(0, 4).Draw(t, "force") == 0,
		WhenFull:           rapid.SampledFrom([]api.Policy{api.Reject, api.OldestIdle, api.Ask}).Draw(t, "policy"),
	}
	wantErr(t, setLimits(m.r, l), nil)
	m.live() // what has expired by the old ones
	m.limits = l
	bad := l
	bad.MaxSessions = -1
	wantErr(t, setLimits(m.r, bad), ErrVariable)
}

func (m *model) hold(t *rapid.T) {
	s := m.pick(t)
	m.holds[s.ID] = rapid.SampledFrom([]string{"", "a transaction"}).Draw(t, "holds")
}

func (m *model) bump(*rapid.T) {
	m.r.Bump("test")
	m.version++
}

func (m *model) rotate(t *rapid.T) {
	wantErr(t, m.r.RotateKey(), nil)
	m.key++
}

func (m *model) stopped() {
	m.leases = nil
	for _, s := range m.live() {
		s.InUse = 0
	}
	m.live()
	for _, s := range m.sessions { // the login of an account ends with the agent, and nobody is told
		if s.Owner == carol.Key && m.told[s.ID] == "" {
			s.why = "expired"
			m.told[s.ID] = s.why
		}
	}
}

func (m *model) restart(t *rapid.T) {
	wantErr(t, m.r.Close(), nil)
	m.stopped()
	m.open(t)
}

// crash leaves the journal as it is, or with damage: then the model takes over
// what the Registry has made of it, after a look at whether it can be.
func (m *model) crash(t *rapid.T) {
	m.r.disk.Lock()
	m.r.mu.Lock()
	err := m.r.journal.close()
	m.r.journal = nil
	m.r.mu.Unlock()
	m.r.disk.Unlock()
	wantErr(t, err, nil)
	m.stopped()

	name := filepath.Join(m.dir, journalFile)
	content, err := os.ReadFile(name)
	wantErr(t, err, nil)
	at := rapid.IntRange(0, len(content)).Draw(t, "at")
	damage := rapid.SampledFrom([]string{"", "", "cut", "garbage"}).Draw(t, "damage")
	switch damage {
	case "cut":
		content = content[:at]
	case "garbage":
		random := make([]byte, rapid.IntRange(1, 300).Draw(t, "bytes"))
		for i := range random {
			random[i] = byte(rand.Uint32())
		}
		content = slices.Concat(content[:at], random, content[min(len(content), at+rapid.IntRange(0, 300).Draw(t, "over")):])
	}
	wantErr(t, os.WriteFile(name, content, 0o600), nil)
	m.damaged = m.damaged || damage != ""
	m.open(t)

	for id, s := range m.sessions {
		got := m.r.live[id]
		switch {
		case got == nil && s.why == "" && damage == "":
			t.Fatalf("%+v is lost", s)
		case got == nil && s.why == "":
			s.why = "expired"
		case got == nil:
		case got.Owner != s.Owner || !got.Created.Equal(s.Created) || got.Default != s.Default || got.compatible != s.compatible ||
			got.Used.After(s.Used) || damage == "" && (s.why != "" && m.told[id] != "" || got.Variables != s.Variables || s.Used.Sub(got.Used) > saveEvery):
			t.Fatalf("%+v is restored as %+v", s, got.Session)
		default:
			s.Session, s.why, s.replaced, s.forgotten = got.Session, "", false, false
			delete(m.told, id)
		}
		if s.why != "" && got == nil && (m.told[id] == "" || s.why != "expired" && !m.r.terminated.has(id)) {
			s.forgotten = true
		}
	}
	for id := range m.r.live {
		if m.sessions[id] == nil {
			t.Fatalf("%s comes from nowhere", id)
		}
	}
	if m.r.version > m.version || damage == "" && m.r.version != m.version {
		t.Fatalf("version %d, was %d", m.r.version, m.version)
	}
	m.version = m.r.version
}

// check compares everything that can be seen.
func (m *model) check(t *rapid.T) {
	m.tick(time.Millisecond)
	var want []api.Session
	for _, s := range m.live() {
		s.Version, s.Holds, s.Expires = m.version, m.holds[s.ID], m.expires(s)
		want = append(want, s.Session)
	}
	slices.SortFunc(want, func(a, b api.Session) int { return a.Created.Compare(b.Created) })
	if got := m.r.List(everybody); !reflect.DeepEqual(got, want) {
		t.Fatalf("there are\n%+v\nwant\n%+v", got, want)
	}
	for id, s := range m.sessions {
		if m.told[id] != s.why && !s.forgotten {
			t.Fatalf("%s has ended: %q, told was %q", id, s.why, m.told[id])
		}
		if s.why == "" {
			continue
		}
		if _, err := m.r.Get(id); !errors.Is(err, ErrNoSession) {
			t.Fatalf("%s: %v", id, err)
		}
	}
	if m.r.Limits() != m.limits {
		t.Fatalf("%+v, want %+v", m.r.Limits(), m.limits)
	}
	check(t, m.r)
}

func TestModel(t *testing.T) {
	outer := t
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp(outer.TempDir(), "")
		if err != nil {
			t.Fatal(err)
		}
		m := &model{
			dir: dir, clock: newClock(), limits: DefaultLimits(), version: 1,
			sessions: map[string]*modelled{}, holds: map[string]string{}, told: map[string]string{},
		}
		m.open(t)
		defer func() {
			if err := m.r.Close(); err != nil {
				t.Error(err)
			}
		}()
		t.Repeat(map[string]func(*rapid.T){
			"": m.check, "create": m.create, "create again": m.create, "use": m.use, "use again": m.use,
			"forge": m.forge, "default": m.byDefault, "release": m.release, "release again": m.release, "set": m.set,
			"reissue": m.reissue, "end": m.end, "end user": m.endUser, "limits": m.setLimits, "hold": m.hold,
			"bump": m.bump, "rotate": m.rotate, "restart": m.restart, "crash": m.crash,
			"wait": func(t *rapid.T) {
				m.tick(rapid.SampledFrom([]time.Duration{time.Second, 40 * time.Second, 2 * time.Minute, 10 * time.Minute, time.Hour}).Draw(t, "time"))
			},
		})
	})
}
