package agent

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/user"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	"go.uber.org/goleak"

	"github.com/ilod/ilod/agent/pause"
	"github.com/ilod/ilod/chif"
	"github.com/ilod/ilod/chif/chiftest"
	"github.com/ilod/ilod/chif/chiftest/redfish"
	"github.com/ilod/ilod/chif/chiftest/tree"
	"github.com/ilod/ilod/platform"
)

// TestSoak has 50 clients send requests of every kind to an agent while the iLO
// and its channels fail in every way that can be told from success, and another
// program on the host idles in a session of its own. Each body
// must be one that the iLO had for this path, and have it no longer ago than Age
// says; and nothing may be left in the end: no session, channel, goroutine or file
// descriptor, and no more memory than in the first half.
//
// There are ILOD_TEST_SOAK requests, or 1,000; ILOD_TEST_SEED repeats a run.
func TestSoak(t *testing.T) {
	requests := setting(t, "ILOD_TEST_SOAK", 1000)
	seed := uint64(setting(t, "ILOD_TEST_SEED", int(time.Now().UnixNano()&0xFFFFFF)))
	t.Logf("ILOD_TEST_SEED=%d", seed)
	warm, err := net.Listen("unix", filepath.Join(t.TempDir(), "s")) // the runtime's own descriptors
	if err != nil {
		t.Fatal(err)
	}
	if err := warm.Close(); err != nil {
		t.Fatal(err)
	}
	running, open := goleak.IgnoreCurrent(), descriptors(t)
	s := newSoak(t)
	ctx, stop := context.WithCancel(t.Context())
	result := make(chan error, 1)
	go func() { result <- Run(ctx, s.options) }()
	select {
	case <-s.options.Serving.Manager.(*manager).ready:
	case err := <-result:
		t.Fatal(err)
	}

	other := &neighbour{soak: s}
	others, moveOut := context.WithCancel(t.Context())
	defer moveOut()
	var living sync.WaitGroup
	living.Go(func() { other.live(others) })

	const clients, rounds = 50, 8
	var heaps [rounds]uint64
	callers := make([]*soakClient, clients)
	for n := range callers {
		callers[n] = s.client(rand.New(rand.NewPCG(seed, uint64(n))))
	}
	for round := range rounds {
		spoiling, spoiled := context.WithCancel(ctx)
		var spoiler, all sync.WaitGroup
		spoiler.Go(func() { s.spoil(spoiling, rand.New(rand.NewPCG(seed, uint64(clients+round)))) })
		for _, c := range callers {
			all.Go(func() {
				for range requests / clients / rounds {
					c.request(ctx)
				}
			})
		}
		all.Wait()
		spoiled()
		spoiler.Wait()
		heaps[round] = heap()
	}
	for _, c := range callers {
		c.CloseIdleConnections()
	}
	if err := s.server.SetFaults(chiftest.Faults{}); err != nil {
		t.Error(err)
	}
	s.settle(other)
	stop()
	if err := <-result; err != nil {
		t.Error(err)
	}
	moveOut()
	living.Wait()
	t.Logf("another program: %d logins", other.logins)
	stats := s.server.Stats()
	if err := errors.Join(s.server.Check(), s.server.Close()); err != nil {
		t.Error(err)
	}
	s.report(stats, heaps[:])
	// The least of several leaves out what a store at work needs for a moment.
	if first, second := slices.Min(heaps[:rounds/2]), slices.Min(heaps[rounds/2:]); second > first+first/5+1<<20 {
		t.Errorf("the heap grows: %v bytes after each round", heaps)
	}
	if now := descriptors(t); len(now) > len(open) {
		t.Errorf("open files: before %q, now %q", open, now)
	}
	goleak.VerifyNone(t, running)
}

// setting is a number that an environment variable may change.
func setting(tb testing.TB, variable string, usual int) int {
	tb.Helper()
	value := os.Getenv(variable)
	if value == "" {
		return usual
	}
	n, err := strconv.Atoi(value)
	if err != nil {
		tb.Fatalf("%s: %v", variable, err)
	}
	return n
}

// descriptors are the open files of this process.
func descriptors(t *testing.T) (open []string) {
	t.Helper()
	files, err := filepath.Glob("/proc/self/fd/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		if to, err := os.Readlink(name); err == nil { // not the directory's own
			open = append(open, to)
		}
	}
	return open
}

