package gateway

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/ilod/ilod/agent/ilopath"
)

// targets are the URIs of actions in a body.
var targets = regexp.MustCompile(`"target": *"([^"]*)"`)

// writers says who may write below each service of the real trees, by the beginnings
// of paths, of which the longest counts: what the Redfish privilege registry (DSP8011)
// has as ConfigureComponents is for operators.
var writers = map[string]Role{
	"/redfish/v1": Admin, "/redfish/v1/chassis": Operator, "/redfish/v1/fabrics": Operator, "/redfish/v1/systems": Operator,
	"/redfish/v1/updateservice": Operator, "/redfish/v1/eventservice/subscriptions": Operator,
}

// managed are paths below services of operators that are ConfigureManager in the registry,
// with what is in them.
var managed = regexp.MustCompile(`^/redfish/v1/chassis/[^/]+/(power|thermal|powersubsystem|thermalsubsystem|environmentmetrics|controls)(/|$)|/networkadapters/[^/]+/metrics$|/networkdevicefunctions/[^/]+/metrics$|^/redfish/v1/updateservice/bundleupdatereport/[^/]+/entries|^/redfish/v1/eventservice/subscriptions/`)

// parts are those in it that are ConfigureComponents all the same.
var parts = regexp.MustCompile(`/assembly$|/thermalsubsystem/pumps`)

// TestOperatorsWriteWhatIsTheirs: each resource and each action of the real trees
// needs the role of its service.
func TestOperatorsWriteWhatIsTheirs(t *testing.T) {
	seen := map[Role]bool{}
	judge := func(uri, method string) {
		path := ilopath.Canonical(uri)
		want, longest := Admin, 0
		for prefix, role := range writers {
			if ilopath.Within(path, prefix) && len(prefix) > longest {
				want, longest = role, len(prefix)
			}
		}
		if managed.MatchString(path) && !parts.MatchString(path) {
			want = Admin
		}
		r, _ := find(path, method)
		switch sessions := ilopath.Within(path, "/redfish/v1/sessionservice"); {
		case sessions && (r == nil || r.handle != nil): // logins, and who may end what, are in TestAccess
		case r == nil || r.role(path, method) != want:
			t.Errorf("%s %s: %+v, want %v", method, uri, r, want)
		}
		seen[want] = true
	}
	for _, captured := range realTrees(t) {
		for _, r := range captured.Resources() {
			for method := range strings.FieldsSeq(writes) {
				judge(r.URI, method)
			}
			for _, target := range targets.FindAllSubmatch(r.Body, -1) {
				judge(string(target[1]), http.MethodPost)
			}
		}
	}
	if !seen[Operator] || !seen[Admin] {
		t.Errorf("only %v can write anything", seen)
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
		for _, operation := range []string{"$batch", "%24batch", "$BATCH/", "/$query"} {
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
