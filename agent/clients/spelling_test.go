package clients

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/ilod/ilod/agent/api"
	"github.com/ilod/ilod/agent/ilopath/ilopathtest"
)

// A recursive read has each resource once, however links spell it.
func TestSubtreeHasOneOfAllSpellings(t *testing.T) {
	links := []map[string]string{}
	for _, s := range ilopathtest.Spellings {
		if s.Canonical == ilopathtest.Resource {
			links = append(links, map[string]string{linkKey[1 : len(linkKey)-1]: s.Path})
		}
	}
	body, err := json.Marshal(map[string]any{"Links": links})
	if err != nil {
		t.Fatal(err)
	}
	var asked []string
	c := newClient(t, &way{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.Path)
		answer(jsonType, string(body))(w)
	})}, api.Variables{})
	for _, start := range []string{"/redfish/v1", "/rest/v1", "/redfish/V1/"} {
		asked = nil
		c.do("GET", start, "", RecursiveHeader, "true")
		if strings.Join(asked, " ") != start+" "+ilopathtest.Resource {
			t.Errorf("%s: %q", start, asked)
		}
	}
}

func TestSessionsAreNotFollowedInAnySpelling(t *testing.T) {
	asked := 0
	c := newClient(t, &way{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		answer(jsonType, `{"Links":[{"@odata.id":"/redfish/v1/Sessions/a"},{"@odata.id":"/rest/v1/Sessions/a"},{"@odata.id":"/redfish/v1/SessionService/%53essions/a"},
			{"@odata.id":"/redfish/v1/SessionService//Sessions/a/"}]}`)(w)
	})}, api.Variables{})
	if c.do("GET", "/redfish/v1", "", RecursiveHeader, "true"); asked != 1 {
		t.Errorf("%d requests", asked)
	}
}
