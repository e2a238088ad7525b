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

// TestWhereSettingsWait finds the settings of a resource in the forms of all
// generations.
func TestWhereSettingsWait(t *testing.T) {
	for body, want := range map[string]string{
		`{"@Redfish.Settings":{"SettingsObject":{"@odata.id":"/redfish/v1/systems/1/bios/settings/"}},"Links":{"Settings":{"@odata.id":"/other"}}}`: "/redfish/v1/systems/1/bios/settings/",
		`{"Links":{"Settings":{"@odata.id":"/redfish/v1/systems/1/bios/settings/"}}}`:                                                               "/redfish/v1/systems/1/bios/settings/",
		`{"links":{"Settings":{"href":"/rest/v1/systems/1/bios/Settings"}}}`:                                                                        "/rest/v1/systems/1/bios/Settings",
		`{"links":{"Settings":{"href":"/rest/v1/systems/1/bios/"}}}`:                                                                                "", // itself
		`{"links":{"Settings":{"href":7}},"Links":null}`:                                                                                            "",
		`{}`: "",
	} {
		v, err := decode([]byte(body))
		if err != nil {
			t.Fatal(err)
		}
		if got := (&resource{body: v.(map[string]any)}).settings("/redfish/v1/Systems/1/Bios"); got != want {
			t.Errorf("%s: %q, want %q", body, got, want)
		}
	}
}
