package transaction

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/sirupsen/logrus"

	"github.com/ilod/ilod/agent/api"
	"github.com/ilod/ilod/chif/chiftest/redfish"
)

func logTo(b *bytes.Buffer) logrus.FieldLogger {
	l := logrus.New()
	l.SetOutput(b)
	return l
}

// TestSessionManagers: what the session managers of routers do with transactions.
func TestSessionManagers(t *testing.T) {
	t.Run("start_transaction", func(t *testing.T) {
		f := newFixture(t, redfish.Options{})
		f.begin()
		if _, err := f.Begin("s", 0); err != ErrOpen {
			t.Errorf("a second one: %v", err)
		}
		if _, err := f.Begin("other", 0); err != nil {
			t.Errorf("of another session: %v", err)
		}
		f.stage("PATCH", system, `{"AssetTag":"queued"}`)
		f.is(system, "/AssetTag", `""`)
		// Reads run at once and do not see what is queued.
		resp, err := f.send("s", "GET", system, "")
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Fatal(resp, err)
		}
		// Requests outside of the transaction act at once: of no session, of one
		// without, and those that ask for it.
		for session, path := range map[string]string{"": system, "none": network} {
			if resp, err := f.send(session, "PATCH", path, `{"HostName":"now"}`); err != nil || resp.StatusCode != http.StatusOK {
				t.Error(resp, err)
			}
			f.is(path, "/HostName", `"now"`)
		}
		for _, path := range []string{"/redfish/v1/SessionService/Sessions/", "/rest/v1/Sessions"} {
			if resp, err := f.send("s", "POST", path, `{}`); err != nil || resp.StatusCode != http.StatusCreated {
				t.Errorf("POST %s: %v %v", path, resp, err)
			}
		}
		// Argument errors come at once, and the transaction is errant.
		resp, err = f.send("s", "PATCH", "/redfish/v1/Systems/2", `{}`)
		if err != nil || resp.StatusCode != http.StatusNotFound {
			t.Error(resp, err)
		}
		s, err := f.Status("s")
		if err != nil || s.State != api.Errant || len(s.Writes) != 2 || s.Writes[1].Error == "" {
			t.Errorf("%+v %v", s, err)
		}
	})
	t.Run("submit_transaction", func(t *testing.T) {
		f := newFixture(t, redfish.Options{})
		if _, err := f.Commit(context.Background(), "s"); err != ErrNone {
			t.Errorf("none open: %v", err)
		}
		f.begin()
		f.commit(api.Committed) // empty is fine
		f.begin()
		f.stage("PATCH", system, `{"AssetTag":"a","Boot":{"BootSourceOverrideTarget":"Pxe"}}`)
		f.stage("PATCH", network, `{"HTTPS":{"Port":8443}}`)
		f.stage("PATCH", system, `{"AssetTag":"b"}`)
		f.commit(api.Committed, api.Applied, api.Applied, api.Applied)
		f.is(system, "/AssetTag", `"b"`)
		f.is(system, "/Boot/BootSourceOverrideTarget", `"Pxe"`)
		f.is(network, "/HTTPS/Port", "8443")
		f.noFiles()
		// All or nothing.
		f.begin()
		f.stage("PATCH", system, `{"AssetTag":"c"}`)
		f.stage("PATCH", network, `{"HostName":5}`)
		f.stage("PATCH", system, `{"AssetTag":"d"}`)
		r, _ := f.commit(api.RolledBack, api.Undone, api.Refused, api.NotSent)
		if w := r.Writes[1]; w.Status != 400 || !strings.Contains(w.Error, "PropertyValueTypeError") {
			t.Errorf("%+v", w)
		}
		f.is(system, "/AssetTag", `"b"`)
		if _, err := f.Commit(context.Background(), "s"); err != ErrNone {
			t.Errorf("twice: %v", err)
		}
		// An errant one acts as a rollback.
		f.begin()
		f.stage("PATCH", system, `{"AssetTag":"e"}`)
		if _, err := f.send("s", "PATCH", system, `{"AssetTag":`); err == nil {
			t.Error("staged")
		}
		f.ilo.requests()
		r, err := f.Commit(context.Background(), "s")
		if f.check(r, api.RolledBack, api.NotSent, api.NotSent); err != ErrErrant || len(f.ilo.requests()) > 0 {
			t.Error(err)
		}
		if _, err := f.Status("s"); err != ErrNone {
			t.Errorf("still open: %v", err)
		}
	})
	t.Run("rollback_transaction", func(t *testing.T) {
		f := newFixture(t, redfish.Options{})
		if _, err := f.Rollback("s"); err != ErrNone {
			t.Errorf("none open: %v", err)
		}
		f.begin()
		if r, err := f.Rollback("s"); err != nil || r.Result != api.RolledBack {
			t.Errorf("empty: %v %v", r, err)
		}
		f.begin()
		f.stage("PATCH", system, `{"AssetTag":"a"}`)
		r, err := f.Rollback("s")
		if f.check(r, api.RolledBack, api.NotSent); err != nil {
			t.Error(err)
		}
		f.is(system, "/AssetTag", `""`)
	})
	t.Run("set_transaction_timeout", func(t *testing.T) {
		f := newFixture(t, redfish.Options{})
		if _, err := f.Begin("s", -1); err != ErrTimeout {
			t.Error(err)
		}
		if _, err := f.Begin("s", time.Minute); err != nil {
			t.Fatal(err)
		}
		f.now = f.now.Add(time.Minute - 1)
		f.stage("PATCH", system, `{"AssetTag":"a"}`)
		f.now = f.now.Add(time.Minute - 1)
		f.stage("PATCH", system, `{"AssetTag":"b"}`) // idle time counts from the last
		f.now = f.now.Add(time.Minute)
		// A client that does not know yet must not have its writes sent at once.
		for range 2 {
			if _, err := f.send("s", "PATCH", system, `{"AssetTag":"c"}`); err != ErrExpired {
				t.Errorf("a write: %v", err)
			}
		}
		if !strings.Contains(f.out.String(), "idle for too long") || !strings.Contains(f.out.String(), "clientSession=s") {
			t.Errorf("log: %s", &f.out)
		}
		if _, err := f.Commit(context.Background(), "s"); err != ErrExpired || !errors.Is(err, ErrNone) {
			t.Errorf("commit: %v", err)
		}
		if _, err := f.Commit(context.Background(), "s"); err != ErrNone {
			t.Errorf("again: %v", err)
		}
		f.is(system, "/AssetTag", `""`)
		// The default, and none.
		f.begin()
		f.now = f.now.Add(DefaultTimeout)
		if _, err := f.Status("s"); err != ErrExpired {
			t.Error(err)
		}
		f.start(Options{Timeout: func() time.Duration { return 0 }})
		f.begin()
		f.now = f.now.Add(1e6 * time.Hour)
		if _, err := f.Status("s"); err != nil {
			t.Error(err)
		}
	})
	t.Run("actions", func(t *testing.T) {
		f := newFixture(t, redfish.Options{})
		const reset = system + "/Actions/ComputerSystem.Reset/"
		f.begin()
		resp, err := f.send("s", "POST", reset, `{"ResetType":"ForceOff"}`, "Ilod-Transaction", "immediate")
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Error(resp, err)
		}
		f.is(system, "/PowerState", `"Off"`)
		if _, err := f.send("s", "POST", reset, `{"ResetType":"On"}`); err != ErrAction {
			t.Error(err)
		}
		f.is(system, "/PowerState", `"Off"`)
		if s, _ := f.Status("s"); s.State != api.Errant {
			t.Error("not errant")
		}
	})
}