// heap is what is in use after garbage collection.
func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // what the first one had finalized
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// soak is an agent, the simulated iLO behind it and a record of what that had.
type soak struct {
	t       *testing.T
	server  *chiftest.Server
	options Options
	paths   []string // of the tree

	record
	resets   resets
	outcomes sync.Map // outcome → *atomic.Int64
	wrong    atomic.Int64
}

// resets are when the iLO was reset.
type resets struct {
	mu sync.Mutex
	at []time.Time
}

func (r *resets) note() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.at = append(r.at, time.Now())
}

// since is how many there were after a time.
func (r *resets) since(t time.Time) (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, at := range r.at {
		if at.After(t) {
			n++
		}
	}
	return n
}

// record is a Redfish service that notes each body that it gives for a path, by
// hash, and when it did so last.
type record struct {
	*redfish.Service
	mu    sync.Mutex
	given map[string]map[[sha256.Size]byte]time.Time
}

func (r *record) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if req.Method != http.MethodGet {
		r.Service.ServeHTTP(w, req)
		return
	}
	at := time.Now()
	answer := httptest.NewRecorder()
	r.Service.ServeHTTP(answer, req)
	result := answer.Result()
	body := answer.Body.Bytes()
	if result.StatusCode == http.StatusOK {
		plain := body
		if result.Header.Get("Content-Encoding") == "gzip" {
			plain, _ = gunzip(body) // the simulator's own work
		}
		r.note(tree.Key(req.URL.EscapedPath()), sha256.Sum256(plain), at)
	}
	for name, values := range result.Header {
		w.Header()[name] = values
	}
	w.WriteHeader(result.StatusCode)
	_, _ = w.Write(body)
}

func (r *record) note(key string, hash [sha256.Size]byte, at time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.given[key] == nil {
		r.given[key] = map[[sha256.Size]byte]time.Time{}
	}
	r.given[key][hash] = at
}

// last is when the iLO gave a body last; ok is false if it never did.
func (r *record) last(key string, body []byte) (at time.Time, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	at, ok = r.given[key][sha256.Sum256(body)]
	return at, ok
}

func newSoak(t *testing.T) *soak {
	t.Helper()
	resources := tree.Generate(tree.GenerateOptions{})
	service, err := redfish.New(redfish.Options{Tree: resources, Foreign: redfish.EveryKind(), MaxSessions: 17, LoginBody: redfish.BodyCreated, Gzip: redfish.GzipAll})
	if err != nil {
		t.Fatal(err)
	}
	s := &soak{t: t, record: record{Service: service, given: map[string]map[[sha256.Size]byte]time.Time{}}}
	for _, r := range resources.Resources() {
		// Sessions are the agent's business, and the root and the directory change
		// with each request.
		if key := tree.Key(r.URI); r.Status == http.StatusOK && !strings.Contains(key, "session") {
			s.paths = append(s.paths, r.URI)
		}
	}
	if s.server, err = chiftest.NewServer(chiftest.Options{Handler: &s.record, Latency: 200 * time.Microsecond}); err != nil {
		t.Fatal(err)
	}
	s.server.NotifyReset(s.resets.note)
	dir := t.TempDir()
	if err := s.server.ListenUnix(filepath.Join(dir, "ilo")); err != nil {
		t.Fatal(err)
	}
	device, err := chif.ParseDevice("unix:" + filepath.Join(dir, "ilo"))
	if err != nil {
		t.Fatal(err)
	}
	config := DefaultConfig(filepath.Join(dir, "state"), filepath.Join(dir, "run"))
	config.Channels = 4
	config.Clients.MaxSessions, config.Clients.WhenFull = 100, "oldest-idle" // of clients that do not log out
	config.Cache.SweepInterval, config.Session.KeepAlive = Duration(500*time.Millisecond), Duration(300*time.Millisecond)
	if me, err := user.Current(); err == nil && me.Uid != "0" {
		config.Roles.Admin.Users = []string{me.Username}
	}
	lock, err := platform.AcquireLock(t.Context(), config.RuntimeDir, config.StateDir)
	if err != nil {
		t.Fatal(err)
	}
	log := logrus.New()
	log.SetOutput(io.Discard)
	if name := os.Getenv("ILOD_TEST_SOAK_LOG"); name != "" {
		f, err := os.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		log.SetOutput(f)
	}
	s.options = wholeOptions(config, log, lock, device)
	return s
}

