package selection

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ilod/ilod/chif/chiftest/redfish"
	"github.com/ilod/ilod/chif/chiftest/tree"
)

// served answers from a simulated iLO that is already logged in to.
type served struct {
	handler http.Handler
	token   string
}

func (s served) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	if s.token != "" {
		r.Header.Set("X-Auth-Token", s.token)
	}
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	resp := w.Result()
	resp.Request = r
	return resp, nil
}

func serve(tb testing.TB, o redfish.Options) served {
	tb.Helper()
	o.AllowSessionless = true
	service, err := redfish.New(o)
	if err != nil {
		tb.Fatal(err)
	}
	return served{handler: service}
}

// realTrees runs f with the tree of each real server.
func realTrees(t *testing.T, f func(t *testing.T, next http.RoundTripper)) {
	files, err := filepath.Glob(filepath.Join(tree.Testdata(t), "trees", "*.jsonl.gz"))
	if err != nil || len(files) == 0 {
		t.Fatal("no trees", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			resources, err := tree.Load(file)
			if err != nil {
				t.Fatal(err)
			}
			f(t, serveTree(t, resources))
		})
	}
}

// serveTree serves a tree of a real server.
func serveTree(tb testing.TB, tr *tree.Tree) served {
	generation, _ := tr.Generation()
	return serve(tb, redfish.Options{Tree: tr, Generation: min(generation, 6)})
}

// resource is one with a body.
func resource(tb testing.TB, body string) *Resource {
	tb.Helper()
	x := &Resource{Path: "/redfish/v1/x", Raw: []byte(body)}
	d := json.NewDecoder(strings.NewReader(body))
	d.UseNumber()
	if err := d.Decode(&x.Body); err != nil {
		tb.Fatal(err)
	}
	x.Type, _ = x.Body["@odata.type"].(string)
	return x
}