// TestImmediate: the header that asks for it stays here.
func TestImmediate(t *testing.T) {
	f := newFixture(t, redfish.Options{})
	var got http.Header
	next := f.ilo
	f.start(Options{Next: roundTrip(func(r *http.Request) (*http.Response, error) {
		got = r.Header
		return next.RoundTrip(r)
	})})
	for _, open := range []bool{false, true} {
		if open {
			f.begin()
		}
		resp, err := f.send("s", "PATCH", system, `{"AssetTag":"now"}`, "Ilod-Transaction", "immediate", "X", "y")
		if err != nil || resp.StatusCode != http.StatusOK || got.Get("X") != "y" || got["Ilod-Transaction"] != nil {
			t.Errorf("%v %v %v", resp, err, got)
		}
		f.is(system, "/AssetTag", `"now"`)
	}
	if _, err := f.send("s", "PATCH", system, `{"AssetTag":"x"}`, "Ilod-Transaction", "soon"); !invalidWith(err, "HeaderInvalid") {
		t.Error(err)
	}
	if s, _ := f.Status("s"); s.State != api.Errant {
		t.Error("a write was refused, and the transaction is not errant")
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func invalidWith(err error, key string) bool {
	e, ok := errors.AsType[*ViolationError](err)
	return ok && len(e.Violations) == 1 && e.Violations[0].Key == key
}

// TestRefusedStaging: what is refused at once.
func TestRefusedStaging(t *testing.T) {
	for name, c := range map[string]struct {
		method, path, body, header string
		key                        string
		err                        error
	}{
		"no JSON":         {"PATCH", system, "AssetTag", "", "MalformedJSON", nil},
		"no body":         {"PATCH", system, "", "", "MalformedJSON", nil},
		"a list":          {"PATCH", system, "[]", "", "MalformedJSON", nil},
		"twice the same":  {"PATCH", system, `{"AssetTag":"a","AssetTag":"b"}`, "", "MalformedJSON", nil},
		"more than one":   {"PATCH", system, `{}{}`, "", "MalformedJSON", nil},
		"deep":            {"PATCH", system, strings.Repeat(`{"a":`, 70) + "1" + strings.Repeat("}", 70), "", "MalformedJSON", nil},
		"large":           {"PATCH", system, `{"AssetTag":"` + strings.Repeat("x", maxStaged) + `"}`, "", "", ErrLarge},
		"another method":  {"TRACE", system, "", "", "OperationNotAllowed", nil},
		"not allowed":     {"DELETE", system, "", "", "OperationNotAllowed", nil},
		"If-Match":        {"PATCH", system, `{"AssetTag":"a"}`, "If-Match", "", ErrStale},
		"compressed":      {"PATCH", system, `{"AssetTag":"a"}`, "Content-Encoding", "HeaderInvalid", nil},
		"against schemas": {"PATCH", system, `{"Nonsense":"a"}`, "", "PropertyUnknown", nil},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, redfish.Options{})
			f.start(Options{Check: func(_ context.Context, w Write) ([]Violation, error) {
				if w.Path != system || !strings.Contains(string(w.Current), "AssetTag") {
					t.Errorf("Check was asked for %s", w.Path)
				}
				if strings.Contains(string(w.Body), "Nonsense") {
					return []Violation{{Key: "PropertyUnknown", Text: "Nonsense is unknown"}}, nil
				}
				return nil, errors.New("no schema")
			}})
			f.begin()
			f.stage("PATCH", system, `{"AssetTag":"a"}`)
			var header []string
			if c.header != "" {
				header = []string{c.header, `W/"12345678"`}
			}
			_, err := f.send("s", c.method, c.path, c.body, header...)
			if c.key != "" && !invalidWith(err, c.key) || c.err != nil && !errors.Is(err, c.err) {
				t.Errorf("%v", err)
			}
			if s, _ := f.Status("s"); s.State != api.Errant || len(s.Writes) != 2 {
				t.Errorf("%+v", s)
			}
		})
	}
}

