package gateway

import (
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/ilod/ilod/agent/ilopath"
	"github.com/ilod/ilod/chif/chiftest/tree"
)

// targets are the URIs of actions in a body.
var targets = regexp.MustCompile(`"target": *"([^"]*)"`)

// writers says who may write below each service of the real trees. Chassis,
// Fabrics, Systems and UpdateService are ConfigureComponents in the Redfish
// privilege registry (DSP8011); of those that are ConfigureManager there,
// operators also have events, tasks, telemetry and component integrity.
var writers = map[string]Role{
	"chassis": Operator, "componentintegrity": Operator, "eventservice": Operator, "fabrics": Operator,
	"systems": Operator, "taskservice": Operator, "telemetryservice": Operator, "updateservice": Operator,

	"": Admin, "accountservice": Admin, "certificateservice": Admin, "jsonschemas": Admin, "managers": Admin, "odata": Admin,
	"registries": Admin, "registrystore": Admin, "resourcedirectory": Admin, "schemastore": Admin, "sessionservice": Admin,
}

// TestOperatorsWriteWhatIsTheirs: each resource and each action of the real trees
// needs the role of its service.
func TestOperatorsWriteWhatIsTheirs(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(tree.Testdata(t), "trees", "*.jsonl.gz"))
	if err != nil || len(files) < 4 {
		t.Fatal("trees:", files, err)
	}
	seen := map[string]bool{}
	judge := func(uri, method string) {
		path := ilopath.Canonical(uri)
		service, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(path, "/redfish/v1"), "/"), "/")
		want, known := writers[service]
		seen[service] = true
		switch r, exists := find(path, method); {
		case !known, !exists:
			t.Errorf("%s: a service without a role", uri)
		case r == nil && service == "sessionservice": // logins, and who may end what, are in TestAccess
		case r == nil || r.need != want && (service != "sessionservice" || r.handle == nil):
			t.Errorf("%s %s: %+v, want %v", method, uri, r, want)
		}
	}
	for _, file := range files {
		captured, err := tree.Load(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range captured.Resources() {
			for method := range strings.FieldsSeq(writes) {
				judge(r.URI, method)
			}
			for _, target := range targets.FindAllSubmatch(r.Body, -1) {
				judge(string(target[1]), http.MethodPost)
			}
		}
	}
	for service := range writers {
		if !seen[service] {
			t.Errorf("%q is a service of no tree", service)
		}
	}
}

// TestWritesToTheUnknownAreForAdmins: what a firmware has that nobody here knows
// may carry requests, and would be a way round the roles.
func TestWritesToTheUnknownAreForAdmins(t *testing.T) {
	n := &next{}
	g := newGateway(t, Options{Next: n})
	paths := []string{"/redfish", "/redfish/v1", "/redfish/v2", "/redfish/v2/Systems/1", "/redfish/v1/Systemss", "/rest/v1/$batch", "/redfish/v1/$metadata"}
	for _, service := range []string{"AggregationService", "CompositionService", "JobService", "JobService/Jobs", "KeyService", "LicenseService", "NewService/x", "Oem/Hpe/x", "System"} {
		paths = append(paths, "/redfish/v1/"+service, "/rest/v1/"+service+"/")
	}
	for _, where := range []string{"", "/Systems", "/Systems/1", "/Chassis/1/Thermal", "/UpdateService"} {
		for _, operation := range []string{"$batch", "%24batch", "$BATCH/", "/$query", "$crossjoin(a,b)/x"} {
			paths = append(paths, "/redfish/v1"+where+"/"+operation)
		}
	}
	for _, path := range paths {
		for method := range strings.FieldsSeq(writes) {
			wantFailure(t, ask(g, &operator, method, path, "{}"), 403, "InsufficientPrivilege")
			before := n.count()
			if ask(g, &root, method, path, "{}"); n.count() != before+1 {
				t.Errorf("%s %s of an admin does not get to the iLO", method, path)
			}
		}
	}
}
