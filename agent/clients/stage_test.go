package clients

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/ilod/ilod/agent/api"
	"github.com/ilod/ilod/agent/freshness"
	"github.com/ilod/ilod/cache"
	"github.com/ilod/ilod/chif/chiftest"
	"github.com/ilod/ilod/chif/chiftest/redfish"
	"github.com/ilod/ilod/chif/chiftest/tree"
)

// way is the way to a handler as if over a channel. It counts what goes there.
type way struct {
	http.Handler
	n atomic.Int64
}

func (w *way) RoundTrip(r *http.Request) (*http.Response, error) {
	w.n.Add(1)
	rec := httptest.NewRecorder()
	in := r.Clone(r.Context())
	in.RemoteAddr = chiftest.InBand
	in.RequestURI = r.URL.RequestURI()
	if in.Body == nil {
		in.Body = http.NoBody
	}
	w.ServeHTTP(rec, in)
	resp := rec.Result()
	resp.Request = r
	return resp, nil
}

// simulated is a simulated iLO with a tree, or a generated one.
func simulated(tb testing.TB, t *tree.Tree) *way {
	tb.Helper()
	o := redfish.Options{Tree: t, Frozen: t != nil, AllowSessionless: true}
	if t != nil {
		generation, _ := t.Generation() // an iLO 7 would want credentials, and has no CHIF
		o.Generation = min(generation, 6)
	}
	s, err := redfish.New(o)
	if err != nil {
		tb.Fatal(err)
	}
	return &way{Handler: s}
}

// captured yields the trees of real servers.
func captured(t *testing.T) iter.Seq2[string, *tree.Tree] {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(tree.Testdata(t), "trees", "*.jsonl.gz"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no trees: %v", err)
	}
	return func(yield func(string, *tree.Tree) bool) {
		for _, file := range files {
			tr, err := tree.Load(file)
			if err != nil {
				t.Fatal(err)
			}
			if !yield(filepath.Base(file), tr) {
				return
			}
		}
	}
}

// client asks a Stage in one client session.
type client struct {
	testing.TB
	*Stage
	id string
}

func newClient(tb testing.TB, next http.RoundTripper, v api.Variables) *client {
	r, _ := inMemory(tb, nil)
	s, _ := create(tb, r, alice, Request{})
	c := &client{tb, &Stage{Next: next, Registry: r}, s.ID}
	c.set(v)
	return c
}

func (c *client) set(v api.Variables) {
	c.Helper()
	if _, err := c.Registry.Set(c.id, func(of *api.Variables) error { *of = v; return nil }); err != nil {
		c.Fatal(err)
	}
}

func (c *client) variables() api.Variables {
	s, err := c.Registry.Get(c.id)
	if err != nil {
		c.Error(err)
	}
	return s.Variables
}

func (c *client) try(method, target, body string, header ...string) (*http.Response, []byte, error) {
	c.Helper()
	s, err := c.Registry.Get(c.id)
	if err != nil {
		c.Fatal(err)
	}
	r, err := http.NewRequestWithContext(WithSession(c.Context(), s), method, target, strings.NewReader(body))
	if err != nil {
		c.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	before := r.Header.Clone()
	resp, err := c.RoundTrip(r)
	if !reflect.DeepEqual(before, r.Header) || r.URL.String() != target {
		c.Errorf("the request has become %v %v", r.URL, r.Header)
	}
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		c.Fatal(err)
	}
	if n := resp.ContentLength; n >= 0 && n != int64(len(b)) && method != http.MethodHead {
		c.Errorf("%s: %d bytes, announced were %d", target, len(b), n)
	}
	return resp, b, nil
}

func (c *client) do(method, target, body string, header ...string) (*http.Response, []byte) {
	c.Helper()
	resp, b, err := c.try(method, target, body, header...)
	if err != nil {
		c.Fatalf("%s %s: %v", method, target, err)
	}
	return resp, b
}

