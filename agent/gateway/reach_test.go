package gateway

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/ilod/ilod/agent/budget"
	"github.com/ilod/ilod/agent/clients"
	"github.com/ilod/ilod/chif/chiftest/tree"
)

// greedy is an iLO that unfolds all links of a resource, whatever the query is,
// two levels deep. Each resource has a mark by which it is found in any answer.
type greedy struct {
	*tree.Tree
	unfolded map[string][]byte // by key
}

var mark = regexp.MustCompile(`"Mark":"([^"]*)"`)

func marked(r tree.Resource) any {
	var v any
	d := json.NewDecoder(bytes.NewReader(r.Body))
	d.UseNumber()
	_ = d.Decode(&v)
	if o, ok := v.(map[string]any); ok && len(o) > 0 {
		o["Mark"] = tree.Key(r.URI)
	}
	return v
}

func (i *greedy) unfold(v any, levels int) any {
	switch v := v.(type) {
	case []any:
		for n := range v {
			v[n] = i.unfold(v[n], levels)
		}
	case map[string]any:
		id, _ := v["@odata.id"].(string)
		if to, found := i.Lookup(id); found && len(v) == 1 && levels > 0 && to.Status == 200 {
			return i.unfold(marked(to), levels-1)
		}
		for name := range v {
			v[name] = i.unfold(v[name], levels)
		}
	}
	return v
}

func (i *greedy) RoundTrip(r *http.Request) (*http.Response, error) {
	path := strings.Replace(strings.ToLower(r.URL.Path), "/rest/", "/redfish/", 1)
	key := tree.Key(path)
	found, ok := i.Lookup(key)
	if !ok {
		return respond(404, `{}`, "Content-Type", "application/json"), nil
	}
	if r.URL.RawQuery == "" {
		return respond(found.Status, string(encode(marked(found))), "Content-Type", "application/json"), nil
	}
	if i.unfolded[key] == nil {
		levels := 2
		if len(found.Body) > 3000 { // the whole would be a hundred MB
			levels = 1
		}
		i.unfolded[key] = encode(i.unfold(marked(found), levels))
	}
	return respond(found.Status, string(i.unfolded[key]), "Content-Type", "application/json"), nil
}

// queries are ways to ask an iLO for more than the path says, and what an iLO
// that reads more of them than ours might take for one.
var queries = []string{
	"$expand=.", "$expand=*", "$expand=~", "$expand=.($levels=6)", "%24expand=.", "%24%65xpand=%2A", "$Expand=.", "expand=.", "$expand", "a&$expand=.", "$select=Accounts", "only",
	"excerpt", "$filter=a%20eq%20b", "$top=9", "page=2", "unknown", "%zz", "%2524expand=.", "&",
}

// spelt are ways to write a path.
func spelt(path string) []string {
	rest := path[len("/redfish/v1"):]
	all := []string{path + "/", strings.ToUpper(path), "/redfish//v1//" + strings.TrimPrefix(rest, "/"), "/rest/v1" + rest, "/%72edfish/v1" + rest, "/ilod/v1/active" + rest}
	if len(rest) > 1 {
		all = append(all, fmt.Sprintf("/redfish/v1/%%%02x%s", rest[1], rest[2:]))
	}
	return all
}

// Whatever the query and the spelling, an answer holds nothing but what a plain
// GET of each resource in it gives the same role; and if a role may read all that
// is in it, it gets it as the iLO has sent it.
func TestAQueryBringsNoMoreThanPlainReads(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(tree.Testdata(t), "trees", "*.jsonl.gz"))
	if err != nil || len(files) < 4 {
		t.Fatal("trees:", files, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			resources, err := tree.Load(file)
			if err != nil {
				t.Fatal(err)
			}
			ilo := &greedy{resources, map[string][]byte{}}
			all := openClients(t, clients.DefaultLimits())
			g := newGateway(t, Options{Clients: all, Next: Way(ilo, all)})
			for _, peer := range []*Peer{&reader, &operator, &root} {
				checkReach(t, g, ilo, peer)
			}
		})
	}
}

