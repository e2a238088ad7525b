package transaction

import (
	"strings"
	"testing"

	"github.com/ilod/ilod/agent/ilopath/ilopathtest"
	"github.com/ilod/ilod/chif/chiftest/redfish"
)

// Writes to one resource have one base, however they spell it.
func TestOneBaseForAllSpellings(t *testing.T) {
	f := newFixture(t, redfish.Options{})
	f.begin()
	f.stage("PATCH", ilopathtest.Resource, `{"AssetTag":"x"}`)
	f.ilo.requests()
	for _, s := range ilopathtest.Spellings {
		if s.Canonical != ilopathtest.Resource || strings.Contains(s.Path, "#") {
			continue
		}
		f.stage("PATCH", "https://ilo"+s.Path, `{"AssetTag":"x"}`)
		for _, r := range f.ilo.requests() {
			if strings.HasPrefix(r, "GET ") && !strings.Contains(strings.ToLower(r), "schema") && !strings.Contains(strings.ToLower(r), "registr") {
				t.Errorf("%s: %s", s.Path, r)
			}
		}
	}
}
