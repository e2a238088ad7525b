package gateway

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stmcginnis/gofish"

	"github.com/ilod/ilod/agent/api"
	"github.com/ilod/ilod/agent/clients"
	"github.com/ilod/ilod/agent/ilosession"
	"github.com/ilod/ilod/chif/chiftest"
	"github.com/ilod/ilod/chif/chiftest/redfish"
)

// handlerTransport asks a handler as if over a channel.
type handlerTransport struct{ http.Handler }

func (h handlerTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	in := r.Clone(r.Context())
	in.RemoteAddr = chiftest.InBand
	in.RequestURI = r.URL.RequestURI()
	h.ServeHTTP(w, in)
	return w.Result(), nil
}

// simulated is the way to a simulated iLO, logged in.
func simulated(tb testing.TB) (*redfish.Service, http.RoundTripper) {
	tb.Helper()
	service, err := redfish.New(redfish.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	session, err := ilosession.Login(tb.Context(), handlerTransport{service}, ilosession.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	return service, session
}

func TestClientSession(t *testing.T) {
	n := &next{}
	g := newGateway(t, Options{Next: n})
	for _, path := range []string{"/redfish/v1/SessionService/Sessions", "/redfish/v1/SessionService/Sessions/", "/redfish/v1/Sessions/", "/rest/v1/Sessions",
		"/redfish/v1/SessionService/Sessions/Members", "/redfish/v1/sessionservice/sessions"} {
		w := ask(g, &reader, "POST", path, `{"UserName":"Administrator","Password":"pass"}`, "Content-Type", "application/json")
		h := w.Header()
		location, token := h.Get("Location"), h.Get(tokenHeader)
		if w.Code != 201 || token == "" || !strings.HasPrefix(location, sessionsPath+"/ilod-") || h.Get("ETag") == "" || h.Get("OData-Version") != "4.0" {
			t.Fatalf("%s: %d %v", path, w.Code, h)
		}
		created := decode(t, w.Body.Bytes())
		if created["@odata.id"] != location || created["@odata.etag"] != h.Get("ETag") || created["UserName"] != "1002" || created["@odata.type"] != "#Session.v1_0_0.Session" {
			t.Errorf("%v", created)
		}

		got := ask(g, &reader, "GET", location+"/", "", tokenHeader, token)
		if shown := decode(t, got.Body.Bytes()); got.Code != 200 || shown["@odata.id"] != location || shown["Id"] != created["Id"] || got.Header().Get(tokenHeader) != "" {
			t.Errorf("GET: %d %s", got.Code, got.Body)
		}
		if allow := got.Header().Get("Allow"); allow != "GET, HEAD, OPTIONS, DELETE" {
			t.Errorf("Allow: %s", allow)
		}
		if link := got.Header().Get("Link"); !strings.Contains(link, "rel=describedby") {
			t.Errorf("Link: %s", link)
		}
		if got := ask(g, &reader, "GET", location, "", "If-None-Match", `"x", W/`+ask(g, &reader, "GET", location, "").Header().Get("ETag")); got.Code != 304 || got.Body.Len() != 0 {
			t.Errorf("If-None-Match: %d", got.Code)
		}
		wantFailure(t, ask(g, &operator, "GET", location, ""), 404, "ResourceMissingAtURI")
		wantFailure(t, ask(g, &operator, "DELETE", location, ""), 404, "ResourceMissingAtURI")
		wantFailure(t, ask(g, &operator, "GET", "/redfish/v1/Systems", "", tokenHeader, token), 401, "SessionHandleInvalid")
		if got := ask(g, &root, "GET", location, ""); got.Code != 200 {
			t.Errorf("an admin gets %d", got.Code)
		}

		if got := ask(g, &reader, "DELETE", location, "", tokenHeader, token); got.Code != 200 {
			t.Errorf("DELETE: %d %s", got.Code, got.Body)
		}
		wantFailure(t, ask(g, &reader, "DELETE", location, "", tokenHeader, token), 401, "SessionTerminated")
		wantFailure(t, ask(g, &reader, "DELETE", location, ""), 404, "ResourceMissingAtURI")
	}
	if n.count() != 0 {
		t.Errorf("%d requests went to the iLO", n.count())
	}
}

// TestNotModifiedIsAboutTheSessionAsItWasShown: the ETag that a session was shown
// with says nothing about another body, and "*" about none.
func TestNotModifiedIsAboutTheSessionAsItWasShown(t *testing.T) {
	g := newGateway(t, Options{Next: &next{}})
	location := ask(g, &reader, "POST", sessionsPath, "").Header().Get("Location")
	shown := ask(g, &reader, "GET", location, "")
	tag := shown.Header().Get("ETag")
	for match, want := range map[string]int{tag: 304, `"x", W/` + tag: 304, "*": 200, `"x"`: 200, tag + "x": 200, strings.Trim(tag, `"`): 200} {
		if w := ask(g, &reader, "GET", location, "", "If-None-Match", match); w.Code != want || w.Header().Get("ETag") != tag || want == 200 && w.Body.String() != shown.Body.String() {
			t.Errorf("If-None-Match: %s: %d %v", match, w.Code, w.Header())
		}
	}
	s, err := g.clients.Get(lastOf(location))
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, change := range []func(){func() {}, func() { s.User = "another" }, func() { s.Owner = "another" }, func() { s.Created = s.Created.Add(time.Second) },
		func() { s.Used = s.Used.Add(time.Second) }, func() { s.Expires = s.Expires.Add(time.Second) }, func() { s.Current = true }} {
		change()
		w := httptest.NewRecorder()
		g.replySession(w, 200, s)
		seen[w.Header().Get("ETag")] = true
	}
	if len(seen) != 7 || !seen[tag] {
		t.Errorf("seven bodies have the ETags %v", seen)
	}
}

// lastOf is the last segment of a path.
func lastOf(path string) string { return path[strings.LastIndexByte(path, '/')+1:] }

func TestLoginBodies(t *testing.T) {
	g := newGateway(t, Options{Accounts: testAccounts})
	for _, c := range []struct {
		peer   *Peer
		body   string
		kind   string
		status int
		key    string
	}{
		{&reader, "", "", 201, ""},
		{&reader, " \n", "text/plain", 201, ""},
		{&reader, `{}`, "application/json; charset=utf-8", 201, ""},
		{&reader, `{"UserName":null,"Password":null}`, "", 201, ""},
		{&reader, `{"UserName":7}`, "application/json", 400, "MalformedJSON"},
		{&reader, `[]`, "application/json", 400, "MalformedJSON"},
		{&reader, `{"UserName":`, "application/json", 400, "MalformedJSON"},
		{&reader, `UserName=x`, "application/x-www-form-urlencoded", 415, "HeaderInvalid"},
		{&reader, strings.Repeat(" ", maxLogin+1), "", 413, "PayloadTooLarge"},
		{nil, "", "", 400, "PropertyMissing"},
		{nil, `{"UserName":"remote"}`, "application/json", 400, "PropertyMissing"},
		{nil, `{"UserName":"remote","Password":""}`, "application/json", 401, "ResourceAtUriUnauthorized"},
		{nil, `{"UserName":"root","Password":"` + testPassword + `"}`, "application/json", 401, "ResourceAtUriUnauthorized"},
		{nil, `{"UserName":"remote","Password":"` + testPassword + `"}`, "application/json", 201, ""},
	} {
		w := ask(g, c.peer, "POST", sessionsPath, c.body, "Content-Type", c.kind)
		if c.key != "" {
			wantFailure(t, w, c.status, c.key)
		} else if w.Code != c.status {
			t.Errorf("%.40q: %d %s", c.body, w.Code, w.Body)
		}
		if strings.Contains(w.Body.String(), testPassword) {
			t.Errorf("the password comes back: %s", w.Body)
		}
	}
	// A token that has expired does not keep its client from logging in anew.
	if w := ask(g, &reader, "POST", sessionsPath, "", tokenHeader, "expired"); w.Code != 201 {
		t.Errorf("with an old token: %d", w.Code)
	}
}

// TestTokensStayWhereTheyWereMade: neither listener takes the other's tokens.
func TestTokensStayWhereTheyWereMade(t *testing.T) {
	n := &next{}
	g := newGateway(t, Options{Next: n, Accounts: []Account{{"remote", testPassword, Reader}}})
	local := ask(g, &root, "POST", sessionsPath, "").Header().Get(tokenHeader)
	w := ask(g, nil, "POST", sessionsPath, `{"UserName":"remote","Password":"`+testPassword+`"}`, "Content-Type", "application/json")
	remote := w.Header().Get(tokenHeader)
	if got := ask(g, nil, "GET", "/redfish/v1/Systems", "", tokenHeader, remote); got.Code != 200 {
		t.Errorf("%d", got.Code)
	}
	wantFailure(t, ask(g, nil, "PATCH", "/redfish/v1/Systems/1", "{}", tokenHeader, remote), 403, "InsufficientPrivilege")
	before := n.count()
	wantFailure(t, ask(g, nil, "GET", "/redfish/v1/Systems", "", tokenHeader, local), 401, "SessionHandleInvalid")
	wantFailure(t, ask(g, &root, "GET", "/redfish/v1/Systems", "", tokenHeader, remote), 401, "SessionHandleInvalid")
	wantFailure(t, ask(g, &root, "GET", "/redfish/v1/Systems", "", tokenHeader, local, tokenHeader, local), 401, "SessionHandleInvalid")
	wantFailure(t, ask(g, nil, "GET", "/redfish/v1/Systems", "", "Authorization", "Basic cmVtb3RlOng="), 401, "NoValidSession")
	if n.count() != before {
		t.Error("a refused request reached the iLO")
	}
	if got := ask(g, &root, "GET", "/redfish/v1/Systems", "", "Authorization", "Basic cmVtb3RlOng="); got.Code != 200 {
		t.Errorf("Basic authentication on the Unix socket: %d", got.Code)
	}
	if got := ask(g, nil, "DELETE", w.Header().Get("Location"), "", tokenHeader, remote); got.Code != 200 {
		t.Errorf("log out: %d", got.Code)
	}
}

// TestBasicAuthentication: the TLS listener takes it for each request, without a
// session.
func TestBasicAuthentication(t *testing.T) {
	n := &next{}
	log, logged := recordLog()
	g := newGateway(t, Options{Next: n, Log: log, Accounts: []Account{{"remote", testPassword, Reader}}})
	basic := func(name, password string) []string {
		r := httptest.NewRequest("GET", "/", nil)
		r.SetBasicAuth(name, password)
		return []string{"Authorization", r.Header.Get("Authorization")}
	}
	good := basic("remote", testPassword)
	if w := ask(g, nil, "GET", "/redfish/v1/Systems/1", "", good...); w.Code != 200 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if r, _ := n.last(); len(r.Header) != 0 {
		t.Errorf("the iLO got %v", r.Header)
	}
	wantFailure(t, ask(g, nil, "PATCH", "/redfish/v1/Systems/1", "{}", good...), 403, "InsufficientPrivilege")
	before := n.count()
	for _, header := range [][]string{
		nil, basic("remote", ""), basic("root", testPassword), {"Authorization", "Basic " + testPassword},
		{"Authorization", "Bearer " + testPassword}, append(basic("remote", testPassword), tokenHeader, "forged"),
	} {
		w := ask(g, nil, "GET", "/redfish/v1/Systems/1", "", header...)
		want := "NoValidSession"
		if len(header) > 2 || header != nil && strings.HasPrefix(header[1], "Bearer ") {
			want = "SessionHandleInvalid"
		}
		wantFailure(t, w, 401, want)
		if got := w.Header()["Www-Authenticate"]; len(got) != 2 || !strings.HasPrefix(got[0], `Basic realm=`) || !strings.HasPrefix(got[1], `Bearer realm=`) {
			t.Errorf("WWW-Authenticate: %q", got)
		}
	}
	wantFailure(t, ask(g, nil, "GET", "/redfish/v1/", "", basic("remote", "wrong")...), 401, "NoValidSession")
	if w := ask(g, &reader, "GET", "/redfish/v1/Systems", "", tokenHeader, "forged"); w.Header().Get("WWW-Authenticate") != "" {
		t.Error("the Unix socket offers what it does not take")
	}
	if n.count() != before {
		t.Error("a refused request reached the iLO")
	}
	if stats := g.clients.Stats(); stats.Created != 0 {
		t.Errorf("%+v", stats)
	}
	if strings.Contains(logged.String(), testPassword) || !strings.Contains(logged.String(), "refused") {
		t.Errorf("log: %s", logged)
	}
}

func TestClientSessionsExpire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limits := clients.DefaultLimits()
		limits.MaxSessions = 2
		g := newGateway(t, Options{Clients: openClients(t, limits)})
		first := ask(g, &reader, "POST", sessionsPath, "")
		token := first.Header().Get(tokenHeader)
		use := func() int { return ask(g, &reader, "GET", "/redfish/v1/Systems", "", tokenHeader, token).Code }
		for range 4 { // use keeps it alive
			time.Sleep(29 * time.Minute)
			if got := use(); got != 200 {
				t.Fatal(got)
			}
		}
		ask(g, &reader, "POST", sessionsPath, "")
		full := ask(g, &reader, "POST", sessionsPath, "")
		wantFailure(t, full, 503, "SessionLimit")
		if full.Header().Get("Retry-After") == "" {
			t.Error("no Retry-After")
		}
		time.Sleep(30 * time.Minute)
		wantFailure(t, ask(g, &reader, "GET", first.Header().Get("Location"), ""), 404, "ResourceMissingAtURI")
		wantFailure(t, ask(g, &reader, "GET", "/redfish/v1/Systems", "", tokenHeader, token), 401, "SessionExpired")
		if got := ask(g, &reader, "POST", sessionsPath, "").Code; got != 201 { // expired ones make room
			t.Error(got)
		}
		if stats := g.clients.Stats(); stats.Sessions-stats.Defaults != 1 || stats.Expired < 2 || stats.Refused != 1 {
			t.Errorf("%+v", stats)
		}
	})
}

