package schema_test

import (
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ilod/ilod/agent/schema"
	"github.com/ilod/ilod/chif/chiftest/tree"
)

// TestAttributesStandInAttributes writes to the BIOS of every tree what has no
// Attributes around it, which an iLO answers with 200 and throws away.
func TestAttributesStandInAttributes(t *testing.T) {
	all := maps.Clone(trees(t))
	for generation := 4; generation <= 6; generation++ {
		all["generated for iLO "+string(rune('0'+generation))] = tree.Generate(tree.GenerateOptions{Generation: generation})
	}
	for name, tr := range all {
		c := schema.NewChecker(frozen(t, tr))
		attribute := "ProcHyperthreading"
		if strings.HasPrefix(name, "ilo5-2") { // with another processor
			attribute = "ProcSMT"
		}
		for _, path := range []string{"/redfish/v1/systems/1/bios/settings/", "/redfish/v1/Systems/1/Bios/"} {
			for body, want := range map[string]string{
				`{"ATTRIBUTE":"Disabled"}`:                                               "PropertyUnknown /ATTRIBUTE",
				`{"Oem":{"ATTRIBUTE":"Disabled"}}`:                                       "PropertyUnknown /Oem/ATTRIBUTE",
				`{"Attributes":{},"Nonsense":1}`:                                         "PropertyUnknown /Nonsense",
				`{"Attributes":{"ATTRIBUTE":"Disabled"}}`:                                "",
				`{"Attributes":{},"@Redfish.SettingsApplyTime":{"ApplyTime":"OnReset"}}`: "",
			} {
				body, want = strings.ReplaceAll(body, "ATTRIBUTE", attribute), strings.ReplaceAll(want, "ATTRIBUTE", attribute)
				for _, method := range []string{http.MethodPatch, http.MethodPut} {
					v, err := c.Check(t.Context(), schema.Write{Method: method, Path: path, Body: []byte(body)})
					if got := strings.Join(keys(v), ","); got != want || err != nil {
						t.Errorf("%s: %s %s: %s: %q, want %q: %v", name, method, path, body, got, want, err)
					}
					if strings.Contains(body, attribute) && len(v) == 1 && !strings.HasSuffix(v[0].Text, " is not a property here: it belongs in Attributes") {
						t.Errorf("%s: %s: %s", name, body, v[0].Text)
					}
				}
			}
		}
	}
}

// TestAttributesAtTheTop writes to the BIOS of an iLO 4, whose settings have no
// Attributes around them.
func TestAttributesAtTheTop(t *testing.T) {
	c := schema.NewChecker(nowhere{})
	for body, want := range map[string]string{
		`{"Attributes":{"AcpiSlit":"Disabled"}}`: "/Attributes/AcpiSlit is not a property here: it belongs at the top of this resource, not in Attributes",
		`{"AcpiSlit":"Disabled"}`:                "",
		`{"BaseConfig":"default"}`:               "",
	} {
		for _, path := range []string{"get_bios_settings.json", "get_bios_pending_settings.json"} {
			current, err := os.ReadFile(filepath.Join(tree.Testdata(t), "trees", "proliantutils", "ilo4-rest-v1", path))
			if err != nil {
				t.Fatal(err)
			}
			v, err := c.Check(t.Context(), schema.Write{Method: http.MethodPatch, Path: "/rest/v1/systems/1/bios/Settings", Body: []byte(body), Current: current})
			if err != nil || want == "" && len(v) > 0 || want != "" && (len(v) != 1 || v[0].Text != want) {
				t.Errorf("%s: %s: %+v, %v", path, body, v, err)
			}
		}
	}
}

// nowhere has nothing.
type nowhere struct{}

func (nowhere) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusNotFound, Body: http.NoBody}, nil
}
