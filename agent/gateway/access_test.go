package gateway

import (
	"flag"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ilod/ilod/agent/clients"
)

var update = flag.Bool("update", false, "write testdata/access.golden")

// spellings are further ways to name what the table names, and what it does not.
var spellings = []string{
	"/rest/v1/AccountService/Accounts/1",
	"/redfish/v1//accountSERVICE/Accounts/",
	"/redfish/v1/%41ccountService/Accounts",
	"/redfish/v1/SessionService/Sessions/Members/",
	"/rest/v1/Sessions",
	"/redfish/v1/Sessions/x/y",
	"/redfish/v1/SessionService/Actions/x",
	"/redfish/v1/SessionServices",
	"/redfish/v1/Managers/1/Actions/Manager.Reset/",
	"/redfish/v1/Systems/1/",
	"/redfish/v1/JobService/Jobs", "/redfish/v1/$batch", "/redfish/v1/Systems/%24batch",
	"/redfishes", "/ilod", "/ilod/v2/status", "/",
}

// TestAccess asks for every route and spelling with every method as everybody
// and compares who gets how far with testdata/access.golden: "iLO" is Next,
// "agent" an answer of the gateway's own, a number a refusal.
func TestAccess(t *testing.T) {
	n := &next{}
	callers := []struct {
		name string
		peer *Peer
	}{{"anonymous", nil}, {"nobody", &nobody}, {"reader", &reader}, {"operator", &operator}, {"admin", &root}}
	var paths []string
	for _, r := range routes {
		path := strings.NewReplacer("/**", "/a/b", "ilod-*", "ilod-0000000000000000", "*", "x").Replace(r.pattern)
		if !slices.Contains(paths, path) {
			paths = append(paths, path)
		}
	}
	var b strings.Builder
	for _, path := range append(paths, spellings...) {
		fmt.Fprintln(&b, path)
		rows := map[string][]string{}
		var order []string
		for _, method := range []string{"GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "TRACE"} {
			var row strings.Builder
			for _, c := range callers {
				g := newGateway(t, Options{Next: n, Accounts: testAccounts, Status: statusOf, Cache: &Cache{
					Stats: func() any { return struct{}{} }, Clear: func() error { return nil }, Warm: warmNothing,
				}, ILOSessions: &fakeTable{}, Stop: func(string) {}})
				before := n.count()
				w := ask(g, c.peer, method, path, "")
				result := "agent"
				switch {
				case n.count() > before:
					result = "iLO"
				case w.Code == http.StatusUnauthorized, w.Code == http.StatusForbidden, w.Code == http.StatusMethodNotAllowed, w.Code == http.StatusNotFound && !exists(t, path):
					result = fmt.Sprint(w.Code)
				}
				fmt.Fprintf(&row, "  %s %-5s", c.name, result)
			}
			if rows[row.String()] == nil {
				order = append(order, row.String())
			}
			rows[row.String()] = append(rows[row.String()], method)
		}
		for _, row := range order {
			fmt.Fprintln(&b, strings.TrimRight(fmt.Sprintf("  %-33s%s", strings.Join(rows[row], " "), row), " "))
		}
	}
	const golden = "testdata/access.golden"
	if *update {
		if err := os.WriteFile(golden, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), b.String()); diff != "" {
		t.Errorf("%s (-want +got; -update writes it):\n%s", golden, diff)
	}
}

// exists reports whether the table has the path.
func exists(t *testing.T, target string) bool {
	t.Helper()
	req, err := http.NewRequest("GET", target, nil)
	if err != nil {
		t.Fatal(err)
	}
	path, bad := canonicalPath(req.URL)
	if bad != nil {
		t.Fatal(target, bad.text)
	}
	_, found := find(path, "GET")
	return found
}