func TestResolve(t *testing.T) {
	const active = "/redfish/v1/Systems/1/"
	for _, c := range []struct{ active, method, target, want string }{ // want empty: ErrVariable
		{active, "GET", "/redfish/v1/Chassis/1/?a=b", "/redfish/v1/Chassis/1/?a=b"},
		{active, "GET", "/ilod/v1/active", active},
		{active, "GET", "/ilod/v1/active/", active},
		{active, "GET", "/ilod/v1/active/?$select=Boot", active + "?$select=Boot"},
		{active, "GET", "/ilod/v1/active/Bios", active + "Bios"},
		{active, "PATCH", "/ilod/v1/active/Bios/Settings/", active + "Bios/Settings/"},
		{active, "GET", "/ILOD/v1/Active/Bios", active + "Bios"},
		{active, "GET", "/ilod/v1/active/a%20b", active + "a%20b"},
		{active, "GET", "/ilod/v1/active//a//b", active + "a/b"},
		{active, "GET", "/ilod/v1/active/./Bios/.", active + "Bios/"},
		{active, "GET", "/ilod/v1/active/../2/Bios", "/redfish/v1/Systems/2/Bios"},
		{active, "GET", "/ilod/v1/active/%2e%2e/%2E%2E/Chassis", "/redfish/v1/Chassis"},
		{active, "GET", "/ilod/v1/active/../..", Root},
		{active, "GET", "/ilod/v1/active/../../..", ""},
		{active, "GET", "/ilod/v1/active/../../../v1/Systems", ""},
		{active, "GET", "/ilod/v1/active/..%2f..%2f..%2fetc", ""},
		{active, "GET", `/ilod/v1/active/..\..`, ""},
		{active, "GET", `/ilod/v1/active/..%5c..`, ""},
		{active, "GET", "/ilod/v1/activex/", "/ilod/v1/activex/"},
		{Root, "GET", "/ilod/v1/active/Systems/1", active[:len(active)-1]},
		{Root, "HEAD", "/ilod/v1/active/", Root},
	} {
		u, err := url.Parse(c.target)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Resolve(c.active, c.method, u)
		if c.want == "" {
			if !errors.Is(err, ErrVariable) {
				t.Errorf("%s: %v %v", c.target, got, err)
			}
		} else if err != nil || got.RequestURI() != c.want {
			t.Errorf("%s: %v %v, want %s", c.target, got, err, c.want)
		}
	}
	for _, method := range []string{"PATCH", "PUT", "POST", "DELETE"} {
		if _, err := Resolve(Root, method, &url.URL{Path: "/ilod/v1/active/Systems/1"}); !errors.Is(err, ErrRootReadOnly) {
			t.Errorf("%s: %v", method, err)
		}
		if _, err := Resolve(Root, method, &url.URL{Path: "/redfish/v1/Systems/1"}); err != nil {
			t.Errorf("%s: %v", method, err)
		}
	}
}

