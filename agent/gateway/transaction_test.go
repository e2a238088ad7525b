package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/ilod/ilod/agent/api"
	"github.com/ilod/ilod/agent/clients"
	"github.com/ilod/ilod/agent/transaction"
)

// newTransacting is a gateway with transactions over n.
func newTransacting(t *testing.T, n *next) (*Gateway, *transaction.Manager, *clients.Registry) {
	t.Helper()
	m, err := transaction.New(transaction.Options{Next: n})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	registry := openClients(t, clients.DefaultLimits())
	g := newGateway(t, Options{Next: &clients.Stage{Next: m, Registry: registry}, Transactions: m, Clients: registry})
	return g, m, registry
}

// wrote tells whether the iLO was sent a write.
func (n *next) wrote() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, r := range n.requests {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			return true
		}
	}
	return false
}

// TestAnyRefusedWriteSpoilsTheTransaction: whoever refuses it, and why ever. The
// commit must not apply half of what was asked for.
func TestAnyRefusedWriteSpoilsTheTransaction(t *testing.T) {
	const asset = `{"AssetTag":"x"}`
	for name, c := range map[string]struct {
		method, target, body string
		header               []string
		want                 int
	}{
		"role":           {"PATCH", "/redfish/v1/Managers/1", asset, nil, 403},
		"root":           {"PATCH", "/ilod/v1/active/", asset, nil, 405},
		"no route":       {"PATCH", "/nothing/here", asset, nil, 404},
		"path":           {"PATCH", "/redfish/v1/Systems%2f1", asset, nil, 400},
		"header":         {"PATCH", "/redfish/v1/Systems/1", asset, []string{"Ilod-Class", "soon"}, 400},
		"another header": {"PATCH", "/redfish/v1/Systems/1", asset, []string{"Ilod-Transaction", "soon"}, 400},
		"form of links":  {"PATCH", "/redfish/v1/Systems/1", asset, []string{"Ilod-Returned-Path", "curly"}, 400},
		"no JSON":        {"PATCH", "/redfish/v1/Systems/1", `{"AssetTag":`, nil, 400},
		"too large":      {"PATCH", "/redfish/v1/Systems/1", strings.Repeat(" ", maxBody+1), nil, 413},
		"action":         {"POST", "/redfish/v1/Systems/1/Actions/ComputerSystem.Reset", `{}`, nil, 409},
	} {
		t.Run(name, func(t *testing.T) {
			n := &next{}
			g, _, _ := newTransacting(t, n)
			if w := ask(g, &operator, "POST", "/ilod/v1/transaction", ""); w.Code != http.StatusCreated {
				t.Fatal(w.Code, w.Body)
			}
			if w := ask(g, &operator, "PATCH", "/redfish/v1/Systems/1", asset); w.Code != http.StatusAccepted {
				t.Fatal(w.Code, w.Body)
			}
			if w := ask(g, &operator, c.method, c.target, c.body, c.header...); w.Code != c.want {
				t.Errorf("%d %s", w.Code, w.Body)
			}
			var status api.Transaction
			w := ask(g, &operator, "GET", "/ilod/v1/transaction", "")
			if err := json.Unmarshal(w.Body.Bytes(), &status); err != nil || status.State != api.Errant || status.Writes[len(status.Writes)-1].Error == "" {
				t.Errorf("%v %s", err, w.Body)
			}
			if w := ask(g, &operator, "POST", "/ilod/v1/transaction/commit", ""); w.Code != http.StatusConflict || !strings.Contains(w.Body.String(), "TransactionErrant") {
				t.Errorf("commit: %d %s", w.Code, w.Body)
			}
			if n.wrote() {
				t.Error("half of it was sent")
			}
		})
	}
}

// TestWhatDoesNotSpoilATransaction: what would have been no part of it.
func TestWhatDoesNotSpoilATransaction(t *testing.T) {
	for name, c := range map[string]struct {
		who                  Peer
		method, target, body string
		header               []string
	}{
		"read":         {operator, "GET", "/redfish/v1/AccountService/Accounts", "", nil},
		"at once":      {operator, "PATCH", "/redfish/v1/Managers/1", `{}`, []string{"Ilod-Transaction", "immediate"}},
		"another user": {reader, "PATCH", "/redfish/v1/Systems/1", `{}`, nil},
		"forged":       {operator, "PATCH", "/redfish/v1/Systems/1", `{}`, []string{"X-Auth-Token", "ilod-0123456789abcdef.1.forged"}},
		"of the agent": {operator, "PATCH", "/ilod/v1/limits", `{}`, nil},
		"session":      {operator, "DELETE", "/redfish/v1/SessionService/Sessions/1", "", nil},
	} {
		t.Run(name, func(t *testing.T) {
			g, m, registry := newTransacting(t, &next{})
			if w := ask(g, &operator, "POST", "/ilod/v1/transaction", ""); w.Code != http.StatusCreated {
				t.Fatal(w.Code, w.Body)
			}
			if w := ask(g, &c.who, c.method, c.target, c.body, c.header...); w.Code < 400 {
				t.Errorf("%d %s", w.Code, w.Body)
			}
			for _, s := range registry.List(func(api.Session) bool { return true }) {
				if status, err := m.Status(s.ID); err == nil && status.State != api.Open {
					t.Errorf("%+v", status)
				}
			}
		})
	}
}

