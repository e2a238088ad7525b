package freshness

import (
	"strings"
	"testing"

	"github.com/ilod/ilod/agent/ilopath/ilopathtest"
)

// Whatever the spelling by which a resource was read and is written, the answer
// from before the write is not given again.
func TestAWriteDropsAllSpellings(t *testing.T) {
	const resource = "/redfish/v1/Chassis/1"
	tree := newResources()
	var spellings []ilopathtest.Spelling
	for _, s := range ilopathtest.Spellings {
		if s.Canonical == ilopathtest.Resource && !strings.Contains(s.Path, "#") {
			s.Path = strings.NewReplacer("systems", "chassis", "Systems", "Chassis", "SYSTEMS", "CHASSIS", "%53y", "%43ha", "3ystems", "3hassis", "ystems", "hassis").Replace(s.Path)
			if strings.Contains(s.Path, "hassis") || strings.Contains(s.Path, "HASSIS") {
				spellings = append(spellings, s)
			}
		}
	}
	c, next, _ := open(t, tree)
	for _, read := range spellings {
		for _, written := range []string{resource, read.Path} {
			first := read.Path
			if written == read.Path {
				first = resource
			}
			tree.set(strings.Split(first, "#")[0], `W/"1"`, `{"a":1}`)
			ask(t, c, "GET", first)
			next.seen()
			ask(t, c, "GET", first)
			if n := len(next.seen()); (n == 0) != (first == resource || read.Plain) {
				t.Errorf("%s: %d requests for the second read", first, n)
			}
			ask(t, c, "PATCH", written)
			next.seen()
			ask(t, c, "GET", first)
			if len(next.seen()) == 0 {
				t.Errorf("%s was kept over the write to %s", first, written)
			}
		}
	}
}

func TestLinksAreReadLikePathsOfRequests(t *testing.T) {
	for _, s := range ilopathtest.Spellings {
		if strings.ContainsAny(s.Path, "?#") || strings.HasPrefix(s.Path, "//") {
			continue // a part of a resource, another host
		}
		want := s.Canonical
		if !s.Plain {
			want = ""
		}
		if got := pathOfLink(s.Path); got != want {
			t.Errorf("%s: %q, want %q", s.Path, got, want)
		}
	}
}
