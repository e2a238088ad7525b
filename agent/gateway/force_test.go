package gateway

import (
	"testing"

	"github.com/ilod/ilod/agent/clients"
)

// TestForceSessionsCoversBasicRequests, which have no client session; a login goes on.
func TestForceSessionsCoversBasicRequests(t *testing.T) {
	l := clients.DefaultLimits()
	l.ForceSessions = true
	n := &next{}
	g := newGateway(t, Options{Next: n, Clients: openClients(t, l), Accounts: testAccounts})
	basic := []string{"Authorization", basicHeader("remote", testPassword)}
	wantFailure(t, ask(g, nil, "GET", "/redfish/v1/Systems", "", basic...), 401, "SessionRequired")
	wantFailure(t, ask(g, nil, "PATCH", "/redfish/v1/Systems/1", "{}", basic...), 401, "SessionRequired")
	if n.count() != 0 {
		t.Errorf("%d requests went to the iLO", n.count())
	}
	_, handle := newSession(t, g, nil, basic...)
	if w := ask(g, nil, "GET", "/redfish/v1/Systems", "", tokenHeader, handle); w.Code != 200 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// TestForceSessionsLocksNoAdminOut: at the maximum an admin lists, ends and sets limits
// without a handle, and does nothing else; root watches at all times.
func TestForceSessionsLocksNoAdminOut(t *testing.T) {
	l := clients.DefaultLimits()
	l.ForceSessions, l.MaxSessionsPerUser = true, 1
	n := &next{}
	g := newGateway(t, Options{Next: n, Clients: openClients(t, l), Status: statusOf})
	if w := ask(g, &root, "GET", "/ilod/v1/status", ""); w.Code != 200 {
		t.Errorf("root watches: %d %s", w.Code, w.Body)
	}
	wantFailure(t, ask(g, &operator, "GET", "/ilod/v1/status", ""), 401, "SessionRequired")
	wantFailure(t, ask(g, &root, "PATCH", "/ilod/v1/limits", `{}`), 401, "SessionRequired") // could make one
	s, _ := newSession(t, g, &root)
	for _, c := range [][2]string{{"GET", "/ilod/v1/sessions"}, {"GET", "/ilod/v1/sessions/" + s.ID}, {"GET", "/ilod/v1/limits"}} {
		if w := ask(g, &root, c[0], c[1], ""); w.Code != 200 {
			t.Errorf("%s: %d %s", c, w.Code, w.Body)
		}
	}
	for _, c := range [][2]string{{"GET", "/redfish/v1/Systems"}, {"PATCH", "/redfish/v1/Systems/1"}, {"POST", "/ilod/v1/transaction"}, {"PATCH", "/ilod/v1/sessions/" + s.ID}, {"POST", "/ilod/v1/sessions/key"}} {
		wantFailure(t, ask(g, &root, c[0], c[1], ""), 401, "SessionRequired")
	}
	if n.count() != 0 {
		t.Errorf("%d requests went to the iLO", n.count())
	}
	newSession(t, g, &operator)
	wantFailure(t, ask(g, &operator, "GET", "/ilod/v1/limits", ""), 401, "SessionRequired")
	if w := ask(g, &root, "PATCH", "/ilod/v1/limits", `{"maxSessionsPerUser":2}`); w.Code != 200 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	newSession(t, g, &root)
	if w := ask(g, &root, "DELETE", "/ilod/v1/sessions/"+s.ID, ""); w.Code/100 != 2 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}
