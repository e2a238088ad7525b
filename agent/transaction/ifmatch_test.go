package transaction

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/ilod/ilod/agent/api"
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
	f.commit(api.Committed, api.Applied)
	f.is(system, "/AssetTag", `"x"`)
	if conditional != 1 {
		t.Errorf("%d writes with If-Match", conditional)
	}
}

// TestStagesOnlyUnderAnIfMatchThatNamesTheETag: an ETag that is part of another
// one, or stands behind what is no list, allows nothing.
func TestStagesOnlyUnderAnIfMatchThatNamesTheETag(t *testing.T) {
	f := newFixture(t, redfish.Options{})
	resp, err := f.send("", "GET", system, "")
	if err != nil {
		t.Fatal(err)
	}
	tag := resp.Header.Get("ETag")
	strong := strings.TrimPrefix(tag, "W/")
	inner := strings.Trim(strong, `"`)
	for match, want := range map[string]bool{
		tag: true, strong: true, "*": true, ` "x" , W/"a,b",` + tag: true, `"x"` + "\n" + tag: true,
		`W/"` + inner + `.ilod-0123456789abcdef01234567"`: true,
		"": false, inner: false, `"x` + inner + `"`: false, `"` + inner + `x"`: false, `"x` + strong: false, "x " + tag: false, `"x"` + tag: false, tag + "x": false, "w/" + strong: false, `"*"`: false,
	} {
		r := httptest.NewRequest("PATCH", system, strings.NewReader(`{"AssetTag":"x"}`))
		r.Header["If-Match"] = strings.Split(match, "\n")
		f.start(Options{})
		f.begin()
		resp, err := f.RoundTrip(r.WithContext(WithSession(t.Context(), "s")))
		if staged := err == nil && resp.StatusCode == http.StatusAccepted; staged != want || !staged && !errors.Is(err, ErrStale) {
			t.Errorf("If-Match: %s: staged %v, %v", match, staged, err)
		}
	}
}

// TestPreconditionOfAWriteThatIsStaged: what cannot be found to be true does not
// hold. An iLO that gives no ETag has what "*" asks for, and nothing else; one that
// is too long to be sent to the iLO is one all the same.
func TestPreconditionOfAWriteThatIsStaged(t *testing.T) {
	long := `"` + strings.Repeat("x", maxETag-1) + `"`
	for _, c := range []struct {
		etag, header, value string
		staged              bool
	}{
		{"", "If-Match", `"1"`, false}, {"", "If-Match", "", false}, {"", "If-Match", `""`, false}, {"", "If-Match", "*", true},
		{"", "If-None-Match", `"1"`, true}, {"", "If-None-Match", "*", false},
		{long, "If-Match", long, true}, {long, "If-Match", `"x"`, false},
		{`W/"1"`, "If-None-Match", `"1"`, false}, {`W/"1"`, "If-None-Match", `"2"`, true}, {`W/"1"`, "If-None-Match", "*", false},
	} {
		f := newFixture(t, redfish.Options{IgnoreIfMatch: true})
		f.start(Options{Next: roundTrip(func(r *http.Request) (*http.Response, error) {
			if sent := r.Header.Get("If-Match"); len(sent) > maxETag {
				t.Errorf("sent %q", sent)
			}
			resp, err := f.ilo.RoundTrip(r)
			if err != nil || r.Method != http.MethodGet {
				return resp, err
			}
			var body map[string]any
			if err := json.NewDecoder(resp.Body).Decode(&body); err != nil {
				return nil, err
			}
			delete(body, "@odata.etag")
			resp.Body = io.NopCloser(bytes.NewReader(encode(body)))
			resp.Header.Set("ETag", c.etag)
			return resp, nil
		})})
		f.begin()
		resp, err := f.send("s", "PATCH", system, `{"AssetTag":"x"}`, c.header, c.value)
		if staged := err == nil && resp.StatusCode == http.StatusAccepted; staged != c.staged || !staged && !errors.Is(err, ErrStale) {
			t.Errorf("ETag %q, %s: %s: staged %v, %v", c.etag, c.header, c.value, staged, err)
		}
		if c.staged {
			f.commit(api.Committed, api.Applied)
		}
	}
}
