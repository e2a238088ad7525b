package transaction

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/ilod/ilod/agent/freshness"
	"github.com/ilod/ilod/chif/chiftest/redfish"
)

// A reading changes in the resource without another ETag, as SystemUsage does.
// That is no reason to refuse a write under the ETag that the client was given,
// and to commit without one.
func TestIfMatchIsAboutTheILOsOwnETag(t *testing.T) {
	f := newFixture(t, redfish.Options{})
	reading, conditional := 0, 0
	restless := roundTrip(func(r *http.Request) (*http.Response, error) {
		resp, err := f.ilo.RoundTrip(r)
		if err != nil || r.URL.Path != system {
			return resp, err
		}
		if r.Method == "PATCH" && r.Header.Get("If-Match") != "" {
			conditional++
		}
		if r.Method == "GET" {
			body, _ := io.ReadAll(resp.Body)
			reading++
			body = bytes.Replace(body, []byte("{"), fmt.Appendf(nil, `{"Reading":%d,`, reading), 1)
			resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
			resp.Header.Del("Content-Length")
		}
		return resp, nil
	})
	cache := freshness.New(freshness.Options{Next: restless, Store: &store{}})
	defer cache.Close()
	f.start(Options{Next: cache})
	f.begin()
	var tags []string
	for range 2 {
		r := httptest.NewRequest("GET", system, nil)
		r.Header.Set("Cache-Control", "no-cache")
		resp, err := f.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		tags = append(tags, resp.Header.Get("ETag"))
	}
	if tags[0] == tags[1] || tags[0] == "" {
		t.Fatalf("one tag for two bodies: %q", tags)
	}
	if resp, err := f.send("s", "PATCH", system, `{"AssetTag":"x"}`, "If-Match", tags[0]); err != nil || resp.StatusCode >= 300 {
		t.Fatal(resp, err)
	}
	f.commit(Committed, Applied)
	f.is(system, "/AssetTag", `"x"`)
	if conditional != 1 {
		t.Errorf("%d writes with If-Match", conditional)
	}
}
