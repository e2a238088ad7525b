package gateway

import (
	"bufio"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// FuzzTarget throws request lines and one header at the gateway as a reader: it
// must answer, and whatever reaches the iLO must be a read of what a reader may
// read, however it is spelt.
func FuzzTarget(f *testing.F) {
	for _, seed := range append(spellings, "/redfish/v1/%2e%2e/x", "//redfish//v1//accountservice", "/redfish/v1/AccountService%2fAccounts",
		"/redfish/v1/%2541ccountService", "http://ilod/redfish/v1", "*", "/redfish/v1/\u212Aeys", "/rest/../redfish/v1", "/redfish/v1/Sessions?a;b", "/redfish/v1/#x") {
		f.Add("GET", seed, "X-Test", "1")
		f.Add("POST", seed, "X-HTTP-Method-Override", "GET")
		f.Add("DELETE", seed, "Connection", "X-Auth-Token")
	}
	n := &next{}
	g := newGateway(f, Options{Next: n})
	f.Fuzz(func(t *testing.T, method, target, name, value string) {
		raw := method + " " + target + " HTTP/1.1\r\nHost: ilod\r\n" + name + ": " + value + "\r\n\r\n"
		r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(raw)))
		if err != nil {
			return // net/http refuses it
		}
		n.requests, n.bodies = nil, nil
		w := httptest.NewRecorder()
		g.ServeHTTP(w, r.WithContext(WithPeer(r.Context(), reader)))
		if w.Code < 200 || w.Code > 599 {
			t.Errorf("status %d", w.Code)
		}
		for _, out := range n.requests {
			path := out.URL.Path
			for range 3 { // as often as somebody below could decode it
				if decoded, err := url.PathUnescape(path); err == nil {
					path = decoded
				}
			}
			path = strings.ToLower(path)
			for s := range strings.FieldsFuncSeq(path, func(r rune) bool { return r == '/' || r == '\\' || r == ';' }) {
				if s == ".." || s == "." {
					t.Errorf("dot segments in %s", out.URL)
				}
			}
			if !isRead(out.Method) {
				t.Errorf("a reader's %s %s reached the iLO", out.Method, out.URL)
			}
			for s := range strings.FieldsFuncSeq(path, func(r rune) bool { return r == '/' }) {
				if s == "accountservice" && strings.HasPrefix(strings.TrimLeft(path, "/"), "redfish/v1/accountservice") {
					t.Errorf("a reader's %s reached the iLO", out.URL)
				}
			}
			for _, secret := range []string{tokenHeader, "Authorization", "Cookie", "X-Http-Method-Override"} {
				if out.Header[secret] != nil {
					t.Errorf("%s reached the iLO", secret)
				}
			}
		}
	})
}
