package health_test

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/ilod/ilod/agent/server/health"
)

// remembered answers as a service did, but for one request.
type remembered struct {
	*service
	mu  sync.Mutex
	all map[string][]byte // bodies of status 200, nil for others
	uri string
	bad func(body []byte) (status int, bad []byte)
}

func (m *remembered) RoundTrip(r *http.Request) (*http.Response, error) {
	uri := r.URL.RequestURI()
	m.mu.Lock()
	defer m.mu.Unlock()
	body, known := m.all[uri]
	if !known {
		resp, err := m.service.RoundTrip(r)
		if err != nil {
			return nil, err
		}
		if resp.StatusCode == http.StatusOK {
			if body, err = io.ReadAll(resp.Body); err != nil {
				return nil, err
			}
		}
		m.all[uri] = body
	}
	status := http.StatusOK
	if body == nil {
		status = http.StatusNotFound
	}
	if uri == m.uri {
		status, body = m.bad(body)
	}
	return &http.Response{StatusCode: status, Request: r, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(body))}, nil
}

// TestOneBadResourceDoesNotHideTheRest has each resource that is read answer badly:
// it is named, and all components that have resources of their own are told but
// those that are behind it.
func TestOneBadResourceDoesNotHideTheRest(t *testing.T) {
	types := func(b []byte) (int, []byte) {
		var body map[string]any
		_ = json.Unmarshal(b, &body) // what is no object stays empty
		for name := range body {
			if !strings.HasPrefix(name, "@odata.") {
				body[name] = []any{map[string]any{"x": 1}, 2, nil, "z"}
			}
		}
		b, err := json.Marshal(body)
		if err != nil {
			t.Error(err)
		}
		return 200, b
	}
	bad := []func(body []byte) (int, []byte){
		func([]byte) (int, []byte) { return 503, []byte(`{"error":{"code":"x"}}`) },
		func([]byte) (int, []byte) { return 404, nil },
		func([]byte) (int, []byte) { return 200, nil },
		func([]byte) (int, []byte) { return 200, []byte("<html><body>Service</body></html>") },
		func(b []byte) (int, []byte) { return 200, bytes.Replace(b, []byte(`":"`), []byte("\":\"\r"), 1) },
		func(b []byte) (int, []byte) { return 200, b[:len(b)/2] },
		types,
	}
	components := func(r health.Report) map[string]string {
		all := map[string]string{}
		for _, p := range r.Processors {
			all[p.Path] = p.Name
		}
		for _, m := range r.Memory {
			all[m.Path] = m.Name
		}
		for _, d := range r.Drives {
			all[d.Path] = d.Name
		}
		for _, f := range r.Fans {
			all[f.Path] = f.Name
		}
		for _, s := range r.Temperatures {
			all[s.Path] = s.Name
		}
		for _, p := range r.PowerSupplies {
			all[p.Path] = p.Name
		}
		return all
	}
	for _, name := range captures {
		m := &remembered{service: serve(t, captured(t, name)), all: map[string][]byte{}}
		whole, err := health.Read(t.Context(), m, health.Options{})
		if err != nil || len(whole.Problems) > 0 {
			t.Fatal(name, err, whole.Problems)
		}
		want := components(whole)
		turn := 0
		for _, uri := range slices.Sorted(maps.Keys(m.all)) {
			if uri == "/redfish/v1/" { // without which nothing is known
				continue
			}
			for range 2 {
				turn++
				which := turn % len(bad)
				m.uri, m.bad = uri, bad[which]
				r, err := health.Read(t.Context(), m, health.Options{})
				if err != nil {
					t.Errorf("%s: bad answer %d at %s: %v", name, which, uri, err)
					continue
				}
				if strings.HasSuffix(uri, "/IML/Entries") { // the critical ones are asked for in its place
					if len(r.Problems) == 0 && len(r.Log) != len(whole.Log) {
						t.Errorf("%s: bad answer %d at %s: %v", name, which, uri, r.Log)
					}
				} else if named := len(r.Problems) == 1 && r.Problems[0].Path == uri; !named && which < len(bad)-1 {
					t.Errorf("%s: bad answer %d at %s: %v", name, which, uri, r.Problems)
				}
				got := components(r)
				lost := 0
				for path, name := range want {
					if got[path] != name {
						lost++
					}
				}
				if strings.Count(uri, "/") > 6 && lost > 1 {
					t.Errorf("%s: bad answer %d at %s hides %d of %d", name, which, uri, lost, len(want))
				}
			}
		}
		t.Logf("%s: %d resources, %d components", name, len(m.all), len(want))
	}
}
