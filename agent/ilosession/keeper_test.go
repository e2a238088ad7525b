package ilosession

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/ilod/ilod/chif"
	"github.com/ilod/ilod/chif/chiftest"
	"github.com/ilod/ilod/chif/chiftest/redfish"
	"github.com/ilod/ilod/chif/chiftest/tree"
)

const (
	system   = "/redfish/v1/Systems/1/"
	sessions = "/redfish/v1/SessionService/Sessions"
)

// smallTree has the resources that these tests need: they start hundreds of
// services.
func smallTree(generation int) *tree.Tree {
	if t, ok := small.Load(generation); ok {
		return t.(*tree.Tree)
	}
	var few []tree.Resource
	for _, r := range tree.Generate(tree.GenerateOptions{Generation: generation}).Resources() {
		switch strings.TrimPrefix(tree.Key(r.URI), tree.Root) {
		case "", "/sessionservice", "/sessionservice/sessions", "/managers/1", "/managers/1/networkservice",
			"/systems/1", "/accountservice", "/resourcedirectory":
			few = append(few, r)
		}
	}
	t, err := tree.New(few)
	if err != nil {
		panic(err)
	}
	small.Store(generation, t)
	return t
}

var small sync.Map // by generation

// machine is a host with a simulated iLO and ilod's directories.
type machine struct {
	t              *testing.T
	service        *redfish.Service
	server         *chiftest.Server
	state, runtime string
	places         int // at the iLO at one time; 0: one
}

// newMachine makes one whose iLO must be clean in the end.
func newMachine(t *testing.T, o redfish.Options) *machine {
	t.Helper()
	o.Tree = smallTree(cmp.Or(o.Generation, 5))
	service, err := redfish.New(o)
	if err != nil {
		t.Fatal(err)
	}
	dir := memoryDir(t)
	return &machine{
		t: t, service: service, server: chiftest.New(t, chiftest.Options{Handler: service}),
		state: dir + "/state", runtime: dir + "/run",
	}
}

// memoryDir is a directory whose files cost no disk thousands of fsyncs, where
// the host has such.
func memoryDir(t *testing.T) string {
	dir, err := os.MkdirTemp("/dev/shm", "ilosession")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// keeper starts a keeper as a new process of the machine would. It is closed at
// the end of the test.
func (m *machine) keeper(set ...func(*KeeperOptions)) *Keeper {
	m.t.Helper()
	transport := chiftest.NewTransport(m.t, m.server.Device(), chif.TransportOptions{})
	ledger, err := OpenLedger(m.state, m.runtime)
	if err != nil {
		m.t.Fatal(err)
	}
	bodies := &bodies{next: transport}
	o := KeeperOptions{Next: bodies, Ledger: ledger, NotSent: notSent, Log: testLog(m.t), Boot: "boot"}
	for _, f := range set {
		f(&o)
	}
	turns := &turns{places: max(m.places, 1)}
	if o.Turns == nil {
		o.Turns = turns
	}
	k := NewKeeper(o)
	turns.start(k)
	m.t.Cleanup(func() {
		_ = k.Close(context.Background()) // a test that cares has closed it
		_ = transport.Close()
		if n := bodies.open.Load(); n != 0 {
			m.t.Errorf("the bodies of %d answers are not closed", n)
		}
	})
	return k
}

// bodies counts the bodies of answers that nobody has closed yet.
type bodies struct {
	next http.RoundTripper
	open atomic.Int32
}

func (b *bodies) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := b.next.RoundTrip(req)
	if err == nil {
		b.open.Add(1)
		resp.Body = &body{Reader: resp.Body, closed: func() { b.open.Add(-1) }}
	}
	return resp, err
}

// body calls closed when it is closed first.
type body struct {
	io.Reader
	once   sync.Once
	closed func()
}

func (b *body) Close() error { b.once.Do(b.closed); return nil }

func notSent(err error) bool { return errors.Is(err, chif.ErrNotSent) }

func testLog(t *testing.T) *logrus.Logger {
	log := logrus.New()
	log.Out = t.Output()
	log.Level = logrus.DebugLevel
	return log
}

