package gateway

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ilod/ilod/agent/api"
	"github.com/ilod/ilod/agent/clients"
	"github.com/ilod/ilod/agent/ilopath"
	"github.com/ilod/ilod/chif/chiftest/tree"
)

// sessionOf reads a client session from an answer.
func sessionOf(t *testing.T, w *httptest.ResponseRecorder, status int) (s api.Session) {
	t.Helper()
	if w.Code != status {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	if err := json.Unmarshal(w.Body.Bytes(), &s); err != nil {
		t.Fatal(err)
	}
	return s
}

// newSession makes a client session and returns it with its handle.
func newSession(t *testing.T, g *Gateway, p *Peer, header ...string) (api.Session, string) {
	t.Helper()
	w := ask(g, p, "POST", "/ilod/v1/sessions", `{"name":"mine"}`, header...)
	s := sessionOf(t, w, 201)
	handle := w.Header().Get(tokenHeader)
	if handle == "" || w.Header().Get("Location") != s.Path || s.Path != "/ilod/v1/sessions/"+s.ID || s.Name != "mine" || s.Default {
		t.Fatalf("%v %+v", w.Header(), s)
	}
	return s, handle
}

func TestClientSessionResources(t *testing.T) {
	n := &next{}
	g := newGateway(t, Options{Next: n})
	first, handle := newSession(t, g, &reader)
	if first.Owner != "uid:1002" || first.User != "1002" {
		t.Errorf("%+v", first)
	}

	// "current" is the session of the handle, or else the default one.
	if s := sessionOf(t, ask(g, &reader, "GET", "/ilod/v1/sessions/current", "", tokenHeader, handle), 200); s.ID != first.ID || !s.Current {
		t.Errorf("%+v", s)
	}
	byDefault := sessionOf(t, ask(g, &reader, "GET", "/ilod/v1/sessions/current", ""), 200)
	if byDefault.ID == first.ID || !byDefault.Default || !byDefault.Current {
		t.Errorf("%+v", byDefault)
	}
	if s := sessionOf(t, ask(g, &reader, "GET", first.Path, ""), 200); s.Current {
		t.Errorf("%+v", s)
	}

	// Others see none of them, an admin all.
	other, _ := newSession(t, g, &operator)
	ids := func(p *Peer) (ids []string) {
		var list struct{ Members []api.Session }
		w := ask(g, p, "GET", "/ilod/v1/sessions", "")
		if err := json.Unmarshal(w.Body.Bytes(), &list); err != nil {
			t.Fatal(err, w.Body)
		}
		for _, s := range list.Members {
			if !s.Default {
				ids = append(ids, s.ID)
			}
		}
		return ids
	}
	if diff := cmp.Diff([][]string{{first.ID}, {other.ID}, {first.ID, other.ID}}, [][]string{ids(&reader), ids(&operator), ids(&root)}); diff != "" {
		t.Error(diff)
	}
	for _, method := range []string{"GET", "PATCH", "DELETE"} {
		wantFailure(t, ask(g, &operator, method, first.Path, "{}"), 404, "ResourceMissingAtURI")
	}
	wantFailure(t, ask(g, &operator, "POST", first.Path+"/handle", ""), 404, "ResourceMissingAtURI")
	wantFailure(t, ask(g, &root, "POST", first.Path+"/handle", ""), 403, "InsufficientPrivilege")
	wantFailure(t, ask(g, &reader, "GET", "/ilod/v1/sessions/ilod-0000000000000000", ""), 404, "ResourceMissingAtURI")
	if s := sessionOf(t, ask(g, &root, "PATCH", first.Path, `{"output":"raw"}`), 200); s.Output != "raw" || s.Current {
		t.Errorf("%+v", s)
	}

	// What ends a session is told apart.
	if w := ask(g, &reader, "DELETE", "/ilod/v1/sessions/current", "", tokenHeader, handle); w.Code != 204 || w.Body.Len() != 0 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	wantFailure(t, ask(g, &reader, "GET", "/ilod/v1/status", "", tokenHeader, handle), 401, "SessionTerminated")
	wantFailure(t, ask(g, &reader, "POST", first.Path+"/handle", ""), 404, "ResourceMissingAtURI")
	if n.count() != 0 {
		t.Errorf("%d requests went to the iLO", n.count())
	}
}

func TestVariables(t *testing.T) {
	g := newGateway(t, Options{})
	_, handle := newSession(t, g, &reader)
	patch := func(body string, header ...string) *httptest.ResponseRecorder {
		return ask(g, &reader, "PATCH", "/ilod/v1/sessions/current", body, append(header, tokenHeader, handle)...)
	}
	s := sessionOf(t, patch(`{"activePath":"/redfish/v1/Systems/1","recursive":true,"returnedPath":"leaf","output":"json","selection":"Bios."}`, "Content-Type", "application/json"), 200)
	want := api.Variables{ActivePath: "/redfish/v1/Systems/1/", Recursive: true, ReturnedPath: "leaf", Output: "json", Selection: "Bios."}
	if diff := cmp.Diff(want, s.Variables); diff != "" || !s.Current {
		t.Error(diff)
	}
	for _, c := range []struct {
		body   string
		status int
		key    string
	}{
		{`{"Color":"red"}`, 400, "PropertyUnknown"},
		{`{"owner":"uid:0"}`, 400, "PropertyUnknown"},
		{`{"activepath":"/redfish/v1"}`, 400, "PropertyUnknown"},
		{`{"recursive":"yes"}`, 400, "PropertyValueTypeError"},
		{`{"output":7}`, 400, "PropertyValueTypeError"},
		{`{"output":"xml"}`, 400, "PropertyValueFormatError"},
		{`{"activePath":"/etc"}`, 400, "PropertyValueFormatError"},
		{`{"activePath":"/redfish/v1/../../etc"}`, 400, "PropertyValueFormatError"},
		{`{"output":"raw","output":"json"}`, 400, "MalformedJSON"},
		{`{"output":"raw"} {}`, 400, "MalformedJSON"},
		{`["Output"]`, 400, "MalformedJSON"},
		{`{"Output"`, 400, "MalformedJSON"},
		{strings.Repeat(" ", maxSettings+1), 413, "PayloadTooLarge"},
	} {
		wantFailure(t, patch(c.body), c.status, c.key)
	}
	wantFailure(t, patch(`{}`, "Content-Type", "text/plain"), 415, "HeaderInvalid")
	if s := sessionOf(t, patch(``), 200); s.Variables != want {
		t.Errorf("a refused request has changed %+v", s)
	}
	// The default session has its own.
	if s := sessionOf(t, ask(g, &reader, "GET", "/ilod/v1/sessions/current", ""), 200); s.ActivePath != clients.Root || s.Recursive {
		t.Errorf("%+v", s)
	}
	s = sessionOf(t, patch(`{"activePath":null,"recursive":null,"returnedPath":null,"output":null,"selection":null}`), 200)
	if diff := cmp.Diff(api.Variables{ActivePath: clients.Root, ReturnedPath: "full", Output: "text"}, s.Variables); diff != "" {
		t.Error(diff)
	}
}

func TestTerminateUser(t *testing.T) {
	g := newGateway(t, Options{})
	_, handle := newSession(t, g, &reader)
	newSession(t, g, &operator)
	newSession(t, g, &operator)
	for query, key := range map[string]string{"": "QueryNotSupported", "?user": "QueryNotSupported", "?user=a&user=b": "QueryNotSupported", "?usr=olga": "QueryNotSupported"} {
		wantFailure(t, ask(g, &root, "DELETE", "/ilod/v1/sessions"+query, ""), 400, key)
	}
	wantFailure(t, ask(g, &reader, "DELETE", "/ilod/v1/sessions?user=olga", ""), 403, "InsufficientPrivilege")
	ended := func(p *Peer, user string) (ids []string) {
		w := ask(g, p, "DELETE", "/ilod/v1/sessions?user="+user, "")
		var result struct{ Terminated []string }
		if err := json.Unmarshal(w.Body.Bytes(), &result); err != nil || w.Code != 200 || result.Terminated == nil {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		return result.Terminated
	}
	if got := ended(&root, "olga"); len(got) != 2 {
		t.Errorf("%v", got)
	}
	if got := ended(&root, "nobody"); len(got) != 0 {
		t.Errorf("%v", got)
	}
	if got := ended(&reader, "1002"); len(got) == 0 {
		t.Errorf("%v", got)
	}
	wantFailure(t, ask(g, &reader, "GET", "/ilod/v1/status", "", tokenHeader, handle), 401, "SessionTerminated")
}

// TestHandles: after the iLO session has changed, or the key, the owner gets a
// new handle of the same session.
func TestHandles(t *testing.T) {
	g := newGateway(t, Options{Status: statusOf, Accounts: testAccounts})
	first, handle := newSession(t, g, &operator)
	login := ask(g, &operator, "POST", sessionsPath, "").Header().Get(tokenHeader)
	get := func(handle string) *httptest.ResponseRecorder {
		return ask(g, &operator, "GET", "/ilod/v1/status", "", tokenHeader, handle)
	}
	g.clients.Bump("test")
	wantFailure(t, get(handle), 401, "SessionVersionStale")
	if w := get(login); w.Code != 200 {
		t.Errorf("a Redfish client, which knows no versions, gets %d", w.Code)
	}
	renew := func() string {
		w := ask(g, &operator, "POST", first.Path+"/handle", "", tokenHeader, handle)
		if s := sessionOf(t, w, 200); s.ID != first.ID {
			t.Errorf("%+v", s)
		}
		return w.Header().Get(tokenHeader)
	}
	if w := get(renew()); w.Code != 200 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	wantFailure(t, ask(g, nil, "POST", first.Path+"/handle", "", "Authorization", basicHeader("remote", testPassword)), 403, "InsufficientPrivilege")

	wantFailure(t, ask(g, &operator, "POST", "/ilod/v1/sessions/key", ""), 403, "InsufficientPrivilege")
	handle = renew()
	if w := ask(g, &root, "POST", "/ilod/v1/sessions/key", ""); w.Code != 204 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	wantFailure(t, get(handle), 401, "SessionHandleInvalid")
	wantFailure(t, get(login), 401, "SessionHandleInvalid")
	if w := get(renew()); w.Code != 200 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func basicHeader(name, password string) string {
	r := httptest.NewRequest("GET", "/", nil)
	r.SetBasicAuth(name, password)
	return r.Header.Get("Authorization")
}

// TestAccountSessions: an account of the TLS listener has no default session, and
// the role that it has now.
func TestAccountSessions(t *testing.T) {
	all := openClients(t, clients.DefaultLimits())
	n := &next{}
	g := newGateway(t, Options{Next: n, Clients: all, Accounts: testAccounts})
	basic := []string{"Authorization", basicHeader("remote", testPassword)}
	wantFailure(t, ask(g, nil, "GET", "/ilod/v1/sessions/current", "", basic...), 404, "ResourceMissingAtURI")
	wantFailure(t, ask(g, nil, "GET", "/ilod/v1/active/Systems", "", basic...), 401, "SessionRequired")
	s, handle := newSession(t, g, nil, basic...)
	if s.Owner != "account:remote" || s.User != "remote" {
		t.Errorf("%+v", s)
	}
	write := func(g *Gateway) *httptest.ResponseRecorder {
		// The handle wins over the login.
		return ask(g, nil, "PATCH", "/redfish/v1/Systems/1", "{}", tokenHeader, handle, "Authorization", basicHeader("remote", "wrong"))
	}
	if w := write(g); w.Code != 200 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	wantFailure(t, ask(g, &operator, "GET", "/redfish/v1/Systems", "", tokenHeader, handle), 401, "SessionHandleInvalid")
	for want, accounts := range map[string][]Account{
		"InsufficientPrivilege": {{"remote", testPassword, Reader}},
		"SessionHandleInvalid":  {{"another", testPassword, Admin}},
	} {
		status := 401
		if want == "InsufficientPrivilege" {
			status = 403
		}
		wantFailure(t, write(newGateway(t, Options{Next: n, Clients: all, Accounts: accounts})), status, want)
	}
}

func TestLimits(t *testing.T) {
	g := newGateway(t, Options{Status: statusOf})
	w := ask(g, &reader, "GET", "/ilod/v1/limits", "")
	const want = `{"maxSessions":4096,"maxSessionsPerUser":1024,"inactivityTimeout":1800,"lifetime":0,"transactionTimeout":300,"forceSessions":false,"whenFull":"reject","strictJSON":true,"from":{`
	if w.Code != 200 || !strings.HasPrefix(w.Body.String(), want) || strings.Count(w.Body.String(), `":"default"`) != 8 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	patch := func(body string) *httptest.ResponseRecorder {
		return ask(g, &root, "PATCH", "/ilod/v1/limits", body)
	}
	wantFailure(t, patch(`{"maxSessions":-1}`), 400, "PropertyValueFormatError")
	wantFailure(t, patch(`{"maxSessions":"many"}`), 400, "PropertyValueTypeError")
	wantFailure(t, patch(`{"Maximum":1}`), 400, "PropertyUnknown")
	if w := patch(`{"maxSessionsPerUser":2,"whenFull":"ask","lifetime":86400}`); w.Code != 200 || !strings.Contains(w.Body.String(), `"maxSessionsPerUser":2,"inactivityTimeout":1800,"lifetime":86400,`) {
		t.Errorf("%d %s", w.Code, w.Body)
	}

	// What is null is given back, alone or beside others; the earlier spelling counts, too.
	if w := patch(`{"Lifetime":null,"whenFull":"ask"}`); w.Code != 200 || !strings.Contains(w.Body.String(), `"lifetime":0,`) ||
		!strings.Contains(w.Body.String(), `"lifetime":"default","maxSessions":"default","maxSessionsPerUser":"set",`) {
		t.Errorf("%d %s", w.Code, w.Body)
	}

	// The refusal names those that may be ended; a wrong choice changes nothing.
	first, handle := newSession(t, g, &reader)
	second, _ := newSession(t, g, &reader)
	others, _ := newSession(t, g, &operator)
	full := ask(g, &reader, "POST", "/ilod/v1/sessions", "")
	wantFailure(t, full, 503, "SessionLimit")
	var refusal struct {
		Error struct {
			Info []struct {
				Oem struct {
					Ilod struct{ Candidates []api.Session }
				}
			} `json:"@Message.ExtendedInfo"`
		}
	}
	if err := json.Unmarshal(full.Body.Bytes(), &refusal); err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, s := range refusal.Error.Info[0].Oem.Ilod.Candidates {
		ids = append(ids, s.ID)
	}
	slices.Sort(ids)
	wanted := []string{first.ID, second.ID}
	slices.Sort(wanted)
	if diff := cmp.Diff(wanted, ids); diff != "" {
		t.Error(diff)
	}
	before := g.clients.Stats().Sessions
	for _, wrong := range []string{others.ID, "ilod-0000000000000000", "x"} {
		if w := ask(g, &reader, "POST", "/ilod/v1/sessions?terminate="+wrong, ""); w.Code < 400 {
			t.Errorf("%s: %d %s", wrong, w.Code, w.Body)
		}
	}
	if now := g.clients.Stats().Sessions; now != before {
		t.Errorf("%d sessions, had %d", now, before)
	}
	if w := ask(g, &reader, "POST", sessionsPath+"?terminate="+first.ID, ""); w.Code != 201 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	wantFailure(t, ask(g, &reader, "GET", "/ilod/v1/status", "", tokenHeader, handle), 401, "SessionTerminated")
	wantFailure(t, ask(g, &reader, "POST", "/ilod/v1/sessions?end="+second.ID, ""), 400, "QueryNotSupported")
}

// TestForceSessions: without a handle nothing but a login and the service root.
func TestForceSessions(t *testing.T) {
	n := &next{}
	g := newGateway(t, Options{Next: n, Status: statusOf})
	if w := ask(g, &root, "PATCH", "/ilod/v1/limits", `{"forceSessions":true}`); w.Code != 200 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	for _, path := range []string{"/redfish/v1/Systems", "/ilod/v1/status", "/ilod/v1/limits", "/ilod/v1/sessions/current"} {
		w := ask(g, &operator, "GET", path, "")
		wantFailure(t, w, 401, "SessionRequired")
		if !strings.Contains(w.Body.String(), "olga") {
			t.Errorf("the user is not named: %s", w.Body)
		}
	}
	if n.count() != 0 {
		t.Errorf("%d requests went to the iLO", n.count())
	}
	if w := ask(g, &operator, "GET", "/redfish/v1/", ""); w.Code != 200 {
		t.Errorf("the service root: %d", w.Code)
	}
	_, handle := newSession(t, g, &operator)
	if w := ask(g, &operator, "GET", "/redfish/v1/Systems", "", tokenHeader, handle); w.Code != 200 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := ask(g, &operator, "POST", sessionsPath, ""); w.Code != 201 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// TestActivePath: the path to which the active path leads decides who may do
// what, and by whom it is answered.
func TestActivePath(t *testing.T) {
	n := &next{}
	all := openClients(t, clients.DefaultLimits())
	g := newGateway(t, Options{Clients: all, Next: &clients.Stage{Next: n, Registry: all, Allowed: Allowed}})
	for _, c := range []struct {
		peer           *Peer
		active, method string
		relative       string
		status         int
		want           string // the path that the iLO sees, or the key of the refusal
	}{
		{&reader, "/redfish/v1/Systems/1", "GET", "Bios/Settings/", 200, "/redfish/v1/Systems/1/Bios/Settings/"},
		{&reader, "/redfish/v1/Systems/1", "GET", "", 200, "/redfish/v1/Systems/1/"},
		{&reader, "/redfish/v1/Systems/1", "PATCH", "Bios/Settings", 403, "InsufficientPrivilege"},
		{&operator, "/redfish/v1/Systems/1", "PATCH", "Bios/Settings", 200, "/redfish/v1/Systems/1/Bios/Settings"},
		{&operator, "/redfish/v1/AccountService", "GET", "Accounts/1", 403, "InsufficientPrivilege"},
		{&operator, "/redfish/v1/AccountService", "GET", "", 403, "InsufficientPrivilege"},
		{&operator, "/redfish/v1/ACCOUNTservice", "DELETE", "Accounts/1", 403, "InsufficientPrivilege"},
		{&operator, "/redfish/v1/%41ccountService", "GET", "Accounts", 403, "InsufficientPrivilege"},
		{&operator, "/redfish/v1", "GET", "AccountService/Accounts", 403, "InsufficientPrivilege"},
		{&operator, "/redfish/v1/Managers", "POST", "1/Actions/Manager.Reset", 403, "InsufficientPrivilege"},
		{&operator, "/redfish/v1/SessionService/Sessions", "DELETE", "bob", 403, "InsufficientPrivilege"},
		{&operator, "/redfish/v1/SessionService", "POST", "Sessions/x", 405, "OperationNotAllowed"},
		{&operator, "/redfish/v1", "PATCH", "Systems/1", 405, "OperationNotAllowed"},
		{&operator, "/redfish/v1/Systems", "GET", "%2e%2e/AccountService", 400, "InvalidURI"},
		{&operator, "/redfish/v1/Systems", "GET", "a%2fb", 400, "InvalidURI"},
		{&root, "/redfish/v1/AccountService", "PATCH", "Accounts/1", 200, "/redfish/v1/AccountService/Accounts/1"},
	} {
		if _, err := all.Set(current(t, g, c.peer), func(v *api.Variables) error { v.ActivePath = c.active; return nil }); err != nil {
			t.Errorf("%s: %v", c.active, err)
			continue
		}
		before := n.count()
		w := ask(g, c.peer, c.method, "/ilod/v1/active/"+c.relative, "{}")
		if c.status != 200 {
			wantFailure(t, w, c.status, c.want)
			if n.count() != before {
				t.Errorf("%s %s: the iLO was asked", c.active, c.relative)
			}
			if c.status == 405 && w.Header().Get("Allow") == "" {
				t.Error("no Allow")
			}
			continue
		}
		if r, _ := n.last(); n.count() != before+1 || w.Code != 200 || r.URL.Path != c.want {
			t.Errorf("%s %s: %d, %d requests, the last one of %s", c.active, c.relative, w.Code, n.count()-before, r.URL)
		}
	}

	// A login through the active path is one at the agent.
	if _, err := all.Set(current(t, g, &reader), func(v *api.Variables) error { v.ActivePath = "/redfish/v1/SessionService"; return nil }); err != nil {
		t.Fatal(err)
	}
	before := n.count()
	if w := ask(g, &reader, "POST", "/ilod/v1/active/Sessions/", `{}`); w.Code != 201 || n.count() != before {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// current is the id of a user's default session.
func current(t *testing.T, g *Gateway, p *Peer) string {
	t.Helper()
	return sessionOf(t, ask(g, p, "GET", "/ilod/v1/sessions/current", ""), 200).ID
}

// TestActivePathVanishes: what takes the place of the active path is judged, too.
func TestActivePathVanishes(t *testing.T) {
	n := &next{answer: func(r *http.Request) (*http.Response, error) {
		if strings.HasPrefix(r.URL.Path, "/redfish/v1/Systems/Gone") {
			return respond(404, "{}"), nil
		}
		return respond(200, `{"path":"`+r.URL.Path+`"}`, "Content-Type", "application/json"), nil
	}}
	all := openClients(t, clients.DefaultLimits())
	g := newGateway(t, Options{Clients: all, Next: &clients.Stage{Next: n, Registry: all, Allowed: Allowed}})
	for _, c := range []struct {
		peer   *Peer
		method string
		path   string
		status int
	}{
		{&operator, "GET", "Systems", 200}, {&operator, "GET", "AccountService/Accounts", 404}, {&root, "GET", "AccountService/Accounts", 200}, {&operator, "PATCH", "Systems/1", 404},
	} {
		if _, err := all.Set(current(t, g, c.peer), func(v *api.Variables) error { v.ActivePath = "/redfish/v1/Systems/Gone"; return nil }); err != nil {
			t.Fatal(err)
		}
		w := ask(g, c.peer, c.method, "/ilod/v1/active/"+c.path, "")
		if w.Code != c.status || w.Header().Get(clients.ActivePathHeader) != clients.Root {
			t.Errorf("%s %s: %d %v %s", c.method, c.path, w.Code, w.Header(), w.Body)
		}
		if s := sessionOf(t, ask(g, c.peer, "GET", "/ilod/v1/sessions/current", ""), 200); s.ActivePath != clients.Root {
			t.Errorf("%+v", s)
		}
	}
}

// TestRecursiveReadsHoldNoSessions of the iLO, whoever asks, wherever they begin
// and however a link spells them; their collection is like any other.
func TestRecursiveReadsHoldNoSessions(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(tree.Testdata(t), "trees", "*.jsonl.gz"))
	if err != nil || len(files) < 4 {
		t.Fatal("trees:", files, err)
	}
	isSession := regexp.MustCompile(`^/redfish/v1/(sessionservice/sessions.+|sessions/.+)`)
	for _, file := range files {
		resources, err := tree.Load(file)
		if err != nil {
			t.Fatal(err)
		}
		var asked []string
		ilo := &greedy{resources, map[string][]byte{}}
		all := openClients(t, clients.DefaultLimits())
		g := newGateway(t, Options{Clients: all, Next: Way(&next{answer: func(r *http.Request) (*http.Response, error) {
			asked = append(asked, ilopath.Canonical(r.URL.Path))
			return ilo.RoundTrip(r)
		}}, all)})
		for _, peer := range []*Peer{&reader, &operator, &root} {
			for _, start := range []string{"/redfish/v1/SessionService/Sessions", "/rest/v1/SESSIONservice/", "/redfish/v1/%53essionService/", "/ilod/v1/active/SessionService", "/redfish/v1"} {
				asked = nil
				w := ask(g, peer, "GET", start, "", clients.RecursiveHeader, "true")
				var answer struct {
					Resources []struct {
						ID string `json:"@odata.id"`
					}
				}
				if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || w.Code != 200 || len(answer.Resources) != len(asked) {
					t.Fatalf("%s: %d, %d resources of %d, %v", start, w.Code, len(answer.Resources), len(asked), err)
				}
				for _, r := range answer.Resources {
					asked = append(asked, ilopath.Canonical(r.ID))
				}
				if i := slices.IndexFunc(asked, isSession.MatchString); i >= 0 {
					t.Errorf("%s of %s holds %s", start, peer.User, asked[i])
				}
				if !slices.Contains(asked, "/redfish/v1/sessionservice/sessions") {
					t.Errorf("%s of %s is without the collection", start, peer.User)
				}
			}
		}
	}
}

// TestRecursiveReads: they go no further than the caller may.
func TestRecursiveReads(t *testing.T) {
	_, rt := simulated(t)
	all := openClients(t, clients.DefaultLimits())
	g := newGateway(t, Options{Clients: all, Accounts: testAccounts, Next: &clients.Stage{Next: rt, Registry: all, Allowed: Allowed}})
	read := func(p *Peer, path string, header ...string) []string {
		t.Helper()
		w := ask(g, p, "GET", path, "", header...)
		var answer struct {
			Count     int `json:"Resources@odata.count"`
			Resources []struct {
				ID string `json:"@odata.id"`
			}
		}
		if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || w.Code != 200 || answer.Count != len(answer.Resources) {
			t.Fatalf("%d %v %.300s", w.Code, err, w.Body)
		}
		var ids []string
		for _, r := range answer.Resources {
			ids = append(ids, r.ID)
		}
		return ids
	}
	accounts := func(ids []string) bool {
		return slices.ContainsFunc(ids, func(id string) bool { return strings.HasPrefix(id, "/redfish/v1/AccountService") })
	}
	recursive := []string{clients.RecursiveHeader, "true"}
	if ids := read(&root, "/redfish/v1/", recursive...); !accounts(ids) {
		t.Errorf("an admin does not get all of %d", len(ids))
	}
	if ids := read(&operator, "/redfish/v1/", recursive...); accounts(ids) || len(ids) < 10 {
		t.Errorf("an operator gets %d resources, %v", len(ids), accounts(ids))
	}
	if ids := read(&operator, "/ilod/v1/active/Systems", recursive...); accounts(ids) || len(ids) < 2 {
		t.Errorf("below the active path an operator gets %v", ids)
	}
	wantFailure(t, ask(g, &operator, "GET", "/redfish/v1/AccountService", "", recursive...), 403, "InsufficientPrivilege")
	wantFailure(t, ask(g, &operator, "GET", "/redfish/v1/Systems", "", clients.RecursiveHeader, "deeply"), 400, "HeaderInvalid")
	// Who has not logged in gets what is open to everybody, alone.
	if w := ask(g, nil, "GET", "/redfish/v1/", "", recursive...); w.Code != 200 || strings.Contains(w.Body.String(), "Resources@odata.count") {
		t.Errorf("%d %.100s", w.Code, w.Body)
	}
	if _, err := all.Set(current(t, g, &reader), func(v *api.Variables) error { v.Recursive, v.Output = true, "json"; return nil }); err != nil {
		t.Fatal(err)
	}
	if ids := read(&reader, "/redfish/v1/"); accounts(ids) || len(ids) < 10 {
		t.Errorf("a reader gets %d resources", len(ids))
	}
	w := ask(g, &reader, "GET", "/redfish/v1/Systems/", "", clients.RecursiveHeader, "false")
	if strings.Contains(w.Body.String(), "Resources@odata.count") || w.Header().Get(clients.OutputHeader) != "json" {
		t.Errorf("%v %.100s", w.Header(), w.Body)
	}
}

// TestOneRequestPerSession: with a timeout of 0 a session is good for one
// request.
func TestOneRequestPerSession(t *testing.T) {
	limits := clients.DefaultLimits()
	limits.InactivityTimeout = 0
	g := newGateway(t, Options{Status: statusOf, Clients: openClients(t, limits)})
	_, handle := newSession(t, g, &operator)
	if w := ask(g, &operator, "GET", "/ilod/v1/status", "", tokenHeader, handle); w.Code != 200 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	wantFailure(t, ask(g, &operator, "GET", "/ilod/v1/status", "", tokenHeader, handle), 401, "SessionExpired")
	for range 2 {
		if w := ask(g, &operator, "GET", "/ilod/v1/status", ""); w.Code != 200 {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	}
}

// TestFormerNamesAreTaken: a client may name a property as earlier versions did, with a
// capital letter first, but not in both ways at once.
func TestFormerNamesAreTaken(t *testing.T) {
	g := newGateway(t, Options{})
	patch := func(body string) *httptest.ResponseRecorder { return ask(g, &root, "PATCH", "/ilod/v1/limits", body) }
	for _, name := range []string{"maxSessions", "MaxSessions"} {
		if w := patch(`{"` + name + `":9}`); w.Code != 200 || !strings.Contains(w.Body.String(), `"maxSessions":9,`) {
			t.Errorf("%d %s", w.Code, w.Body)
		}
		if w := patch(`{"` + name + `":null}`); w.Code != 200 || !strings.Contains(w.Body.String(), `"maxSessions":4096,`) {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	}
	wantFailure(t, patch(`{"maxSessions":9,"MaxSessions":10}`), 400, "PropertyUnknown")
	wantFailure(t, patch(`{"MAXSessions":9}`), 400, "PropertyUnknown")
	wantFailure(t, patch(`{"":9}`), 400, "PropertyUnknown")
}