// TestSessionManagerPaths is the part of TestSessionManagers about paths: what
// the variables of a session make of its requests and answers.
func TestSessionManagerPaths(t *testing.T) {
	t.Run("active_folder", func(t *testing.T) {
		ilo := simulated(t, nil)
		c := newClient(t, ilo, api.Variables{ActivePath: "/redfish/v1/Systems/1"})
		_, want := c.do("GET", "/redfish/v1/Systems/1/", "")
		if resp, got := c.do("GET", "/ilod/v1/active/", ""); resp.StatusCode != 200 || !bytes.Equal(got, want) || resp.Header.Get(ActivePathHeader) != "" {
			t.Errorf("%s %s", resp.Status, got)
		}
		if resp, _ := c.do("PATCH", "/ilod/v1/active/", `{"AssetTag":"x"}`, "Content-Type", "application/json"); resp.StatusCode != 200 {
			t.Errorf("%s", resp.Status)
		}
		if _, got := c.do("GET", "/ilod/v1/active/?$select=AssetTag", ""); !bytes.Contains(got, []byte(`"x"`)) {
			t.Errorf("%s", got)
		}
		if resp, _ := c.do("GET", "/ilod/v1/active/Nothing", ""); resp.StatusCode != 404 || resp.Header.Get(ActivePathHeader) != "" {
			t.Errorf("%s %v", resp.Status, resp.Header)
		}

		// The root is for reading.
		c.set(api.Variables{})
		if resp, got := c.do("GET", "/ilod/v1/active/Systems/1/", ""); resp.StatusCode != 200 || !bytes.Contains(got, []byte(`"x"`)) {
			t.Errorf("%s %s", resp.Status, got)
		}
		before := ilo.n.Load()
		if _, _, err := c.try("PATCH", "/ilod/v1/active/Systems/1/", `{"AssetTag":"y"}`); !errors.Is(err, ErrRootReadOnly) {
			t.Error(err)
		}
		if _, _, err := c.try("GET", "/ilod/v1/active/../..", ""); !errors.Is(err, ErrVariable) {
			t.Error(err)
		}
		if ilo.n.Load() != before {
			t.Error("a refused request went on")
		}

		// One that vanishes becomes the default.
		resp, _ := c.do("POST", "/redfish/v1/AccountService/Accounts/", `{"UserName":"ephemeral","Password":"Secret123","Oem":{"Hpe":{"LoginName":"ephemeral"}}}`, "Content-Type", "application/json")
		account, err := url.Parse(resp.Header.Get("Location"))
		if err != nil || resp.StatusCode != 201 {
			t.Fatalf("%s %v", resp.Status, err)
		}
		for _, method := range []string{"GET", "HEAD", "PATCH"} {
			c.set(api.Variables{ActivePath: account.Path})
			if method == "GET" {
				if resp, _ := c.do("GET", "/ilod/v1/active/", ""); resp.StatusCode != 200 {
					t.Fatal(resp.Status)
				}
				c.do("DELETE", "/ilod/v1/active/", "")
			}
			target, want := "/ilod/v1/active/Systems/1/", 200
			if method == "PATCH" { // which is not done elsewhere
				want = 404
			}
			resp, got := c.do(method, target, `{"AssetTag":"z"}`)
			if resp.StatusCode != want || resp.Header.Get(ActivePathHeader) != Root || bytes.Contains(got, []byte(`"z"`)) {
				t.Errorf("%s: %s %v", method, resp.Status, resp.Header)
			}
			if v := c.variables(); v.ActivePath != Root {
				t.Errorf("%s: %+v", method, v)
			}
		}
	})

	t.Run("recursive_query_state", func(t *testing.T) {
		for name, tr := range captured(t) {
			ilo := simulated(t, tr)
			store, err := cache.Open(t.Context(), cache.Options{})
			if err != nil {
				t.Fatal(err)
			}
			fresh := freshness.New(freshness.Options{Next: ilo, Store: store})
			c := newClient(t, fresh, api.Variables{})
			for _, start := range []string{"/redfish/v1/Systems/1/", "/redfish/v1/SessionService/", "/redfish/v1/Chassis"} {
				want := below(tr, start)
				resp, got := c.do("GET", start, "", RecursiveHeader, "true", "Accept-Encoding", "gzip", "If-None-Match", "*")
				asked := ilo.n.Load()
				var all struct {
					ID        string            `json:"@odata.id"`
					Count     int               `json:"Resources@odata.count"`
					Resources []json.RawMessage `json:"Resources"`
				}
				if err := json.Unmarshal(got, &all); err != nil || resp.StatusCode != 200 || all.ID != start || all.Count != len(all.Resources) {
					t.Fatalf("%s %s: %s %v", name, start, resp.Status, err)
				}
				bodies := map[string]json.RawMessage{}
				var order []string
				for _, body := range all.Resources {
					var id struct {
						ID string `json:"@odata.id"`
					}
					if err := json.Unmarshal(body, &id); err != nil {
						t.Fatal(err)
					}
					key := tree.Key(id.ID)
					bodies[key] = body
					order = append(order, key)
				}
				for key := range want {
					r, ok := tr.Lookup(key)
					if body := bodies[key]; body == nil && want[key] != "" {
						t.Errorf("%s %s: %s is missing", name, start, key)
					} else if ok && r.Status == 200 && body != nil && !bytes.Equal(body, r.Body) {
						t.Errorf("%s %s: %s is not what the iLO sent", name, start, key)
					}
				}
				if len(bodies) != len(want) || len(want) < 2 {
					t.Errorf("%s %s: %d resources, want %d", name, start, len(bodies), len(want))
				}
				if !slices.IsSorted(order) {
					t.Errorf("%s %s: not by path", name, start)
				}
				// By the variable, and from the cache.
				c.set(api.Variables{Recursive: true})
				if _, again := c.do("GET", start, ""); !bytes.Equal(again, got) {
					t.Errorf("%s %s: once more it is another answer", name, start)
				}
				if n := ilo.n.Load() - asked; n > int64(len(want))/4+2 { // what is never kept
					t.Errorf("%s %s: once more it takes %d requests", name, start, n)
				}
				if _, plain := c.do("GET", start, "", RecursiveHeader, "false"); bytes.Contains(plain, []byte("Resources@odata.count")) {
					t.Errorf("%s %s: recursive against the header", name, start)
				}
				if _, plain := c.do("GET", start+"?$select=Id", ""); bytes.Contains(plain, []byte("Resources@odata.count")) {
					t.Errorf("%s %s: recursive with a query", name, start)
				}
				c.set(api.Variables{})
			}
			for _, header := range []string{"true", "yes"} {
				if _, _, err := c.try("GET", "/redfish/v1/Systems/?only", "", RecursiveHeader, header); !errors.Is(err, ErrVariable) {
					t.Error(err)
				}
			}
			if resp, _ := c.do("GET", "/redfish/v1/Nothing", "", RecursiveHeader, "true"); resp.StatusCode != 404 {
				t.Error(resp.Status)
			}
			fresh.Close()
			store.Close()
		}
	})

	t.Run("returned_path", func(t *testing.T) {
		for name, tr := range captured(t) {
			c := newClient(t, simulated(t, tr), api.Variables{})
			for _, form := range []string{full, relative, leaf} {
				for _, target := range []string{"/redfish/v1/Systems/1/", "/redfish/v1/Systems/1/Memory/", "/redfish/v1/Chassis/1/Thermal/"} {
					c.set(api.Variables{})
					plain, want := c.do("GET", target, "")
					c.set(api.Variables{ActivePath: "/redfish/v1/Systems/1", ReturnedPath: form})
					resp, got := c.do("GET", target, "", "If-None-Match", plain.Header.Get("ETag"), "Accept-Encoding", "gzip")
					if form == full {
						if !bytes.Equal(got, want) || resp.Header.Get("ETag") != plain.Header.Get("ETag") {
							t.Errorf("%s %s: changed", name, target)
						}
						continue
					}
					if resp.StatusCode != 200 || resp.Header.Get("ETag") != "" {
						t.Fatalf("%s %s: %s %v", name, target, resp.Status, resp.Header)
					}
					checkRewritten(t, want, got, linkForm(api.Variables{ActivePath: "/redfish/v1/Systems/1/", ReturnedPath: form}))
					if resp, got := c.do("HEAD", target, ""); resp.StatusCode != 200 || resp.Header.Get("ETag") != "" || resp.Header.Get("Content-Length") != "" || len(got) != 0 {
						t.Errorf("%s %s: HEAD: %s %v", name, target, resp.Status, resp.Header)
					}
				}
			}
			break // TestRewriteTrees has them all
		}
		for link, want := range map[string][2]string{
			"/redfish/v1/Systems/1":                  {".", "1"},
			"/redfish/v1/systems/1/":                 {".", "1"},
			"/redfish/v1/Systems/1/Bios/":            {"Bios/", "Bios"},
			"/redfish/v1/systems/1/bios/settings":    {"bios/settings", "settings"},
			"/redfish/v1/Systems/12":                 {"/redfish/v1/Systems/12", "12"},
			"/redfish/v1/Systems/1/Thermal#/Fans/0":  {"Thermal#/Fans/0", "Thermal#/Fans/0"},
			"/redfish/v1/Chassis/1/Power/#/A/0":      {"/redfish/v1/Chassis/1/Power/#/A/0", "Power#/A/0"},
			"/redfish/v1/":                           {"/redfish/v1/", "v1"},
			"":                                       {"", ""},
			"/redfish/v1/Systems/1/A\u00e9\u2028\"x": {"A\u00e9\u2028\"x", "A\u00e9\u2028\"x"},
		} {
			for i, form := range []string{relative, leaf} {
				v := api.Variables{ActivePath: "/redfish/v1/Systems/1/", ReturnedPath: form}
				if got := linkForm(v)(link); got != want[i] {
					t.Errorf("%s of %q is %q", form, link, got)
				}
			}
		}
	})

	t.Run("output", func(t *testing.T) {
		c := newClient(t, simulated(t, nil), api.Variables{Output: "json"})
		if resp, _ := c.do("GET", Root, ""); resp.Header.Get(OutputHeader) != "json" {
			t.Errorf("%v", resp.Header)
		}
		c.set(api.Variables{})
		if resp, _ := c.do("GET", Root, ""); len(resp.Header[OutputHeader]) != 0 {
			t.Errorf("%v", resp.Header)
		}
	})
}

