package transaction

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ilod/ilod/agent/api"
	"github.com/ilod/ilod/agent/redfisherror"
	"github.com/ilod/ilod/chif/chiftest/tree"
)

// TestResetIsWhatTheMessageSays: the texts in the registries of the real trees say
// what has to be reset.
func TestResetIsWhatTheMessageSays(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(tree.Testdata(t), "trees", "*.jsonl.gz"))
	if err != nil || len(files) != 4 {
		t.Fatal(files, err)
	}
	seen := map[string]bool{}
	for _, file := range files {
		captured, err := tree.Load(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range captured.Resources() {
			var registry struct {
				RegistryPrefix, RegistryVersion string
				Messages                        map[string]struct{ Message string }
			}
			if json.Unmarshal(r.Body, &registry) != nil || strings.Contains(registry.RegistryPrefix, "Event") {
				continue
			}
			for key, m := range registry.Messages {
				says := strings.ToLower(m.Message)
				id := registry.RegistryPrefix + "." + registry.RegistryVersion + "." + key
				if strings.Contains(says, "%1 is reset") {
					continue // TestResetThatAMessageNames
				}
				want := api.Reset{
					Server: strings.Contains(says, "system is reset") || strings.Contains(says, "system is rebooted") || strings.HasPrefix(says, "reboot is required") || strings.Contains(says, "needs a reboot"),
					ILO:    strings.Contains(says, "management processor is"),
					Device: strings.Contains(says, "chassis is reset") || strings.Contains(says, "the device is reset") && key == "DeviceResetRequired",
				}
				if key == "iLOResetAndSystemRebootRequired" { // its name says more than its text
					want.ILO = true
				}
				if got := resetOf(redfisherror.Message{ID: id}); got != want {
					t.Errorf("%s: %+v, want %+v: %s", id, got, want, m.Message)
				}
				seen[registry.RegistryPrefix+"."+key] = seen[registry.RegistryPrefix+"."+key] || want.Any()
			}
		}
	}
	for id := range resets {
		found := false
		for name, reset := range seen {
			found = found || reset && strings.EqualFold(name, id)
		}
		if !found {
			t.Errorf("no registry has %s", id)
		}
	}
}

// TestResetThatAMessageNames: by a word, or by the path of the action that resets.
func TestResetThatAMessageNames(t *testing.T) {
	for _, c := range []struct {
		id, arg string
		want    api.Reset
	}{
		{"HpeCommon.2.0.ResetRequired", "iLO", api.Reset{ILO: true}},
		{"HpeCommon.2.0.ResetRequired", "the management processor", api.Reset{ILO: true}},
		{"HpeCommon.2.0.ResetRequired", "System", api.Reset{Server: true}},
		{"HpeCommon.2.0.ResetRequired", "the server", api.Reset{Server: true}},
		{"HpeCommon.2.0.ResetRequired", "drive 5", api.Reset{Device: true}},
		{"Base.1.16.ResetRequired", "/redfish/v1/Systems/1/Actions/ComputerSystem.Reset", api.Reset{Server: true}},
		{"Base.1.16.ResetRequired", "/redfish/v1/managers/1/Actions/Manager.Reset/", api.Reset{ILO: true}},
		{"Base.1.16.ResetRequired", "/redfish/v1/Chassis/1/Drives/1/Actions/Drive.Reset", api.Reset{Device: true}},
		{"iLO.2.14.ResetRequired", "x", api.Reset{ILO: true}},
		{"Acme.1.0.SystemResetRequired", "", api.Reset{Server: true}},
		{"Acme.1.0.ResetRequired", "", api.Reset{Device: true}},
		{"iLO.2.14.ResetInProgress", "", api.Reset{}},
		{"Base.1.16.Success", "", api.Reset{}},
	} {
		m := redfisherror.Message{ID: c.id}
		if c.arg != "" {
			m.Args = []string{c.arg}
		}
		if got := resetOf(m); got != c.want {
			t.Errorf("%s %s: %+v, want %+v", c.id, c.arg, got, c.want)
		}
	}
	if s := (api.Reset{Server: true, ILO: true, Device: true}).String(); s != "the server and the iLO and a device" || (api.Reset{}).String() != "" {
		t.Error(s)
	}
}

// TestResetOfAnEarlierJournal: it is true or false there.
func TestResetOfAnEarlierJournal(t *testing.T) {
	for text, want := range map[string]api.Reset{`true`: {Server: true}, `false`: {}, `{"Server":false,"ILO":true,"Device":false}`: {ILO: true}} {
		var r api.Reset
		if err := json.Unmarshal([]byte(text), &r); err != nil || r != want {
			t.Errorf("%s: %+v %v", text, r, err)
		}
	}
}

// TestSettingsBelongToWhatLeadsToThem: their name counts only if nothing that was
// read leads there.
func TestSettingsBelongToWhatLeadsToThem(t *testing.T) {
	leads := func(to string) *resource {
		return &resource{body: map[string]any{"@Redfish.Settings": map[string]any{"SettingsObject": map[string]any{"@odata.id": to}}}}
	}
	tx := &transaction{bases: map[string]*resource{
		"/redfish/v1/systems/1/bios":             leads("/redfish/v1/Systems/1/Bios/Waiting/"),
		"/redfish/v1/systems/1/bios/waiting":     leads("/redfish/v1/Systems/1/Bios/Waiting"),
		"/redfish/v1/chassis/1/ports/1":          leads("/redfish/v1/Chassis/1/Others/Settings"),
		"/redfish/v1/chassis/1/ports/2":          {body: map[string]any{}},
		"/redfish/v1/chassis/1/ports/3/settings": {body: map[string]any{}},
	}}
	for key, want := range map[string]string{
		"/redfish/v1/systems/1/bios/waiting":     "/redfish/v1/systems/1/bios",
		"/redfish/v1/chassis/1/others/settings":  "/redfish/v1/chassis/1/ports/1",
		"/redfish/v1/chassis/1/ports/3/settings": "/redfish/v1/chassis/1/ports/3",
		"/redfish/v1/chassis/1/ports/2":          "",
		"/redfish/v1/chassis/1/ports/1":          "",
	} {
		if got := tx.ownerOf(key); got != want {
			t.Errorf("%s belongs to %q, want %q", key, got, want)
		}
	}
}
