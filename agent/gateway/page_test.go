package gateway

import (
	"net/http/httptest"
	"strings"
	"testing"
)

// askTLS is a request of a browser at the TLS listener.
func askTLS(g *Gateway, method, path, body, host string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Host = host
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	g.ServeHTTP(w, r)
	return w
}

// TestOnlyTheOwnPageMayAsk: a login of the page is served; the same one by a form of
// another site, of another port, or on a rebound host is not.
func TestOnlyTheOwnPageMayAsk(t *testing.T) {
	login := `{"UserName":"remote","Password":"` + testPassword + `"}`
	for _, c := range []struct {
		host, origin, site string
		status             int
	}{
		{"localhost:8443", "https://localhost:8443", "same-origin", 201},
		{"127.0.0.1:8443", "https://127.0.0.1:8443", "same-origin", 201},
		{"localhost:8443", "https://evil.example", "cross-site", 403},
		{"localhost:8443", "https://evil.example", "same-origin", 403},
		{"localhost:8443", "https://localhost:9000", "same-site", 403},
		{"localhost:8443", "https://localhost:9000", "same-origin", 403},
		{"localhost:8443", "http://localhost:8443", "same-origin", 403},
		{"localhost:8443", "null", "cross-site", 403},
		{"localhost:8443", "https://localhost:8443", "same-site", 403},
		{"localhost:8443", "https://localhost:8443", "none", 403},
		{"evil.example:8443", "https://evil.example:8443", "same-origin", 403},
		{"evil.example:8443", "", "none", 421},
	} {
		g := newGateway(t, Options{Next: &next{}, Accounts: testAccounts})
		header := []string{"Content-Type", "application/json", "Sec-Fetch-Site", c.site}
		if c.origin != "" {
			header = append(header, "Origin", c.origin)
		}
		if w := askTLS(g, "POST", sessionsPath, login, c.host, header...); w.Code != c.status {
			t.Errorf("%+v: %d %s", c, w.Code, w.Body)
		}
	}
}

// TestThePageIsServedToAnyone, on the names of this host alone, and has no rights.
func TestThePageIsServedToAnyone(t *testing.T) {
	n := &next{}
	g := newGateway(t, Options{Next: n, Accounts: testAccounts, Status: statusOf})
	for path, status := range map[string]int{pagePath: 200, pagePath + "page.js": 200, "/": 302, "/ilod/page": 302, pagePath + "nothing": 404, "/ilod/v1/status": 401} {
		w := askTLS(g, "GET", path, "", "localhost:8443", "Sec-Fetch-Site", "none")
		if w.Code != status {
			t.Errorf("%s: %d", path, w.Code)
		}
		if status == 302 && w.Header().Get("Location") != pagePath {
			t.Error(w.Header())
		}
		if w := askTLS(g, "GET", path, "", "evil.example", "Sec-Fetch-Site", "none"); w.Code != 421 && status != 401 {
			t.Errorf("%s on a rebound host: %d", path, w.Code)
		}
		if w := askTLS(g, "GET", path, "", "localhost:8443", "Sec-Fetch-Site", "cross-site"); w.Code != 403 && status != 401 {
			t.Errorf("%s from another site: %d", path, w.Code)
		}
	}
	if n.count() != 0 {
		t.Error("one went to the iLO")
	}
}