// below finds, by other means, the paths that a recursive read has to contain.
// Those that the tree does not have are listed with an error.
func below(tr *tree.Tree, start string) map[string]string {
	root := tree.Key(start)
	found := map[string]string{}
	var visit func(path string)
	var walk func(v any)
	visit = func(path string) {
		path, _, _ = strings.Cut(path, "#")
		key := tree.Key(path)
		if found[key] != "" || key != root && !strings.HasPrefix(key, root+"/") || strings.Contains(path, "?") || private(key) {
			return
		}
		found[key] = path
		if r, ok := tr.Lookup(path); ok && r.Status == 200 {
			var v any
			if json.Unmarshal(r.Body, &v) == nil {
				walk(v)
			}
		}
	}
	walk = func(v any) {
		switch v := v.(type) {
		case []any:
			for _, e := range v {
				walk(e)
			}
		case map[string]any:
			for k, e := range v {
				if link, ok := e.(string); ok && k == "@odata.id" {
					visit(link)
				}
				walk(e)
			}
		}
	}
	visit(start)
	return found
}

// checkRewritten fails the test if got is not want with its links, and nothing
// but its links, in another form.
func checkRewritten(t *testing.T, want, got []byte, form func(string) string) {
	t.Helper()
	var rewrite func(v any)
	rewrite = func(v any) {
		switch v := v.(type) {
		case []any:
			for _, e := range v {
				rewrite(e)
			}
		case map[string]any:
			for k, e := range v {
				if link, ok := e.(string); ok && k == "@odata.id" {
					v[k] = form(link)
				}
				rewrite(e)
			}
		}
	}
	decode := func(b []byte) (v any) {
		d := json.NewDecoder(bytes.NewReader(b))
		d.UseNumber()
		if err := d.Decode(&v); err != nil {
			t.Errorf("%v in %s", err, b)
		}
		return v
	}
	w, g := decode(want), decode(got)
	rewrite(w)
	if !reflect.DeepEqual(w, g) {
		t.Errorf("%s\nhas become %s", want, got)
	}
	// Without the links they are the same bytes.
	cut := func(b []byte) (out []byte) {
		done := 0
		for l := range links(b) {
			if !l.next {
				out, done = append(out, b[done:l.start]...), l.end
			}
		}
		return append(out, b[done:]...)
	}
	if !bytes.Equal(cut(want), cut(got)) {
		t.Errorf("more than the links of\n%s\nhas changed:\n%s", want, got)
	}
}

