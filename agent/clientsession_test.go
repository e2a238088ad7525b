package agent

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/ilod/ilod/agent/api"
	"github.com/ilod/ilod/agent/gateway"
	"github.com/ilod/ilod/agent/redfisherror"
	"github.com/ilod/ilod/chif/chiftest/redfish"
)

// reply is an answer of an agent.
type reply struct {
	status int
	http.Header
	body string
}

// into decodes the body.
func (a *reply) into(t *testing.T, v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(a.body), v); err != nil {
		t.Fatalf("%v: %s", err, a.body)
	}
}

// want checks the status and, for an error, the message.
func (a *reply) want(t *testing.T, status int, message string) {
	t.Helper()
	got := ""
	if list := redfisherror.Parse([]byte(a.body)); status >= 400 && len(list) > 0 {
		got = list[0].Key()
	}
	if a.status != status || got != message {
		t.Errorf("%d %q, want %d %q: %.500s", a.status, got, status, message, a.body)
	}
}

// ask sends one request, with a handle if there is one.
func (r *running) ask(t *testing.T, handle, method, path, body string, header ...string) *reply {
	t.Helper()
	req, err := http.NewRequest(method, "http://ilo"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if handle != "" {
		req.Header.Set("X-Auth-Token", handle)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := r.client.Do(req)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	return &reply{resp.StatusCode, resp.Header, string(text)}
}

// session makes a client session and returns its handle.
func (r *running) session(t *testing.T) (s api.Session, handle string) {
	t.Helper()
	a := r.ask(t, "", "POST", "/ilod/v1/sessions", "")
	a.want(t, http.StatusCreated, "")
	a.into(t, &s)
	return s, a.Get("X-Auth-Token")
}

// end stops the agent.
func (r *running) end(t *testing.T) {
	t.Helper()
	r.stop()
	if err := <-r.result; err != nil {
		t.Error(err)
	}
	r.client.CloseIdleConnections()
}

func (h *host) asked() int { return len(h.gate.requests()) }

const current = "/ilod/v1/sessions/current"

// TestClientSessionsAreIsolated: who shares a client session shares its
// variables, and nobody else sees them.
func TestClientSessionsAreIsolated(t *testing.T) {
	h := newHost(t, redfish.Options{})
	r := h.run(t, h.options(t))
	defer r.end(t)
	_, one := r.session(t)
	_, two := r.session(t)
	r.ask(t, one, "PATCH", current, `{"activePath":"/redfish/v1/Systems/1/","returnedPath":"relative","output":"json"}`).want(t, 200, "")
	read := func(handle, path string) (id string, a *reply) {
		a = r.ask(t, handle, "GET", path, "")
		var resource struct {
			ID string `json:"@odata.id"`
		}
		a.want(t, 200, "")
		a.into(t, &resource)
		return strings.ToLower(strings.TrimSuffix(resource.ID, "/")), a
	}
	if id, a := read(one, "/ilod/v1/active/Bios/"); id != "bios" || a.Get("Ilod-Output") != "json" {
		t.Errorf("%q, %v", id, a.Header)
	}
	if id, a := read(two, "/redfish/v1/Systems/1/Bios/"); id != "/redfish/v1/systems/1/bios" || a.Get("Ilod-Output") != "" {
		t.Errorf("%q, %v", id, a.Header)
	}
	if id, _ := read("", "/ilod/v1/active/Systems/1/"); id != "/redfish/v1/systems/1" {
		t.Errorf("%q", id)
	}
	// With $expand, too, and from the cache.
	r.ask(t, two, "PATCH", current, `{"recursive":true}`).want(t, 200, "")
	read(two, "/redfish/v1/Systems/1/")
	before := h.asked()
	var all struct {
		Count int `json:"Resources@odata.count"`
	}
	_, a := read(two, "/redfish/v1/Systems/1/")
	if a.into(t, &all); all.Count < 10 {
		t.Errorf("%d resources", all.Count)
	}
	if more := h.asked() - before; more > 3 { // readings
		t.Errorf("%d requests for what had been read", more)
	}
}

// TestClientSessionErrors: each way to lose an explicit client session is an
// error of its own, the default one is made anew, and no handle that is not good
// costs the iLO anything.
func TestClientSessionErrors(t *testing.T) {
	h := newHost(t, redfish.Options{})
	h.config.Clients.InactivityTimeout = 0 // that is, one request
	r := h.run(t, h.options(t))
	defer r.end(t)
	const path = "/redfish/v1/Systems/1/"
	_, once := r.session(t)
	r.ask(t, once, "GET", path, "").want(t, 200, "")
	before := h.asked()
	r.ask(t, once, "GET", path, "").want(t, 401, "SessionExpired")
	r.ask(t, "", "PATCH", current, `{"output":"raw"}`).want(t, 200, "")
	if a := r.ask(t, "", "GET", path, ""); a.status != 200 || a.Get("Ilod-Output") != "" {
		t.Errorf("another default session: %d %v", a.status, a.Header)
	}

	r.ask(t, "", "PATCH", "/ilod/v1/limits", `{"inactivityTimeout":1800}`).want(t, 200, "")
	s, handle := r.session(t)
	r.ask(t, "", "DELETE", "/ilod/v1/sessions/"+s.ID, "").want(t, 204, "")
	r.ask(t, handle, "GET", path, "").want(t, 401, "SessionTerminated")
	r.ask(t, handle+"x", "GET", path, "").want(t, 401, "SessionHandleInvalid")
	r.ask(t, "ilod-0000000000000000.1.x", "GET", path, "").want(t, 401, "SessionHandleInvalid")
	if h.asked() != before {
		t.Errorf("the iLO was asked: %v", h.gate.requests()[before:])
	}

	// The iLO ends the session underneath.
	s, handle = r.session(t)
	login := r.ask(t, "", "POST", "/redfish/v1/SessionService/Sessions/", "").Get("X-Auth-Token")
	r.ask(t, handle, "GET", path, "").want(t, 200, "")
	if !h.EndSession(h.Sessions()[0].ID) {
		t.Fatal("no session")
	}
	fresh := []string{"Cache-Control", "no-cache"}
	r.ask(t, handle, "GET", path, "", fresh...).want(t, 200, "") // the agent logs in anew
	r.ask(t, handle, "GET", path, "").want(t, 401, "SessionVersionStale")
	r.ask(t, login, "GET", path, "").want(t, 200, "")
	a := r.ask(t, handle, "POST", s.Path+"/handle", "")
	a.want(t, 200, "")
	r.ask(t, a.Get("X-Auth-Token"), "GET", path, "").want(t, 200, "")
	if n := h.Stats().Logins; n != 2 {
		t.Errorf("%d logins", n)
	}
}

// TestClientSessionLimits over HTTP.
func TestClientSessionLimits(t *testing.T) {
	h := newHost(t, redfish.Options{})
	h.config.Clients.MaxSessionsPerUser = 2
	h.config.Clients.WhenFull = "oldest-idle"
	r := h.run(t, h.options(t))
	defer r.end(t)
	const begin = "/ilod/v1/transaction"
	_, first := r.session(t)
	second, busy := r.session(t)
	r.ask(t, first, "GET", current, "").want(t, 200, "")
	r.ask(t, busy, "POST", begin, "").want(t, 201, "") // longest unused from now on, but it holds something
	r.ask(t, first, "GET", current, "").want(t, 200, "")
	_, third := r.session(t)
	r.ask(t, first, "GET", current, "").want(t, 401, "SessionTerminated")
	r.ask(t, third, "POST", begin, "").want(t, 201, "")
	r.ask(t, "", "POST", "/ilod/v1/sessions", "").want(t, 503, "SessionLimit") // all hold something

	r.ask(t, "", "PATCH", "/ilod/v1/limits", `{"whenFull":"reject"}`).want(t, 200, "")
	full := r.ask(t, "", "POST", "/redfish/v1/SessionService/Sessions", "")
	full.want(t, 503, "SessionLimit")
	if full.Get("Retry-After") == "" || strings.Contains(full.body, "Candidates") {
		t.Errorf("%v %s", full.Header, full.body)
	}

	r.ask(t, "", "PATCH", "/ilod/v1/limits", `{"whenFull":"ask"}`).want(t, 200, "")
	full = r.ask(t, "", "POST", "/ilod/v1/sessions", "")
	full.want(t, 503, "SessionLimit")
	if !strings.Contains(full.body, second.ID) {
		t.Errorf("%s is no candidate: %s", second.ID, full.body)
	}
	if a := r.ask(t, "", "POST", "/ilod/v1/sessions?terminate=ilod-0123456789abcdef", ""); a.status < 400 {
		t.Errorf("%d %s", a.status, a.body)
	}
	r.ask(t, busy, "GET", current, "").want(t, 200, "") // nothing has changed
	r.ask(t, "", "POST", "/ilod/v1/sessions?terminate="+second.ID, "").want(t, 201, "")
	r.ask(t, busy, "GET", current, "").want(t, 401, "SessionTerminated")
	if n := h.Stats().Logins; n != 0 {
		t.Errorf("%d logins for what the agent does by itself", n)
	}
	// It has the server's health read in the background.
	if a := r.ask(t, "", "GET", "/ilod/v1/metrics", ""); !strings.Contains(a.body, "\nilod_client_sessions_refused_total 4\n") || !strings.Contains(a.body, `ilod_transactions_total{result="thrown-away"} 1`) {
		t.Errorf("metrics: %s", a.body)
	}
}

// TestClientSessionsSurvive: client sessions and limits outlive an agent, unless
// it may write nothing to the disk.
func TestClientSessionsSurvive(t *testing.T) {
	for _, nocache := range []bool{false, true} {
		t.Run(fmt.Sprintf("nocache=%v", nocache), func(t *testing.T) {
			h := newHost(t, redfish.Options{})
			h.config.Cache.Disabled = nocache
			r := h.run(t, h.options(t))
			s, handle := r.session(t)
			r.ask(t, handle, "PATCH", current, `{"activePath":"/redfish/v1/Chassis/"}`).want(t, 200, "")
			r.ask(t, "", "PATCH", "/ilod/v1/limits", `{"maxSessions":17}`).want(t, 200, "")
			r.end(t)
			if _, err := os.Stat(filepath.Join(h.config.StateDir, "clients")); os.IsNotExist(err) != nocache {
				t.Errorf("in the state directory: %v", err)
			}
			r = h.run(t, h.options(t))
			defer r.end(t)
			a := r.ask(t, handle, "GET", current, "")
			if nocache {
				a.want(t, 401, "SessionHandleInvalid")
				return
			}
			var again api.Session
			a.want(t, 200, "")
			if a.into(t, &again); again.ID != s.ID || again.ActivePath != "/redfish/v1/Chassis/" {
				t.Errorf("%+v", again)
			}
			var limits api.Limits
			if r.ask(t, "", "GET", "/ilod/v1/limits", "").into(t, &limits); limits.MaxSessions != 17 {
				t.Errorf("%+v", limits)
			}
		})
	}
}

// TestForgedFlood: handles that are forged cost the iLO not a packet, and leave
// nothing behind.
func TestForgedFlood(t *testing.T) {
	h := newHost(t, redfish.Options{})
	e, err := Start(t.Context(), h.options(t))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := e.Stop(); err != nil {
			t.Error(err)
		}
	}()
	ctx := gateway.WithPeer(t.Context(), gateway.Peer{User: "root"})
	ask := func(method, path, handle string) *httptest.ResponseRecorder {
		req := httptest.NewRequestWithContext(ctx, method, path, nil)
		if handle != "" {
			req.Header.Set("X-Auth-Token", handle)
		}
		w := httptest.NewRecorder()
		e.handler.ServeHTTP(w, req)
		return w
	}
	good := ask("POST", "/ilod/v1/sessions", "").Header().Get("X-Auth-Token")
	var shown [2]api.Status
	status := func(i int) {
		if err := json.Unmarshal(ask("GET", "/ilod/v1/status", good).Body.Bytes(), &shown[i]); err != nil {
			t.Fatal(err)
		}
	}
	status(0)
	for i := range 100_000 {
		forged := []byte(good)
		forged[i%len(forged)] ^= byte(1 + i%7)
		if w := ask("GET", "/redfish/v1/Systems/1/", string(forged)); w.Code != http.StatusUnauthorized {
			t.Fatalf("%q: %d", forged, w.Code)
		}
	}
	status(1)
	if got := shown[1].Clients; got.Forged != 100_000 || got.Sessions != shown[0].Clients.Sessions || got.Lookups != shown[0].Clients.Lookups+1 {
		t.Errorf("%+v became %+v", shown[0].Clients, got)
	}
	if n := h.server.Stats(); len(n.Packets) != 0 || h.asked() != 0 {
		t.Errorf("%+v", n)
	}
}

// TestForceSessions: nothing without a client session, but for the process of the
// engine itself.
func TestForceSessions(t *testing.T) {
	h := newHost(t, redfish.Options{})
	h.config.Clients.ForceSessions = true
	r := h.run(t, h.options(t))
	const path = "/redfish/v1/Systems/1/"
	r.ask(t, "", "GET", path, "").want(t, 401, "SessionRequired")
	_, handle := r.session(t)
	r.ask(t, handle, "GET", path, "").want(t, 200, "")
	r.end(t)

	e, err := Start(t.Context(), h.options(t))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := e.Stop(); err != nil {
			t.Error(err)
		}
	}()
	req, err := http.NewRequestWithContext(t.Context(), "GET", "http://ilo"+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := e.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	if resp.Body.Close(); resp.StatusCode != 200 {
		t.Error(resp.Status)
	}
}

// TestTheExpiryOfASessionIsToldWithoutARequest: its line of the log does not wait for
// somebody to ask.
func TestTheExpiryOfASessionIsToldWithoutARequest(t *testing.T) {
	h := newHost(t, redfish.Options{})
	o := h.options(t)
	o.Config.Clients.InactivityTimeout = Duration(2 * time.Second)
	expired := make(chan string, 8)
	o.Log.(*logrus.Logger).AddHook(hookFunc(func(e *logrus.Entry) {
		if e.Data["event"] == string(api.SessionExpired) {
			expired <- e.Data["session"].(string)
		}
	}))
	r := h.run(t, o)
	s, _ := r.session(t)
	if id := <-expired; id != s.ID {
		t.Errorf("%s has expired, not %s", id, s.ID)
	}
	r.end(t)
}

// hookFunc sees each line of a log.
type hookFunc func(*logrus.Entry)

func (hookFunc) Levels() []logrus.Level { return logrus.AllLevels }

func (f hookFunc) Fire(e *logrus.Entry) error {
	f(e)
	return nil
}
