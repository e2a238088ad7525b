package redfish

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ilod/ilod/chif/chiftest/tree"
)

// fixture is a service with a clock that a test turns.
type fixture struct {
	*Service
	t  testing.TB
	mu sync.Mutex
	at time.Time
}

func newFixture(t testing.TB, o Options) *fixture {
	t.Helper()
	f := &fixture{t: t, at: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	if o.Clock == nil {
		o.Clock = func() time.Time {
			f.mu.Lock()
			defer f.mu.Unlock()
			return f.at
		}
	}
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	f.Service = s
	return f
}

func (f *fixture) pass(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.at = f.at.Add(d)
}

// caller is a client with a token and headers of its own.
type caller struct {
	f        *fixture
	token    string
	location string // path of the session
	header   map[string]string
}

const noCredentials = `{"UserName": null, "Password": null}`

// do sends a request as the host channel does: with an empty Host.
func (c *caller) do(method, target, body string) *httptest.ResponseRecorder {
	c.f.t.Helper()
	r := httptest.NewRequest("GET", "/", strings.NewReader(body))
	r.Method, r.RequestURI, r.Host = method, target, ""
	_, r.URL.RawQuery, _ = strings.Cut(target, "?")
	if c.token != "" {
		r.Header.Set("X-Auth-Token", c.token)
	}
	for name, value := range c.header {
		r.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	c.f.ServeHTTP(w, r)
	return w
}

// get sends a GET that must be answered with 200.
func (c *caller) get(target string) []byte {
	c.f.t.Helper()
	w := c.do("GET", target, "")
	if w.Code != http.StatusOK {
		c.f.t.Fatalf("GET %s: %d %s", target, w.Code, w.Body)
	}
	return w.Body.Bytes()
}

// with returns a caller in the same session that sends one more header.
func (c *caller) with(name, value string) *caller {
	d := *c
	d.header = map[string]string{name: value}
	return &d
}

func (f *fixture) anonymous() *caller { return &caller{f: f} }

func (f *fixture) login() *caller { return f.loginAs(noCredentials) }

func (f *fixture) loginAs(body string) *caller {
	f.t.Helper()
	c := f.anonymous()
	w := c.do("POST", "/redfish/v1/SessionService/Sessions/", body)
	c.token, c.location = w.Header().Get("X-Auth-Token"), pathOf(w.Header().Get("Location"))
	if w.Code != http.StatusCreated || c.token == "" {
		f.t.Fatalf("login: %d %s", w.Code, w.Body)
	}
	return c
}

// pathOf drops scheme and host of a Location.
func pathOf(location string) string {
	_, rest, _ := strings.Cut(location, "://")
	i := strings.IndexByte(rest, '/')
	return rest[max(i, 0):]
}

// ids are the MessageIds in a body, without their registries.
func ids(body []byte) string {
	var b struct {
		Error struct {
			Info []info `json:"@Message.ExtendedInfo"`
		}
	}
	_ = json.Unmarshal(body, &b)
	var names []string
	for _, i := range b.Error.Info {
		names = append(names, i.MessageID[strings.LastIndexByte(i.MessageID, '.')+1:])
	}
	return strings.Join(names, " ")
}

// expect compares an answer's status and message.
func expect(t testing.TB, what string, w *httptest.ResponseRecorder, status int, message string) {
	t.Helper()
	if w.Code != status || ids(w.Body.Bytes()) != message {
		t.Errorf("%s: %d %q (%.300s), want %d %q", what, w.Code, ids(w.Body.Bytes()), w.Body, status, message)
	}
}

// property reads a value in a body by its path.
func property(t testing.TB, body []byte, path ...string) any {
	t.Helper()
	var v any
	if raw := getIn(body, path...); raw != nil {
		if err := json.Unmarshal(raw, &v); err != nil {
			t.Fatal(err)
		}
	}
	return v
}

func mustTree(t testing.TB, resources ...tree.Resource) *tree.Tree {
	t.Helper()
	tr, err := tree.New(resources)
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

func TestOptionsAreChecked(t *testing.T) {
	for name, o := range map[string]Options{
		"generation":    {Generation: 3},
		"body":          {LoginBody: "nothing"},
		"delete":        {DeleteAnswer: "405"},
		"slash":         {TrailingSlash: "sometimes"},
		"gzip":          {Gzip: "yes"},
		"limit":         {LimitStatus: 200},
		"idle":          {IdleTimeout: -5 * time.Minute},
		"foreign tag":   {Foreign: []Foreign{{}}},
		"foreign times": {Foreign: []Foreign{{UserTag: "SSH", Idle: time.Hour}}},
	} {
		if _, err := New(o); err == nil {
			t.Errorf("%s: no error for %+v", name, o)
		}
	}
}

func TestSlashModeFollowsFirmware(t *testing.T) {
	for _, c := range []struct {
		generation int
		firmware   string
		want       string
	}{
		{4, "2.82", SlashRedirect}, {5, "1.39", SlashRedirect}, {5, "1.40", SlashAlias}, {5, "2.46", SlashAlias},
		{5, "odd", SlashAlias}, {6, "1.10", SlashAlias}, {7, "1.13.01", SlashAlias},
	} {
		if f := newFixture(t, Options{Generation: c.generation, Firmware: c.firmware}); f.o.TrailingSlash != c.want {
			t.Errorf("iLO %d %s: %s, want %s", c.generation, c.firmware, f.o.TrailingSlash, c.want)
		}
	}
}

// TestConcurrent uses everything at once; the race detector is the judge.
func TestConcurrent(t *testing.T) {
	f := newFixture(t, Options{MaxSessions: Unlimited, VolatileReadings: true, Foreign: EveryKind()})
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for range 20 {
				c := f.login()
				for _, path := range []string{"/redfish/v1/", "/redfish/v1/Chassis/1/Thermal", "/redfish/v1/ResourceDirectory",
					"/redfish/v1/SessionService/Sessions?$expand=.", "/redfish/v1/RegistryStore/registries/en/Base.json"} {
					c.with("Accept-Encoding", "gzip").get(path)
				}
				c.do("PATCH", "/redfish/v1/Systems/1", `{"AssetTag":"`+string(rune('a'+i))+`"}`)
				f.pass(time.Second)
				f.Stats()
				f.Sessions()
				if err := f.SetFaults(Faults{PostStates: []string{"InPost"}}); err != nil {
					t.Error(err)
				}
				f.ApplyPending()
				expect(t, "logout", c.do("DELETE", c.location, ""), 200, "Success")
			}
		})
	}
	wg.Wait()
	if err := f.Check(); err != nil {
		t.Error(err)
	}
	if st := f.Stats(); st.Logins != 160 || st.Deletes != 160 || st.Sessions != 6 || st.MaxSessions < 7 {
		t.Errorf("%+v", st)
	}
}

func BenchmarkGet(b *testing.B) {
	f := newFixture(b, Options{Tree: tree.Generate(tree.GenerateOptions{Resources: tree.MaxResources}), Clock: time.Now})
	c := f.login()
	for _, path := range []string{"/redfish/v1/Systems/1/Memory/proc1dimm1", "/redfish/v1/ResourceDirectory/"} {
		b.Run(path[len("/redfish/v1/"):], func(b *testing.B) {
			r := httptest.NewRequest("GET", path, nil)
			r.Header.Set("X-Auth-Token", c.token)
			b.ReportAllocs()
			for range b.N {
				w := httptest.NewRecorder()
				f.ServeHTTP(w, r)
				if w.Code != http.StatusOK {
					b.Fatal(w.Code)
				}
			}
		})
	}
}
