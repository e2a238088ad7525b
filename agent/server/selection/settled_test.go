package selection

import (
	"encoding/json"
	"net/http"
	"path/filepath"
	"slices"
	"testing"

	"github.com/ilod/ilod/agent/ilopath"
	"github.com/ilod/ilod/chif/chiftest/tree"
)

// TestSettingsAreFoundByWhatResourcesSay finds all resources of real servers that
// have settings, whether the directory lists them or not, and no others.
func TestSettingsAreFoundByWhatResourcesSay(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(tree.Testdata(t), "trees", "*.jsonl.gz"))
	if err != nil || len(files) != 4 {
		t.Fatal("no trees", err)
	}
	for _, file := range files {
		tr, err := tree.Load(file)
		if err != nil {
			t.Fatal(err)
		}
		var want []string
		for _, r := range tr.Resources() {
			var body struct {
				Settings struct {
					Object struct {
						ID string `json:"@odata.id"`
					} `json:"SettingsObject"`
				} `json:"@Redfish.Settings"`
			}
			_ = json.Unmarshal(r.Body, &body)
			if at := ilopath.Canonical(body.Settings.Object.ID); body.Settings.Object.ID != "" && at != ilopath.Canonical(r.URI) {
				want = append(want, ilopath.Canonical(r.URI))
			}
		}
		counted := &counting{RoundTripper: serveTree(t, tr), paths: map[string]int{}}
		r := &Reader{Next: counted}
		var got []string
		if err := r.eachWithSettings(t.Context(), func(x *Resource) error {
			got = append(got, ilopath.Canonical(x.Path))
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		slices.Sort(want)
		slices.Sort(got)
		if !slices.Equal(got, want) || len(want) < 12 {
			t.Errorf("%s:\ngot  %v\nwant %v", filepath.Base(file), got, want)
		}
		if len(r.Unread()) > 0 {
			t.Errorf("%s: %v", filepath.Base(file), r.Unread())
		}
		for path, n := range counted.paths {
			if n > 1 {
				t.Errorf("%s: read %d times", path, n)
			}
		}
		t.Logf("%s: %d with settings, %d requests", filepath.Base(file), len(want), len(counted.paths))
	}
}

// counting counts requests.
type counting struct {
	http.RoundTripper
	paths map[string]int
}

func (c *counting) RoundTrip(r *http.Request) (*http.Response, error) {
	c.paths[ilopath.Canonical(r.URL.Path)]++
	return c.RoundTripper.RoundTrip(r)
}
