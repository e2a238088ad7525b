package chiftest

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ilod/ilod/chif/chiftest/redfish"
	"github.com/ilod/ilod/chif/chiftest/tree"
)

// newService is a Redfish service over a tree with just a root and a manager.
func newService(tb testing.TB, foreign ...redfish.Foreign) *redfish.Service {
	tb.Helper()
	var resources []tree.Resource
	for uri, body := range map[string]string{
		"/redfish/v1":                         `{"@odata.id":"/redfish/v1","@odata.type":"#ServiceRoot.v1_5_1.ServiceRoot"}`,
		"/redfish/v1/Managers/1":              `{"@odata.id":"/redfish/v1/Managers/1","@odata.type":"#Manager.v1_5_1.Manager","Actions":{"#Manager.Reset":{"target":"/redfish/v1/Managers/1/Actions/Manager.Reset"}}}`,
		"/redfish/v1/SessionService":          `{"@odata.id":"/redfish/v1/SessionService","@odata.type":"#SessionService.v1_0_0.SessionService"}`,
		"/redfish/v1/SessionService/Sessions": `{"@odata.id":"/redfish/v1/SessionService/Sessions","@odata.type":"#SessionCollection.SessionCollection","Members":[]}`,
	} {
		resources = append(resources, tree.Resource{URI: uri, Status: http.StatusOK, Body: []byte(body)})
	}
	small, err := tree.New(resources)
	if err != nil {
		tb.Fatal(err)
	}
	s, err := redfish.New(redfish.Options{Tree: small, Foreign: foreign})
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

const login = "POST /redfish/v1/SessionService/Sessions/ HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 36\r\n\r\n" +
	`{"UserName": null, "Password": null}`

// withToken sends one HTTP request in the session of a login answer.
func (h *host) withToken(loginAnswer, method, path string) string {
	h.Helper()
	_, token, _ := strings.Cut(loginAnswer, "X-Auth-Token: ")
	return h.inline(h.exchange(restPacket("r", method+" "+path+" HTTP/1.1\r\nX-Auth-Token: "+token[:32]+"\r\n\r\n")))
}

// sessionPath is the path in a login answer's Location.
func sessionPath(loginAnswer string) string {
	_, location, _ := strings.Cut(loginAnswer, "Location: https://")
	path, _, _ := strings.Cut(location, "\r\n")
	return path
}

func TestCheckSeesSessions(t *testing.T) {
	service := newService(t, redfish.Foreign{UserTag: "Web UI"})
	s, err := NewServer(Options{Handler: service})
	if err != nil {
		t.Fatal(err)
	}
	h := newHost(t, s)
	answer := h.inline(h.exchange(restPacket("r", login)))
	all := service.Sessions()
	if err := s.Check(); err == nil || !strings.Contains(err.Error(), "channel 0 is open") || !strings.Contains(err.Error(), all[1].ID) {
		t.Errorf("Check: %v", err)
	}
	if a := h.withToken(answer, "DELETE", all[0].URI); !strings.HasPrefix(a, "HTTP/1.1 200 ") {
		t.Errorf("DELETE of the foreign session: %.80q", a)
	}
	h.withToken(answer, "DELETE", sessionPath(answer))
	h.port.Close()
	if err := s.Check(); err == nil || strings.Contains(err.Error(), all[1].ID) || !strings.Contains(err.Error(), all[0].ID) {
		t.Errorf("Check: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// TestManagerReset: the action's answer goes out, then the iLO resets.
func TestManagerReset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		service := newService(t)
		s := newRaw(t, Options{Handler: service, Latency: time.Second, ResetDelay: time.Second, ResetDown: time.Minute})
		h := newHost(t, s)
		answer := h.inline(h.exchange(restPacket("r", login)))
		a := h.withToken(answer, "POST", "/redfish/v1/Managers/1/Actions/Manager.Reset/")
		if !strings.HasPrefix(a, "HTTP/1.1 200 ") {
			t.Fatalf("Manager.Reset: %.80q", a)
		}
		start := time.Now()
		<-h.port.Resets()
		synctest.Wait() // the sessions go after the ports
		if d := time.Since(start); d != time.Second || len(service.Sessions()) != 0 {
			t.Errorf("reset after %v with %d sessions", d, len(service.Sessions()))
		}
		h.port.Close()
		time.Sleep(time.Minute)
		newHost(t, s)
	})
}

func TestControl(t *testing.T) {
	needSockets(t)
	s := newRaw(t, Options{Handler: newService(t, redfish.Foreign{UserTag: "SSH"})})
	path := filepath.Join(t.TempDir(), "control")
	if err := s.ListenControl(path); err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}}
	defer transport.CloseIdleConnections()
	c, ctx := Client{transport}, t.Context()

	h := newHost(t, s)
	answer := h.inline(h.exchange(restPacket("r", login)))
	h.exchange(createPacket("b"))
	st, err := c.Stats(ctx)
	if err != nil || st.Redfish.Logins != 1 || st.ChannelsOpen != 1 || st.ChannelsMax != 1 || st.Blobs != 1 || st.Packets[OpCreate] != 1 || st.Packets[OpREST] != 1 {
		t.Errorf("stats %+v, %v", st, err)
	}
	if diff := cmp.Diff(s.Stats(), st); diff != "" {
		t.Errorf("stats, -server +client:\n%s", diff)
	}
	all, err := c.Sessions(ctx)
	if err != nil || len(all) != 2 || all[0].UserTag != "SSH" || all[1].Foreign {
		t.Errorf("sessions %+v, %v", all, err)
	}
	if err := c.Check(ctx); err == nil || err.Error() != s.Check().Error() {
		t.Errorf("check: %v", err)
	}
	h.withToken(answer, "DELETE", sessionPath(answer))
	if err := c.AdvanceClock(ctx, time.Hour); err != nil || s.redfish.Now().Before(time.Now().Add(59*time.Minute)) {
		t.Errorf("clock %v, %v", s.redfish.Now(), err)
	}
	want := Faults{
		Rules:   []Rule{{Op: OpREST, Method: "GET", Path: "/redfish/v1/Systems", Times: 1, Fault: FaultTruncate, Bytes: 20}, {Fault: FaultDelay, Duration: Duration(time.Second)}},
		Redfish: redfish.Faults{BiosUnregistered: true},
	}
	if err := c.SetFaults(ctx, want); err != nil {
		t.Fatal(err)
	}
	got, err := c.Faults(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(redfish.Faults{})); diff != "" {
		t.Errorf("faults, -want +got:\n%s", diff)
	}
	if err := c.SetFaults(ctx, Faults{}); err != nil || len(s.Faults().Rules) != 0 {
		t.Errorf("clearing faults: %v", err)
	}
	if err := c.SetFaults(ctx, Faults{Rules: []Rule{{Fault: "x"}}}); err == nil || !strings.Contains(err.Error(), `rule 0: unknown fault "x"`) {
		t.Errorf("invalid rule: %v", err)
	}
	if err := c.SetFaults(ctx, Faults{Redfish: redfish.Faults{Answers: []redfish.Answer{{Status: 7}}}}); err == nil {
		t.Error("invalid redfish fault accepted")
	}
	if err := c.Reset(ctx, 0); err != nil {
		t.Fatal(err)
	}
	<-h.port.Resets()
	h.port.Close()
	if err := c.Check(ctx); err != nil {
		t.Errorf("check: %v", err)
	}
}