// expect compares what the iLO has counted.
func (m *machine) expect(logins, deletes, live int) {
	m.t.Helper()
	s := m.service.Stats()
	if s.Logins != logins || s.Deletes != deletes || s.Sessions != live {
		m.t.Errorf("logins %d, deletes %d, live %d; want %d, %d, %d", s.Logins, s.Deletes, s.Sessions, logins, deletes, live)
	}
}

func (m *machine) answers(answers ...redfish.Answer) {
	m.t.Helper()
	if err := m.service.SetFaults(redfish.Faults{Answers: answers}); err != nil {
		m.t.Fatal(err)
	}
}

func (m *machine) rules(rules ...chiftest.Rule) {
	m.t.Helper()
	if err := m.server.SetFaults(chiftest.Faults{Rules: rules}); err != nil {
		m.t.Fatal(err)
	}
}

func request(ctx context.Context, method, path, body string) *http.Request {
	var r io.Reader
	if body != "" {
		r = strings.NewReader(body)
	}
	req, err := http.NewRequestWithContext(ctx, method, "https://ilo"+path, r)
	if err != nil {
		panic(err)
	}
	req.Header.Set("Content-Type", "application/json")
	return req
}

// do makes a request and returns the status of the answer.
func do(ctx context.Context, rt http.RoundTripper, method, path, text string) (int, error) {
	if k, ok := rt.(*Keeper); ok && k.o.Turns != nil {
		rt = k.o.Turns
	}
	req := request(ctx, method, path, text)
	closed := req.Body == nil
	if !closed {
		req.Body = &body{Reader: req.Body, closed: func() { closed = true }}
	}
	resp, err := rt.RoundTrip(req)
	if !closed {
		return 0, errors.Join(err, errors.New("the body of the request is not closed"))
	}
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, err
}

func (m *machine) get(k *Keeper) {
	m.t.Helper()
	if status, err := do(m.t.Context(), k, "GET", system, ""); err != nil || status != 200 {
		m.t.Fatalf("GET %s: %d, %v", system, status, err)
	}
}

func closeKeeper(t *testing.T, k *Keeper) {
	t.Helper()
	if err := k.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if n := len(k.o.Ledger.entries()); n != 0 {
		t.Errorf("%d entries in the ledger", n)
	}
}

// bubble runs a test in a synctest bubble.
func bubble(t *testing.T, name string, f func(t *testing.T)) {
	t.Helper()
	t.Run(name, func(t *testing.T) { synctest.Test(t, f) })
}

func TestKeeperLogsInOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t, redfish.Options{Foreign: redfish.EveryKind()})
		k := m.keeper()
		if status, err := do(t.Context(), k, "GET", "/redfish/v1/", ""); err != nil || status != 200 {
			t.Errorf("root: %d, %v", status, err)
		}
		m.expect(0, 0, 6)
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				if status, err := do(t.Context(), k, "GET", system, ""); err != nil || status != 200 {
					t.Errorf("%d, %v", status, err)
				}
			})
		}
		wg.Wait()
		m.expect(1, 0, 7)
		if s := k.Status(); s.Logins != 1 || s.Session == "" || s.InUse != 0 || s.LedgerEntries != 1 || s.LedgerError != "" || s.Since.IsZero() {
			t.Errorf("status %+v", s)
		}
		closeKeeper(t, k)
		m.expect(1, 1, 6)
		if _, err := do(t.Context(), k, "GET", system, ""); !errors.Is(err, ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
	})
}

func TestKeeperLingers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t, redfish.Options{})
		k := m.keeper()
		m.get(k)
		time.Sleep(9 * time.Minute)
		synctest.Wait()
		m.expect(1, 0, 1)
		m.get(k)
		time.Sleep(9 * time.Minute)
		synctest.Wait()
		m.expect(1, 0, 1)
		time.Sleep(time.Minute)
		synctest.Wait()
		m.expect(1, 1, 0)
		if s := k.Status(); s.Session != "" || s.LedgerEntries != 0 {
			t.Errorf("status %+v", s)
		}
		m.get(k)
		m.expect(2, 1, 1)
	})
}

