package selection

import (
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ilod/ilod/agent/schema"
	"github.com/ilod/ilod/chif/chiftest/tree"
)

// nothing is an iLO without schemas, and all else.
var nothing = roundTripper(func(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusNotFound, Request: r, Body: http.NoBody}, nil
})

// TestRestoreComparesWithWhatWillBe: what a resource has is compared with its
// settings where these have it, and else with the resource.
func TestRestoreComparesWithWhatWillBe(t *testing.T) {
	owner := resource(t, `{"A":1,"B":2,"Only":"here","In":{"X":1,"Y":1},"List":[1,2],"Gaps":["a",null,"b"]}`)
	twin := resource(t, `{"A":1,"B":3,"There":true,"In":{"X":2}}`)
	for saved, want := range map[string]string{
		`{"A":1,"B":3,"Only":"here","In":{"X":2,"Y":1},"There":true,"List":[1,2]}`: `{}`,
		`{"B":2}`:                 `{"B":2}`,
		`{"In":{"X":1,"Y":1}}`:    `{"In":{"X":1}}`,
		`{"Only":"there"}`:        `{"Only":"there"}`,
		`{"There":false}`:         `{"There":false}`,
		`{"A":1.0,"B":3.0e0}`:     `{}`,
		`{"List":[1,2,null]}`:     `{}`,
		`{"A":null}`:              `{"A":null}`,
		`{"Gaps":["a",null,"b"]}`: `{}`,
		`{"Gaps":["a","b"]}`:      `{"Gaps":["a","b"]}`,
	} {
		change, left, err := owner.restore(t.Context(), schema.NewChecker(nothing), twin, Saved{"", owner.Path, resource(t, saved).Body})
		if change == nil {
			change = map[string]any{}
		}
		if got := strings.TrimSpace(JSON(change, "")); got != want || left != nil || err != nil {
			t.Errorf("%s: %s, want %s; %v, %v", saved, got, want, left, err)
		}
	}
	if len(owner.Body) != 6 || len(twin.Body) != 4 {
		t.Error("the bodies have changed")
	}
}

// TestWhatIsReadOnlyInAListIsLeftOut loads lists whose elements have more than can
// be written: the rest of the elements is sent, and of the resource.
func TestWhatIsReadOnlyInAListIsLeftOut(t *testing.T) {
	tr, err := tree.Load(filepath.Join(tree.Testdata(t), "trees", "ilo6-1.66-dl380a-gen11.jsonl.gz"))
	if err != nil {
		t.Fatal(err)
	}
	r := &Reader{Next: serveTree(t, tr)}
	x, err := r.Read(t.Context(), "/redfish/v1/Managers/1/EthernetInterfaces/1")
	if err != nil {
		t.Fatal(err)
	}
	list, _ := x.Body["IPv4Addresses"].([]any)
	if len(list) == 0 {
		t.Fatalf("no addresses: %s", x.Raw)
	}
	for saved, c := range map[string]struct {
		want string
		left []string
	}{
		`{"IPv4Addresses":[{"Address":"192.0.2.9","AddressOrigin":"Other"}],"VLAN":{"VLANId":9}}`: {
			`{"IPv4Addresses":[{"Address":"192.0.2.9"}],"VLAN":{"VLANId":9}}`, []string{"/IPv4Addresses/0/AddressOrigin"}},
		`{"IPv4Addresses":[{"AddressOrigin":"Other"}],"VLAN":{"VLANId":9}}`: {`{"VLAN":{"VLANId":9}}`, []string{"/IPv4Addresses/0/AddressOrigin"}},
		`{"IPv4Addresses":[{"AddressOrigin":"Other"},{"AddressOrigin":"Other","Nonsense":1},{"Address":"192.0.2.9"}]}`: {
			`{"IPv4Addresses":[{},{},{"Address":"192.0.2.9"}]}`,
			[]string{"/IPv4Addresses/0/AddressOrigin", "/IPv4Addresses/1/AddressOrigin", "/IPv4Addresses/1/Nonsense"}},
	} {
		change, left, err := x.restore(t.Context(), schema.NewChecker(r.Next), x, Saved{x.Type, x.Path, resource(t, saved).Body})
		slices.Sort(left)
		if got := strings.TrimSpace(JSON(change, "")); got != c.want || !slices.Equal(left, c.left) || err != nil {
			t.Errorf("%s: %s, want %s; %v, want %v; %v", saved, got, c.want, left, c.left, err)
		}
	}
	if _, _, err := x.restore(t.Context(), schema.NewChecker(r.Next), x, Saved{x.Type, x.Path, map[string]any{"VLAN": map[string]any{"VLANId": "x"}}}); !errors.Is(err, ErrValue) {
		t.Error(err)
	}
}