func checkReach(t *testing.T, g *Gateway, ilo *greedy, peer *Peer) {
	plain := map[string]bool{}
	for _, r := range ilo.Resources() {
		plain[tree.Key(r.URI)] = ask(g, peer, "GET", r.URI, "").Code != 403
	}
	refusals := 0
	for n, r := range ilo.Resources() {
		store := strings.Contains(strings.ToLower(r.URI), "store/") // many, large and alike
		if !strings.HasPrefix(r.URI, "/redfish/v1") || !isObject(r.Body) || store && n%40 != 0 || peer == &root && n%10 != 0 {
			continue
		}
		want, whole := true, []byte(nil)
		check := func(method, target string, header ...string) {
			t.Helper()
			w := ask(g, peer, method, target, "", header...)
			body := w.Body.Bytes()
			for _, m := range mark.FindAllSubmatch(body, -1) {
				if !plain[string(m[1])] {
					t.Errorf("%s: %s %s brings %s", peer.name(), method, target, m[1])
				}
			}
			switch {
			case !want:
				wantFailure(t, w, 403, "InsufficientPrivilege")
			case w.Code != r.Status || method == "GET" && len(header) == 0 && !bytes.Equal(body, whole):
				t.Errorf("%s: %s %s: %d, %.300s", peer.name(), method, target, w.Code, body)
			}
		}
		resp, _ := ilo.RoundTrip(&http.Request{URL: mustParse(t, r.URI+"?x")})
		whole, _ = readAll(resp)
		brought := mark.FindAllSubmatch(whole, -1)
		for _, m := range brought {
			want = want && (plain[string(m[1])] || r.Status != 200)
		}
		want = want && plain[tree.Key(r.URI)]
		check("GET", r.URI+"?$expand=.")
		if want && n%100 != 0 || refusals > 10 {
			continue
		}
		if !want {
			refusals++
		}
		for _, query := range queries {
			check("GET", r.URI+"?"+query)
			check("HEAD", r.URI+"?"+query)
		}
		for _, path := range spelt(r.URI) {
			check("GET", path+"?$expand=.")
		}
		check("GET", r.URI+"?$expand=.", clients.ReturnedPathHeader, "leaf")
	}
	if (refusals > 1) != (peer != &root) || plain["/redfish/v1/accountservice"] != (peer == &root) {
		t.Errorf("%s: %d resources could not be unfolded", peer.name(), refusals)
	}
}

func isObject(body []byte) bool {
	return bytes.HasPrefix(bytes.TrimSpace(body), []byte("{")) && len(body) > 2
}

// nest is a value in depth others.
func nest(begin string, depth int, value, end string) string {
	return strings.Repeat(begin, depth) + value + strings.Repeat(end, depth)
}

// However deep an answer is and however it is made, it is read through once: the
// memory that this takes in all grows with the answer, not with its depth as well.
func TestAnAnswerIsReadThroughOnce(t *testing.T) {
	const size = 1 << 20
	for _, begin := range []string{`{"@odata.id":`, `{"a":`, `{"@odata.id":"/redfish/v1/Systems","@odata.id":`} {
		doc := []byte(nest(begin, maxNested, `"`+strings.Repeat("a", size)+`"`, "}"))
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		refused, err := foreign(doc, func(*url.URL) bool { return true })
		runtime.ReadMemStats(&after)
		if taken := after.TotalAlloc - before.TotalAlloc; refused != "" || err != nil || taken > 16*size {
			t.Errorf("%s: %q, %v, and %d bytes of memory for %d", begin, refused, err, taken, len(doc))
		}
	}
}

