package transaction

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/ilod/ilod/agent/api"
	"github.com/ilod/ilod/agent/equal"
	"github.com/ilod/ilod/agent/secret"
	"github.com/ilod/ilod/chif/chiftest/redfish"
)

// place is a property of the model: path and pointer.
type place struct{ path, pointer string }

// What the model changes, and to what.
var places = map[place][]string{
	{system, "/AssetTag"}:                         {`"a"`, `"b"`, `null`},
	{system, "/HostName"}:                         {`"a"`, `"b"`},
	{system, "/Boot/BootSourceOverrideTarget"}:    {`"Pxe"`, `"Cd"`, `"None"`},
	{network, "/HTTPS/Port"}:                      {`443`, `8443`, `1.5`},
	{network, "/SSH/ProtocolEnabled"}:             {`true`, `false`},
	{pending, "/Attributes/AdminName"}:            {`"a"`, `"b"`, `""`},
	{pending, "/Attributes/Invented"}:             {`"a"`, `"b"`},
	{subscriptions + "/1", "/EventTypes"}:         {`["Alert"]`, `["a","b","c"]`, `[]`},
	{subscriptions + "/1", "/Context"}:            {`"a"`, `"b"`},
	{accounts + "/1", "/Oem/Hpe/LoginName"}:       {`"a"`, `"b"`},
	{accounts + "/1", "/Password"}:                {`"12345678"`},
	{"/redfish/v1/Chassis/1", "/Oem/Hpe/Missing"}: {`1`}, // the iLO refuses it
}

// inOrder are the places, for draws that can be repeated.
var inOrder = slices.SortedFunc(maps.Keys(places), func(a, b place) int {
	return strings.Compare(a.path+a.pointer, b.path+b.pointer)
})

// victim is the account that is deleted.
const victim = accounts + "/2"

// staged is a write in the model.
type staged struct {
	method, path string
	sets         map[string]string // by pointer
	context      string            // of the subscription that a POST makes
}

// model is what the iLO should have.
type model struct {
	values map[place]string
	made   map[string]bool // contexts of subscriptions that exist
	gone   bool            // the victim
	open   []staged        // nil: no transaction
	errant bool
}

// TestModel: after whatever went wrong, crashes included, the iLO has exactly
// what the results say.
func TestModel(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		dir, err := os.MkdirTemp("/dev/shm", "model")
		if err != nil {
			r.Skip(err)
		}
		defer os.RemoveAll(dir)
		f := &fixture{t: t, ilo: newILO(r, redfish.Options{}), dir: dir}
		f.ilo.do(http.MethodPost, accounts, `{"UserName":"victim","Password":"12345678"}`)
		f.start(Options{})
		m := &model{values: map[place]string{}, made: map[string]bool{}}
		for _, p := range inOrder {
			m.values[p] = f.ilo.value(p.path, p.pointer)
		}
		made := 0
		r.Repeat(map[string]func(*rapid.T){
			"": func(r *rapid.T) { m.compare(r, f) },
			"begin": func(r *rapid.T) {
				_, err := f.Begin("s", 0)
				if want := m.open != nil; want != errors.Is(err, ErrOpen) || !want && err != nil {
					r.Fatalf("begin: %v", err)
				}
				if m.open == nil {
					m.open, m.errant = []staged{}, false
				}
			},
			"patch": func(r *rapid.T) {
				first := rapid.SampledFrom(inOrder).Draw(r, "place")
				w := staged{method: http.MethodPatch, path: first.path, sets: map[string]string{}}
				change := map[string]any{}
				for _, p := range inOrder {
					if p.path == first.path && (p == first || rapid.Bool().Draw(r, "too")) {
						w.sets[p.pointer] = rapid.SampledFrom(places[p]).Draw(r, "value")
						v, _ := decode([]byte(w.sets[p.pointer]))
						put(change, p.pointer, v)
					}
				}
				m.stage(r, f, w, string(encode(change)))
			},
			"post": func(r *rapid.T) {
				made++
				w := staged{method: http.MethodPost, path: subscriptions, context: fmt.Sprint("made ", made)}
				m.stage(r, f, w, fmt.Sprintf(`{"Destination":"https://192.0.2.1/","Context":%q}`, w.context))
			},
			"delete": func(r *rapid.T) {
				if rapid.IntRange(0, 3).Draw(r, "rarely") == 0 {
					m.stage(r, f, staged{method: http.MethodDelete, path: victim}, "")
				}
			},
			"nonsense": func(r *rapid.T) {
				if m.open != nil && rapid.IntRange(0, 5).Draw(r, "rarely") == 0 {
					if _, err := f.send("s", "PATCH", system, "nonsense"); err == nil {
						r.Fatal("staged")
					}
					m.errant, m.open = true, append(m.open, staged{})
				}
			},
			"others": func(r *rapid.T) {
				p := rapid.SampledFrom(inOrder[:3]).Draw(r, "place")
				change := map[string]any{}
				put(change, p.pointer, "theirs")
				if status, _ := f.ilo.do("PATCH", p.path, string(encode(change))); status == http.StatusOK {
					m.values[p] = f.ilo.value(p.path, p.pointer)
				}
			},
			"expiry": func(r *rapid.T) {
				if m.open == nil || rapid.IntRange(0, 3).Draw(r, "rarely") != 0 {
					return
				}
				f.now = f.now.Add(DefaultTimeout)
				if _, err := f.Status("s"); err != ErrExpired {
					r.Fatal(err)
				}
				f.told()
				m.open = nil
			},
			"rollback": func(r *rapid.T) {
				if m.open == nil || rapid.IntRange(0, 3).Draw(r, "rarely") != 0 {
					return
				}
				if result, err := f.Rollback("s"); err != nil || len(result.Writes) != len(m.open) {
					r.Fatal(result, err)
				}
				m.open = nil
			},
			"commit": func(r *rapid.T) {
				plan := map[int]fault{}
				for range rapid.IntRange(0, 3).Draw(r, "faults") {
					plan[rapid.IntRange(1, 30).Draw(r, "request")] = rapid.SampledFrom([]fault{
						notSent, dropped, lost, late, before500, after500, status412, status400, garbage, crash, afterCrash,
					}).Draw(r, "fault")
				}
				n := 0
				f.ilo.fault = func(*http.Request) fault { n++; return plan[n] }
				m.commit(r, f)
				f.ilo.heal()
			},
		})
	})
}

