package gateway

import (
	"bufio"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/ilod/ilod/agent/ilopath"
	"github.com/ilod/ilod/agent/ilopath/ilopathtest"
)

// A request is judged by the canonical form of its path; a path that others might
// read in another way is refused.
func TestPolicyComparesPathsLikeEverybody(t *testing.T) {
	for _, s := range ilopathtest.Spellings {
		n := &next{}
		g := newGateway(t, Options{Next: n})
		r, err := http.ReadRequest(bufio.NewReader(strings.NewReader("GET " + s.Path + " HTTP/1.1\r\nHost: ilod\r\n\r\n")))
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(s.Path, "#") { // a client does not send it
			continue
		}
		w := httptest.NewRecorder()
		g.ServeHTTP(w, r.WithContext(WithPeer(r.Context(), root)))
		path, bad := canonicalPath(r.URL)
		if s.Plain != (bad == nil) || bad == nil && path != s.Canonical {
			t.Errorf("%s: %q, %+v, want %q, plain %t", s.Path, path, bad, s.Canonical, s.Plain)
		}
		if !s.Plain {
			wantFailure(t, w, 400, "InvalidURI")
			if n.count() != 0 {
				t.Errorf("%s went to the iLO", s.Path)
			}
		}
	}
}

// TestNoSpellingOfAProtectedPathGetsAround: whatever is put before, after or into the
// segments of what a reader may not read, it reaches nothing of the iLO.
func TestNoSpellingOfAProtectedPathGetsAround(t *testing.T) {
	var odd []string
	for c := range 0x100 {
		odd = append(odd, fmt.Sprintf("%%%02x", c), fmt.Sprintf("%%25%02X", c))
		if c > ' ' && c < 0x7f && !strings.ContainsRune(`?#"<>^{|}`+"`", rune(c)) {
			odd = append(odd, string(rune(c)))
		}
	}
	odd = append(odd, "%u002f", "%c0%af", "%e2%80%ae", "%ef%bc%8f", "%2e%2e", "..", ";x=/", "%20%20", "%0d%0a")
	n := &next{}
	g := newGateway(t, Options{Next: n})
	tried := 0
	for _, path := range []string{"/redfish/v1/AccountService", "/redfish/v1/AccountService/Accounts/1"} {
		segments := strings.Split(path[1:], "/")
		for i := 2; i < len(segments); i++ {
			for _, c := range odd {
				for _, segment := range []string{c + segments[i], segments[i] + c, c + "/" + segments[i], segments[i] + "/" + c, segments[i] + c + "/."} {
					target := "/" + strings.Join(segments[:i], "/") + "/" + strings.Join(append([]string{segment}, segments[i+1:]...), "/")
					r, err := http.ReadRequest(bufio.NewReader(strings.NewReader("GET " + target + " HTTP/1.1\r\nHost: ilod\r\n\r\n")))
					if err != nil {
						continue // refused before it comes here
					}
					tried++
					before, w := n.count(), httptest.NewRecorder()
					g.ServeHTTP(w, r.WithContext(WithPeer(r.Context(), reader)))
					canonical, _ := canonicalPath(r.URL)
					other := canonical != "" && wordy(canonical) && !ilopath.Within(canonical, "/redfish/v1/accountservice")
					if n.count() > before && !other {
						t.Errorf("%s went to the iLO", target)
					}
				}
			}
		}
	}
	if tried < 5000 {
		t.Errorf("only %d spellings were tried", tried)
	}
}

// wordy reports a path that nobody takes for another one.
func wordy(path string) bool {
	return !strings.ContainsFunc(path, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && !strings.ContainsRune("/_-$", r)
	})
}