// TestRewriteTrees rewrites what real iLOs have sent, one in seven each time.
func TestRewriteTrees(t *testing.T) {
	for name, tr := range captured(t) {
		for i := rand.IntN(7); i < tr.Len(); i += 7 {
			r := tr.Resources()[i]
			for _, v := range []api.Variables{{ActivePath: Root, ReturnedPath: relative}, {ActivePath: Root, ReturnedPath: leaf}} {
				checkRewritten(t, r.Body, rewriteLinks(r.Body, linkForm(v)), linkForm(v))
			}
			if t.Failed() {
				t.Fatalf("%s: %s", name, r.URI)
			}
		}
	}
}

func FuzzRewriteLinks(f *testing.F) {
	for _, doc := range []string{
		`{"@odata.id":"/redfish/v1/Systems/1","n":1.50e+3,"a":["@odata.id",{"@odata.id" : "\/redfish\/v1\u002FX"}]}`,
		`{"x":"\"@odata.id\":\"no\"","@odata.id":{"@odata.id":7},"Members@odata.nextLink":"/redfish/v1/X?page=2"}`,
		`["@odata.id", ":" , "x"]`, `"@odata.id"`, `{"@odata.id":"\ud800"}`, `"\\"`,
	} {
		f.Add([]byte(doc))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		if !json.Valid(doc) {
			return
		}
		form := func(s string) string { return s + "é\"" }
		got := rewriteLinks(doc, form)
		// A key that is spelled with escapes is not a link to us, and one that comes
		// twice is two.
		if !json.Valid(got) {
			t.Errorf("%s has become %s", doc, got)
		}
		if !bytes.ContainsRune(doc, '\\') && bytes.Count(doc, []byte(linkKey)) == 1 {
			checkRewritten(t, doc, got, form)
		}
	})
}