// faults are what goes wrong, a few times each.
var faults = []chiftest.Rule{
	{Fault: chiftest.FaultStale, Times: 30},
	{Fault: chiftest.FaultStale, Op: chiftest.OpREST, Times: 20},
	{Fault: chiftest.FaultDelay, Times: 40, Duration: redfish.Duration(5 * time.Millisecond)},
	{Fault: chiftest.FaultDelay, Op: chiftest.OpREST, Times: 10, Duration: redfish.Duration(50 * time.Millisecond)},
	{Fault: chiftest.FaultOpenBusy, Times: 5},
	{Fault: chiftest.FaultSubmitBusy, Times: 20},
	{Fault: chiftest.FaultCode, Code: 2, Times: 10},
	{Fault: chiftest.FaultCode, Op: chiftest.OpREST, Code: 2, Times: 10},
	{Fault: chiftest.FaultSetCode, Op: chiftest.OpRead, Code: 2, Times: 4},
	{Fault: chiftest.FaultRefuse, Op: chiftest.OpREST, Times: 4},
	{Fault: chiftest.FaultHTTPStatus, Status: http.StatusServiceUnavailable, Times: 10},
	{Fault: chiftest.FaultGzipTruncated, Method: http.MethodGet, Bytes: 9, Times: 10},
	{Fault: chiftest.FaultGzipPlain, Method: http.MethodGet, Times: 4},
	{Fault: chiftest.FaultHTTPEmpty, Times: 3},
	{Fault: chiftest.FaultHTTPGarbage, Times: 3},
	{Fault: chiftest.FaultContinue, Times: 10},
	{Fault: chiftest.FaultChunked, Times: 10},
	{Fault: chiftest.FaultAsBlob, Times: 20},
	{Fault: chiftest.FaultWrongLength, Bytes: 5, Times: 5},
	{Fault: chiftest.FaultInfoSize, Bytes: 7, Times: 3},
	{Fault: chiftest.FaultVanish, Times: 3},
	{Fault: chiftest.FaultReadShort, Bytes: 700, Times: 10},
	{Fault: chiftest.FaultTruncate, Op: chiftest.OpREST, Bytes: 100, Times: 3},
}

// resetting are those that reset the iLO.
var resetting = []chiftest.Rule{
	{Fault: chiftest.FaultResetBefore, Times: 1, Duration: redfish.Duration(20 * time.Millisecond)},
	{Fault: chiftest.FaultResetAfter, Times: 1, Duration: redfish.Duration(20 * time.Millisecond)},
	{Fault: chiftest.FaultResetAfter, Method: http.MethodPost, Times: 1},
}

// silent are those after which an answer never comes. A reset ends the waiting,
// which would take minutes.
var silent = []chiftest.Rule{
	{Fault: chiftest.FaultDropRequest, Times: 2},
	{Fault: chiftest.FaultDropAnswer, Times: 2},
	{Fault: chiftest.FaultDropAnswer, Method: http.MethodPost, Times: 1},
	{Fault: chiftest.FaultWrongSequence, Times: 2},
	{Fault: chiftest.FaultWrongCommand, Times: 2},
}

// spoil sets faults until ctx ends: new ones when the old ones are used up.
func (s *soak) spoil(ctx context.Context, r *rand.Rand) {
	for ctx.Err() == nil {
		var f chiftest.Faults
		for range 1 + r.IntN(4) {
			f.Rules = append(f.Rules, faults[r.IntN(len(faults))])
		}
		mute := false
		if s.resets.since(time.Now().Add(-2*time.Second)) == 0 { // between two there is time for a login
			switch r.IntN(3) {
			case 0:
				mute = true
				f.Rules = append(f.Rules, silent[r.IntN(len(silent))])
			case 1:
				f.Rules = append(f.Rules, resetting[r.IntN(len(resetting))])
			}
		}
		for i := range f.Rules {
			f.Rules[i].Skip = r.IntN(100)
		}
		if err := s.server.SetFaults(f); err != nil {
			s.t.Error(err)
			return
		}
		for n := 0; n < 40 && len(s.server.Faults().Rules) > 0; n++ {
			pause.For(ctx, 10*time.Millisecond)
		}
		if mute {
			s.server.Reset(time.Duration(r.IntN(50)) * time.Millisecond)
		}
	}
}

// settle waits until at most the session in use is left of ours.
func (s *soak) settle(other *neighbour) {
	s.t.Helper()
	for end := time.Now().Add(2 * time.Minute); ; time.Sleep(10 * time.Millisecond) {
		n := 0
		for _, x := range s.Sessions() {
			if !x.Foreign && !other.owns(x) {
				n++
			}
		}
		if n <= 1 {
			return
		}
		if time.Now().After(end) {
			s.t.Errorf("%d sessions of ours: %+v", n, s.Sessions())
			return
		}
	}
}

