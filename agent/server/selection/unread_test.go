package selection

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ilod/ilod/agent/ilopath"
	"github.com/ilod/ilod/chif/chiftest/tree"
)

// answer is what is said to a GET.
type answer struct {
	status int
	body   []byte
}

// remembered answers as another iLO did, but for one path.
type remembered struct {
	http.RoundTripper
	all   map[string]answer
	asked map[string]bool
	path  string
	bad   func(body []byte) answer
}

func (m *remembered) RoundTrip(r *http.Request) (*http.Response, error) {
	key := ilopath.Canonical(r.URL.Path)
	m.asked[key] = true
	a, known := m.all[key]
	if !known {
		resp, err := m.RoundTripper.RoundTrip(r)
		if err != nil {
			return nil, err
		}
		a.status = resp.StatusCode
		if a.body, err = io.ReadAll(resp.Body); err != nil {
			return nil, err
		}
		m.all[key] = a
	}
	if key == m.path {
		a = m.bad(a.body)
	}
	return &http.Response{StatusCode: a.status, Request: r, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(a.body))}, nil
}

// badAnswers are those that an iLO gives when something is broken. Those at which
// nothing is wrong but what is in them are readable.
var badAnswers = []struct {
	name     string
	readable bool
	answer   func(body []byte) answer
}{
	{"503", false, func([]byte) answer { return answer{503, []byte(`{"error":{"code":"x"}}`)} }},
	{"bare CR", false, func(b []byte) answer { return answer{200, bytes.Replace(b, []byte(`":"`), []byte("\":\"\r"), 1)} }},
	{"HTML", false, func([]byte) answer { return answer{200, []byte("<html><body>Service</body></html>")} }},
	{"empty", false, func([]byte) answer { return answer{200, nil} }},
	{"garbage", false, func([]byte) answer { return answer{200, []byte("\x00\xff\xfe{")} }},
	{"cut short", false, func(b []byte) answer { return answer{200, b[:len(b)/2]} }},
	{"a list", false, func(b []byte) answer { return answer{200, []byte("[" + string(b) + "]")} }},
	{"null", false, func([]byte) answer { return answer{200, []byte("null")} }},
	{"404", true, func([]byte) answer { return answer{404, []byte(`{"error":{"code":"x"}}`)} }},
	{"other types", true, func(b []byte) answer {
		var body map[string]any
		_ = json.Unmarshal(b, &body) // what is no object stays empty
		for name := range body {
			if !strings.HasPrefix(name, "@odata.") {
				body[name] = []any{map[string]any{"x": 1}, 2, nil, "z"}
			}
		}
		b, err := json.Marshal(body)
		if err != nil {
			panic(err)
		}
		return answer{200, b}
	}},
}

