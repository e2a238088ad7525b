package gateway

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ilod/ilod/agent/api"
	"github.com/ilod/ilod/agent/audit"
	"github.com/ilod/ilod/agent/clients"
)

// audited is a gateway whose client sessions tell the same audit, which show returns.
func audited(t *testing.T, o Options) (g *Gateway, show func(p *Peer) (texts []string)) {
	t.Helper()
	o.Audit = audit.New(nil)
	all, err := clients.Open(clients.Options{Limits: clients.DefaultLimits(), Audit: o.Audit.Add})
	if err != nil {
		t.Fatal(err)
	}
	o.Clients = all
	g = newGateway(t, o)
	return g, func(p *Peer) (texts []string) {
		w := ask(g, p, "GET", "/ilod/v1/session-log", "")
		var log api.SessionLog
		if err := json.Unmarshal(w.Body.Bytes(), &log); err != nil || w.Code != 200 || log.Count != len(log.Members) {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		byDefault := map[string]bool{}
		for _, e := range log.Members {
			byDefault[e.Session] = byDefault[e.Session] || e.Why == "by default"
			if !byDefault[e.Session] || e.Session == "" {
				texts = append(texts, strings.Join(strings.Fields(fmt.Sprint(e.Event, " ", e.Session, " by ", e.By, " from ", e.From, " ", e.Why, e.Limit, " ", e.Old, " ", e.New)), " "))
			}
		}
		return texts
	}
}

// TestTheSessionLogTellsWhoDidWhatAndFromWhere, to admins.
func TestTheSessionLogTellsWhoDidWhatAndFromWhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, show := audited(t, Options{Accounts: testAccounts, ILOSessions: &fakeTable{}})
		bash := reader
		bash.PID, bash.Process = 4711, "bash"
		s, handle := newSession(t, g, &bash)
		ended, endedHandle := newSession(t, g, &bash)
		ask(g, &root, "DELETE", ended.Path, "")
		for range 3 {
			wantFailure(t, ask(g, &bash, "GET", "/ilod/v1/status", "", tokenHeader, endedHandle), 401, "SessionTerminated")
		}
		wantFailure(t, ask(g, &bash, "GET", "/ilod/v1/status", "", tokenHeader, handle+"x"), 401, "SessionHandleInvalid")
		ask(g, nil, "GET", "/redfish/v1/Systems", "", "Authorization", "Basic cmVtb3RlOmd1ZXNz")
		time.Sleep(time.Hour)
		wantFailure(t, ask(g, &bash, "GET", "/ilod/v1/status", "", tokenHeader, handle), 401, "SessionExpired")
		ask(g, &root, "PATCH", "/ilod/v1/limits", `{"maxSessions":9,"whenFull":"reject"}`)
		ask(g, &root, "POST", "/ilod/v1/sessions/key", "")
		if diff := cmp.Diff([]string{
			"made " + s.ID + " by 1002 from bash (4711)",
			"made " + ended.ID + " by 1002 from bash (4711)",
			"terminated " + ended.ID + " by root from",
			"used-after-end " + ended.ID + " by 1002 from bash (4711) the client session was terminated",
			"refused by 1002 from bash (4711) the handle of the client session is not valid",
			"refused by from 192.0.2.1 the name or the password of an account is wrong",
			"expired " + s.ID + " by from it was not used for 30m0s",
			"used-after-end " + s.ID + " by 1002 from bash (4711) the client session has expired",
			"limit-set by root from maxSessions 4096 9",
			"key-changed by root from",
		}, show(&root)); diff != "" {
			t.Error(diff)
		}
		for _, p := range []*Peer{&reader, &operator} {
			wantFailure(t, ask(g, p, "GET", "/ilod/v1/session-log", ""), 403, "InsufficientPrivilege")
		}
		if n := len(g.o.Audit.Events()); n > 20 {
			t.Errorf("%d events", n)
		}
	})
}

// TestTheSessionLogHoldsNoHandle, nor a password or a name that was typed in its place.
func TestTheSessionLogHoldsNoHandle(t *testing.T) {
	g, show := audited(t, Options{Accounts: testAccounts})
	_, handle := newSession(t, g, &reader)
	ask(g, &reader, "GET", "/ilod/v1/status", "", tokenHeader, handle)
	ask(g, &operator, "GET", "/ilod/v1/status", "", tokenHeader, handle)
	ask(g, &reader, "DELETE", "/ilod/v1/sessions/current", "", tokenHeader, handle)
	ask(g, &reader, "GET", "/ilod/v1/status", "", tokenHeader, handle)
	ask(g, nil, "POST", sessionsPath, `{"UserName":"hunter2","Password":"hunter3"}`)
	all := strings.Join(show(&root), "\n")
	for _, secret := range []string{handle, handle[len(handle)-20:], "hunter2", "hunter3", testPassword} {
		if strings.Contains(all, secret) {
			t.Errorf("%q is in %s", secret, all)
		}
	}
	if !strings.Contains(all, "used-after-end") || !strings.Contains(all, "refused by olga") {
		t.Error(all)
	}
}
