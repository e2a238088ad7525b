package selection

import (
	"errors"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ilod/ilod/agent/schema"
	"github.com/ilod/ilod/chif/chiftest/tree"
)

// bodies answers with the body of a path.
type bodies map[string]string

func (b bodies) RoundTrip(r *http.Request) (*http.Response, error) {
	body, there := b[r.URL.Path]
	if !there {
		return nothing(r)
	}
	return &http.Response{StatusCode: 200, Request: r, Body: io.NopCloser(strings.NewReader(body))}, nil
}

// selected are the resources of a selector.
func selected(t *testing.T, text string, known, current http.RoundTripper) *Selected {
	t.Helper()
	selector, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	r := &Reader{Next: known}
	found, err := r.Find(t.Context(), selector)
	if err != nil {
		t.Fatal(err)
	}
	return &Selected{selector, found, schema.NewChecker(known), r, &Reader{Next: current}}
}

// realServer serves the tree of a real server, with its schemas.
func realServer(t *testing.T) http.RoundTripper {
	tr, err := tree.Load(filepath.Join(tree.Testdata(t), "trees", "ilo6-1.66-dl380a-gen11.jsonl.gz"))
	if err != nil {
		t.Fatal(err)
	}
	return serveTree(t, tr)
}

// planned is a plan in short: each path, the body, and a mark if it is not needed.
func planned(patches []Patch) string {
	var all []string
	for _, p := range patches {
		text := p.Path + strings.TrimSpace(JSON(p.Body, ""))
		if !p.Needed {
			text += "-"
		}
		all = append(all, text)
	}
	return strings.Join(all, " ")
}

const three = `{"Instances":[{"@odata.id":"/1","@odata.type":"#A.v1.A"},{"@odata.id":"/2","@odata.type":"#A.v1.A"},{"@odata.id":"/3","@odata.type":"#A.v1.A"}]}`

// TestPlanChangesWhatHasTheProperty, at the selector's pointer, and says what the iLO
// has already: what counts is what it has now, and the settings of a resource that has
// some.
func TestPlanChangesWhatHasTheProperty(t *testing.T) {
	known := bodies{
		Directory: three,
		"/1":      `{"@odata.type":"#A.v1.A","Tag":"old","In":{"X":1}}`,
		"/2":      `{"@odata.type":"#A.v1.A","Tag":"new"}`,
		"/3":      `{"@odata.type":"#A.v1.A","Mode":"a","@Redfish.Settings":{"SettingsObject":{"@odata.id":"/3/settings"}}}`,
	}
	current := bodies{"/1": known["/1"], "/2": known["/2"], "/3": known["/3"], "/3/settings": `{"Mode":"b"}`}
	changed := bodies{"/2": `{"Tag":"other"}`}
	for _, c := range []struct {
		selector, assignment string
		current              bodies
		want                 string
	}{
		{"A.", "Tag=new", current, `/1{"Tag":"new"} /2{"Tag":"new"}-`},
		{"A.", "Tag=new", changed, `/1{"Tag":"new"} /2{"Tag":"new"}`},
		{"A.", "Mode=a", current, `/3{"Mode":"a"}`},
		{"A.", "Mode=b", current, `/3{"Mode":"b"}-`},
		{"A.#/In", "X=1", current, `/1{"In":{"X":1}}-`},
		{"A.#/In", "X=2", current, `/1{"In":{"X":2}}`},
	} {
		a, err := ParseAssignment(c.assignment)
		if err != nil {
			t.Fatal(err)
		}
		assignments := []Assignment{a}
		patches, err := selected(t, c.selector, known, c.current).Plan(t.Context(), assignments)
		if got := planned(patches); got != c.want || err != nil {
			t.Errorf("%s of %s: %s, want %s; %v", c.assignment, c.selector, got, c.want, err)
		}
		if assignments[0] != a {
			t.Errorf("the assignment is now %v", assignments[0])
		}
	}
	// Without the settings nobody knows whether it is needed.
	if patches, err := selected(t, "/3", known, bodies{}).Plan(t.Context(), []Assignment{{"Mode", "a"}}); err == nil {
		t.Error(planned(patches))
	}
}

// TestPlanLeavesNothingAsItIsUnnoticed fails if a selected resource cannot be read, or
// none may have the property.
func TestPlanLeavesNothingAsItIsUnnoticed(t *testing.T) {
	next := bodies{Directory: three, "/1": `{"@odata.type":"#A.v1.A","Tag":"old"}`, "/2": "garbage"}
	if patches, err := selected(t, "A.", next, next).Plan(t.Context(), []Assignment{{"Tag", "new"}}); !errors.Is(err, errNoObject) || patches != nil {
		t.Errorf("%s, %v", planned(patches), err)
	}
	real := realServer(t)
	s := selected(t, "ComputerSystem.", real, real)
	if patches, err := s.Plan(t.Context(), []Assignment{{"Invented", "x"}}); !errors.Is(err, schema.ErrNoProperty) || !errors.Is(err, ErrValue) || patches != nil {
		t.Errorf("%s, %v", planned(patches), err)
	}
	// A property of the schema that the resource does not show can be set.
	delete(s.Found[0].Body, "AssetTag")
	s.Found = append(selected(t, "Manager.", real, real).Found, s.Found...)
	if patches, err := s.Plan(t.Context(), []Assignment{{"AssetTag", "x"}}); err != nil || planned(patches) != `/redfish/v1/Systems/1{"AssetTag":"x"}` {
		t.Errorf("%s, %v", planned(patches), err)
	}
}

// TestRestorePlansWhatIsNeeded, and names what it leaves out: what cannot be written,
// and which resources could not be read.
func TestRestorePlansWhatIsNeeded(t *testing.T) {
	real := realServer(t)
	r := &Reader{Next: real}
	x, err := r.Read(t.Context(), "/redfish/v1/Systems/1")
	if err != nil {
		t.Fatal(err)
	}
	checker := schema.NewChecker(real)
	shown := 0
	r.Progress = func(int, int) { shown++ }
	same := Saved{x.Type, x.Path, map[string]any{"AssetTag": x.Body["AssetTag"]}}
	other := Saved{x.Type, x.Path, map[string]any{"AssetTag": "other", "PowerState": "Off"}}
	gone := Saved{x.Type, "/redfish/v1/Systems/7/", map[string]any{"AssetTag": "other"}}
	bad := Saved{x.Type, x.Path, map[string]any{"AssetTag": 7}}
	patches, left, err := r.Restore(t.Context(), checker, []Saved{same, gone, other})
	if planned(patches) != `/redfish/v1/Systems/1{"AssetTag":"other"}` || !slices.Equal(left, []LeftOut{{x.Path, "/PowerState"}}) || err != nil {
		t.Errorf("%s, %v, %v", planned(patches), left, err)
	}
	if unread := r.Unread(); len(unread) != 1 || unread[0].Path != gone.Path {
		t.Errorf("not read: %v", unread)
	}
	if shown != 3 {
		t.Errorf("the progress was shown %d times", shown)
	}
	if patches, left, err := r.Restore(t.Context(), checker, []Saved{other, bad, same}); !errors.Is(err, ErrValue) || patches != nil || len(left) != 1 {
		t.Errorf("%s, %v, %v", planned(patches), left, err)
	}
	if patches, _, err := r.Restore(t.Context(), checker, []Saved{gone}); !isGone(err) || patches != nil {
		t.Errorf("%s, %v", planned(patches), err)
	}
}
