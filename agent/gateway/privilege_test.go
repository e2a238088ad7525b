package gateway

import (
	"encoding/json"
	"maps"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ilod/ilod/agent/ilopath"
	"github.com/ilod/ilod/chif/chiftest/tree"
)

// realTrees are the resources of real servers.
func realTrees(t *testing.T) (all []*tree.Tree) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(tree.Testdata(t), "trees", "*.jsonl.gz"))
	if err != nil || len(files) < 4 {
		t.Fatal("trees:", files, err)
	}
	for _, file := range files {
		captured, err := tree.Load(file)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, captured)
	}
	return all
}

// TestPathsLeadToTheTypesOfTheRealTrees: the entity that a path is taken for is the
// one that the resource itself says it is.
func TestPathsLeadToTheTypesOfTheRealTrees(t *testing.T) {
	registry, seen := privileges(), map[string]bool{}
	for _, captured := range realTrees(t) {
		for _, r := range captured.Resources() {
			var body struct {
				Type string `json:"@odata.type"`
			}
			if r.Status != http.StatusOK || json.Unmarshal(r.Body, &body) != nil {
				continue
			}
			entity, _, _ := strings.Cut(strings.TrimPrefix(body.Type, "#"), ".")
			path := ilopath.Canonical(r.URI)
			all := registry.entities(path)
			if _, known := registry.operations[entity]; !known || len(all) == 0 {
				continue
			}
			seen[entity] = true
			// Elsewhere only admins write.
			service, _, _ := strings.Cut(strings.TrimPrefix(path, "/redfish/v1/"), "/")
			operators := slices.Contains([]string{"chassis", "eventservice", "fabrics", "systems", "updateservice"}, service)
			if got := all[len(all)-1]; got != entity && operators {
				t.Errorf("%s is taken for %s, and is %s", path, got, entity)
			}
		}
	}
	if len(seen) < 50 {
		t.Errorf("only %d entities were seen: %v", len(seen), slices.Sorted(maps.Keys(seen)))
	}
}