func TestWithout(t *testing.T) {
	for _, c := range []struct{ change, path, want string }{
		{`{"A":1,"B":2}`, "A", `{"B":2}`},
		{`{"A":1}`, "A", `null`},
		{`{"A":{"B":1},"C":2}`, "A/B", `{"C":2}`},
		{`{"A":{"B":1}}`, "A/B", `null`},
		{`{"A":{"B":1,"C":2}}`, "A/B", `{"A":{"C":2}}`},
		{`{"A":1}`, "B", "not there"},
		{`{"A":1}`, "A/B", "not there"},
		{`{"A":{"B":1}}`, "A/C", "not there"},
		{`{"A":[1,2],"B":1}`, "A/1", `{"B":1}`},
		{`{"A":[{"B":1},{"C":2}]}`, "A/0/B", `{"A":[{},{"C":2}]}`},
		{`{"A":[{"B":1},{}]}`, "A/0/B", `null`},
		{`{"A":[{"B":1},5]}`, "A/0/B", `{"A":[{},5]}`},
		{`{"A":[{"B":1}]}`, "A/1/B", "not there"},
		{`{"A":[{"B":1}]}`, "A/x/B", "not there"},
		{`{"A":[{"B":1}]}`, "A/-1", "not there"},
		{`{"A":[{"B":1}]}`, "A/0/C", "not there"},
		{`{"A":[[{"B":1,"C":2}]]}`, "A/0/0/B", `{"A":[[{"C":2}]]}`},
	} {
		body := resource(t, c.change).Body
		rest, removed := without(body, split(c.path))
		got := strings.TrimSpace(JSON(rest, ""))
		if !removed {
			got = "not there"
		}
		if got != c.want || strings.TrimSpace(JSON(body, "")) != c.change {
			t.Errorf("%s without %s: %s, want %s; it is now %s", c.change, c.path, got, c.want, JSON(body, ""))
		}
	}
}

// TestSaveThenLoadOfAnILO4 saves real bodies of an iLO 4, whose settings differ in
// what they have, and loads them: nothing is to be sent.
func TestSaveThenLoadOfAnILO4(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(tree.Testdata(t), "trees", "proliantutils", "ilo*", "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatal("no samples", err)
	}
	n := 0
	for _, file := range files {
		body, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if body[0] != '{' {
			continue // several bodies, of one test of others
		}
		x := resource(t, string(body))
		x.Type = odataType(x.Body)
		next := roundTripper(func(r *http.Request) (*http.Response, error) {
			if r.URL.Path != x.Path {
				return nothing(r)
			}
			return (&remembered{all: map[string]answer{x.Path: {200, body}}, asked: map[string]bool{}}).RoundTrip(r)
		})
		checker := schema.NewChecker(next)
		settings, err := x.writable(t.Context(), checker)
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		twins := []*Resource{x}
		if strings.HasSuffix(file, "get_bios_settings.json") {
			pending, err := os.ReadFile(filepath.Join(filepath.Dir(file), "get_bios_pending_settings.json"))
			if err != nil {
				t.Fatal(err)
			}
			twins = append(twins, resource(t, string(pending)))
		}
		for _, now := range twins {
			saved := future(settings, now.Body)
			if len(saved) == 0 {
				continue
			}
			n++
			all, err := Load(Save(nil, []Saved{{x.Type, x.Path, saved}}))
			if err != nil || len(all) != 1 {
				t.Fatalf("%s: %v, %v", file, all, err)
			}
			change, left, err := x.restore(t.Context(), checker, now, all[0])
			if err != nil || len(change) > 0 || left != nil {
				t.Errorf("%s: %v, %v, %v", filepath.Base(file), change, left, err)
			}
		}
	}
	if n < 30 {
		t.Errorf("only %d bodies have settings", n)
	}
}