// What an iLO's answer to a query looks like does not matter: without a proof that
// it holds nothing else it is refused.
func TestAnswersToQueriesThatCannotBeJudged(t *testing.T) {
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	_, _ = z.Write([]byte(`{"@odata.id":"/redfish/v1/X","a":{"@odata.id":"/redfish/v1/AccountService/Accounts/1","UserName":"u"}}`))
	_ = z.Close()
	unfolded := `{"@odata.id":"/redfish/v1/AccountService","b":1}`
	for name, c := range map[string]struct {
		body   string
		header []string
		want   int
	}{
		"nothing":                {"", nil, 200},
		"no object":              {`[1,"a",null,true]`, nil, 200},
		"a link":                 {`{"a":{"@odata.id":"/redfish/v1/AccountService"}}`, nil, 200},
		"a line of a list":       {`{"a":[{"@odata.id":"/redfish/v1/AccountService","@odata.type":"#a","ETag":"1","HttpMethods":["GET"]}]}`, nil, 200},
		"unfolded":               {`{"a":{"@odata.id":"/redfish/v1/AccountService","b":1}}`, nil, 403},
		"unfolded, then an ETag": {`{"a":{"@odata.id":"/redfish/v1/AccountService","b":1,"ETag":"1"}}`, nil, 403},
		"path behind":            {`{"a":{"b":1,"@odata.id":"/redfish/v1/AccountService"}}`, nil, 403},
		"two paths":              {`{"a":{"@odata.id":"/redfish/v1/Systems","b":1,"@odata.id":"/redfish/v1/AccountService"}}`, nil, 403},
		"two paths, other":       {`{"a":{"@odata.id":"/redfish/v1/AccountService","b":1,"@odata.id":"/redfish/v1/Systems"}}`, nil, 403},
		"only inner parts":       {`{"a":{"@odata.id":"/redfish/v1/AccountService","@odata.type":{"b":{"@odata.id":"/redfish/v1/AccountService/x","c":1}}}}`, nil, 403},
		"a part":                 {`{"a":{"@odata.id":"/redfish/v1/AccountService#/LDAP","b":1}}`, nil, 403},
		"another spelling":       {`{"a":{"@odata.id":"/rest/v1//%41ccountservice/","b":1}}`, nil, 403},
		"escaped":                {`{"a":{"\u0040odata.id":"\/redfish\/v1\/AccountService","b":1}}`, nil, 403},
		"at the top":             {`{"@odata.id":"/redfish/v1/AccountService/Accounts/1/","b":1}`, nil, 403},
		"in a list":              {`[[{"@odata.id":"/redfish/v1/AccountService/Accounts/1/","b":1}]]`, nil, 403},
		"deep":                   {nest(`{"a":`, 300, unfolded, "}"), nil, 403},
		"deep below a schema":    {nest(`{"@odata.id":`, 300, unfolded, "}"), nil, 403},
		"deep in lists":          {nest(`[`, 300, unfolded, "]"), nil, 403},
		"as deep as may be":      {nest(`{"a":`, maxNested, "1", "}"), nil, 200},
		"lists, as deep":         {nest(`[`, maxNested, "1", "]"), nil, 200},
		"too deep":               {nest(`{"a":`, maxNested+1, "1", "}"), nil, 403},
		"lists, too deep":        {nest(`[`, maxNested+1, "1", "]"), nil, 403},
		"a schema, too deep":     {nest(`{"@odata.id":`, maxNested+1, "1", "}"), nil, 403},
		"a path of nobody":       {`{"a":{"@odata.id":"/other","b":1}}`, nil, 403},
		"a path with a host":     {`{"a":{"@odata.id":"https://ilo/redfish/v1/Systems","b":1}}`, nil, 403},
		"a path of a schema":     {`{"a":{"@odata.id":{"type":"string"},"b":1},"c":{"@odata.id":7,"b":1}}`, nil, 200},
		"a schema":               {`{"@odata.id":"AccountService","a":1}`, nil, 200},
		"a name further down":    {`{"a":{"@odata.id":"AccountService","a":1}}`, nil, 403},
		"below a schema":         {`{"@odata.id":{"a":{"@odata.id":"/redfish/v1/AccountService","b":1}}}`, nil, 403},
		"a blank":                {`{"a":{"@odata.id":"/redfish/v1/a b","b":1}}`, nil, 200},
		"half of it":             {`{"a":{"@odata.id":"/redfish/v1/AccountService"`, nil, 403},
		"two documents":          {`{} {"@odata.id":"/redfish/v1/AccountService","b":1}`, nil, 403},
		"no JSON":                {`<a/>`, nil, 403},
		"too large":              {`"` + strings.Repeat("a", maxJudged) + `"`, nil, 403},
		"gzip":                   {zipped.String(), []string{"Content-Encoding", "gzip"}, 403},
		"another encoding":       {"x", []string{"Content-Encoding", "br"}, 403},
		"broken gzip":            {"x", []string{"Content-Encoding", "gzip"}, 500},
	} {
		n := &next{answer: func(*http.Request) (*http.Response, error) { return respond(200, c.body, c.header...), nil }}
		all := openClients(t, clients.DefaultLimits())
		g := newGateway(t, Options{Clients: all, Next: Way(n, all)})
		w := ask(g, &operator, "GET", "/redfish/v1/X?a", "", "Accept-Encoding", "gzip", "Range", "bytes=1-9")
		if w.Code != c.want || c.want == 200 && w.Body.String() != c.body {
			t.Errorf("%s: %d %.200s", name, w.Code, w.Body)
		}
		if r, _ := n.last(); r.Header.Get("Accept-Encoding") != "" || r.Header.Get("Range") != "" {
			t.Errorf("%s: the iLO was asked with %v", name, r.Header)
		}
		if w := ask(g, &root, "GET", "/redfish/v1/X?a", "", "Accept-Encoding", "gzip"); w.Body.String() != c.body {
			t.Errorf("%s: root gets %d %.200s", name, w.Code, w.Body)
		}
	}
	n := &next{answer: func(*http.Request) (*http.Response, error) { return nil, errors.New("no way") }}
	all := openClients(t, clients.DefaultLimits())
	wantFailure(t, ask(newGateway(t, Options{Clients: all, Next: Way(n, all)}), &operator, "GET", "/redfish/v1/X?a", ""), 500, "InternalError")
}

