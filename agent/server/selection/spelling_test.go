package selection

import (
	"strings"
	"testing"

	"github.com/ilod/ilod/agent/ilopath/ilopathtest"
)

// A filter compares a link as everybody compares paths, and the part of the
// resource to which it leads.
func TestFiltersTakeAllSpellingsOfALink(t *testing.T) {
	for _, s := range ilopathtest.Spellings {
		_, part, _ := strings.Cut(s.Path, "#")
		want := s.Canonical == ilopathtest.Resource && part == ""
		if f := (Filter{"Link", s.Path}); f.matches(ilopathtest.Resource) != want {
			t.Errorf("%s: %t, want %t", s.Path, !want, want)
		}
	}
	for value, want := range map[string]bool{"#/Fans/0": true, "/#/fans/0": true, "#/Fans/1": false, "": false} {
		if f := (Filter{"Link", "/redfish/v1/chassis/1/thermal" + value}); f.matches("/redfish/v1/Chassis/1/Thermal#/Fans/0") != want {
			t.Errorf("%s: %t", value, !want)
		}
	}
}