func TestKeeperKeepsAlive(t *testing.T) {
	for name, c := range map[string]struct {
		timeout time.Duration
		body    string
		want    int // refreshes within 100 min
	}{
		"15 min": {15 * time.Minute, redfish.BodySession, 20},
		"30 min": {30 * time.Minute, redfish.BodySession, 10},
		"60 min": {time.Hour, redfish.BodySession, 5},
		"none":   {redfish.NoIdleTimeout, redfish.BodySession, 0},
		// The first after 5 min tells the timeout.
		"15 min, older firmware": {15 * time.Minute, redfish.BodyCreated, 20},
		"30 min, older firmware": {30 * time.Minute, redfish.BodyCreated, 10},
		"60 min, older firmware": {time.Hour, redfish.BodyCreated, 5},
		"none, older firmware":   {redfish.NoIdleTimeout, redfish.BodyCreated, 1},
	} {
		bubble(t, name, func(t *testing.T) {
			m := newMachine(t, redfish.Options{IdleTimeout: c.timeout, LoginBody: c.body})
			k := m.keeper(func(o *KeeperOptions) { o.Linger = 100*time.Minute + time.Second })
			m.get(k)
			time.Sleep(100 * time.Minute)
			synctest.Wait()
			m.expect(1, 0, 1)
			if got := m.service.Stats().Requests["GET "+sessions+"/{session}"]; got != c.want {
				t.Errorf("refreshed %d times, want %d", got, c.want)
			}
			time.Sleep(time.Minute)
			synctest.Wait()
			m.expect(1, 1, 0)
			time.Sleep(5 * time.Hour)
			if got := m.service.Stats().Requests["GET "+sessions+"/{session}"]; got != c.want {
				t.Errorf("refreshed %d times without a session", got-c.want)
			}
		})
	}
}

// One request of an hour keeps the session although nobody else uses it.
func TestKeeperInUseDoesNotLinger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t, redfish.Options{IdleTimeout: 15 * time.Minute})
		m.places = 4
		m.answers(redfish.Answer{Path: system, Latency: redfish.Duration(time.Hour)})
		slow := make(chan error)
		hold := roundTripper(func(r *http.Request) (*http.Response, error) {
			if r.URL.Path == system {
				return nil, <-slow
			}
			return m.service2(r)
		})
		k := m.keeper(func(o *KeeperOptions) { o.Next = hold })
		go func() {
			time.Sleep(time.Hour)
			slow <- errors.New("gone")
		}()
		if _, err := do(t.Context(), k, "GET", system, ""); err == nil {
			t.Error("no error")
		}
		m.expect(1, 0, 1)
		closeKeeper(t, k)
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// service2 carries a request on a channel of its own.
func (m *machine) service2(r *http.Request) (*http.Response, error) {
	t := chiftest.NewTransport(m.t, m.server.Device(), chif.TransportOptions{})
	defer t.Close()
	return t.RoundTrip(r)
}

// All that waited get the answer when the iLO has ended the session, from one
// more login.
func TestKeeperReplays(t *testing.T) {
	ends := map[string]func(m *machine){
		"killed by somebody": func(m *machine) { m.service.EndSession(m.service.Sessions()[0].ID) },
		"reset":              func(m *machine) { m.server.Reset(20 * time.Second) },
		"clock to 1981":      func(m *machine) { m.service.Reset(); m.service.SetClock(time.Date(1981, 11, 5, 0, 0, 0, 0, time.UTC)) },
		"expired": func(m *machine) {
			m.service.SetClock(m.service.Now().Add(31 * time.Minute))
			m.service.ForgiveExpired()
		},
	}
	for name, end := range ends {
		bubble(t, name, func(t *testing.T) {
			m := newMachine(t, redfish.Options{})
			var lost atomic.Int32
			k := m.keeper(func(o *KeeperOptions) { o.OnLost = func(string) { lost.Add(1) } })
			m.get(k)
			end(m)
			var wg sync.WaitGroup
			for i := range 20 {
				wg.Go(func() {
					method, path, body := "GET", system, ""
					if i%2 == 0 {
						method, body = "PATCH", fmt.Sprintf(`{"AssetTag":"%d"}`, i)
					}
					if status, err := do(t.Context(), k, method, path, body); err != nil || status != 200 {
						// A write on a channel that the reset took is not repeated.
						if !errors.Is(err, chif.ErrOutcomeUnknown) || method == "GET" {
							t.Errorf("%s: %d, %v", method, status, err)
						}
					}
				})
			}
			wg.Wait()
			synctest.Wait()
			m.expect(2, 0, 1)
			if s := k.Status(); s.Replays == 0 || s.LedgerEntries != 1 {
				t.Errorf("status %+v", s)
			}
			time.Sleep(20 * time.Minute) // it lingers
			m.get(k)
			closeKeeper(t, k)
			if got := lost.Load(); got != 1 {
				t.Errorf("lost %d sessions", got)
			}
		})
	}
}