// serve is an iLO with these answers and no other.
type serve map[string]func(http.ResponseWriter)

func (s serve) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if answer := s[r.URL.RequestURI()]; answer != nil {
		answer(w)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(404)
	_, _ = io.WriteString(w, `{"error":{"code":"Base.1.0.GeneralError","message":"nothing here"}}`)
}

func answer(kind, body string, header ...string) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		w.Header().Set("Content-Type", kind)
		w.Header().Set("ETag", `"x"`)
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		_, _ = io.WriteString(w, body)
	}
}

func compressed(t *testing.T, body string) string {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := io.WriteString(z, body); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

const jsonType = "application/json; charset=utf-8"

// TestSubtreeOddities: what a recursive read makes of what is not a plain
// resource.
func TestSubtreeOddities(t *testing.T) {
	c := newClient(t, &way{Handler: serve{
		"/redfish/v1/X": answer(jsonType, `{"@odata.id":"/redfish/v1/X","Links":[{"@odata.id":"/redfish/v1/X/zipped/"},{"@odata.id":"/redfish/v1/X/Zipped#/a"},
			{"@odata.id":"/redfish/v1/X/missing"},{"@odata.id":"/redfish/v1/X/text"},{"@odata.id":"/redfish/v1/X/bad"},{"@odata.id":"/redfish/v1/X/broken"},
			{"@odata.id":"/redfish/v1/Xy"},{"@odata.id":"/redfish/v1/X/../Y"},{"@odata.id":"/redfish/v1/X?only"},{"@odata.id":"//host/redfish/v1/X/a"},{"@odata.id":"%"},{"@odata.id":"/redfish/v1/X"}],
			"Members@odata.nextLink":"/redfish/v1/X?page=2"}`),
		"/redfish/v1/X?page=2":  answer(jsonType, `{"@odata.id":"/redfish/v1/X","page":2}`),
		"/redfish/v1/X/zipped/": answer(jsonType, compressed(t, `{"@odata.id":"/redfish/v1/X/zipped/"}`), "Content-Encoding", "gzip"),
		"/redfish/v1/X/text":    answer("text/plain", `{}`),
		"/redfish/v1/X/bad":     answer(jsonType, `{"@odata.id":`),
		"/redfish/v1/X/broken":  answer(jsonType, `what is not gzip`, "Content-Encoding", "gzip"),
		"/redfish/v1/text":      answer("text/plain", `plain`),
		"/redfish/v1/broken":    answer(jsonType, `what is not gzip`, "Content-Encoding", "gzip"),
	}}, api.Variables{})
	_, got := c.do("GET", "/redfish/v1/X", "", RecursiveHeader, "true")
	var all struct {
		Resources []struct {
			ID    string `json:"@odata.id"`
			Error *struct{ Code, Message string }
			Page  int `json:"page"`
		}
	}
	if err := json.Unmarshal(got, &all); err != nil {
		t.Fatalf("%v in %s", err, got)
	}
	var list []string
	for _, r := range all.Resources {
		text := r.ID
		if r.Error != nil {
			text += ": " + r.Error.Message
		}
		list = append(list, text)
	}
	want := []string{
		"/redfish/v1/X", "/redfish/v1/X/bad: the answer is not JSON", "/redfish/v1/X/broken: the answer's gzip: gzip: invalid header",
		"/redfish/v1/X/missing: nothing here", "/redfish/v1/X/text: the answer is not JSON", "/redfish/v1/X/zipped/", "/redfish/v1/X",
	}
	if !slices.Equal(list, want) || all.Resources[6].Page != 2 {
		t.Errorf("%q\nwant %q", list, want)
	}
	if resp, got := c.do("GET", "/redfish/v1/text", "", RecursiveHeader, "true"); string(got) != "plain" || resp.Header.Get("ETag") == "" {
		t.Errorf("%s %v", got, resp.Header)
	}
	if _, _, err := c.try("GET", "/redfish/v1/broken", "", RecursiveHeader, "true"); !errors.Is(err, gzip.ErrHeader) {
		t.Error(err)
	}
}

// TestSubtreeIsBounded: by resources and by bytes.
func TestSubtreeIsBounded(t *testing.T) {
	for want, size := range map[string]int{"resources": 0, "MiB": maxSubtree} {
		n := 0
		c := newClient(t, &way{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			n++
			answer(jsonType, fmt.Sprintf(`{"next":{"@odata.id":"/redfish/v1/X/%d"}}`, n))(w)
			if n == 2 {
				_, _ = w.Write(make([]byte, size))
			}
		})}, api.Variables{})
		_, _, err := c.try("GET", "/redfish/v1/X", "", RecursiveHeader, "true")
		if !errors.Is(err, ErrSubtree) || !strings.Contains(err.Error(), want) || n > maxResources {
			t.Errorf("after %d: %v", n, err)
		}
	}
}

