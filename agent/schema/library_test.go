package schema_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ilod/ilod/agent/schema"
)

// files are documents that a test changes, with their ETags if they have one.
type files struct {
	mu    sync.Mutex
	body  map[string]string
	etag  map[string]string
	err   error
	wait  chan struct{} // if not nil, answers wait for it
	asked []string
}

func (f *files) RoundTrip(r *http.Request) (*http.Response, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	path := r.URL.Path
	f.asked = append(f.asked, strings.TrimSpace(path+" "+r.Header.Get("If-None-Match")))
	if wait := f.wait; wait != nil {
		f.mu.Unlock()
		select {
		case <-wait:
		case <-r.Context().Done():
		}
		f.mu.Lock()
		if err := context.Cause(r.Context()); err != nil {
			return nil, err
		}
	}
	if f.err != nil {
		return nil, f.err
	}
	resp := &http.Response{StatusCode: http.StatusNotFound, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(""))}
	if body, ok := f.body[path]; ok {
		resp.StatusCode = http.StatusOK
		if etag := f.etag[path]; etag != "" {
			resp.Header.Set("ETag", etag)
			if r.Header.Get("If-None-Match") == etag {
				resp.StatusCode, body = http.StatusNotModified, ""
			}
		}
		resp.Body = io.NopCloser(strings.NewReader(body))
	}
	return resp, nil
}

func (f *files) set(path, body, etag string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.body[path], f.etag[path] = body, etag
}

func (f *files) requests() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := f.asked
	f.asked = nil
	return all
}

const (
	catalogURI  = "/redfish/v1/JsonSchemas/"
	locationURI = "/redfish/v1/JsonSchemas/Thing"
	thingURI    = "/store/Thing.json"
)

// things are the files of one schema, in which a property has the type.
func things(typ string) *files {
	f := &files{body: map[string]string{}, etag: map[string]string{}}
	f.set(catalogURI, `{"Members":[{"@odata.id":"`+locationURI+`"}]}`, `"c"`)
	f.set(locationURI, `{"Location":[{"Language":"en","Uri":"`+thingURI+`"}]}`, `"l"`)
	f.set(thingURI, thing(typ), `"1"`)
	return f
}

func thing(typ string) string {
	return `{"properties":{"A":{"type":"` + typ + `"}},"additionalProperties":false}`
}

var writeThing = schema.Write{Method: http.MethodPatch, Path: "/x", Body: []byte(`{"A":"b"}`), Current: []byte(`{"@odata.type":"#Thing.v1_0_0.Thing"}`)}

func TestDocumentChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := things("string")
		c := schema.NewChecker(f)
		check := func(what, want string, asked ...string) {
			t.Helper()
			got, err := c.Check(t.Context(), writeThing)
			if err != nil || strings.Join(keys(got), ",") != want {
				t.Errorf("%s: %v %v", what, got, err)
			}
			if requests := f.requests(); !slices.Equal(requests, asked) {
				t.Errorf("%s: %q", what, requests)
			}
		}
		check("first", "", catalogURI, locationURI, thingURI)
		check("again", "")
		conditional := []string{catalogURI + ` "c"`, locationURI + ` "l"`, thingURI + ` "1"`}
		time.Sleep(time.Minute)
		check("unchanged", "", conditional...)
		f.set(thingURI, thing("integer"), `"2"`)
		check("not yet seen", "")
		time.Sleep(time.Minute)
		check("changed", "PropertyValueTypeError /A", conditional...)
		f.set(thingURI, `<html>`, "")
		time.Sleep(time.Minute)
		check("broken", "", catalogURI+` "c"`, locationURI+` "l"`, thingURI+` "2"`)
		check("still broken", "")
		f.set(thingURI, thing("boolean"), "")
		time.Sleep(time.Minute)
		check("whole", "PropertyValueTypeError /A", catalogURI+` "c"`, locationURI+` "l"`, thingURI)
		f.mu.Lock()
		delete(f.body, catalogURI)
		f.mu.Unlock()
		time.Sleep(time.Minute)
		check("gone", "", catalogURI+` "c"`)
		check("still gone", "")
	})
}

func TestUnreachable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := things("integer")
		c := schema.NewChecker(f)
		f.err = errors.New("no channel")
		if got, err := c.Check(t.Context(), writeThing); !errors.Is(err, f.err) || got != nil {
			t.Errorf("%v %v", got, err)
		}
		w := writeThing
		w.Current = nil
		if got, err := c.Check(t.Context(), w); !errors.Is(err, f.err) || got != nil {
			t.Errorf("without the resource: %v %v", got, err)
		}
		f.err = nil
		if got, err := c.Check(t.Context(), writeThing); err != nil || len(got) != 1 {
			t.Errorf("once it is back: %v %v", got, err)
		}
	})
}

// TestLeaving has the one leave who reads for others: another one reads on.
func TestLeaving(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := things("integer")
		f.wait = make(chan struct{})
		c := schema.NewChecker(f)
		gone := errors.New("gone")
		ctx, leave := context.WithCancelCause(t.Context())
		var wg sync.WaitGroup
		for i := range 6 {
			wg.Go(func() {
				use := t.Context()
				if i < 3 {
					use = ctx
				}
				got, err := c.Check(use, writeThing)
				if i < 3 && !errors.Is(err, gone) || i >= 3 && (err != nil || len(got) != 1) {
					t.Errorf("%d: %v %v", i, got, err)
				}
			})
			synctest.Wait()
		}
		leave(gone)
		synctest.Wait()
		close(f.wait)
		wg.Wait()
		if n := len(f.requests()); n != 4 { // the first of the catalogue was in vain
			t.Errorf("%d requests", n)
		}
	})
}

// TestBounded uses more documents than are kept.
func TestBounded(t *testing.T) {
	f := things("integer")
	var members strings.Builder
	const n = 200
	for i := range n {
		fmt.Fprintf(&members, `{"@odata.id":"/l/T%d"},`, i)
		f.set(fmt.Sprintf("/l/T%d", i), fmt.Sprintf(`{"Location":[{"Uri":"/s/T%d"}]}`, i), "")
		f.set(fmt.Sprintf("/s/T%d", i), thing("integer"), "")
	}
	f.set(catalogURI, `{"Members":[`+strings.TrimSuffix(members.String(), ",")+`]}`, "")
	c := schema.NewChecker(f)
	for round := range 2 {
		for i := range n {
			w := writeThing
			w.Current = fmt.Appendf(nil, `{"@odata.type":"#T%d.T%d"}`, i, i)
			if got, err := c.Check(t.Context(), w); err != nil || len(got) != 1 {
				t.Fatalf("%d: %v %v", i, got, err)
			}
		}
		if requests := len(f.requests()); requests < 2*n {
			t.Errorf("round %d: %d requests: everything was kept", round, requests)
		}
	}
}
