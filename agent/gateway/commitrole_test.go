package gateway

import (
	"net/http"
	"strings"
	"testing"

	"github.com/sirupsen/logrus"
	logtest "github.com/sirupsen/logrus/hooks/test"

	"github.com/ilod/ilod/agent/clients"
	"github.com/ilod/ilod/agent/transaction"
)

// transactingRoles has one user who is an admin as long as a group is hers.
func transactingRoles(t *testing.T, n *next) (g *Gateway, admin, operator Peer, log *logtest.Hook) {
	t.Helper()
	logger, log := logtest.NewNullLogger()
	m, err := transaction.New(transaction.Options{Next: n, Allowed: MayWrite, Log: logger})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	registry := openClients(t, clients.DefaultLimits())
	g = newGateway(t, Options{
		Next: &clients.Stage{Next: m, Registry: registry}, Transactions: m, Clients: registry, Log: logger,
		Roles: Roles{Operator: Members{Users: []string{"olga"}}, Admin: Members{Groups: []string{"3000"}}},
	})
	operator = Peer{UID: 1001, User: "olga"}
	admin = operator
	admin.Groups = []uint32{3000}
	return g, admin, operator, log
}

// TestCommitNeedsTheRoleOfEachWrite: a group that was left after the staging takes
// the right with it, and the transaction stays to be rolled back.
func TestCommitNeedsTheRoleOfEachWrite(t *testing.T) {
	n := &next{}
	g, admin, operator, _ := transactingRoles(t, n)
	for _, step := range []struct {
		who            *Peer
		method, target string
		body           string
		want           int
	}{
		{&admin, "POST", "/ilod/v1/transaction", "", 201},
		{&operator, "PATCH", "/redfish/v1/Systems/1", `{"AssetTag":"x"}`, 202},
		{&admin, "PATCH", "/redfish/v1/Managers/1", `{"AssetTag":"x"}`, 202},
		{&operator, "POST", "/ilod/v1/transaction/commit", "", 403},
		{&operator, "GET", "/ilod/v1/transaction", "", 200},
		{&operator, "POST", "/ilod/v1/transaction/rollback", "", 200},
	} {
		if w := ask(g, step.who, step.method, step.target, step.body); w.Code != step.want {
			t.Fatalf("%s %s: %d %s", step.method, step.target, w.Code, w.Body)
		}
	}
	if n.wrote() {
		t.Error("a write was sent")
	}
}

// TestStagingNeedsTheRoleOfTheRealTarget: settings stand where the iLO says, and a
// role that may write to a resource may not write to whatever it names.
func TestStagingNeedsTheRoleOfTheRealTarget(t *testing.T) {
	n := &next{answer: func(r *http.Request) (*http.Response, error) {
		return respond(200, `{"@odata.id":"`+r.URL.Path+`","A":1,"@Redfish.Settings":{"SettingsObject":{"@odata.id":"/redfish/v1/AccountService/Accounts/1"}}}`, "Allow", "GET, HEAD"), nil
	}}
	g, _, operator, _ := transactingRoles(t, n)
	if w := ask(g, &operator, "POST", "/ilod/v1/transaction", ""); w.Code != 201 {
		t.Fatal(w.Code, w.Body)
	}
	w := ask(g, &operator, "PATCH", "/redfish/v1/Systems/1/Bios", `{"A":2}`)
	wantFailure(t, w, http.StatusForbidden, "InsufficientPrivilege")
}

// TestLogNamesTargetAndUserOfWrites: also of those that are relative to an active path,
// and of those that a commit sends.
func TestLogNamesTargetAndUserOfWrites(t *testing.T) {
	g, _, operator, log := transactingRoles(t, &next{})
	w := ask(g, &operator, "POST", "/ilod/v1/sessions", "")
	handle := w.Header().Get(tokenHeader)
	do := func(method, target, body string) {
		t.Helper()
		if w := ask(g, &operator, method, target, body, tokenHeader, handle); w.Code > 299 {
			t.Fatalf("%s %s: %d %s", method, target, w.Code, w.Body)
		}
	}
	do("PATCH", strings.TrimSuffix(w.Header().Get("Location"), "/"), `{"ActivePath":"/redfish/v1/Systems/1/"}`)
	do("PATCH", "/ilod/v1/active/", `{"AssetTag":"x"}`)
	do("POST", "/ilod/v1/transaction", "")
	do("PATCH", "/ilod/v1/active/", `{"AssetTag":"y"}`)
	do("POST", "/ilod/v1/transaction/commit", "")
	found := map[string]bool{}
	for _, e := range log.AllEntries() {
		path, _ := e.Data["path"].(string)
		if strings.EqualFold(strings.TrimSuffix(path, "/"), "/redfish/v1/systems/1") && e.Data["owner"] == "uid:1001" && e.Level == logrus.InfoLevel {
			found[e.Message] = true
		}
	}
	if !found["write"] || !found["a write of a transaction that is committed"] {
		t.Errorf("found %v", found)
		for _, e := range log.AllEntries() {
			t.Log(e.Message, e.Data)
		}
	}
}
