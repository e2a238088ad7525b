package redfish

import (
	"encoding/json"
	"testing"

	"github.com/ilod/ilod/chif/chiftest/tree"
)

// FuzzServe: whatever is asked, the answer is HTTP with JSON or nothing in it,
// and every body of the tree stays JSON.
func FuzzServe(f *testing.F) {
	for _, seed := range [][3]string{
		{"GET", "/redfish/v1/Systems/1?$expand=.&$select=Oem/Hpe", ""},
		{"GET", "/rest/v1/Systems", ""},
		{"POST", "/redfish/v1/Sessions", noCredentials},
		{"PATCH", "/redfish/v1/Systems/1", `{"Boot":{"BootSourceOverrideTarget":"Pxe"}}`},
		{"PATCH", "/redfish/v1/systems/1/bios/settings/", `{"Attributes":{"x":null}}`},
		{"POST", "/redfish/v1/AccountService/Accounts", `{"UserName":"a","Password":"b"}`},
		{"DELETE", "/redfish/v1/AccountService/Accounts/1", ""},
		{"POST", "/redfish/v1/Systems/1/Actions/ComputerSystem.Reset", `{"ResetType":"ForceRestart"}`},
		{"DELETE", "ilo/redfish/v1/", ""},
	} {
		f.Add(seed[0], seed[1], seed[2])
	}
	var few []tree.Resource
	for _, r := range tree.Generate(tree.GenerateOptions{}).Resources() {
		switch tree.Key(r.URI) {
		case tree.Root, systemKey, biosKey, biosKey + "/settings", "/redfish/v1/accountservice/accounts", "/redfish/v1/accountservice/accounts/1":
			few = append(few, r)
		}
	}
	tr := mustTree(f, few...)
	f.Fuzz(func(t *testing.T, method, target, body string) {
		s := newFixture(t, Options{Tree: tr, RewriteLinks: true, VolatileReadings: true})
		c := s.login()
		w := c.do(method, target, body)
		if w.Code < 200 || w.Code > 599 || w.Body.Len() > 0 && !json.Valid(w.Body.Bytes()) {
			t.Errorf("%d %q", w.Code, w.Body)
		}
		s.ApplyPending()
		for _, x := range s.resources {
			if !json.Valid(x.body) {
				t.Errorf("%s: %s", x.uri, x.body)
			}
		}
	})
}