func (s *soak) count(outcome string) {
	n, _ := s.outcomes.LoadOrStore(outcome, new(atomic.Int64))
	n.(*atomic.Int64).Add(1)
}

func (s *soak) report(stats chiftest.Stats, heaps []uint64) {
	outcomes := map[string]int64{}
	s.outcomes.Range(func(k, v any) bool { outcomes[k.(string)] = v.(*atomic.Int64).Load(); return true })
	s.t.Logf("%v", outcomes)
	s.t.Logf("iLO: %d resets, %d logins, %d deletions, %d sessions left; at most %d channels, %d opens refused; heaps %v",
		s.resets.since(time.Time{}), stats.Redfish.Logins, stats.Redfish.Deletes, stats.Redfish.Sessions, stats.ChannelsMax, stats.OpensRefused, heaps)
	for _, class := range []string{"GET 200", "HEAD 200", "PATCH 200", "POST 201", "DELETE 200", "login 201", "left"} {
		if outcomes[class] == 0 {
			s.t.Errorf("no request ended as %s", class)
		}
	}
}

func gunzip(body []byte) ([]byte, error) {
	z, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(z)
}

// bypassed is the Cache-Status of an answer that is not the cache's business.
const bypassed = "ilod; fwd=bypass"

// soakClient is one client; it is for one goroutine.
type soakClient struct {
	*soak
	*http.Transport
	*rand.Rand
	written map[string]time.Time // when a write of its own was begun that succeeded
	made    []string             // what it has created
}

func (s *soak) client(r *rand.Rand) *soakClient {
	path := s.options.Config.SocketPath()
	return &soakClient{soak: s, Rand: r, written: map[string]time.Time{}, Transport: &http.Transport{
		DisableCompression: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", path)
		},
	}}
}

const subscriptions = "/redfish/v1/EventService/Subscriptions/"

// request is one request of a random kind.
func (c *soakClient) request(ctx context.Context) {
	path := c.paths[c.IntN(len(c.paths))]
	if c.IntN(3) > 0 {
		path = c.paths[c.IntN(8)] // some are asked for by everybody
	}
	asset, value := "/redfish/v1/Systems/1/", fmt.Sprintf(`{"AssetTag":"soak %d"}`, c.IntN(8))
	if c.IntN(2) == 0 {
		asset, value = "/redfish/v1/Chassis/1/", fmt.Sprintf(`{"IndicatorLED":"soak %d"}`, c.IntN(8))
	}
	switch n := c.IntN(100); {
	case n < 45:
		c.get(ctx, path, nil)
	case n < 60:
		c.get(ctx, path, http.Header{"Cache-Control": {[]string{"no-cache", "max-age=1", "max-stale=5"}[c.IntN(3)]}})
	case n < 70:
		c.get(ctx, asset, nil)
	case n < 78:
		begun := time.Now()
		if resp, _ := c.do(ctx, "PATCH", "", asset, value, nil); resp != nil && resp.StatusCode == http.StatusOK {
			c.written[tree.Key(asset)] = begun
		}
	case n < 81:
		c.conditional(ctx, asset, value)
	case n < 85 && len(c.made) < 2:
		resp, _ := c.do(ctx, "POST", "", subscriptions, fmt.Sprintf(`{"Destination":"https://192.0.2.%d/"}`, c.IntN(4)), nil)
		if resp != nil && resp.StatusCode == http.StatusCreated {
			c.made = append(c.made, resp.Header.Get("Location"))
		}
	case n < 89:
		if len(c.made) > 0 {
			c.do(ctx, "DELETE", "", c.made[0], "", nil)
			c.made = c.made[1:]
		}
	case n < 92:
		c.do(ctx, "HEAD", "", path, "", nil)
	case n < 95: // and never logs out
		c.do(ctx, "POST", "login", "/redfish/v1/SessionService/Sessions/", `{"UserName":"a","Password":"b"}`, nil)
	default:
		short, cancel := context.WithTimeout(ctx, time.Duration(c.IntN(3000))*time.Microsecond)
		defer cancel()
		method := []string{"GET", "PATCH"}[c.IntN(2)]
		if method == "GET" {
			value = ""
		}
		c.do(short, method, "left", asset, value, http.Header{"Cache-Control": {"no-cache"}})
	}
}