// TestThousandClients: clients that log in and never log out cost the iLO
// nothing.
func TestThousandClients(t *testing.T) {
	n := &next{}
	g := newGateway(t, Options{Next: n})
	client := unixClient(t, serveUnix(t, g, root))
	var wg sync.WaitGroup
	tokens := make(chan string, 1000)
	for range 20 {
		wg.Go(func() {
			for range 50 {
				resp, err := client.Post("http://ilod"+sessionsPath, "application/json", strings.NewReader(`{"UserName":"a","Password":"b"}`))
				if err != nil {
					t.Error(err)
					return
				}
				_, _ = io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
				tokens <- resp.Header.Get(tokenHeader)
			}
		})
	}
	wg.Wait()
	close(tokens)
	distinct := map[string]bool{}
	for token := range tokens {
		distinct[token] = true
	}
	if len(distinct) != 1000 || distinct[""] {
		t.Errorf("%d tokens", len(distinct))
	}
	if n.count() != 0 {
		t.Errorf("%d requests went to the iLO", n.count())
	}
	if stats := g.clients.Stats(); stats.Sessions != 1000 {
		t.Errorf("%+v", stats)
	}
}

// TestCollection: the iLO's sessions as they are, and those of the agent's
// clients that the caller may see.
func TestCollection(t *testing.T) {
	_, rt := simulated(t)
	g := newGateway(t, Options{Next: rt})
	fetch := func(p *Peer, target string) map[string]any {
		w := ask(g, p, "GET", target, "")
		if w.Code != 200 {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		if got := w.Header().Get("Content-Length"); got != "" && got != fmt.Sprint(w.Body.Len()) {
			t.Errorf("Content-Length %s of %d", got, w.Body.Len())
		}
		return decode(t, w.Body.Bytes())
	}
	plain := fetch(&root, sessionsPath)
	of := map[*Peer][]string{}
	for _, p := range []*Peer{&root, &reader, &reader} {
		of[p] = append(of[p], ask(g, p, "POST", sessionsPath, "").Header().Get("Location"))
	}
	for p, want := range map[*Peer][]string{&root: append(of[&root], of[&reader]...), &reader: of[&reader], &operator: nil} {
		got := fetch(p, sessionsPath+"/")
		links := []string{}
		for _, m := range plain["Members"].([]any) {
			links = append(links, strings.TrimSuffix(m.(map[string]any)["@odata.id"].(string), "/"))
		}
		var seen []string
		for _, m := range got["Members"].([]any) {
			seen = append(seen, strings.TrimSuffix(m.(map[string]any)["@odata.id"].(string), "/"))
		}
		if len(seen) < len(links) || !cmp.Equal(seen[:len(links)], links) {
			t.Errorf("the iLO's %v are not first in %v", links, seen)
		}
		if diff := cmp.Diff(fmt.Sprint(want), fmt.Sprint(seen[len(links):])); diff != "" && p != &root {
			t.Error(diff)
		}
		if len(seen) != len(links)+len(want) || got["Members@odata.count"] != float64(len(seen)) {
			t.Errorf("%d members, count %v, want %d", len(seen), got["Members@odata.count"], len(links)+len(want))
		}
		oem := got["Oem"].(map[string]any)
		if diff := cmp.Diff(plain["Oem"].(map[string]any)["Hpe"], oem["Hpe"]); p == &root && diff != "" {
			t.Error(diff)
		}
		if marked, there := oem["Ilod"].(map[string]any); there != (len(want) > 0) || there && len(marked["ClientSessions"].([]any)) != len(want) {
			t.Errorf("marked: %v", oem["Ilod"])
		}
	}
	if got := fetch(&root, sessionsPath+"?$expand=."); got["Oem"].(map[string]any)["Ilod"] != nil {
		t.Error("the answer to a query was changed")
	}
}

// TestCollectionOfASickILO: what is not a collection passes as it is.
func TestCollectionOfASickILO(t *testing.T) {
	for _, c := range []struct {
		status int
		body   string
	}{{200, `not JSON`}, {200, `{"Members":7}`}, {200, `{"Members":[],"Oem":7}`}, {503, `{"Members":[]}`}, {304, ``}} {
		n := &next{answer: func(*http.Request) (*http.Response, error) { return respond(c.status, c.body, "ETag", `W/"1"`), nil }}
		g := newGateway(t, Options{Next: n})
		ask(g, &root, "POST", sessionsPath, "")
		w := ask(g, &root, "GET", sessionsPath, "")
		if w.Code != c.status || w.Body.String() != c.body || w.Header().Get("ETag") != `W/"1"` {
			t.Errorf("%d %q became %d %q %v", c.status, c.body, w.Code, w.Body, w.Header())
		}
	}
	n := &next{answer: func(*http.Request) (*http.Response, error) { return nil, errors.New("broken") }}
	g := newGateway(t, Options{Next: n})
	ask(g, &root, "POST", sessionsPath, "")
	wantFailure(t, ask(g, &root, "GET", sessionsPath, ""), 500, "InternalError")
}

// TestSecretsStayInside: neither the iLO's token and cookies nor a client's
// token and password are anywhere but where they belong.
func TestSecretsStayInside(t *testing.T) {
	const ilo, cookie = "the-token-of-the-ilo", "the-cookie-of-the-ilo"
	n := &next{answer: func(r *http.Request) (*http.Response, error) {
		return respond(200, "{}", tokenHeader, ilo, "Set-Cookie", "sessionKey="+cookie, "Set-Cookie2", "sessionKey="+cookie, "Connection", "X-Foo"), nil
	}}
	log, logged := recordLog()
	g := newGateway(t, Options{Next: n, Log: log, Accounts: testAccounts})
	token := ask(g, &operator, "POST", sessionsPath, `{"UserName":"a","Password":"`+testPassword+`"}`).Header().Get(tokenHeader)
	remote := ask(g, nil, "POST", sessionsPath, `{"UserName":"remote","Password":"`+testPassword+`"}`).Header().Get(tokenHeader)
	ask(g, nil, "POST", sessionsPath, `{"UserName":"`+testPassword+`","Password":"`+testPassword+`1"}`)
	var out bytes.Buffer
	for _, method := range []string{"GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"} {
		for _, target := range []string{"/redfish/v1", "/redfish/v1/Systems/1", sessionsPath + "/x", "/ilod/v1/metrics", "/redfish/v1/SessionService/Sessions?$expand=.", sessionsPath} {
			if method == "POST" && target == sessionsPath {
				continue
			}
			for _, p := range []*Peer{&operator, &root, nil} {
				t := token
				if p == nil {
					t = remote
				}
				w := ask(g, p, method, target, "", tokenHeader, t, "Authorization", "Basic "+testPassword, "Cookie", "sessionKey="+testPassword)
				fmt.Fprintln(&out, w.Header(), w.Body)
			}
		}
	}
	for _, r := range n.requests {
		fmt.Fprintln(&out, r.Header, r.URL)
	}
	if n.count() == 0 {
		t.Fatal("nothing went to the iLO")
	}
	fmt.Fprintf(&out, "%+v %#v %v", g.accounts, g.accounts, g.clients.List(func(api.Session) bool { return true }))
	for name, text := range map[string]string{"answers and requests": out.String(), "log": logged.String()} {
		for _, secret := range []string{ilo, cookie, token, remote, testPassword} {
			if strings.Contains(text, secret) {
				t.Errorf("%s: %s is in it", name, secret)
			}
		}
	}
	if logged.Len() == 0 {
		t.Error("nothing was logged")
	}
}

// TestForgedTokens: no guess opens anything or reaches the iLO.
func TestForgedTokens(t *testing.T) {
	n := &next{}
	g := newGateway(t, Options{Next: n})
	good := ask(g, &root, "POST", sessionsPath, "").Header().Get(tokenHeader)
	random := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		b := []byte(good)
		for range 1 + random.IntN(3) {
			b[random.IntN(len(b))] ^= byte(1 + random.IntN(255))
		}
		if string(b) == good {
			continue
		}
		if w := ask(g, &root, "GET", "/redfish/v1/Systems", "", tokenHeader, string(b)); w.Code != 401 {
			t.Fatalf("%q: %d", b, w.Code)
		}
	}
	for _, forged := range []string{good + " ", " " + good, good[:42], good + "A", strings.ToLower(good)} {
		if w := ask(g, &root, "GET", "/redfish/v1/Systems", "", tokenHeader, forged); w.Code != 401 {
			t.Errorf("%q: %d", forged, w.Code)
		}
	}
	if n.count() != 0 {
		t.Error("a forged token reached the iLO")
	}
}