// stage sends a write: it is staged, or acts at once.
func (m *model) stage(r *rapid.T, f *fixture, w staged, body string) {
	gone := m.gone && w.path == victim
	resp, err := f.send("s", w.method, w.path, body)
	switch {
	case err != nil:
		r.Fatalf("%s %s: %v", w.method, w.path, err)
	case gone && resp.StatusCode != http.StatusNotFound:
		r.Fatalf("%s %s: %s", w.method, w.path, resp.Status)
	case m.open != nil:
		if m.open = append(m.open, w); gone {
			m.errant = true
		} else if resp.StatusCode != http.StatusAccepted {
			r.Fatalf("%s %s: %s", w.method, w.path, resp.Status)
		}
	case resp.StatusCode < 300:
		m.apply(w)
	}
}

// apply is what a write does.
func (m *model) apply(w staged) {
	for pointer, v := range w.sets {
		if m.values[place{w.path, pointer}] = v; secret.Property(strings.TrimPrefix(pointer, "/")) {
			m.values[place{w.path, pointer}] = "null"
		}
	}
	if w.context != "" {
		m.made[w.context] = true
	}
	m.gone = m.gone || w.method == http.MethodDelete
}

// commit commits, recovers if that crashed, and takes over what the result says.
func (m *model) commit(r *rapid.T, f *fixture) {
	var result api.Result
	var err error
	crashed := false
	if !survives(func() { result, err = f.Commit(context.Background(), "s") }) {
		crashed = true
		for {
			f.start(Options{})
			if survives(func() { err = f.Recover(context.Background()) }) {
				break
			}
		}
		if err != nil {
			r.Fatalf("recover: %v", err)
		}
		s, _ := f.Status("s")
		f.told()
		if err = nil; s.Report == nil { // it had not begun
			m.open = nil
			return
		}
		result = *s.Report
	}
	if m.open == nil {
		if err != ErrNone {
			r.Fatalf("nothing is open: %v", err)
		}
		return
	}
	open, errant := m.open, m.errant
	if m.open = nil; errant != errors.Is(err, ErrErrant) || len(result.Writes) != len(open) || result.Recovered != crashed {
		r.Fatalf("%v: %s", err, asText(result))
	}
	count := map[api.Outcome]int{}
	before := maps.Clone(m.values)
	for i, w := range result.Writes {
		if count[w.Outcome]++; w.Outcome == api.Applied {
			m.apply(open[i])
		}
	}
	for i, w := range result.Writes {
		hides := open[i].sets["/Password"] != ""
		if w.Outcome == api.UndoRefused && !hides || w.Outcome == api.OutcomeUnknown && !(hides && showsNothing(open[i], before, m.values)) {
			r.Fatalf("nobody is in the way of write %d: %s", i+1, asText(result))
		}
	}
	want := api.RolledBack
	switch {
	case count[api.Applied] == len(open):
		want = api.Committed
	case count[api.OutcomeUnknown] > 0:
		want = api.Unknown
	case count[api.Applied]+count[api.UndoRefused] > 0:
		want = api.PartlyRolledBack
	}
	if result.Result != want {
		r.Fatalf("%s", asText(result))
	}
}

// showsNothing reports whether reading cannot tell if a write with a password was
// carried out: all else that it sets was so before, or is so by another write.
func showsNothing(w staged, before, after map[place]string) bool {
	for pointer, to := range w.sets {
		p := place{w.path, pointer}
		if pointer != "/Password" && before[p] != to && after[p] != to {
			return false
		}
	}
	return true
}

// compare compares everything with the iLO.
func (m *model) compare(r *rapid.T, f *fixture) {
	bodies := map[string]map[string]any{}
	for _, p := range inOrder {
		if bodies[p.path] == nil {
			_, bodies[p.path] = f.ilo.do(http.MethodGet, p.path, "")
		}
		got := at(bodies[p.path], p.pointer)
		if want, _ := decode([]byte(m.values[p])); !equal.Same(got, want) {
			r.Fatalf("%s %s is %v, want %v", p.path, p.pointer, got, want)
		}
	}
	if gone := f.ilo.value(victim, "/UserName") != `"victim"`; gone != m.gone {
		r.Fatalf("%s is gone: %v", victim, gone)
	}
	found := map[string]bool{}
	_, all := f.ilo.do(http.MethodGet, subscriptions, "")
	for _, member := range all["Members"].([]any) {
		_, body := f.ilo.do(http.MethodGet, at(member, "/@odata.id").(string), "")
		if context, _ := body["Context"].(string); strings.HasPrefix(context, "made ") {
			found[context] = true
		}
	}
	if !maps.Equal(found, m.made) {
		r.Fatalf("subscriptions %v, want %v", found, m.made)
	}
	files, _ := os.ReadDir(f.dir)
	if m.open != nil {
		files = slices.DeleteFunc(files, func(d os.DirEntry) bool { return strings.HasSuffix(d.Name(), openSuffix) })
	}
	if len(files) > 0 {
		r.Fatalf("left: %v", files)
	}
}