var uuid = regexp.MustCompile(`"UUID":"[^"]*"`)

// Another iLO at the same address, as after a board was replaced, is told, too.
func TestKeeperOtherILO(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, other := newMachine(t, redfish.Options{}), newMachine(t, redfish.Options{})
		var lost []string
		var swapped bool
		k := m.keeper(func(o *KeeperOptions) {
			o.OnLost = func(why string) { lost = append(lost, why) }
			o.Next = roundTripper(func(r *http.Request) (*http.Response, error) {
				if !swapped {
					return m.service2(r)
				}
				resp, err := other.service2(r)
				if r.URL.Path == root && err == nil {
					body, _ := io.ReadAll(resp.Body)
					resp.Body = readCloser{strings.NewReader(uuid.ReplaceAllString(string(body), `"UUID":"of another"`))}
				}
				return resp, err
			})
		})
		m.get(k)
		time.Sleep(20 * time.Minute)
		synctest.Wait()
		swapped = true
		m.get(k)
		if !slices.Equal(lost, []string{"another iLO answers"}) {
			t.Errorf("%q", lost)
		}
		closeKeeper(t, k)
		m.expect(1, 1, 0)
		other.expect(1, 1, 0)
	})
}

// A 401 of one resource ends neither the session nor the patience of the iLO.
func TestKeeper401OfOneResource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t, redfish.Options{})
		m.answers(redfish.Answer{Path: system, Status: 401, MessageID: "NoValidSession"})
		k := m.keeper()
		for range 5 {
			if status, err := do(t.Context(), k, "GET", system, ""); err != nil || status != 401 {
				t.Errorf("%d, %v", status, err)
			}
		}
		m.expect(1, 0, 1)
		if got := m.service.Stats().Requests["GET /redfish/v1/Systems/1"]; got != 10 {
			t.Errorf("asked %d times", got)
		}
	})
}

// A 401 whose reason cannot be found out is not passed on: the caller would take
// it for his own.
func TestKeeper401Unexplained(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t, redfish.Options{})
		k := m.keeper()
		m.get(k)
		m.answers(redfish.Answer{Path: system, Status: 401, MessageID: "NoValidSession", Times: 1}, redfish.Answer{Path: sessions, Status: 503, Times: 1})
		if status, err := do(t.Context(), k, "GET", system, ""); err == nil {
			t.Errorf("%d", status)
		}
		m.get(k)
		m.expect(1, 0, 1)
		closeKeeper(t, k)
	})
}

// A body that is too large to keep is sent once. If the session was dead the next
// request has another, and the caller is told that he may send it again; the 401 of
// one resource is his own.
func TestKeeperLargeBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t, redfish.Options{})
		k := m.keeper()
		m.get(k)
		body := `{"AssetTag":"x"` + strings.Repeat(" ", maxReplay) + "}"
		if status, err := do(t.Context(), k, "PATCH", system, body); err != nil || status != 200 {
			t.Errorf("%d, %v", status, err)
		}
		m.service.EndSession(m.service.Sessions()[0].ID)
		for want := range 2 { // what is sent again is sent in the next session
			status, err := do(t.Context(), k, "PATCH", system, body)
			if want == 0 && (!errors.Is(err, ErrNoLogin) || !strings.Contains(err.Error(), "not executed and may be sent again")) || want == 1 && status != 200 {
				t.Errorf("%d, %v", status, err)
			}
		}
		m.expect(2, 0, 1)
		m.answers(redfish.Answer{Method: "PATCH", Path: system, Status: 401, MessageID: "NoValidSession"})
		if status, err := do(t.Context(), k, "PATCH", system, body); err != nil || status != 401 {
			t.Errorf("%d, %v", status, err)
		}
		m.expect(2, 0, 1)
	})
}

