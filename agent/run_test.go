package agent

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/ilod/ilod/agent/api"
	"github.com/ilod/ilod/agent/gateway"
	"github.com/ilod/ilod/agent/ilosession"
	"github.com/ilod/ilod/chif"
	"github.com/ilod/ilod/chif/chiftest"
	"github.com/ilod/ilod/chif/chiftest/redfish"
	"github.com/ilod/ilod/platform"
)

// host is a simulated iLO with an agent's surroundings.
type host struct {
	*redfish.Service
	server *chiftest.Server
	gate   *gate
	config Config
	log    bytes.Buffer
}

// gate can keep the requests of a method waiting, and remembers all.
type gate struct {
	*redfish.Service
	mu      sync.Mutex
	seen    []string // method and path
	method  string
	arrived chan struct{}
	open    chan struct{}
}

func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	g.seen = append(g.seen, r.Method+" "+r.URL.Path)
	wait := r.Method == g.method
	g.mu.Unlock()
	if wait {
		g.arrived <- struct{}{}
		<-g.open
	}
	g.Service.ServeHTTP(w, r)
}

// requests are those so far.
func (g *gate) requests() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.seen)
}

// hold keeps the requests of a method waiting until open is closed.
func (g *gate) hold(method string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.method = method
}

func newHost(t *testing.T, o redfish.Options) *host {
	t.Helper()
	service, err := redfish.New(o)
	if err != nil {
		t.Fatal(err)
	}
	g := &gate{Service: service, arrived: make(chan struct{}, 16), open: make(chan struct{})}
	server := chiftest.New(t, chiftest.Options{Handler: g})
	dir := t.TempDir()
	h := &host{Service: service, server: server, gate: g, config: DefaultConfig(filepath.Join(dir, "state"), filepath.Join(dir, "run"))}
	if runtime.GOOS == "windows" { // where the names of pipes are not those of files
		h.config.Socket = `\\.\pipe\` + filepath.Base(filepath.Dir(dir))
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(h.log.String())
		}
	})
	return h
}

func (h *host) options(t *testing.T) Options {
	log := logrus.New()
	log.SetOutput(&h.log)
	log.SetLevel(logrus.DebugLevel)
	lock, err := platform.AcquireLock(t.Context(), h.config.RuntimeDir, h.config.StateDir)
	if err != nil {
		t.Fatal(err)
	}
	return Options{
		Config: h.config, Log: log, Unlock: lock.Release,
		Store: func(context.Context) (Store, error) { return &mapStore{m: map[string][]byte{}}, nil },
		ILO: ILO{
			Transport: func(onReset func()) (Transport, error) {
				return chif.NewTransport(h.server.Device(), chif.TransportOptions{OnReset: onReset})
			},
			NotSent: func(err error) bool { return errors.Is(err, chif.ErrNotSent) },
			Problem: func(error) gateway.Problem { return gateway.Problem{} },
		},
		Serving: serving(h.config, lock),
	}
}

func serving(config Config, lock *platform.Lock) Serving {
	return Serving{
		Listen: func(ctx context.Context) ([]net.Listener, error) {
			l, err := lock.Listen(ctx, config.SocketPath(), "no such group")
			return []net.Listener{l}, err
		},
		Peer: func(c net.Conn) (gateway.Peer, error) {
			p, err := platform.PeerOf(c)
			return gateway.Peer(p), err
		},
		Manager: &manager{ready: make(chan struct{})},
	}
}

// mapStore is a Store.
type mapStore struct {
	mu     sync.Mutex
	m      map[string][]byte
	closed bool
}

func (s *mapStore) Get(key string) ([]byte, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v, ok := s.m[key]
	return v, ok
}

func (s *mapStore) Put(key string, value []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.m[key] = bytes.Clone(value)
	return nil
}

func (s *mapStore) Drop(keys ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, key := range keys {
		delete(s.m, key)
	}
}

func (s *mapStore) Clear() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.m)
	return nil
}

func (s *mapStore) All() iter.Seq2[string, []byte] {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.All(maps.Clone(s.m))
}

func (s *mapStore) State() any { return len(s.m) }

func (s *mapStore) Close() error { s.closed = true; return nil }

// manager is a ServiceManager.
type manager struct {
	ready    chan struct{} // closed by Ready
	stopping atomic.Bool
	alive    func()
	status   func(string)
}

func (m *manager) Ready()    { close(m.ready) }
func (m *manager) Stopping() { m.stopping.Store(true) }
func (m *manager) Alive()    { m.alive() }

func (m *manager) Status(text string) {
	if m.status != nil {
		m.status(text)
	}
}

func (m *manager) Watchdog() time.Duration {
	if m.alive == nil {
		return 0
	}
	return time.Millisecond
}

// running is an agent that serves.
type running struct {
	stop   context.CancelFunc
	result chan error
	client *http.Client
}

func (h *host) run(t *testing.T, o Options) *running {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	r := &running{stop: stop, result: make(chan error, 1)}
	go func() { r.result <- Run(ctx, o) }()
	select {
	case <-o.Serving.Manager.(*manager).ready:
	case err := <-r.result:
		t.Fatal(err)
	}
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return platform.Dial(ctx, h.config.SocketPath())
	}}
	r.client = &http.Client{Transport: transport}
	t.Cleanup(transport.CloseIdleConnections)
	return r
}

func (r *running) get(path string) (status int, body string, err error) {
	resp, err := r.client.Get("http://ilo" + path)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(text), err
}

// TestManyClientsOneSession: whoever logs in to the agent and never out again
// costs the iLO one login.
func TestManyClientsOneSession(t *testing.T) {
	h := newHost(t, redfish.Options{})
	o := h.options(t)
	r := h.run(t, o)
	var clients sync.WaitGroup
	for n := range 50 {
		clients.Go(func() {
			resp, err := r.client.Post("http://ilo/redfish/v1/SessionService/Sessions/", "application/json", strings.NewReader(`{"UserName":"a","Password":"b"}`))
			if err != nil {
				t.Error(err)
				return
			}
			resp.Body.Close()
			if resp.StatusCode != http.StatusCreated || resp.Header.Get("X-Auth-Token") == "" {
				t.Errorf("login: %s", resp.Status)
			}
			if status, body, err := r.get(fmt.Sprintf("/redfish/v1/Systems/1/Memory/?$skip=%d", n%5)); status != http.StatusOK {
				t.Errorf("%d, %v: %s", status, err, body)
			}
		})
	}
	clients.Wait()
	status, body, err := r.get("/ilod/v1/status")
	var shown api.Status
	if err != nil || status != http.StatusOK || json.Unmarshal([]byte(body), &shown) != nil || shown.Session.Logins != 1 || shown.Session.Session == "" {
		t.Errorf("status: %d, %v: %s", status, err, body)
	}
	if status, body, err := r.get("/ilod/v1/metrics"); status != http.StatusOK || !strings.Contains(body, "\nilod_ilo_logins_total 1\n") {
		t.Errorf("metrics: %d, %v: %s", status, err, body)
	}
	r.stop()
	if err := <-r.result; err != nil {
		t.Error(err)
	}
	if s := h.Stats(); s.Logins != 1 || s.Deletes != 1 || s.Sessions != 0 {
		t.Errorf("%d logins, %d deletions, %d sessions left", s.Logins, s.Deletes, s.Sessions)
	}
	if !o.Serving.Manager.(*manager).stopping.Load() {
		t.Error("the service manager was not told")
	}
	if _, err := os.Stat(h.config.SocketPath()); !os.IsNotExist(err) {
		t.Errorf("the socket: %v", err)
	}
	lock, err := platform.AcquireLock(t.Context(), h.config.RuntimeDir, h.config.StateDir)
	if err != nil {
		t.Fatalf("the lock: %v", err)
	}
	if err := lock.Release(); err != nil {
		t.Error(err)
	}
}

// TestStopFinishesWrites: a write under way is finished, and only then the
// session is deleted.
func TestStopFinishesWrites(t *testing.T) {
	h := newHost(t, redfish.Options{})
	r := h.run(t, h.options(t))
	h.gate.hold(http.MethodPatch)
	answered := make(chan error, 1)
	go func() {
		req, _ := http.NewRequest(http.MethodPatch, "http://ilo/redfish/v1/Systems/1/", strings.NewReader(`{"AssetTag":"x"}`))
		req.Header.Set("Content-Type", "application/json")
		resp, err := r.client.Do(req)
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode != http.StatusOK {
				err = errors.New(resp.Status)
			}
		}
		answered <- err
	}()
	<-h.gate.arrived
	r.stop()
	for { // the listener goes first
		conn, err := platform.Dial(t.Context(), h.config.SocketPath())
		if err != nil {
			break
		}
		conn.Close()
	}
	close(h.gate.open)
	if err := <-answered; err != nil {
		t.Error(err)
	}
	if err := <-r.result; err != nil {
		t.Error(err)
	}
	if seen := h.gate.requests(); !strings.HasPrefix(seen[len(seen)-1], "DELETE /redfish/v1/SessionService/Sessions/") {
		t.Errorf("it was not deleted last: %v", seen)
	}
}

// TestStopByRequest: a client may end the agent, and has the answer before that.
func TestStopByRequest(t *testing.T) {
	h := newHost(t, redfish.Options{})
	r := h.run(t, h.options(t))
	if status, _, err := r.get("/redfish/v1/Systems/1/"); status != http.StatusOK || err != nil {
		t.Errorf("%d, %v", status, err)
	}
	resp, err := r.client.Post("http://ilo/ilod/v1/stop", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := resp.Body.Close(); resp.StatusCode != http.StatusNoContent || err != nil {
		t.Errorf("%s, %v", resp.Status, err)
	}
	if err := <-r.result; err != nil {
		t.Error(err)
	}
	if n := h.Stats().Sessions; n != 0 {
		t.Errorf("%d sessions are left", n)
	}
}

// TestPanicStillLogsOut: a panic anywhere in the engine ends it, and its session.
func TestPanicStillLogsOut(t *testing.T) {
	h := newHost(t, redfish.Options{})
	o := h.options(t)
	var blow atomic.Bool
	o.Serving.Manager.(*manager).alive = func() {
		if blow.Load() {
			panic("nobody expected this")
		}
	}
	r := h.run(t, o)
	if status, body, err := r.get("/redfish/v1/Systems/1/"); status != http.StatusOK {
		t.Fatalf("%d, %v: %s", status, err, body)
	}
	blow.Store(true)
	if err := <-r.result; err == nil || !strings.Contains(err.Error(), "watchdog: panic: nobody expected this") {
		t.Errorf("%v", err)
	}
	if s := h.Stats(); s.Logins != 1 || s.Sessions != 0 {
		t.Errorf("%d logins, %d sessions left", s.Logins, s.Sessions)
	}
}

// TestFailedStart gives back what was there already.
func TestFailedStart(t *testing.T) {
	h := newHost(t, redfish.Options{})
	broken := errors.New("broken")
	store := &mapStore{m: map[string][]byte{}}
	for what, spoil := range map[string]func(*Options){
		"store":     func(o *Options) { o.Store = func(context.Context) (Store, error) { return nil, broken } },
		"transport": func(o *Options) { o.ILO.Transport = func(func()) (Transport, error) { return nil, broken } },
		"listen": func(o *Options) {
			o.Serving.Listen = func(context.Context) ([]net.Listener, error) { return nil, broken }
		},
		"panic": func(o *Options) { o.Store = func(context.Context) (Store, error) { panic(broken) } },
		"TLS":   func(o *Options) { o.Serving.Listen = tcpSocket(t) }, // without tls.listen
	} {
		o := h.options(t)
		o.Store = func(context.Context) (Store, error) { return store, nil }
		store.closed = false
		spoil(&o)
		if err := Run(t.Context(), o); err == nil || what != "panic" && !errors.Is(err, broken) && (what != "TLS" || !errors.Is(err, ErrConfig)) {
			t.Errorf("%s: %v", what, err)
		}
		if what != "store" && what != "panic" && !store.closed {
			t.Errorf("%s: the store is open", what)
		}
	}
	if seen := h.gate.requests(); len(seen) > 0 {
		t.Errorf("the iLO was asked: %v", seen)
	}
}

// TestOwnProcess is an engine that serves the process it is in.
func TestOwnProcess(t *testing.T) {
	h := newHost(t, redfish.Options{})
	o := h.options(t)
	e, err := Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: e}
	resp, err := client.Get("http://ilo/redfish/v1/Systems/1/")
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK || !json.Valid(body) || resp.Header.Get("Cache-Status") == "" {
		t.Errorf("%s, %v: %s", resp.Status, err, body)
	}
	resp.Body.Close()

	resp, err = client.Head("http://ilo/redfish/v1/Chassis/")
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("HEAD: %v, %v", resp, err)
	}
	if body, err := io.ReadAll(resp.Body); len(body) > 0 || err != nil {
		t.Errorf("HEAD: %q, %v", body, err)
	}
	resp.Body.Close()

	// A stream can be read as it comes, and left.
	resp, err = client.Post("http://ilo/ilod/v1/cache", "", nil)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%v, %v", resp, err)
	}
	var p api.Warming
	if err := json.NewDecoder(resp.Body).Decode(&p); err != nil || p.Finished {
		t.Errorf("%+v, %v", p, err)
	}
	resp.Body.Close()

	// What goes wrong on the way to the iLO comes back as it is.
	if err := h.server.SetFaults(chiftest.Faults{Rules: []chiftest.Rule{{Fault: "refuse", Op: "REST"}}}); err != nil {
		t.Fatal(err)
	}
	req, _ := http.NewRequest("GET", "http://ilo/redfish/v1/Managers/", nil)
	req.Header.Set("Cache-Control", "no-cache")
	if _, err := e.RoundTrip(req); !errors.Is(err, chif.ErrRefused) {
		t.Errorf("%v", err)
	}
	if err := h.server.SetFaults(chiftest.Faults{}); err != nil {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("enough"))
	if _, err := e.RoundTrip(req.WithContext(ended)); err == nil || err.Error() != "GET /redfish/v1/Managers/: enough" {
		t.Errorf("%v", err)
	}
	if err := e.Stop(); err != nil {
		t.Error(err)
	}
	if _, err := e.RoundTrip(req); err == nil {
		t.Error("it still serves")
	}
	if s := h.Stats(); s.Logins != 1 || s.Sessions != 0 {
		t.Errorf("%d logins, %d sessions left", s.Logins, s.Sessions)
	}
}

// TestReset: after a reset of the iLO nothing old is served, and there is a new
// session.
func TestReset(t *testing.T) {
	h := newHost(t, redfish.Options{})
	r := h.run(t, h.options(t))
	const path = "/redfish/v1/Systems/1/Bios/"
	for range 2 {
		if status, body, err := r.get(path); status != http.StatusOK {
			t.Fatalf("%d, %v: %s", status, err, body)
		}
	}
	before := len(h.gate.requests())
	h.server.Reset(0)
	if status, body, err := r.get("/redfish/v1/Chassis/"); status != http.StatusOK { // on this it shows
		t.Fatalf("%d, %v: %s", status, err, body)
	}
	if status, body, err := r.get(path); status != http.StatusOK {
		t.Fatalf("%d, %v: %s", status, err, body)
	}
	if seen := h.gate.requests()[before:]; !slices.Contains(seen, "GET "+path) {
		t.Errorf("%s was not read again: %v", path, seen)
	}
	if s := h.Stats(); s.Logins != 2 {
		t.Errorf("%d logins", s.Logins)
	}
	r.stop()
	if err := <-r.result; err != nil {
		t.Error(err)
	}
}

// TestSweepOnlyInUse: an agent that nobody uses does not keep its session by
// comparing trees.
func TestSweepOnlyInUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sweeps := 0
		log := logrus.New()
		log.SetOutput(io.Discard)
		o := Options{Config: DefaultConfig("/s", "/r"), Log: log}
		e := &Engine{o: o, log: o.Log, life: newLifecycle(t.Context()), rooms: rooms{freshness: sweeper(func() { sweeps++ })}}
		e.life.spawn("sweep", e.sweep)
		every := time.Duration(o.Config.Cache.SweepInterval)
		for _, step := range []struct {
			used bool
			want int
		}{{false, 0}, {true, 1}, {false, 1}, {true, 2}} {
			e.used.Store(step.used)
			time.Sleep(every)
			synctest.Wait()
			if sweeps != step.want {
				t.Errorf("%d sweeps, want %d", sweeps, step.want)
			}
		}
		if err := e.life.stopTasks(); err != nil {
			t.Error(err)
		}
	})
}

// Only what reaches the cache or the iLO is use of the agent: who asks for its state
// or is refused does not make it log in.
func TestUseIsWhatReachesTheCache(t *testing.T) {
	h := newHost(t, redfish.Options{})
	h.config.Cache.SweepInterval = Duration(10 * time.Millisecond)
	r := h.run(t, h.options(t))
	for range 30 {
		for path, want := range map[string]int{
			"/ilod/v1/status": 200, "/ilod/v1/sessions": 200, "/ilod/v1/limits": 200, "/ilod/v1/none": 404,
		} {
			if a := r.ask(t, "", "GET", path, ""); a.status != want {
				t.Fatalf("%s: %d", path, a.status)
			}
		}
		if a := r.ask(t, "no.good.handle", "GET", "/redfish/v1/Systems/1/", ""); a.status != 401 {
			t.Fatalf("a handle that is not good: %d", a.status)
		}
		time.Sleep(time.Millisecond)
	}
	time.Sleep(100 * time.Millisecond)
	if asked := h.gate.requests(); len(asked) > 0 {
		t.Errorf("the iLO was asked: %q", asked)
	}
	// A scrape has the server's health read, and no more.
	r.ask(t, "", "GET", "/ilod/v1/metrics", "").want(t, 200, "")
	time.Sleep(100 * time.Millisecond)
	if slices.ContainsFunc(h.gate.requests(), func(s string) bool { return strings.Contains(s, "ResourceDirectory") }) {
		t.Error("a scrape had the cached tree compared with the iLO's")
	}
	if status, _, err := r.get("/redfish/v1/Systems/1/"); status != 200 || err != nil {
		t.Fatal(status, err)
	}
	for end := time.Now().Add(2 * time.Minute); !slices.ContainsFunc(h.gate.requests(), func(s string) bool { return strings.Contains(s, "ResourceDirectory") }); {
		if time.Now().After(end) {
			t.Fatal("the cached tree is not compared with the iLO's")
		}
		time.Sleep(10 * time.Millisecond)
	}
	r.end(t)
}

type sweeper func()

func (s sweeper) Sweep(context.Context) error { s(); return errors.New("it fails, and goes on") }

// TestUncut: a write goes on when its client has left, for a while; a read does
// not.
func TestUncut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for method, want := range map[string]time.Duration{"GET": time.Second, "POST": time.Second + writeGrace} {
			ctx, leave := context.WithCancelCause(t.Context())
			left := errors.New("left")
			time.AfterFunc(time.Second, func() { leave(left) })
			start := time.Now()
			req, _ := http.NewRequestWithContext(ctx, method, "https://ilo/", nil)
			_, err := uncut{untilCut{}}.RoundTrip(req)
			if took := time.Since(start); !errors.Is(err, left) || took != want {
				t.Errorf("%s: %v after %v, want %v", method, err, took, want)
			}
		}
	})
}

type untilCut struct{}

func (untilCut) RoundTrip(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, context.Cause(r.Context())
}

func TestProblem(t *testing.T) {
	o := Options{ILO: ILO{Problem: func(error) gateway.Problem { return gateway.Problem{Cause: gateway.SessionLimit} }}}
	err := fmt.Errorf("x: %w", &ilosession.SessionLimitError{Err: ilosession.ErrSessionLimit, Sessions: []api.ILOSession{
		{ID: "console"}, {ID: "ours", InBand: true, Ours: true}, {ID: "other", InBand: true},
	}})
	p := o.problem(err)
	if list, ok := p.Candidates.([]api.ILOSession); !ok || len(list) != 1 || list[0].ID != "other" {
		t.Errorf("%+v", p)
	}
	if p := o.problem(ilosession.ErrProtected); p.Cause != gateway.Guarded {
		t.Errorf("%+v", p)
	}
	if p := o.problem(ilosession.ErrNoSession); p.Cause != gateway.NotFound {
		t.Errorf("%+v", p)
	}
}
