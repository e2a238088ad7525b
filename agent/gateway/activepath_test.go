package gateway

import (
	"net/http"
	"strings"
	"testing"

	"github.com/ilod/ilod/agent/clients"
)

// TestActivePathThatDoesNotExistIsRefused: the old one stays, unless it is gone, too. So
// does it if the iLO does not tell.
func TestActivePathThatDoesNotExistIsRefused(t *testing.T) {
	gone, ill := map[string]bool{"/redfish/v1/Nowhere/": true}, false
	ilo := &next{answer: func(r *http.Request) (*http.Response, error) {
		status := http.StatusOK
		if gone[r.URL.Path] {
			status = http.StatusNotFound
		}
		if ill {
			status = http.StatusServiceUnavailable
		}
		return respond(status, "{}"), nil
	}}
	g := newGateway(t, Options{Next: ilo})
	set := func(p string) (int, string) {
		w := ask(g, &reader, "PATCH", "/ilod/v1/sessions/current", `{"activePath":"`+p+`"}`)
		return w.Code, w.Body.String()
	}
	active := func() string {
		return sessionOf(t, ask(g, &reader, "GET", "/ilod/v1/sessions/current", ""), 200).ActivePath
	}
	if status, text := set("/redfish/v1/Systems/1"); status != 200 {
		t.Fatal(text)
	}
	if status, text := set("/redfish/v1/Nowhere"); status != 400 || !strings.Contains(text, "still /redfish/v1/Systems/1/") || active() != "/redfish/v1/Systems/1/" {
		t.Errorf("%d %s: %s", status, text, active())
	}
	ill = true
	if status, text := set("/redfish/v1/Chassis/"); status != 502 || active() != "/redfish/v1/Systems/1/" {
		t.Errorf("%d %s: %s", status, text, active())
	}
	ill = false
	gone["/redfish/v1/Systems/1/"] = true
	if status, text := set("/redfish/v1/Nowhere/"); status != 400 || active() != clients.Root {
		t.Errorf("%d %s: %s", status, text, active())
	}
}