// TestOneBadResourceDoesNotHideTheRest has each resource that is read answer badly:
// what of the rest is found stays as it was, and what cannot be read is named.
func TestOneBadResourceDoesNotHideTheRest(t *testing.T) {
	tasks := map[string]func(context.Context, *Reader) (map[string]string, error){
		"find": func(ctx context.Context, r *Reader) (map[string]string, error) {
			all := map[string]string{}
			found, err := r.Find(ctx, Selector{Type: "Memory."})
			for _, x := range found {
				all[x.Path] = string(x.Raw)
			}
			return all, err
		},
		"pending": func(ctx context.Context, r *Reader) (map[string]string, error) {
			all := map[string]string{}
			pending, err := r.Pending(ctx)
			for _, p := range pending {
				all[p.Path] = fmt.Sprint(p)
			}
			return all, err
		},
		"results": func(ctx context.Context, r *Reader) (map[string]string, error) {
			all := map[string]string{}
			results, err := r.Results(ctx)
			for _, a := range results {
				all[a.Path] = fmt.Sprint(a)
			}
			return all, err
		},
		"inventory": func(ctx context.Context, r *Reader) (map[string]string, error) {
			all := map[string]string{}
			sections, err := r.Inventory(ctx, Sections(), true)
			for _, s := range sections {
				for i, c := range s.Components {
					all[fmt.Sprint(s.Name, i, " ", c)] = ""
				}
			}
			return all, err
		},
	}
	for _, name := range []string{"ilo5-2.46-dl325-gen10plus-fc", "ilo7-1.14-dl360-gen12"} {
		tr, err := tree.Load(filepath.Join(tree.Testdata(t), "trees", name+".jsonl.gz"))
		if err != nil {
			t.Fatal(err)
		}
		m := &remembered{RoundTripper: serveTree(t, tr), all: map[string]answer{}}
		turn := 0
		for _, task := range slices.Sorted(maps.Keys(tasks)) {
			m.asked, m.path = map[string]bool{}, ""
			whole, err := tasks[task](t.Context(), &Reader{Next: m})
			if err != nil || task != "pending" && len(whole) == 0 {
				t.Fatalf("%s: %s: %v, %v", name, task, whole, err)
			}
			asked := m.asked
			delete(asked, ilopath.Canonical(Directory)) // without which nothing is known
			for _, path := range slices.Sorted(maps.Keys(asked)) {
				for range 3 {
					turn++
					bad := badAnswers[turn%len(badAnswers)]
					m.asked, m.path, m.bad = map[string]bool{}, path, bad.answer
					r := &Reader{Next: m}
					got, err := tasks[task](t.Context(), r)
					if err != nil {
						t.Errorf("%s: %s: %s at %s: %v", name, task, bad.name, path, err)
						continue
					}
					for at, want := range whole {
						if got[at] != want && !ilopath.Within(path, ilopath.Canonical(at)) && task != "inventory" {
							t.Errorf("%s: %s: %s at %s hides %s", name, task, bad.name, path, at)
						}
					}
					if lost := len(whole) - len(got); task == "find" && lost > 1 {
						t.Errorf("%s: %s: %s at %s loses %d", name, task, bad.name, path, lost)
					}
					var unread []string
					for _, u := range r.Unread() {
						unread = append(unread, ilopath.Canonical(u.Path))
					}
					settings := path + "/settings" // which may be named in the place of its owner
					if !bad.readable && !slices.Equal(unread, []string{path}) && !slices.Equal(unread, []string{settings}) || bad.readable && len(unread) > 1 {
						t.Errorf("%s: %s: %s at %s: not read: %v", name, task, bad.name, path, unread)
					}
				}
			}
		}
		t.Logf("%s: %d bad answers", name, turn)
	}
}

// TestAllBadIsAnError is about what cannot be read if nothing can be.
func TestAllBadIsAnError(t *testing.T) {
	tr := tree.Generate(tree.GenerateOptions{})
	for _, path := range []string{"/redfish/v1/systems/1/bios", "/redfish/v1/systems/1/bios/settings"} {
		m := &remembered{RoundTripper: serveTree(t, tr), all: map[string]answer{}, asked: map[string]bool{}, path: path, bad: badAnswers[0].answer}
		if all, err := (&Reader{Next: m}).Pending(t.Context()); err == nil || all != nil {
			t.Errorf("%s: %v", path, all)
		}
	}
	m := &remembered{RoundTripper: serveTree(t, tr), all: map[string]answer{}, asked: map[string]bool{}, path: "/redfish/v1/managers/1", bad: badAnswers[0].answer}
	if all, err := (&Reader{Next: m}).Inventory(t.Context(), []string{"ilo"}, false); err == nil || all != nil {
		t.Error(all)
	}
	if all, err := (&Reader{Next: m}).Find(t.Context(), Selector{Type: "Manager."}); err == nil || all != nil {
		t.Error(all)
	}
}

// TestTheEndOfTimeEndsReading leaves nothing out because a context has ended.
func TestTheEndOfTimeEndsReading(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	next := serveTree(t, tree.Generate(tree.GenerateOptions{}))
	n := 0
	r := &Reader{Next: roundTripper(func(req *http.Request) (*http.Response, error) {
		if n++; n == 5 {
			cancel()
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return next.RoundTrip(req)
	})}
	if found, err := r.Find(ctx, Selector{Type: "Memory."}); err == nil || found != nil || len(r.Unread()) > 0 || n != 5 {
		t.Errorf("%d resources, %v, %d requests, %v", len(found), err, n, r.Unread())
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