// TestWhoseHandleSpoilsATransaction: a write with a handle that has become stale was
// for the transaction of its session: the rest of it must not be applied with the
// next handle. With a handle that is not genuine, or is somebody else's, nobody can
// spoil anything.
func TestWhoseHandleSpoilsATransaction(t *testing.T) {
	const asset = `{"AssetTag":"x"}`
	for name, c := range map[string]struct {
		who    Peer
		handle func(handle string) string
		spoils bool
	}{
		"stale":           {operator, func(h string) string { return h }, true},
		"another user's":  {reader, func(h string) string { return h }, false},
		"an admin's":      {root, func(h string) string { return h }, false},
		"another version": {operator, func(h string) string { return strings.Replace(h, ".1.", ".2.", 1) }, false},
		"another MAC":     {operator, func(h string) string { return h[:len(h)-8] + "AAAAAAAA" }, false},
		"no MAC":          {operator, func(h string) string { return h[:strings.LastIndexByte(h, '.')] }, false},
	} {
		t.Run(name, func(t *testing.T) {
			n := &next{}
			g, m, registry := newTransacting(t, n)
			s, handle, err := registry.Create(clients.Owner{Key: "uid:" + fmt.Sprint(operator.UID), Name: operator.User}, clients.Request{})
			if err != nil {
				t.Fatal(err)
			}
			if w := ask(g, &operator, "POST", "/ilod/v1/transaction", "", "X-Auth-Token", handle); w.Code != http.StatusCreated {
				t.Fatal(w.Code, w.Body)
			}
			registry.Bump("a test")
			patch := func(handle string, want int) {
				t.Helper()
				if w := ask(g, &c.who, "PATCH", "/redfish/v1/Systems/1", asset, "X-Auth-Token", handle); w.Code != want {
					t.Errorf("%d %s", w.Code, w.Body)
				}
			}
			patch(c.handle(handle), http.StatusUnauthorized)
			status, err := m.Status(s.ID)
			if want := map[bool]api.State{true: api.Errant, false: api.Open}[c.spoils]; err != nil || status.State != want {
				t.Errorf("%v, %+v, want %s", err, status, want)
			}
			if n.wrote() {
				t.Error("the iLO was sent a write")
			}
		})
	}
}

// TestReportStaysUntilItIsAcknowledged: neither HEAD nor GET, whose answer may be
// lost, takes away the only report.
func TestReportStaysUntilItIsAcknowledged(t *testing.T) {
	ctx, leave := context.WithCancel(context.Background())
	n := &next{}
	n.answer = func(r *http.Request) (*http.Response, error) {
		if r.Method == http.MethodPatch {
			leave()
		}
		return respond(200, `{"@odata.id":"`+r.URL.Path+`","AssetTag":"x"}`), nil
	}
	g, m, registry := newTransacting(t, n)
	ask(g, &operator, "POST", "/ilod/v1/transaction", "")
	ask(g, &operator, "PATCH", "/redfish/v1/Systems/1", `{"AssetTag":"x"}`)
	id := registry.List(func(api.Session) bool { return true })[0].ID
	if _, err := m.Commit(ctx, id); err != nil {
		t.Fatal(err)
	}
	var report api.Result
	for range 2 {
		if w := ask(g, &operator, "HEAD", "/ilod/v1/transaction", ""); w.Code != http.StatusNotFound {
			t.Errorf("%d", w.Code)
		}
		w := ask(g, &operator, "GET", "/ilod/v1/transaction", "")
		if err := json.Unmarshal(w.Body.Bytes(), &report); err != nil || report.Result != api.Committed || report.ID == "" {
			t.Fatalf("%v %s", err, w.Body)
		}
	}
	for path, want := range map[string]int{"none": 404, report.ID: 204} {
		if w := ask(g, &operator, "DELETE", "/ilod/v1/transaction/reports/"+path, ""); w.Code != want {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
	if w := ask(g, &operator, "GET", "/ilod/v1/transaction", ""); strings.Contains(w.Body.String(), "committed") {
		t.Errorf("still there: %s", w.Body)
	}
}

// TestCommitTakesOneQuery: "needed" leaves out what would change nothing, and answers with
// the changes. A parameter that is misspelt must not become a commit of everything.
func TestCommitTakesOneQuery(t *testing.T) {
	g, _, _ := newTransacting(t, &next{})
	ask(g, &operator, "POST", "/ilod/v1/transaction", "")
	for _, query := range []string{"need", "needed=1", "needed&needed", "Needed", "dry-run", "needed%20"} {
		wantFailure(t, ask(g, &operator, "POST", "/ilod/v1/transaction/commit?"+query, ""), 400, "QueryNotSupported")
	}
	if w := ask(g, &operator, "GET", "/ilod/v1/transaction", ""); w.Code != 200 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	wantFailure(t, ask(g, &reader, "POST", "/ilod/v1/transaction/commit?needed", ""), 403, "InsufficientPrivilege")
	if w := ask(g, &operator, "POST", "/ilod/v1/transaction/commit?needed", ""); w.Code != 200 || !strings.HasPrefix(w.Body.String(), `{"changes":[],"result":"unchanged","writes":[],`) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	wantFailure(t, ask(g, &operator, "POST", "/ilod/v1/transaction/commit?needed", ""), 404, "NoTransaction")
}