// Queries that no answer could make good do not reach the iLO.
func TestQueriesThatAreRefusedAtOnce(t *testing.T) {
	n := &next{}
	all := openClients(t, clients.DefaultLimits())
	g := newGateway(t, Options{Clients: all, Next: Way(n, all)})
	for _, c := range []struct{ method, target string }{
		{"GET", "/redfish/v1/?$expand=.&$select=Accounts"},
		{"GET", "/redfish/v1/?%24SELECT=Accounts&%24%45xpand=."},
		{"HEAD", "/redfish/v1/?$expand=.($select=Accounts)"},
		{"GET", "/redfish/v1/?%2524expand=.&%252524select=a"},
		{"GET", "/redfish/v1/?$%2565xpand=.&$%252573elect=a"},
		{"PATCH", "/redfish/v1/Systems/1?$expand=."},
		{"POST", "/redfish/v1/Systems/1?x"},
	} {
		wantFailure(t, ask(g, &operator, c.method, c.target, "{}"), 403, "InsufficientPrivilege")
		if n.count() != 0 {
			t.Errorf("%s %s reached the iLO", c.method, c.target)
		}
	}
	for _, method := range []string{"GET", "PATCH"} {
		if w := ask(g, &root, method, "/redfish/v1/Systems/1?$expand=.&$select=a", "{}"); w.Code != 200 {
			t.Errorf("root's %s: %d", method, w.Code)
		}
	}
}

// heldWhenRead is a body that notes what a budget holds when it is read first.
type heldWhenRead struct {
	io.Reader
	b      *budget.Budget
	held   int64 // negative: it was not read
	closed bool
}

func (h *heldWhenRead) Read(p []byte) (int, error) {
	if h.held < 0 {
		h.held = h.b.Held()
	}
	return h.Reader.Read(p)
}

func (h *heldWhenRead) Close() error { h.closed = true; return nil }

// What is looked through counts as memory of bodies before it is read, and no
// longer than that.
func TestWhatIsLookedThroughCountsAsMemory(t *testing.T) {
	b := budget.New(3<<20, 0, 3<<20)
	for size, want := range map[int]int{1 << 20: 200, 4 << 20: 503} {
		body := &heldWhenRead{Reader: strings.NewReader(`"` + strings.Repeat("a", size-2) + `"`), b: b, held: -1}
		n := &next{answer: func(*http.Request) (*http.Response, error) {
			resp := respond(200, "")
			resp.ContentLength, resp.Body = int64(size), body
			resp.Header.Set("Content-Length", strconv.Itoa(size))
			return resp, nil
		}}
		all := openClients(t, clients.DefaultLimits())
		g := newGateway(t, Options{Clients: all, Next: Way(n, all), budget: b})
		purse := b.Purse("other", true, nil)
		if err := purse.Take(1); err != nil {
			t.Fatal(err)
		}
		if w := ask(g, &reader, "GET", "/redfish/v1/X?a", ""); w.Code != want {
			t.Errorf("%d bytes: %d %.200s", size, w.Code, w.Body)
		}
		if want == 200 && body.held < int64(size) || want == 503 && body.held >= 0 || !body.closed {
			t.Errorf("%d bytes: %d were held when it was read, closed %v", size, body.held, body.closed)
		}
		purse.Close()
		if held := b.Held(); held != 0 {
			t.Errorf("%d bytes are held", held)
		}
	}
}
