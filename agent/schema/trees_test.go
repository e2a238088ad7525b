package schema_test

import (
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/ilod/ilod/agent/schema"
	"github.com/ilod/ilod/chif/chiftest/redfish"
	"github.com/ilod/ilod/chif/chiftest/tree"
)

// inProcess sends requests to a handler without a channel between.
type inProcess struct{ http.Handler }

func (h inProcess) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result(), nil
}

var loaded struct {
	sync.Once
	trees map[string]*tree.Tree
	err   error
}

// trees are those of real servers, by name.
func trees(tb testing.TB) map[string]*tree.Tree {
	tb.Helper()
	files, err := filepath.Glob(filepath.Join(tree.Testdata(tb), "trees", "*.jsonl.gz"))
	if err != nil || len(files) == 0 {
		tb.Fatalf("no trees: %v", err)
	}
	loaded.Do(func() {
		loaded.trees = map[string]*tree.Tree{}
		for _, file := range files {
			tr, err := tree.Load(file)
			if err != nil {
				loaded.err = err
			}
			loaded.trees[strings.TrimSuffix(filepath.Base(file), ".jsonl.gz")] = tr
		}
	})
	if loaded.err != nil {
		tb.Fatal(loaded.err)
	}
	return loaded.trees
}

// frozen serves a tree as an iLO does, byte for byte.
func frozen(tb testing.TB, tr *tree.Tree) http.RoundTripper {
	tb.Helper()
	if s, ok := services.Load(tr); ok {
		return s.(inProcess)
	}
	generation, _ := tr.Generation() // an iLO 7 would want credentials
	s, err := redfish.New(redfish.Options{Tree: tr, Generation: min(generation, 6), Frozen: true, AllowSessionless: true})
	if err != nil {
		tb.Fatal(err)
	}
	services.Store(tr, inProcess{s})
	return inProcess{s}
}

// services are those of trees, which take a while to make.
var services sync.Map

// properties are in a body if a name in it has no @.
var properties = regexp.MustCompile(`"[^"@]+"\s*:`)

// TestPresentValues writes back what every resource has: nothing of it can be
// wrong, but that it cannot be written, or that it is annotations alone.
func TestPresentValues(t *testing.T) {
	for name, tr := range trees(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := schema.NewChecker(frozen(t, tr))
			readOnly := 0
			for _, r := range tr.Resources() {
				if r.Status != http.StatusOK || strings.Contains(strings.ToLower(r.URI), "store/") {
					continue
				}
				violations, err := c.Check(t.Context(), schema.Write{Method: "PATCH", Path: r.URI, Body: r.Body, Current: r.Body})
				if err != nil {
					t.Fatal(err)
				}
				for _, v := range violations {
					if v.Key == "PropertyNotWritable" {
						readOnly++
						continue
					}
					if v.Key == "NoOperation" && !properties.Match(r.Body) {
						continue
					}
					t.Errorf("%s: %s: %s", r.URI, v.Key, v.Text)
				}
			}
			if readOnly < 1000 {
				t.Errorf("only %d properties are read-only: were there any schemas?", readOnly)
			}
		})
	}
}

// TestWithoutSchemas writes to servers whose schemas say next to nothing: only
// what has parts must keep them, and what is annotated is known.
func TestWithoutSchemas(t *testing.T) {
	for generation := 4; generation <= 6; generation++ {
		tr := tree.Generate(tree.GenerateOptions{Generation: generation})
		c := schema.NewChecker(frozen(t, tr))
		for body, want := range map[string]string{
			`{"AssetTag":7,"Nonsense":{}}`:                   "",
			`{"Boot":7}`:                                     "PropertyValueTypeError /Boot",
			`{"AssetTag":["a"]}`:                             "PropertyValueTypeError /AssetTag",
			`{"Boot":{"BootSourceOverrideTarget":"Floppy"}}`: "PropertyValueNotInList /Boot/BootSourceOverrideTarget",
			`{"Boot":null}`:                                  "",
		} {
			v, err := c.Check(t.Context(), schema.Write{Method: "PATCH", Path: "/redfish/v1/Systems/1/", Body: []byte(body)})
			if got := strings.Join(keys(v), ","); got != want || err != nil {
				t.Errorf("iLO %d: %s: %s %v", generation, body, got, err)
			}
		}
	}
}