// TestGofish is a Redfish client that knows nothing of us, over both listeners:
// it logs in, reads, and logs out.
func TestGofish(t *testing.T) {
	service, rt := simulated(t)
	g := newGateway(t, Options{Next: rt, Accounts: testAccounts})
	secure := httptest.NewUnstartedServer(g)
	secure.Config = NewServer(g, g.log)
	secure.StartTLS()
	defer secure.Close()
	path := serveUnix(t, g, reader)
	for name, config := range map[string]gofish.ClientConfig{
		"unix": {Endpoint: "http://ilod", Username: "whoever", Password: "whatever", HTTPClient: unixClient(t, path)},
		"tls":  {Endpoint: secure.URL, Username: "remote", Password: testPassword, HTTPClient: secure.Client()},
	} {
		t.Run(name, func(t *testing.T) {
			before := len(service.Sessions())
			client, err := gofish.ConnectContext(t.Context(), config)
			if err != nil {
				t.Fatal(err)
			}
			systems, err := client.Service.Systems()
			if err != nil || len(systems) != 1 || systems[0].SerialNumber == "" {
				t.Errorf("%v %v", systems, err)
			}
			explicit := func() int { s := g.clients.Stats(); return s.Sessions - s.Defaults }
			if live := explicit(); live != 1 {
				t.Errorf("%d client sessions", live)
			}
			sessions, err := client.Service.Sessions()
			if err != nil || len(sessions) != before+1 {
				t.Errorf("%d sessions: %v", len(sessions), err)
			}
			client.Logout()
			if live := explicit(); live != 0 {
				t.Errorf("%d client sessions after the log-out", live)
			}
			if got := len(service.Sessions()); got != before {
				t.Errorf("the iLO has %d sessions, had %d", got, before)
			}
		})
	}
}

func TestSessionResourceIsJSON(t *testing.T) {
	s := api.Session{ID: "ilod-00", User: "a\"b\x00", Owner: "uid:1"}
	if b, err := json.Marshal(resource(s)); err != nil || !json.Valid(b) {
		t.Error(string(b), err)
	}
}
