package clients

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ilod/ilod/agent/api"
)

// TestConcurrency: many clients do everything at once, and what is left agrees
// with itself, also after a restart.
func TestConcurrency(t *testing.T) {
	o := Options{Limits: DefaultLimits(), Dir: t.TempDir()}
	o.Limits.MaxSessions, o.Limits.WhenFull = 40, api.OldestIdle
	var ended, holding atomic.Int64
	o.Ended = func(string, string) { ended.Add(1) }
	o.Holds = func(id string) string {
		if holding.Add(1)%10 == 0 {
			return "a transaction"
		}
		return ""
	}
	r := open(t, o)
	tolerated := func(err error, of ...error) {
		if full, ok := errors.AsType[*LimitError](err); err == nil || ok && full != nil {
			return
		}
		for _, want := range of {
			if errors.Is(err, want) {
				return
			}
		}
		t.Error(err)
	}
	var g sync.WaitGroup
	for n := range 16 {
		of := owners[n%len(owners)]
		g.Go(func() {
			var handles []string
			pick := func() string {
				if len(handles) == 0 {
					return "ilod-0000000000000000"
				}
				return handles[rand.IntN(len(handles))]
			}
			for range 300 {
				switch handle := pick(); rand.IntN(12) {
				case 0, 1, 2:
					_, handle, err := r.Create(of, Request{})
					tolerated(err)
					if err == nil {
						handles = append(handles, handle)
					}
				case 3, 4, 5:
					l, err := r.Use(handle, of.Key)
					tolerated(err, ErrHandle, ErrExpired, ErrTerminated, ErrStale)
					if err == nil {
						if s := l.Session(); s.Owner != of.Key || s.ID != handle[:idSize] {
							t.Errorf("%s is %+v", handle, s)
						}
						l.Release()
					}
				case 6:
					l, err := r.Default(of)
					tolerated(err)
					runtime.Gosched()
					go l.Release() // twice, of which one counts
					l.Release()
				case 7:
					tolerated(r.End(handle[:idSize], of), ErrNoSession)
				case 8:
					_, err := r.Set(handle[:idSize], func(v *api.Variables) error { v.Recursive = !v.Recursive; return nil })
					tolerated(err, ErrNoSession)
				case 9:
					for _, s := range r.List(func(s api.Session) bool { return s.Owner == of.Key }) {
						if s.Owner != of.Key {
							t.Errorf("%+v", s)
						}
					}
					r.Stats()
				case 10:
					_, handle, err := r.Reissue(handle[:idSize])
					tolerated(err, ErrNoSession)
					if err == nil {
						handles = append(handles, handle)
					}
				case 11:
					switch rand.IntN(20) {
					case 0:
						tolerated(r.RotateKey())
					case 1:
						r.Bump("test")
					case 2:
						tolerated(setLimits(r, r.Limits()))
					case 3:
						r.EndUser(of.Key, Owner{Name: "test"})
					}
				}
			}
		})
	}
	g.Wait()
	for r.Stats().InUse > 0 { // the second Release of some
		runtime.Gosched()
	}
	check(t, r)
	s := r.Stats()
	if int(s.Created)-int(ended.Load()) != s.Sessions || s.Expired+s.Terminated != ended.Load() || s.Sessions-s.Defaults > 40 {
		t.Errorf("%+v, told of %d", s, ended.Load())
	}
	before := r.List(func(s api.Session) bool { return s.Owner != carol.Key }) // an account's end
	closeRegistry(t, r)
	r = open(t, o)
	check(t, r)
	if after := r.List(everybody); len(after) != len(before) {
		t.Errorf("%d sessions, before the restart %d", len(after), len(before))
	}
}

