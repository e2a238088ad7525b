package freshness

import (
	"bytes"
	"fmt"
	"io"
	"iter"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// memory is a Store.
type memory struct {
	mu   sync.Mutex
	m    map[string][]byte
	full bool // refuses every Put
}

func newMemory() *memory { return &memory{m: map[string][]byte{}} }

func (s *memory) Get(key string) ([]byte, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v, ok := s.m[key]
	return v, ok
}

func (s *memory) Put(key string, value []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.full {
		return fmt.Errorf("no space for %s", key)
	}
	s.m[key] = bytes.Clone(value)
	return nil
}

func (s *memory) Drop(keys ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, key := range keys {
		delete(s.m, key)
	}
}

func (s *memory) Clear() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.m)
	return nil
}

func (s *memory) All() iter.Seq2[string, []byte] {
	s.mu.Lock()
	m := maps.Clone(s.m)
	s.mu.Unlock()
	return maps.All(m)
}

func (s *memory) keys() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.m))
}

// ilo is the next stage: a handler that is counted, and may be slow or broken.
type ilo struct {
	handler http.Handler
	latency time.Duration

	mu       sync.Mutex
	requests []string // "GET /path?query"
	fail     error
}

func (s *ilo) RoundTrip(r *http.Request) (*http.Response, error) {
	s.mu.Lock()
	s.requests = append(s.requests, r.Method+" "+r.URL.RequestURI())
	fail := s.fail
	s.mu.Unlock()
	if s.latency > 0 {
		select {
		case <-time.After(s.latency):
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
	}
	if fail != nil {
		return nil, fail
	}
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	return w.Result(), nil
}

// seen returns the requests since the last call.
func (s *ilo) seen() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.requests
	s.requests = nil
	return r
}

func (s *ilo) setFail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail = err
}

// resources is a handler of bodies by path, with ETags that the test chooses.
type resources struct {
	mu     sync.Mutex
	body   map[string]string // by URI as requested, with query
	etag   map[string]string
	header map[string]http.Header
	status map[string]int
	listed []string // in the ResourceDirectory; nil: there is none
}

func newResources() *resources {
	return &resources{body: map[string]string{}, etag: map[string]string{}, header: map[string]http.Header{}, status: map[string]int{}}
}

func (s *resources) set(uri, etag, body string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.body[uri], s.etag[uri] = body, etag
}

func (s *resources) list(uris ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.listed = uris
}

func (s *resources) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	uri := r.URL.RequestURI()
	h := w.Header()
	h.Set("Content-Type", "application/json; charset=utf-8")
	if s.listed != nil && pathOf(strings.ToLower(uri)) == directoryPath {
		entries := []string{}
		for _, uri := range s.listed {
			entries = append(entries, fmt.Sprintf(`{"@odata.id":%q,"ETag":%q}`, uri, s.etag[uri]))
		}
		fmt.Fprintf(w, `{"Instances":[%s]}`, strings.Join(entries, ","))
		return
	}
	body, ok := s.body[uri]
	if !ok {
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprintf(w, `{"error":{"@Message.ExtendedInfo":[{"MessageId":"Base.1.4.ResourceMissingAtURI","MessageArgs":[%q]}]}}`, uri)
		return
	}
	maps.Copy(h, s.header[uri])
	if e := s.etag[uri]; e != "" {
		h.Set("ETag", e)
	}
	if st := s.status[uri]; st != 0 {
		w.WriteHeader(st)
	}
	_, _ = io.WriteString(w, body)
}

// got is an answer of the cache as a client sees it.
type got struct {
	status int
	body   string
	header http.Header
	how    string // Cache-Status without "ilod; "
	age    int
}

// ask sends one request; headers are pairs of name and value.
func ask(t testing.TB, c http.RoundTripper, method, uri string, headers ...string) got {
	t.Helper()
	g, err := try(t, c, method, uri, headers...)
	if err != nil {
		t.Fatalf("%s %s: %v", method, uri, err)
	}
	return g
}

func try(t testing.TB, c http.RoundTripper, method, uri string, headers ...string) (got, error) {
	t.Helper()
	u, err := url.Parse("https://ilo" + uri)
	if err != nil {
		t.Fatal(err)
	}
	r := (&http.Request{Method: method, URL: u, Header: http.Header{}}).WithContext(t.Context())
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	resp, err := c.RoundTrip(r)
	if err != nil {
		return got{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	age := -1
	if v := resp.Header.Get("Age"); v != "" {
		if age, err = strconv.Atoi(v); err != nil {
			t.Fatalf("Age: %v", err)
		}
	}
	how := strings.TrimPrefix(resp.Header.Get("Cache-Status"), "ilod; ")
	if method != http.MethodHead && resp.StatusCode != http.StatusNotModified && resp.ContentLength >= 0 && int(resp.ContentLength) != len(body) {
		t.Errorf("%s %s: ContentLength %d, body of %d bytes", method, uri, resp.ContentLength, len(body))
	}
	return got{resp.StatusCode, string(body), resp.Header, how, age}, nil
}

func open(t testing.TB, h http.Handler, change ...func(*Options)) (*Cache, *ilo, *memory) {
	t.Helper()
	next, store := &ilo{handler: h}, newMemory()
	o := Options{Next: next, Store: store}
	for _, f := range change {
		f(&o)
	}
	c := New(o)
	t.Cleanup(func() { c.Close() })
	return c, next, store
}

func wantRequests(t *testing.T, s *ilo, want ...string) {
	t.Helper()
	if seen := s.seen(); !slices.Equal(seen, want) {
		t.Errorf("requests to the iLO: %q, want %q", seen, want)
	}
}