// TestWhatIsAboutAResourceIsNotLoaded leaves out what a file has of another server
// about its resource, and the clock.
func TestWhatIsAboutAResourceIsNotLoaded(t *testing.T) {
	x := resource(t, `{"Id":"1","Name":"a","Description":"b","DateTime":"2026-01-01T00:00:00Z","Links":{"A":1},"Actions":{"B":1},"In":{"Id":"2"},"A":1}`)
	saved := resource(t, `{"@odata.id":"/x","Id":"7","Name":"x","Description":"y","DateTime":"2001-01-01T00:00:00Z","Links":{"A":2},"Actions":{"B":2},"In":{"Id":"3"},"A":2}`).Body
	change, left, err := x.restore(t.Context(), schema.NewChecker(nothing), x, Saved{"", x.Path, saved})
	if got := strings.TrimSpace(JSON(change, "")); got != `{"A":2,"In":{"Id":"3"}}` || left != nil || err != nil {
		t.Errorf("%s, %v, %v", got, left, err)
	}
	if file := Save(nil, []Saved{{"#A.v1.A", "/a", map[string]any{"DateTime": "x", "A": 1}}}); strings.Contains(string(file), "DateTime") {
		t.Errorf("%s", file)
	}
}

// TestReadSettled reads what a change of a resource is written to.
func TestReadSettled(t *testing.T) {
	bodies := map[string]string{"/plain": `{}`, "/owner": `{"@Redfish.Settings":{"SettingsObject":{"@odata.id":"/twin"}}}`, "/twin": `{}`,
		"/lost": `{"@Redfish.Settings":{"SettingsObject":{"@odata.id":"/gone"}}}`}
	r := &Reader{Next: roundTripper(func(r *http.Request) (*http.Response, error) {
		body, there := bodies[r.URL.Path]
		if !there {
			return nothing(r)
		}
		return &http.Response{StatusCode: 200, Request: r, Body: io.NopCloser(strings.NewReader(body))}, nil
	})}
	for path, want := range map[string]string{"/plain": "/plain", "/owner": "/twin", "/lost": "", "/gone": ""} {
		x, now, err := r.readSettled(t.Context(), path)
		switch {
		case want == "":
			if err == nil {
				t.Errorf("%s: %+v", path, now)
			}
		case err != nil || x.Path != path || now.Path != want:
			t.Errorf("%s: %+v, %+v, %v", path, x, now, err)
		}
	}
}

// TestAttributesOfARegistryAreShownAlone: others stay where they are.
func TestAttributesOfARegistryAreShownAlone(t *testing.T) {
	for body, want := range map[string]string{
		`{"Attributes":{"A":1},"B":2}`:                               `{"Attributes":{"A":1},"B":2}`,
		`{"AttributeRegistry":"r","Attributes":{"A":1,"B":3},"B":2}`: `{"A":1,"AttributeRegistry":"r","B":2}`,
		`{"AttributeRegistry":"r","B":2}`:                            `{"AttributeRegistry":"r","B":2}`,
		`{"AttributeRegistry":"r","Attributes":7}`:                   `{"AttributeRegistry":"r","Attributes":7}`,
	} {
		if got := strings.TrimSpace(JSON(resource(t, body).Shown(), "")); got != want {
			t.Errorf("%s: %s, want %s", body, got, want)
		}
	}
	x := resource(t, `{"AttributeRegistry":"r","Attributes":{"A":1},"B":2}`)
	if got := strings.TrimSpace(JSON(x.show(map[string]any{"B": 2}), "")); got != `{"B":2}` {
		t.Error(got)
	}
}
