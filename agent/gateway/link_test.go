package gateway

import (
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Links in the header of the iLO's answers lead where the client is: to the
// agent, without a host.
func TestLinksOfAnswersAreTheAgents(t *testing.T) {
	kept := http.Header{
		"Location":         {"https://172.16.50.99/redfish/v1/Systems/1/a b/"},
		"Content-Location": {"http://ilo/rest/v1/x"},
		"Link":             {`<https://ilo/redfish/v1/SchemaStore/en/x.json/>; rel=describedby, </redfish/v1/y>; rel="a"`, "<https://ilo.example/help>; rel=help"},
		"X-Other":          {"https://ilo/redfish/v1/"},
	}
	relative := http.Header{
		"Location":         {"/redfish/v1/Systems/1/a%20b/"},
		"Content-Location": {"/rest/v1/x"},
		"Link":             {`</redfish/v1/SchemaStore/en/x.json/>; rel=describedby, </redfish/v1/y>; rel="a"`, "<https://ilo.example/help>; rel=help"},
		"X-Other":          {"https://ilo/redfish/v1/"},
	}
	n := &next{answer: func(r *http.Request) (*http.Response, error) {
		resp := respond(201, "{}")
		resp.Header = kept
		return resp, nil
	}}
	g := newGateway(t, Options{Next: n})
	for range 2 { // the header may be the cache's, and stays as it is
		got := ask(g, &root, "POST", "/redfish/v1/x", "{}").Header()
		for name, want := range relative {
			if diff := cmp.Diff(want, got[name]); diff != "" {
				t.Errorf("%s: %s", name, diff)
			}
		}
	}
	if kept["Link"][0][:15] != "<https://ilo/re" || kept.Get("Location")[:8] != "https://" {
		t.Errorf("the header became %v", kept)
	}
	// A redirect as an iLO 4 makes it can be followed.
	n.answer = func(r *http.Request) (*http.Response, error) {
		return respond(308, "", "Location", "https://10.0.0.1/redfish/v1/Systems/"), nil
	}
	if w := ask(g, &root, "GET", "/redfish/v1/Systems", ""); w.Code != 308 || w.Header().Get("Location") != "/redfish/v1/Systems/" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
}