// TestControlRejects: what the control interface cannot understand is an error
// that says so.
func TestControlRejects(t *testing.T) {
	s := newRaw(t, Options{Handler: echo})
	for _, c := range []struct {
		method, path, body string
		status             int
		want               string
	}{
		{"POST", "/faults", `{"rules":[{"fault":"stale","byte":1}]}`, 400, `unknown field \"byte\"`},
		{"POST", "/faults", `{"rules":[]} {}`, 400, "more than one"},
		{"POST", "/faults", `{"rules":[{"fault":"delay","duration":"soon"}]}`, 400, "soon"},
		{"POST", "/faults", `{"redfish":{"biosUnregistered":true}}`, 400, "not the simulated Redfish service"},
		{"POST", "/faults", ``, 400, "EOF"},
		{"POST", "/reset", `{"down":"-1s"}`, 400, "negative"},
		{"POST", "/clock", `{"advance":"1s"}`, 400, "not the simulated Redfish service"},
		{"PUT", "/stats", ``, 405, ""},
		{"GET", "/nothing", ``, 404, ""},
		{"GET", "/sessions", ``, 200, "[]"},
		{"DELETE", "/faults", ``, 204, ""},
	} {
		w := httptest.NewRecorder()
		s.Control().ServeHTTP(w, httptest.NewRequest(c.method, c.path, strings.NewReader(c.body)))
		if w.Code != c.status || !strings.Contains(w.Body.String(), c.want) {
			t.Errorf("%s %s %s: %d %s", c.method, c.path, c.body, w.Code, w.Body)
		}
		if w.Code == http.StatusBadRequest {
			var e errorBody
			if err := json.Unmarshal(w.Body.Bytes(), &e); err != nil || e.Error == "" {
				t.Errorf("%s %s: %s", c.method, c.path, w.Body)
			}
		}
	}
	broken := Client{roundTripper(func(r *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 500, Status: "500 Broken", Body: io.NopCloser(strings.NewReader("?")), Request: r}, nil
	})}
	if err := broken.Check(t.Context()); err == nil || err.Error() != "GET /check: 500 Broken" {
		t.Errorf("check: %v", err)
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