// Whoever waits for a login may leave; the others get the session.
func TestKeeperCancelledWaiter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t, redfish.Options{})
		if err := m.service.SetFaults(redfish.Faults{LoginLatency: redfish.Duration(30 * time.Second)}); err != nil {
			t.Fatal(err)
		}
		k := m.keeper()
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := do(ctx, k, "GET", system, ""); !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		})
		synctest.Wait()
		wg.Go(func() { m.get(k) })
		synctest.Wait()
		cancel()
		wg.Wait()
		m.expect(1, 0, 1)
		closeKeeper(t, k)
	})
}

// A refusal is told to all that wait, and for a while to all that come, without
// a login storm.
func TestKeeperRefused(t *testing.T) {
	for name, c := range map[string]struct {
		options redfish.Options
		answer  redfish.Answer
		want    error
		most    int // attempts at a login in 10 min of constant demand
	}{
		"table full, 400":       {redfish.Options{MaxSessions: 1}, redfish.Answer{}, ErrSessionLimit, 14},
		"table full, 403":       {redfish.Options{MaxSessions: 1, LimitStatus: 403}, redfish.Answer{}, ErrSessionLimit, 14},
		"table full, 503":       {redfish.Options{MaxSessions: 1, LimitStatus: 503, LimitMessage: "CreateLimitReachedForResource"}, redfish.Answer{}, ErrSessionLimit, 14},
		"host authentication":   {redfish.Options{RequireHostAuthentication: true}, redfish.Answer{}, ErrCredentials, 6},
		"500":                   {redfish.Options{}, redfish.Answer{Method: "POST", Status: 500, MessageID: "InternalError"}, nil, 14},
		"503 without body":      {redfish.Options{}, redfish.Answer{Method: "POST", Status: 503}, nil, 14},
		"201 without a session": {redfish.Options{}, redfish.Answer{Method: "POST", Status: 201}, ErrMayRemain, 14},
	} {
		bubble(t, name, func(t *testing.T) {
			c.options.Foreign = []redfish.Foreign{{UserTag: "Web UI"}}
			m := newMachine(t, c.options)
			if c.answer.Status != 0 {
				m.answers(c.answer)
			}
			k := m.keeper()
			for end := time.Now().Add(10*time.Minute - loginPatience); time.Now().Before(end); {
				var wg sync.WaitGroup
				for range 3 {
					wg.Go(func() {
						_, err := do(t.Context(), k, "GET", system, "")
						if !errors.Is(err, ErrNoLogin) || c.want != nil && !errors.Is(err, c.want) {
							t.Errorf("got %v", err)
						}
					})
				}
				wg.Wait()
				time.Sleep(time.Second)
			}
			if got := m.service.Stats().Requests["POST "+sessions]; got > c.most || got < 5 {
				t.Errorf("%d logins, at most %d wanted", got, c.most)
			}
			m.expect(0, 0, 1)
			if s := k.Status(); s.Refusals == 0 || s.LastError == "" {
				t.Errorf("status %+v", s)
			}
			m.answers()
			time.Sleep(time.Minute)
			if c.answer.Status != 0 {
				m.get(k)
				synctest.Wait() // until the intents are settled
			}
			closeKeeper(t, k)
		})
	}
}

// An iLO that comes back is waited for, as long as the request may take.
func TestKeeperWaitsForNextLogin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t, redfish.Options{})
		m.places = 4
		m.answers(redfish.Answer{Method: "POST", Status: 503, Times: 1})
		k := m.keeper()
		if _, err := do(t.Context(), k, "GET", system, ""); !errors.Is(err, ErrNoLogin) {
			t.Error(err)
		}
		for _, patience := range []time.Duration{0, time.Second} {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			if _, err := do(ctx, send(k.RoundTrip), "GET", system, ""); !errors.Is(err, ErrNoLogin) || !isStatus(err, 503) || patience > 0 && ctx.Err() != nil {
				t.Errorf("%v, %v", err, ctx.Err())
			}
			cancel()
		}
		var wg sync.WaitGroup
		for range 5 {
			wg.Go(func() { m.get(k) })
		}
		wg.Wait()
		m.expect(1, 0, 1)
		synctest.Wait()
		time.Sleep(2 * lateness) // until the login that was refused by 503 is settled
		synctest.Wait()
		closeKeeper(t, k)
	})
}

