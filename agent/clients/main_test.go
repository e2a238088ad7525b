package clients

import (
	"bytes"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	"go.uber.org/goleak"

	"github.com/ilod/ilod/agent/api"
)

// childDir tells a child process of this test binary to use sessions in that
// directory until it kills itself.
const childDir = "ILOD_CLIENTS_TEST_DIR"

func TestMain(m *testing.M) {
	dir := os.Getenv(childDir)
	if dir == "" {
		goleak.VerifyTestMain(m)
		return
	}
	if err := churn(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// clock stands until it is moved.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func newClock() *clock { return &clock{t: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// open opens a Registry that is closed at the end of the test.
func open(tb testing.TB, o Options) *Registry {
	tb.Helper()
	r, err := Open(o)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { closeRegistry(tb, r) })
	return r
}

// setLimits sets all limits.
func setLimits(r *Registry, l api.Limits) error {
	named := map[string]bool{}
	for name := range properties(l) {
		named[name] = true
	}
	_, _, err := r.SetLimits(named, func(to *api.Limits) error { *to = l; return nil })
	return err
}

func closeRegistry(tb testing.TB, r *Registry) {
	tb.Helper()
	if err := r.Close(); err != nil {
		tb.Error(err)
	}
}

// inMemory opens a Registry with the default limits as change makes them.
func inMemory(tb testing.TB, change func(*api.Limits)) (*Registry, *clock) {
	tb.Helper()
	c, l := newClock(), DefaultLimits()
	if change != nil {
		change(&l)
	}
	return open(tb, Options{Limits: l, Now: c.now}), c
}

var (
	alice = Owner{Key: "uid:1000", Name: "alice", PID: 4711, Process: "bash"}
	bob   = Owner{Key: "uid:1001", Name: "bob"}
	carol = Owner{Key: "account:carol", Name: "carol"}
)

func create(tb testing.TB, r *Registry, of Owner, q Request) (api.Session, string) {
	tb.Helper()
	s, handle, err := r.Create(of, q)
	if err != nil {
		tb.Fatal(err)
	}
	return s, handle
}

// use is one request in the session of a handle.
func use(r *Registry, handle, key string) error {
	l, err := r.Use(handle, key)
	if err == nil {
		l.Release()
	}
	return err
}

func everybody(api.Session) bool { return true }

// recordLog returns a logger and what it writes.
func recordLog() (logrus.FieldLogger, *bytes.Buffer) {
	var b bytes.Buffer
	l := logrus.New()
	l.SetOutput(&b)
	l.SetLevel(logrus.TraceLevel)
	return l, &b
}

// check fails the test if the registry contradicts itself.
func check(tb interface {
	Helper()
	Errorf(string, ...any)
	Error(...any)
}, r *Registry) {
	tb.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	explicit, defaults := map[string]int{}, 0
	for id, s := range r.live {
		if s.ID != id || s.ended || s.InUse < 0 || r.terminated.has(id) {
			tb.Errorf("%+v lives as %s", s, id)
		}
		if s.Default {
			defaults++
		} else {
			explicit[s.Owner]++
		}
	}
	for owner, n := range explicit {
		if r.explicit[owner] != n {
			tb.Errorf("%s has %d sessions, counted are %d", owner, n, r.explicit[owner])
		}
	}
	for owner, s := range r.defaults {
		if r.live[s.ID] != s || s.Owner != owner || !s.Default {
			tb.Errorf("the default session of %s: %+v", owner, s)
		}
	}
	if n := len(r.live); len(explicit) != len(r.explicit) || n-defaults != r.counted || r.byUse.Len() != n || r.byAge.Len() != n {
		tb.Errorf("%d live, %d default, counted %d, lists of %d and %d", n, defaults, r.counted, r.byUse.Len(), r.byAge.Len())
	}
	var used, created time.Time
	for s := range sessions(&r.byUse) {
		if s.Used.Before(used) {
			tb.Error("not in the order of use")
		}
		used = s.Used
	}
	for s := range sessions(&r.byAge) {
		if s.Created.Before(created) {
			tb.Error("not in the order of age")
		}
		created = s.Created
	}
}
