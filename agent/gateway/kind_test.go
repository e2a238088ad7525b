package gateway

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ilod/ilod/agent/api"
)

// TestASessionTellsHowItWasMadeAndFromWhere: on the socket, on the TLS listener, by a
// login as Redfish has it, by a command; from a process or an address; by which program.
func TestASessionTellsHowItWasMadeAndFromWhere(t *testing.T) {
	g := newGateway(t, Options{Accounts: testAccounts})
	bash := reader
	bash.PID, bash.Process, bash.Started = 4711, "bash", 99
	process := api.Process{ID: 4711, Name: "bash", Started: 99}
	const login = `{"UserName":"remote","Password":"` + testPassword + `"}`
	for name, c := range map[string]struct {
		peer       *Peer
		path, body string
		want       []any
	}{
		"socket":         {&bash, "/ilod/v1/sessions", `{"name":"x"}`, []any{"socket", process, ""}},
		"command":        {&bash, "/ilod/v1/sessions", `{"command":true}`, []any{"command", process, ""}},
		"login":          {&bash, sessionsPath, ``, []any{"redfish", process, ""}},
		"login over TLS": {nil, sessionsPath, login, []any{"redfish", api.Process{}, "192.0.2.1"}},
		"TLS":            {nil, "/ilod/v1/sessions", `{"name":"x"}`, []any{"tls", api.Process{}, "192.0.2.1"}},
	} {
		header := []string{"User-Agent", "ansible/2", "Content-Type", "application/json"}
		if name == "TLS" {
			header = append(header, "Authorization", basicHeader("remote", testPassword))
		}
		w := ask(g, c.peer, "POST", c.path, c.body, header...)
		if w.Code != 201 {
			t.Fatalf("%s: %d %s", name, w.Code, w.Body)
		}
		s, err := g.clients.Get(lastOf(w.Header().Get("Location")))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(append(c.want, "ansible/2"), []any{s.Kind, s.Process, s.Address, s.Agent}); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if ip, _ := hpe(decode(t, ask(g, &root, "GET", redfishPath(s), "").Body.Bytes()))["UserIP"].(string); ip != c.want[2] {
			t.Errorf("%s: UserIP %q", name, ip)
		}
		// The next request says who uses it now.
		other := bash
		other.PID, other.Process = 5000, "python3"
		peer := &other
		if c.peer == nil {
			peer = nil
		}
		ask(g, peer, "GET", "/redfish/v1/Systems", "", tokenHeader, w.Header().Get(tokenHeader), "User-Agent", "requests/2")
		if s, _ = g.clients.Get(s.ID); s.Agent != "requests/2" || (c.peer != nil) != (s.Process.Name == "python3") || s.Kind != c.want[0] {
			t.Errorf("%s: %+v", name, s)
		}
		// Who is refused does not use it.
		ask(g, &operator, "GET", "/redfish/v1/Systems", "", tokenHeader, w.Header().Get(tokenHeader), "User-Agent", "thief/1")
		if s, _ = g.clients.Get(s.ID); s.Agent != "requests/2" {
			t.Errorf("%s: %+v", name, s)
		}
	}
}