// A request survives several ends of the session, and an iLO that accepts logins
// and then no token is not flooded with them.
func TestKeeperReplaysAgain(t *testing.T) {
	for resets, want := range map[int]int{2: 200, 3: 200, 1000: 0} {
		bubble(t, fmt.Sprint(resets), func(t *testing.T) {
			m := newMachine(t, redfish.Options{})
			k := m.keeper(func(o *KeeperOptions) {
				next := o.Next
				left := resets
				o.Next = roundTripper(func(r *http.Request) (*http.Response, error) {
					if r.Method == http.MethodPatch && left > 0 {
						left--
						m.service.Reset()
					}
					return next.RoundTrip(r)
				})
			})
			m.get(k)
			if status, err := do(t.Context(), k, "PATCH", system, `{"AssetTag":"x"}`); status != want || want == 0 != errors.Is(err, ErrNoLogin) {
				t.Errorf("%d, %v", status, err)
			}
			for end := time.Now().Add(10 * time.Minute); want == 0 && time.Now().Before(end); time.Sleep(time.Second) {
				if status, err := do(t.Context(), k, "PATCH", system, `{"AssetTag":"x"}`); !errors.Is(err, ErrNoLogin) {
					t.Errorf("%d, %v", status, err)
				}
			}
			if got := m.service.Stats().Logins; got > 16 {
				t.Errorf("%d logins", got)
			}
			closeKeeper(t, k)
		})
	}
}

// A silent iLO costs each caller its own time only, and leaves intents that go
// away when it speaks again.
func TestKeeperSilentILO(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t, redfish.Options{})
		m.rules(chiftest.Rule{Fault: chiftest.FaultDropAnswer, Method: "POST", Times: 1})
		k := m.keeper()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if _, err := do(ctx, k, "GET", system, ""); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		time.Sleep(3 * time.Minute)
		synctest.Wait()
		// The session of the lost answer was found and deleted meanwhile.
		m.get(k)
		synctest.Wait()
		if s := m.service.Sessions(); len(s) != 1 {
			t.Errorf("%d sessions", len(s))
		}
		if n := k.Status().LedgerEntries; n != 1 {
			t.Errorf("%d entries", n)
		}
		closeKeeper(t, k)
	})
}

func TestKeeperCredentials(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t, redfish.Options{RequireHostAuthentication: true, FailedLoginDelay: 10 * time.Second})
		var asked int
		credentials := &Credentials{"Administrator", "wrong"}
		k := m.keeper(func(o *KeeperOptions) {
			o.Credentials = func() (*Credentials, error) {
				asked++
				if credentials == nil {
					return nil, errors.New("no file")
				}
				return credentials, nil
			}
		})
		for range 30 {
			_, err := do(t.Context(), k, "GET", system, "")
			if !errors.Is(err, ErrCredentials) || strings.Contains(err.Error(), "wrong") {
				t.Fatal(err)
			}
			time.Sleep(500 * time.Millisecond)
		}
		if got := m.service.Stats().RefusedLogins; got != 1 {
			t.Errorf("%d attempts with the same credentials", got)
		}
		credentials = nil
		time.Sleep(time.Minute)
		if _, err := do(t.Context(), k, "GET", system, ""); err == nil || !strings.Contains(err.Error(), "no file") {
			t.Error(err)
		}
		credentials = &Credentials{"Administrator", "password"}
		time.Sleep(time.Minute)
		m.get(k)
		m.expect(1, 0, 1)
		credentials = &Credentials{"Administrator", "wrong"} // changed while the session lives
		m.get(k)
		m.service.EndSession(m.service.Sessions()[0].ID)
		if _, err := do(t.Context(), k, "GET", system, ""); !errors.Is(err, ErrCredentials) {
			t.Error(err)
		}
		credentials = &Credentials{"Administrator", "password"} // at once
		m.get(k)
		closeKeeper(t, k)
	})
}

// Close waits for writes even beyond its context, and for reads until then.
func TestKeeperCloseWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t, redfish.Options{})
		m.places = 4
		k := m.keeper()
		m.get(k)
		if err := m.service.SetFaults(redfish.Faults{Answers: []redfish.Answer{{Path: system, Latency: redfish.Duration(time.Minute)}}}); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := do(t.Context(), k, "GET", system, ""); !errors.Is(err, context.Canceled) {
				t.Errorf("read: %v", err)
			}
		})
		wg.Go(func() {
			if status, err := do(t.Context(), k, "PATCH", system, `{"AssetTag":"a"}`); err != nil || status != 200 {
				t.Errorf("write: %d, %v", status, err)
			}
		})
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if err := k.Close(ctx); err != nil {
			t.Error(err)
		}
		wg.Wait()
		m.expect(1, 1, 0)
	})
}

