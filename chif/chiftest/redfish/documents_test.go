package redfish

import (
	"encoding/json"
	"encoding/xml"
	"slices"
	"strings"
	"testing"

	"github.com/ilod/ilod/chif/chiftest/tree"
)

// The documents by which OData's clients begin are there without a session, also
// when a tree lacks them; a tree's own come first.
func TestEveryServiceHasTheDocumentsOfOData(t *testing.T) {
	f := newFixture(t, Options{})
	nobody := f.anonymous()
	if got := nobody.get("/redfish"); string(got) != `{"v1":"/redfish/v1/"}` {
		t.Errorf("versions: %s", got)
	}
	var service struct {
		Context string `json:"@odata.context"`
		Value   []struct{ Name, Kind, URL string }
	}
	if err := json.Unmarshal(nobody.get("/redfish/v1/odata"), &service); err != nil || service.Context != "/redfish/v1/$metadata" {
		t.Errorf("service document: %+v, %v", service, err)
	}
	c := f.login()
	var names []string
	for _, e := range service.Value {
		names = append(names, e.Name)
		if e.Kind != "Singleton" || len(c.get(e.URL)) == 0 {
			t.Errorf("service document: %+v", e)
		}
	}
	for _, name := range []string{"Service", "Systems", "Chassis", "SessionService", "Sessions"} {
		if !slices.Contains(names, name) {
			t.Errorf("the service document lists %v, without %s", names, name)
		}
	}
	w := nobody.do("GET", "/redfish/v1/$metadata", "")
	var schema struct {
		XMLName   xml.Name
		Container struct {
			Name string `xml:",attr"`
		} `xml:"DataServices>Schema>EntityContainer"`
	}
	if err := xml.Unmarshal(w.Body.Bytes(), &schema); err != nil || w.Header().Get("Content-Type") != "application/xml" ||
		schema.XMLName.Local != "Edmx" || schema.Container.Name != "Service" {
		t.Errorf("metadata: %v, %v, %+v", w.Header(), err, schema)
	}
	for uri := range documents {
		if w := nobody.do("HEAD", uri+"/", ""); w.Code != 200 || w.Body.Len() != 0 || w.Header().Get("Allow") != "GET, HEAD" {
			t.Errorf("HEAD %s: %d %v", uri, w.Code, w.Header())
		}
		if w := nobody.do("POST", uri, "{}"); w.Code != 401 {
			t.Errorf("POST %s without a session: %d", uri, w.Code)
		}
		if w := c.do("POST", uri, "{}"); w.Code != 405 || w.Header().Get("Allow") != "GET, HEAD" {
			t.Errorf("POST %s: %d %v", uri, w.Code, w.Header())
		}
	}
	captured := loadTree(t, capturedTrees[2])
	own, ok := captured.Lookup(tree.Root + "/odata")
	if got := newFixture(t, Options{Tree: captured}).anonymous().get("/redfish/v1/odata"); !ok || string(got) != string(own.Body) {
		t.Errorf("the tree's own: %.200s", got)
	}
	sensitive := newFixture(t, Options{CaseSensitive: true}).login()
	if w := sensitive.do("GET", "/REDFISH", ""); w.Code != 404 {
		t.Errorf("another spelling: %d", w.Code)
	}
}

// What a predefined role may do is the same on all services, so nobody changes it.
func TestPredefinedRolesDoNotChange(t *testing.T) {
	const roles = "/redfish/v1/AccountService/Roles/"
	f := newFixture(t, Options{Tree: loadTree(t, capturedTrees[2])})
	c := f.login()
	change := `{"AssignedPrivileges":["Login"],"OemPrivileges":[]}`
	for _, name := range []string{"Administrator", "Operator", "ReadOnly"} {
		before := c.get(roles + name)
		expect(t, "PATCH "+name, c.do("PATCH", roles+name, change), 400, "PropertyNotWritable PropertyNotWritable")
		f.resources[tree.Key(roles+name)].methods = append(f.resources[tree.Key(roles+name)].methods, "DELETE")
		expect(t, "DELETE "+name, c.do("DELETE", roles+name, ""), 405, "ResourceCannotBeDeleted")
		if after := c.get(roles + name); string(after) != string(before) {
			t.Errorf("%s is now %s", name, after)
		}
	}
	for _, r := range loadTree(t, capturedTrees[2]).Resources() {
		if strings.HasPrefix(r.URI, roles+"dirgroup") {
			expect(t, "PATCH "+r.URI, c.do("PATCH", r.URI, `{"AssignedPrivileges":["Login"]}`), 200, "Success")
		}
	}
}