// TestSecrets: they are in no answer, no file and no log, and are not undoable.
func TestSecrets(t *testing.T) {
	f := newFixture(t, redfish.Options{})
	f.begin()
	f.stage("PATCH", accounts+"/1", `{"Password":"Geheim-Geheim","RoleId":"Operator"}`)
	f.stage("POST", accounts, `{"UserName":"ann","Password":"Geheim-Geheim"}`)
	f.stage("PATCH", network, `{"HostName":7}`)
	s, err := f.Status("s")
	if err != nil || s.Writes[0].Undoable || !s.Writes[1].Undoable || !s.Writes[2].Undoable {
		t.Errorf("%s %v", asText(s), err)
	}
	changes, err := f.Diff(context.Background(), "s")
	want := []api.Change{
		{Number: 1, Path: accounts + "/1", Property: "/Password", From: hidden, To: hidden},
		{Number: 1, Path: accounts + "/1", Property: "/RoleId", From: "Administrator", To: "Operator", Undoable: true},
		{Number: 2, Path: accounts, To: map[string]any{"UserName": "ann", "Password": hidden}, Undoable: true},
	}
	if diff := cmp.Diff(want, changes[:3]); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
	r, err := f.commit(api.PartlyRolledBack, api.UndoRefused, api.Undone, api.Refused)
	f.is(accounts+"/1", "/RoleId", `"Administrator"`)
	f.is(accounts, "/Members@odata.count", "1")
	for what, s := range map[string]string{"status": asText(s), "diff": asText(changes), "result": asText(r), "error": err.Error(), "log": f.out.String()} {
		if strings.Contains(s, "Geheim") {
			t.Errorf("%s: %s", what, s)
		}
	}
	if !strings.Contains(r.Writes[0].Error, "/Password") {
		t.Errorf("%+v", r.Writes[0])
	}
}