// A login that is under way when Close is called is waited for and undone.
func TestKeeperCloseDuringLogin(t *testing.T) {
	for _, latency := range []time.Duration{5 * time.Second, time.Hour} {
		bubble(t, latency.String(), func(t *testing.T) {
			m := newMachine(t, redfish.Options{})
			if err := m.service.SetFaults(redfish.Faults{LoginLatency: redfish.Duration(latency)}); err != nil {
				t.Fatal(err)
			}
			k := m.keeper()
			ctx, cancel := context.WithCancel(t.Context())
			var wg sync.WaitGroup
			wg.Go(func() { _, _ = do(ctx, k, "GET", system, "") })
			synctest.Wait()
			cancel()
			wg.Wait()
			if err := k.Close(ctx); err != nil {
				t.Error(err)
			}
			// The answer to the slow login never came: its intent stays.
			if n, want := k.Status().LedgerEntries, map[bool]int{true: 1}[latency == time.Hour]; n != want {
				t.Errorf("%d entries, want %d", n, want)
			}
		})
	}
}

// A write that waits for a login is not in flight: Close does not wait for it
// beyond its context.
func TestKeeperCloseDuringWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t, redfish.Options{})
		if err := m.service.SetFaults(redfish.Faults{LoginLatency: redfish.Duration(time.Hour)}); err != nil {
			t.Fatal(err)
		}
		k := m.keeper()
		var wg sync.WaitGroup
		wg.Go(func() {
			_, err := do(t.Context(), k, "PATCH", system, `{"AssetTag":"a"}`)
			if !errors.Is(err, ErrClosed) || !errors.Is(err, ErrNoLogin) {
				t.Error(err)
			}
		})
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := k.Close(ctx); err != nil {
			t.Error(err)
		}
		wg.Wait()
		m.expect(0, 0, 0)
	})
}

// A session that cannot be deleted stays in the ledger, is reported, and goes
// away with the next process.
func TestKeeperCloseFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t, redfish.Options{})
		k := m.keeper()
		m.get(k)
		m.answers(redfish.Answer{Method: "DELETE", Status: 503})
		if err := k.Close(t.Context()); !errors.Is(err, ErrMayRemain) {
			t.Error(err)
		}
		if n := k.Status().LedgerEntries; n != 1 {
			t.Errorf("%d entries", n)
		}
		m.answers()
		k = m.keeper()
		if err := k.Recover(t.Context()); err != nil {
			t.Error(err)
		}
		m.expect(1, 1, 0)
		closeKeeper(t, k)
	})
}

// A linger whose deletion fails is made up for later, without another request.
func TestKeeperLingerFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t, redfish.Options{})
		k := m.keeper()
		m.get(k)
		m.answers(redfish.Answer{Method: "DELETE", Status: 503, Times: 5})
		time.Sleep(10*time.Minute + logoutTimeout)
		synctest.Wait()
		if s := k.Status(); s.LedgerEntries != 1 || s.LastError == "" {
			t.Errorf("status %+v", s)
		}
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		m.expect(1, 1, 0)
		if s := k.Status(); s.LedgerEntries != 0 || s.LastError != "" {
			t.Errorf("status %+v", s)
		}
	})
}

func TestKeeperTokenIsNeverLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		logger := logrus.New()
		logger.Out, logger.Level = &log, logrus.TraceLevel
		m := newMachine(t, redfish.Options{})
		k := m.keeper(func(o *KeeperOptions) { o.Log = logger })
		m.get(k)
		h := http.Header{}
		k.current.session.authorize(h)
		token := h.Get(tokenHeader)
		shown := fmt.Sprintf("%+v %#v %+v", k.current.entry, k.current.entry, k.Status())
		closeKeeper(t, k)
		if shown += log.String(); token == "" || strings.Contains(shown, token) || !strings.Contains(shown, "Sessions") {
			t.Errorf("shown: %s", shown)
		}
	})
}