// TestReturnedPathOddities: what is not rewritten, and what is compressed.
func TestReturnedPathOddities(t *testing.T) {
	const doc = `{ "@odata.id" : "/redfish/v1/a/b" , "n": 1.0e2, "Members@odata.nextLink": "/redfish/v1/a?page=2" }`
	c := newClient(t, &way{Handler: serve{
		"/redfish/v1/zipped":  answer(jsonType, compressed(t, doc), "Content-Encoding", "gzip"),
		"/redfish/v1/text":    answer("text/plain", doc),
		"/redfish/v1/bad":     answer(jsonType, doc[1:]),
		"/redfish/v1/unknown": answer(jsonType, doc, "Content-Encoding", "br"),
		"/redfish/v1/large":   func(w http.ResponseWriter) { answer(jsonType, doc)(w); _, _ = w.Write(make([]byte, maxBody)) },
	}}, api.Variables{ReturnedPath: leaf})
	for path, want := range map[string]string{"zipped": strings.Replace(doc, "/redfish/v1/a/b", "b", 1), "text": doc, "bad": doc[1:]} {
		resp, got := c.do("GET", Root+path, "")
		if string(got) != want || resp.Header.Get("Content-Encoding") != "" || (resp.Header.Get("ETag") != "") != (path == "text") {
			t.Errorf("%s: %s %v", path, got, resp.Header)
		}
	}
	for path, want := range map[string]string{"unknown": `"br"`, "large": errTooLarge.Error()} {
		if _, _, err := c.try("GET", Root+path, ""); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", path, err)
		}
	}
	if resp, got := c.do("POST", "/redfish/v1/zipped", ""); resp.Header.Get("Content-Encoding") != "gzip" || bytes.Contains(got, []byte("odata")) {
		t.Errorf("%v", resp.Header)
	}
}

// TestAllowed: a recursive read leaves out what its reader may not read, and so
// does a read after its active path has vanished.
func TestAllowed(t *testing.T) {
	c := newClient(t, &way{Handler: serve{
		"/redfish/v1/X":        answer(jsonType, `{"a":{"@odata.id":"/redfish/v1/X/open"},"b":{"@odata.id":"/redfish/v1/X/Secret"}}`),
		"/redfish/v1/X/open":   answer(jsonType, `{"open":true}`),
		"/redfish/v1/X/Secret": answer(jsonType, `{"secret":true}`),
	}}, api.Variables{})
	c.Allowed = func(_ context.Context, u *url.URL) bool { return !strings.HasSuffix(u.Path, "Secret") }
	if _, got := c.do("GET", "/redfish/v1/X", "", RecursiveHeader, "true"); !bytes.Contains(got, []byte("open")) || bytes.Contains(got, []byte(`"secret"`)) {
		t.Errorf("%s", got)
	}
	for target, want := range map[string]int{"X/Secret": 404, "X/open": 200} {
		c.set(api.Variables{ActivePath: "/redfish/v1/Gone"})
		if resp, got := c.do("GET", ActivePrefix+target, ""); resp.StatusCode != want || bytes.Contains(got, []byte("secret")) || c.variables().ActivePath != Root {
			t.Errorf("%s: %s %s", target, resp.Status, got)
		}
	}
}

// TestStageWithoutSession passes requests on as they are.
func TestStageWithoutSession(t *testing.T) {
	s := &Stage{Next: simulated(t, nil)}
	for _, path := range []string{Root, ActivePrefix} {
		r := httptest.NewRequestWithContext(t.Context(), "GET", path, nil)
		resp, err := s.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		drain(resp)
		if resp.StatusCode != 200 {
			t.Errorf("%s: %s", path, resp.Status)
		}
	}
}