// TestDiff: later writes build on earlier ones, and what makes no difference is
// not shown.
func TestDiff(t *testing.T) {
	f := newFixture(t, redfish.Options{})
	f.begin()
	f.stage("PATCH", system, `{"AssetTag":"a","IndicatorLED":"Off"}`)
	f.stage("PATCH", strings.ToLower(system)+"/", `{"AssetTag":"b"}`)
	f.stage("DELETE", accounts+"/1", "")
	changes, err := f.Diff(context.Background(), "s")
	if err != nil || len(changes) != 3 {
		t.Fatalf("%s %v", asText(changes), err)
	}
	if c := changes[1]; c.From != "a" || c.To != "b" || c.Number != 2 || c.Property != "/AssetTag" {
		t.Errorf("%+v", c)
	}
	if c := changes[2]; c.Undoable || c.To != nil || at(c.From, "/UserName") != "Administrator" {
		t.Errorf("%+v", c)
	}
	f.ilo.do("PATCH", system, `{"AssetTag":"a"}`)
	if changes, err = f.Diff(context.Background(), "s"); err != nil || len(changes) != 2 {
		t.Errorf("as the iLO is now: %s %v", asText(changes), err)
	}
}

// TestSettings: what has to wait for a boot goes to the settings object, and is
// compared with what waits there.
func TestSettings(t *testing.T) {
	f := newFixture(t, redfish.Options{})
	f.ilo.do("PATCH", pending, `{"Attributes":{"AdminName":"waiting"}}`)
	f.begin()
	f.stage("PATCH", bios, `{"Attributes":{"AdminName":"new","ProcTurbo":"Disabled"}}`)
	f.stage("PUT", "/redfish/v1/Systems/1/Bios/Settings", `{"Attributes":{"Sriov":"Disabled","Nonsense":"x"}}`)
	s, err := f.Status("s")
	if err != nil || s.Writes[0].Path != pending || !s.Writes[0].ResetRequired || !s.Writes[1].ResetRequired {
		t.Errorf("%s %v", asText(s), err)
	}
	changes, err := f.Diff(context.Background(), "s")
	if err != nil || len(changes) != 4 || changes[0].From != "waiting" {
		t.Errorf("%s %v", asText(changes), err)
	}
	r, _ := f.commit(api.Committed, api.Applied, api.Applied)
	if !r.ResetRequired || !strings.HasSuffix(strings.Join(r.Writes[0].Messages, " "), "SystemResetRequired") {
		t.Errorf("%+v", r)
	}
	f.is(pending, "/Attributes/AdminName", `"new"`)
	f.begin()
	f.stage("PATCH", pending, `{"Attributes":{"AdminName":"newer"}}`)
	f.stage("PUT", pending, `{"Attributes":{"Sriov":"Enabled"}}`)
	f.stage("PATCH", pending, `{"Attributes":{"Invented":"x"}}`)
	f.stage("PATCH", system, `{"AssetTag":7}`)
	if r, _ = f.commit(api.RolledBack, api.Undone, api.Undone, api.Undone, api.Refused); r.ResetRequired {
		t.Errorf("%+v", r)
	}
	f.is(pending, "/Attributes/AdminName", `"new"`)
	f.is(pending, "/Attributes/Sriov", `"Disabled"`)
	f.is(pending, "/Attributes/Invented", "null") // it did not exist
}