// TestRolesFollowThePrivilegeRegistry: what DMTF's Redfish_1.8.0_PrivilegeRegistry says
// of resources that an iLO may have, for reading, changing, creating in it or running
// an action of it, and deleting. R is Login, O is ConfigureComponents, and A is what
// only admins have.
func TestRolesFollowThePrivilegeRegistry(t *testing.T) {
	for path, want := range map[string]string{
		"/redfish/v1/systems/1":                                                       "ROOO",
		"/redfish/v1/systems/1/bios/settings":                                         "ROOO",
		"/redfish/v1/systems/1/actions/computersystem.reset":                          "ROOO",
		"/redfish/v1/systems/1/secureboot/securebootdatabases/db/certificates/1":      "OOOO",
		"/redfish/v1/systems/1/storage/de00a000/volumes":                              "ROOO",
		"/redfish/v1/systems/1/logservices/iml/entries/1":                             "ROOO",
		"/redfish/v1/systems/1/logservices/iml/actions/logservice.clearlog":           "ROOO",
		"/redfish/v1/systems/1/ethernetinterfaces/1":                                  "ROOO",
		"/redfish/v1/systems/1/virtualmedia/1":                                        "RAAA",
		"/redfish/v1/systems/1/smartstorageconfig/settings":                           "ROOO", // HPE's, as the system
		"/redfish/v1/systems/1/memory/proc1dimm1/environmentmetrics":                  "ROOO",
		"/redfish/v1/chassis/1":                                                       "ROOO",
		"/redfish/v1/chassis/1/actions/chassis.reset":                                 "ROOO",
		"/redfish/v1/chassis/1/power":                                                 "RAAA",
		"/redfish/v1/chassis/1/thermal":                                               "RAAA",
		"/redfish/v1/chassis/1/powersubsystem/powersupplies/0":                        "RAAA",
		"/redfish/v1/chassis/1/powersubsystem/powersupplies/0/metrics":                "RAAA",
		"/redfish/v1/chassis/1/environmentmetrics":                                    "RAAA",
		"/redfish/v1/chassis/1/drives/0":                                              "ROOO",
		"/redfish/v1/chassis/1/trustedcomponents/tpm/certificates":                    "AAAA",
		"/redfish/v1/fabrics/1/switches/1/ports/1":                                    "ROOO",
		"/redfish/v1/updateservice":                                                   "ROOO",
		"/redfish/v1/updateservice/actions/updateservice.simpleupdate":                "ROOO",
		"/redfish/v1/updateservice/updatetaskqueue":                                   "ROOO", // HPE's, as the service
		"/redfish/v1/updateservice/remoteservercertificates":                          "AAAA",
		"/redfish/v1/updateservice/publicidentitysshkey":                              "RAAA",
		"/redfish/v1/eventservice":                                                    "RAAA",
		"/redfish/v1/eventservice/actions/eventservice.submittestevent":               "RAAA",
		"/redfish/v1/eventservice/actions/oem/hpe/eventservice.clearallsubscriptions": "RAAA",
		"/redfish/v1/eventservice/subscriptions":                                      "ROOO",
		"/redfish/v1/eventservice/subscriptions/1":                                    "RAAA",
		"/redfish/v1/eventservice/subscriptions/1/certificates":                       "AAAA",
		"/redfish/v1/eventservice/cacertificates":                                     "RAAA", // HPE's, as the service
		"/redfish/v1/taskservice/tasks/1":                                             "RAAA",
		"/redfish/v1/telemetryservice/metricreportdefinitions":                        "RAAA",
		"/redfish/v1/licenseservice/licenses":                                         "RAAA",
		"/redfish/v1/componentintegrity/1":                                            "RAAA",
		"/redfish/v1/certificateservice/actions/certificateservice.generatecsr":       "RAAA",
		"/redfish/v1/certificateservice/certificatelocations":                         "AAAA",
		"/redfish/v1/managers/1":                                                      "RAAA",
		"/redfish/v1/managers/1/ethernetinterfaces/1":                                 "RAAA",
		"/redfish/v1/managers/1/virtualmedia/2":                                       "RAAA",
		"/redfish/v1/managers/1/logservices/iel":                                      "RAAA",
		"/redfish/v1/managers/1/usbports/1":                                           "RAAA", // no service of operators
		"/redfish/v1/managers/1/updateservice":                                        "RAAA", // as an iLO 4 has it
		"/redfish/v1/managers/1/securityservice/httpscert":                            "RAAA", // HPE's, as the manager
		"/redfish/v1/managers/1/networkprotocol/https/certificates/1":                 "AAAA",
		"/redfish/v1/jobservice/jobdocuments/1/actions/jobdocument.submitjob":         "RAAA", // no service of operators
		"/redfish/v1/aservicethatnobodyknows/systems/1":                               "RAAA",
		"/redfish/v1/systems/$batch":                                                  "RAAA",
		"/redfish/v1/accountservice/accounts/1":                                       "AAAA", // stricter than the registry
		"/redfish/v1/registries/base":                                                 "RAAA",
		"/redfish/v1/systems/1/logservices/iml/entries/members/7":                     "ROOO", // as an iLO 4 has it
	} {
		got := ""
		for _, method := range []string{http.MethodGet, http.MethodPatch, http.MethodPost, http.MethodDelete} {
			if r, _ := find(path, method); r == nil {
				got += "-"
			} else {
				got += map[Role]string{Anyone: "N", Reader: "R", Operator: "O", Admin: "A"}[r.role(path, method)]
			}
		}
		if got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
}

// TestPrivilegeRegistryIsWhole: the file is read to its last line, says which
// version it is of, and knows all entities to which it leads.
func TestPrivilegeRegistryIsWhole(t *testing.T) {
	if !strings.Contains(privilegeData, "Redfish_1.8.0_PrivilegeRegistry") || !strings.Contains(privilegeData, "https://redfish.dmtf.org/registries/") {
		t.Error("the file does not say its version and source")
	}
	r := privileges()
	overrides := 0
	for entity, list := range r.overrides {
		overrides += len(list)
		for _, o := range list {
			for _, above := range append(o.under, entity) {
				if _, known := r.operations[above]; !known {
					t.Errorf("nothing is said of %s", above)
				}
			}
		}
	}
	for segment, entity := range r.segments {
		if _, known := r.operations[entity]; !known || segment != strings.ToLower(segment) {
			t.Errorf("%q leads to %s", segment, entity)
		}
	}
	for entity, o := range r.operations {
		if min(o.get, o.patch, o.post, o.delete) == Anyone {
			t.Errorf("%s: an operation needs nothing", entity)
		}
	}
	if len(r.operations) != 261 || overrides != 18 {
		t.Errorf("%d entities and %d overrides", len(r.operations), overrides)
	}
}