func TestRoles(t *testing.T) {
	lookup := func(name string) (uint32, error) {
		if name == "wheel" {
			return 10, nil
		}
		return 0, fmt.Errorf("no group %s", name)
	}
	r, err := Roles{
		Admin:    Members{Users: []string{"alice"}, Groups: []string{"wheel"}},
		Operator: Members{Users: []string{"1000", "alice"}},
		Reader:   Members{Users: []string{"1000", "0", "S-1-5-21-7"}, Groups: []string{"20", "wheel", "S-1-5-32-545"}},
	}.compile(lookup)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		peer Peer
		want Role
	}{
		{Peer{UID: 0}, Admin}, // whatever the configuration says
		{Peer{UID: 5, User: "alice"}, Admin},
		{Peer{UID: 1000, User: "bob"}, Operator},
		{Peer{UID: 5, GID: 20}, Reader},
		{Peer{UID: 5, GID: 5, Groups: []uint32{1, 20}}, Reader},
		{Peer{UID: 5, GID: 5, Groups: []uint32{20, 10}}, Admin},
		{Peer{UID: 5, GID: 5}, Anyone},
		{Peer{UID: 5, GID: 0}, Anyone}, // the group root is not the user
		{Peer{UID: 5, SID: "S-1-5-21-7"}, Reader},
		{Peer{UID: 5, SID: "S-1-5-21-8", GroupSIDs: []string{"S-1-1-0", "S-1-5-32-545"}}, Reader},
		{Peer{UID: 5, SID: "S-1-5-21-8", GroupSIDs: []string{"S-1-5-32-544"}}, Anyone},
	} {
		if got := r.of(&c.peer); got != c.want {
			t.Errorf("%+v is %v, want %v", c.peer, got, c.want)
		}
	}
	for name, bad := range map[string]Roles{
		"unknown group": {Reader: Members{Groups: []string{"absent"}}},
		"empty user":    {Reader: Members{Users: []string{""}}},
	} {
		if _, err := bad.compile(lookup); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// Without configuration only root gets in, not even to the service root.
func TestDefaultIsRootOnly(t *testing.T) {
	n := &next{}
	g, err := New(Options{Next: n, Clients: openClients(t, clients.DefaultLimits())})
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/redfish/v1/", "/ilod/v1/metrics", "/redfish/v1/Systems"} {
		wantFailure(t, ask(g, &operator, "GET", path, ""), 403, "InsufficientPrivilege")
		wantFailure(t, ask(g, nil, "GET", path, ""), 401, "NoValidSession")
	}
	wantFailure(t, ask(g, nil, "POST", sessionsPath, `{"UserName":"root","Password":"x"}`), 401, "NoValidSession")
	if n.count() != 0 {
		t.Errorf("%d requests went to the iLO", n.count())
	}
	if w := ask(g, &root, "GET", "/redfish/v1/Systems", ""); w.Code != 200 {
		t.Errorf("root: %d", w.Code)
	}
}

func TestNewRefusesNonsense(t *testing.T) {
	for name, o := range map[string]Options{
		"no next":        {Clients: openClients(t, clients.DefaultLimits())},
		"no clients":     {Next: &next{}},
		"short password": {Next: &next{}, Clients: openClients(t, clients.DefaultLimits()), Accounts: []Account{{"a", "0123456789012345678", Admin}}},
		"no role":        {Next: &next{}, Clients: openClients(t, clients.DefaultLimits()), Accounts: []Account{{"a", testPassword, Anyone}}},
		"no name":        {Next: &next{}, Clients: openClients(t, clients.DefaultLimits()), Accounts: []Account{{"", testPassword, Admin}}},
		"twice":          {Next: &next{}, Clients: openClients(t, clients.DefaultLimits()), Accounts: []Account{{"a", testPassword, Admin}, {"a", testPassword, Reader}}},
	} {
		if _, err := New(o); err == nil {
			t.Errorf("%s: no error", name)
		} else if strings.Contains(err.Error(), "0123456789") {
			t.Errorf("%s: the password is in %v", name, err)
		}
	}
}