// TestSessionEnds: what is staged goes, what is being committed is finished.
func TestSessionEnds(t *testing.T) {
	f := newFixture(t, redfish.Options{})
	f.begin()
	if f.Holds("s") != "transaction of 0 writes" || f.Holds("none") != "" {
		t.Error(f.Holds("s"))
	}
	f.stage("PATCH", system, `{"AssetTag":"a"}`)
	if f.Holds("s") != "transaction of 1 write" {
		t.Error(f.Holds("s"))
	}
	f.Drop("s", "terminated")
	f.Drop("none", "terminated")
	if _, err := f.Status("s"); err != ErrNone || !strings.Contains(f.out.String(), "reason=terminated") {
		t.Errorf("%v %s", err, &f.out)
	}
	for _, drop := range []bool{true, false} {
		// The session ends in the middle, or only the client leaves.
		ctx, leave := context.WithCancel(context.Background())
		f.begin()
		f.stage("PATCH", system, `{"AssetTag":"b"}`)
		f.stage("PATCH", network, `{"HostName":"b"}`)
		closed := make(chan error, 1)
		f.ilo.mu.Lock()
		f.ilo.fault = func(r *http.Request) fault {
			if s, err := f.Status("s"); r.Method == http.MethodPatch && r.URL.Path == network && !drop && (err != nil || s.Sent != 1) {
				t.Errorf("%d sent, %v", s.Sent, err)
			}
			if r.Method != http.MethodPatch || r.URL.Path != system {
				return none
			}
			if _, err := f.Commit(ctx, "s"); err != ErrCommitting || !errors.Is(err, ErrOpen) || f.Holds("s") != "transaction being committed" {
				t.Errorf("%v, holds %q", err, f.Holds("s"))
			}
			if drop {
				f.Drop("s", "terminated")
			} else {
				go func() { closed <- f.Close() }()
			}
			leave()
			return none
		}
		f.ilo.mu.Unlock()
		r, err := f.Commit(ctx, "s")
		if f.check(r, api.Committed, api.Applied, api.Applied); err != nil {
			t.Error(err)
		}
		f.ilo.heal()
		s, _ := f.Status("s")
		if drop != (s.Report == nil) {
			t.Errorf("dropped %v, report %v", drop, s.Report)
		}
		if !drop {
			if err := <-closed; err != nil {
				t.Error(err)
			}
			if _, err := f.Begin("s", 0); err != ErrClosed {
				t.Error(err)
			}
		}
	}
}

// TestDiffLeavesOutWhatTheILOFillsUp: a list that the iLO has filled up, and a
// number in another spelling, are as they were asked for.
func TestDiffLeavesOutWhatTheILOFillsUp(t *testing.T) {
	f := newFixture(t, redfish.Options{})
	f.ilo.do("PATCH", subscriptions+"/1", `{"EventTypes":["10.1.1.1","0.0.0.0","0.0.0.0","fd00::1","::"]}`)
	f.begin()
	f.stage("PATCH", subscriptions+"/1", `{"EventTypes":["10.1.1.1","FD00::1"]}`)
	f.stage("PATCH", network, `{"HTTPS":{"Port":443.0}}`)
	if changes, err := f.Diff(context.Background(), "s"); err != nil || len(changes) != 0 {
		t.Errorf("%s %v", asText(changes), err)
	}
	f.stage("PATCH", subscriptions+"/1", `{"EventTypes":["10.1.1.2"]}`)
	if changes, err := f.Diff(context.Background(), "s"); err != nil || len(changes) != 1 {
		t.Errorf("%s %v", asText(changes), err)
	}
}