// heap is what is on it after a collection, in bytes.
func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // what finalizers and pools had kept
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// TestManyClients: sessions that come and go leave neither memory nor disk used.
// ILOD_TEST_CLIENTS says how many, 1,000,000 for a real trial.
func TestManyClients(t *testing.T) {
	clients := 20_000
	if n, err := strconv.Atoi(os.Getenv("ILOD_TEST_CLIENTS")); err == nil {
		clients = n
	}
	const live = 1000
	c := newClock()
	o := Options{Limits: DefaultLimits(), Dir: t.TempDir(), Now: c.now}
	o.Limits.MaxSessions, o.Limits.InactivityTimeout = 0, api.Seconds(live*time.Millisecond)
	r := open(t, o)
	some := func(from, to int) {
		for i := from; i < to; i++ {
			of := Owner{Key: fmt.Sprint("uid:", i), Name: fmt.Sprint("user", i)}
			s, handle := create(t, r, of, Request{Name: "one of many"})
			if err := use(r, handle, of.Key); err != nil {
				t.Fatal(err)
			}
			if i%10 == 0 {
				if err := r.End(s.ID, Owner{Name: "test"}); err != nil {
					t.Fatal(err)
				}
			}
			c.advance(time.Millisecond)
		}
	}
	warm := min(clients/2, 10*remembered)
	some(0, warm)
	before := heap()
	some(warm, clients)
	grown := heap() - before
	if grown > 2<<20 {
		t.Errorf("the heap has grown by %d bytes", grown)
	}
	if s := r.Stats(); s.Sessions > live || s.Created != int64(clients) || s.Expired+s.Terminated+int64(s.Sessions) != int64(clients) {
		t.Errorf("%+v", s)
	}
	info, err := os.Stat(filepath.Join(o.Dir, journalFile))
	if err != nil || info.Size() > 8*rewriteAfter {
		t.Errorf("the journal has %d bytes: %v", info.Size(), err)
	}
	t.Logf("%d sessions: the heap has grown by %d bytes; the journal has %d", clients, grown, info.Size())
	c.advance(time.Hour)
	if s := r.Stats(); s.Sessions != 0 {
		t.Errorf("%+v", s)
	}
	check(t, r)
}

// TestCostOfSessions: 10,000 live ones are at most 20 MB.
func TestCostOfSessions(t *testing.T) {
	const n = 10_000
	r := open(t, Options{Dir: t.TempDir(), Limits: api.Limits{InactivityTimeout: api.Seconds(time.Hour)}})
	before := heap()
	for i := range n {
		s, _ := create(t, r, Owner{Key: fmt.Sprint("uid:", i), Name: fmt.Sprint("user", i), PID: uint32(i), Process: "ansible-playbook"}, Request{Name: fmt.Sprint("session ", i)})
		if _, err := r.Set(s.ID, func(v *api.Variables) error { v.ActivePath = fmt.Sprintf("/redfish/v1/Systems/%d/", i); return nil }); err != nil {
			t.Fatal(err)
		}
	}
	if cost := heap() - before; cost > 20<<20 {
		t.Errorf("%d bytes", cost)
	} else {
		t.Logf("%d bytes for each of %d sessions", cost/n, n)
	}
	runtime.KeepAlive(r)
}

func BenchmarkCreate(b *testing.B) {
	for name, dir := range map[string]func() string{"disk": b.TempDir, "memory": func() string { return "" }} {
		for _, policy := range []api.Policy{api.Reject, api.OldestIdle} {
			b.Run(name+"/"+string(policy), func(b *testing.B) {
				o := Options{Dir: dir(), Limits: DefaultLimits()}
				o.Limits.WhenFull, o.Limits.InactivityTimeout = policy, api.Seconds(time.Hour)
				if policy == api.Reject {
					o.Limits.MaxSessions = 0
				}
				r := open(b, o)
				for b.Loop() {
					create(b, r, alice, Request{})
				}
			})
		}
	}
}

func BenchmarkUse(b *testing.B) {
	r := open(b, Options{Dir: b.TempDir(), Limits: DefaultLimits()})
	var handles []string
	for range 4096 {
		_, handle := create(b, r, alice, Request{})
		handles = append(handles, handle)
	}
	b.Run("genuine", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			l, err := r.Use(handles[i%len(handles)], alice.Key)
			if err != nil {
				b.Fatal(err)
			}
			_ = l.Session()
			l.Release()
		}
	})
	b.Run("forged", func(b *testing.B) {
		b.ReportAllocs()
		forged := newMACKey(nil).handle(handles[0][:idSize], 1)
		for b.Loop() {
			if _, err := r.Use(forged, alice.Key); !errors.Is(err, ErrHandle) {
				b.Fatal(err)
			}
		}
	})
}
