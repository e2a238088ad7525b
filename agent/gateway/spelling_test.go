package gateway

import (
	"bufio"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

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