// conditional reads and writes back under the condition that nothing has changed.
func (c *soakClient) conditional(ctx context.Context, path, value string) {
	resp, _ := c.do(ctx, "GET", "", path, "", http.Header{"Cache-Control": {"no-cache"}})
	if resp == nil || resp.StatusCode != http.StatusOK {
		return
	}
	etag := resp.Header.Get("ETag")
	c.do(ctx, "GET", "", path, "", http.Header{"If-None-Match": {etag}})
	begun := time.Now()
	resp, _ = c.do(ctx, "PATCH", "", path, value, http.Header{"If-Match": {etag}})
	if resp != nil && resp.StatusCode == http.StatusOK {
		c.written[tree.Key(path)] = begun
	}
}

// get reads a resource and judges the answer.
func (c *soakClient) get(ctx context.Context, path string, header http.Header) {
	begun := time.Now()
	resp, body := c.do(ctx, "GET", "", path, "", header)
	if resp == nil || resp.StatusCode != http.StatusOK {
		return
	}
	key := tree.Key(path)
	given, known := c.last(key, body)
	age, err := strconv.Atoi(resp.Header.Get("Age"))
	if resp.Header.Get("Cache-Status") == bypassed {
		age, err = 0, nil
	}
	if !known || err != nil {
		c.bad("%s: no such body was ever there (Age %d, %v, %s): %.2000s", path, age, err, resp.Header.Get("Cache-Status"), body)
		return
	}
	if oldest := begun.Add(-time.Duration(age+1) * time.Second); given.Before(oldest) {
		c.bad("%s: Age is %d, but the iLO last had this %v before the request (%s)", path, age, begun.Sub(given), resp.Header.Get("Cache-Status"))
	}
	if written, ok := c.written[key]; ok && given.Before(written) && !strings.Contains(header.Get("Cache-Control"), "max-stale") {
		c.bad("%s: the answer is %v older than the client's own write (%s)", path, written.Sub(given), resp.Header.Get("Cache-Status"))
	}
}

// bad reports a wrong answer; of thousands some are enough.
func (c *soakClient) bad(format string, args ...any) {
	if c.wrong.Add(1) <= 10 {
		c.t.Errorf(format, args...)
	}
}

// do sends one request and returns the whole answer, nil if the client left. Any
// other failure on the way is the agent's fault.
func (c *soakClient) do(ctx context.Context, method, kind, path, body string, header http.Header) (*http.Response, []byte) {
	req, err := http.NewRequestWithContext(ctx, method, "http://localhost"+path, strings.NewReader(body))
	if err != nil {
		c.bad("%v", err)
		return nil, nil
	}
	if header != nil {
		req.Header = header.Clone()
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	begun, zipped := time.Now(), c.IntN(2) == 0
	if zipped {
		req.Header.Set("Accept-Encoding", "gzip")
	}
	resp, err := c.RoundTrip(req)
	var answer []byte
	if err == nil {
		answer, err = io.ReadAll(resp.Body)
		_ = resp.Body.Close()
	}
	if err == nil && resp.Header.Get("Content-Encoding") == "gzip" && method != http.MethodHead {
		plain, broken := gunzip(answer)
		switch {
		case !zipped:
			c.bad("%s %s: gzip that nobody asked for", method, path)
		case broken == nil:
			answer = plain
		case resp.Header.Get("Cache-Status") == bypassed: // passed as it came: the client can tell
			c.count("damaged")
			return nil, nil
		default:
			c.bad("%s %s: %v (%s)", method, path, broken, resp.Header.Get("Cache-Status"))
		}
	}
	if kind == "" {
		kind = method
	}
	if err != nil {
		if ctx.Err() == nil {
			c.bad("%s %s: %v", method, path, err)
		}
		c.count(kind)
		return nil, nil
	}
	if kind == "left" {
		c.count(kind)
		return nil, nil
	}
	c.count(fmt.Sprintf("%s %d", kind, resp.StatusCode))
	// A request is sent again once. What it joined may have begun before it.
	if resp.StatusCode == http.StatusUnauthorized && c.resets.since(begun.Add(-10*time.Second)) < 2 {
		c.bad("%s %s: %s: the client has done nothing wrong: %s", method, path, resp.Status, answer)
	}
	if resp.StatusCode >= 400 && method != http.MethodHead && !json.Valid(answer) {
		c.bad("%s %s: %s without a body that explains it: %q", method, path, resp.Status, answer)
	}
	return resp, answer
}
