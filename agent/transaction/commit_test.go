package transaction

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ilod/ilod/agent/api"
	"github.com/ilod/ilod/chif/chiftest/redfish"
)

// TestStale: who has changed what since it was staged is not overwritten.
func TestStale(t *testing.T) {
	for name, change := range map[string]func(*ilo){
		"the property": func(i *ilo) { i.do("PATCH", system, `{"AssetTag":"theirs"}`) },
		"another":      func(i *ilo) { i.do("PATCH", system, `{"HostName":"theirs"}`) },
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, redfish.Options{})
			f.begin()
			f.stage("PATCH", network, `{"HostName":"mine"}`)
			f.stage("PATCH", system, `{"AssetTag":"mine"}`)
			change(f.ilo)
			f.ilo.requests()
			if _, err := f.commit(api.RolledBack, api.NotSent, api.NotSent); !errors.Is(err, ErrStale) {
				t.Error(err)
			}
			if log := strings.Join(f.ilo.requests(), " "); strings.Contains(log, "PATCH") {
				t.Errorf("sent: %s", log)
			}
		})
	}
}

// TestSameETag: an equal ETag does not prove an equal body.
func TestSameETag(t *testing.T) {
	f := newFixture(t, redfish.Options{IgnoreIfMatch: true})
	f.start(Options{Next: roundTrip(func(r *http.Request) (*http.Response, error) {
		resp, err := f.ilo.RoundTrip(r)
		if err == nil {
			resp.Header.Set("ETag", `W/"00000000"`)
		}
		return resp, err
	})})
	f.begin()
	f.stage("PATCH", system, `{"AssetTag":"mine"}`)
	f.ilo.do("PATCH", system, `{"HostName":"theirs"}`) // is not what the write is about
	f.commit(api.Committed, api.Applied)
	f.begin()
	f.stage("PATCH", system, `{"AssetTag":"mine, too"}`)
	f.ilo.do("PATCH", system, `{"AssetTag":"theirs"}`)
	if _, err := f.commit(api.RolledBack, api.NotSent); !errors.Is(err, ErrStale) {
		t.Error(err)
	}
	f.is(system, "/AssetTag", `"theirs"`)
}

// TestChangedInBetween: after the look, before the PATCH: the iLO answers 412.
func TestChangedInBetween(t *testing.T) {
	f := newFixture(t, redfish.Options{})
	f.begin()
	f.stage("PATCH", network, `{"HostName":"mine"}`)
	f.stage("PATCH", system, `{"AssetTag":"mine"}`)
	f.ilo.fault = func(r *http.Request) fault {
		if r.Method == http.MethodPatch && r.URL.Path == network {
			f.ilo.do("PATCH", system, `{"AssetTag":"theirs"}`)
		}
		return none
	}
	if r, err := f.commit(api.RolledBack, api.Undone, api.Refused); !errors.Is(err, ErrStale) || r.Writes[1].Status != http.StatusPreconditionFailed {
		t.Errorf("%v %v", r, err)
	}
	f.is(network, "/HostName", `"ilo-sim"`)
	f.is(system, "/AssetTag", `"theirs"`)
}

// TestRestless: an ETag that changes with each look does not forbid writes.
func TestRestless(t *testing.T) {
	f := newFixture(t, redfish.Options{VolatileReadings: true})
	const power = "/redfish/v1/Chassis/1/Power"
	f.begin()
	f.stage("PATCH", power, `{"Oem":{"Hpe":{"HasPowerMetering":false}}}`)
	f.commit(api.Committed, api.Applied)
	f.is(power, "/Oem/Hpe/HasPowerMetering", "false")
	f.begin()
	f.stage("PATCH", power, `{"Oem":{"Hpe":{"HasPowerMetering":true}}}`)
	f.stage("PATCH", network, `{"HostName":7}`)
	f.commit(api.RolledBack, api.Undone, api.Refused)
	f.is(power, "/Oem/Hpe/HasPowerMetering", "false")
}

// TestTheirs: what somebody else has changed after us is not put back.
func TestTheirs(t *testing.T) {
	f := newFixture(t, redfish.Options{})
	f.begin()
	f.stage("PATCH", system, `{"AssetTag":"mine","HostName":"mine"}`)
	f.stage("POST", accounts, `{"UserName":"ann","Password":"12345678"}`)
	f.stage("PATCH", network, `{"HostName":7}`)
	f.ilo.fault = func(r *http.Request) fault {
		if r.Method == http.MethodPatch && r.URL.Path == network {
			f.ilo.do("PATCH", system, `{"AssetTag":"theirs"}`)
			f.ilo.do("DELETE", accounts+"/2", "")
			f.ilo.do("POST", accounts, `{"UserName":"bob","Password":"12345678"}`) // takes over the number
		}
		return none
	}
	r, _ := f.commit(api.PartlyRolledBack, api.UndoRefused, api.UndoRefused, api.Refused)
	f.is(system, "/AssetTag", `"theirs"`)
	f.is(system, "/HostName", `"sim.example"`)
	f.is(accounts+"/2", "/UserName", `"bob"`)
	if !strings.Contains(r.Writes[0].Error, "/AssetTag was changed by somebody else") {
		t.Errorf("%+v", r)
	}
}

// TestUndecided: nobody can tell what became of a write whose answer is lost and
// whose resource somebody else has changed. What others wrote stays, and so does
// what only looks like it.
func TestUndecided(t *testing.T) {
	for kind, want := range map[fault][]api.Outcome{dropped: {api.Undone, api.OutcomeUnknown}, lost: {api.Undone, api.UndoRefused}} {
		f := newFixture(t, redfish.Options{})
		f.begin()
		f.stage("PATCH", system, `{"AssetTag":"mine"}`)
		f.stage("PATCH", system, `{"AssetTag":"mine, too","HostName":"mine"}`)
		patches := 0
		f.ilo.fault = func(r *http.Request) fault {
			if r.Method == http.MethodPatch {
				patches++
			}
			switch {
			case patches == 2 && r.Method == http.MethodPatch:
				return kind
			case patches == 2:
				f.ilo.do("PATCH", system, `{"HostName":"theirs"}`)
			}
			return none
		}
		verdict := api.Unknown
		if kind == lost {
			verdict = api.PartlyRolledBack
		}
		f.commit(verdict, want...)
		f.is(system, "/AssetTag", `""`)
		f.is(system, "/HostName", `"theirs"`)
	}
}

// TestNotUndoable: a deletion stays, and the result says so.
func TestNotUndoable(t *testing.T) {
	f := newFixture(t, redfish.Options{})
	f.begin()
	f.stage("PATCH", system, `{"AssetTag":"a"}`)
	f.stage("DELETE", subscriptions+"/1", "")
	f.stage("PATCH", network, `{"HostName":7}`)
	if s, _ := f.Status("s"); s.Writes[1].Undoable {
		t.Error("a deletion is undoable")
	}
	f.commit(api.PartlyRolledBack, api.Undone, api.Applied, api.Refused)
	f.is(system, "/AssetTag", `""`)
	f.is(subscriptions+"/1", "", "Not Found")
}

// TestArrays: each element is put back, what was not there is taken away.
func TestArrays(t *testing.T) {
	f := newFixture(t, redfish.Options{})
	was := f.ilo.value(subscriptions+"/1", "/EventTypes")
	for _, change := range []string{`["Alert"]`, `["a","b","c"]`, `[null,"x"]`, `[]`, `null`} {
		f.begin()
		f.stage("PATCH", subscriptions+"/1", `{"EventTypes":`+change+`}`)
		f.stage("PATCH", network, `{"HostName":7}`)
		f.commit(api.RolledBack, api.Undone, api.Refused)
		f.is(subscriptions+"/1", "/EventTypes", was)
	}
}

// TestFaults: each kind of fault at each request of a commit. Whatever happens,
// the result says what the iLO has.
func TestFaults(t *testing.T) {
	for _, f := range []fault{notSent, dropped, lost, late, before500, after500, status412, status400, garbage, crash, afterCrash} {
		t.Run(string(f), func(t *testing.T) {
			for n, more := 1, true; more; n++ {
				more = faultAt(t, n, f)
			}
		})
	}
}

// faultAt reports whether the commit had that many requests.
func faultAt(t *testing.T, n int, kind fault) bool {
	f := newFixture(t, redfish.Options{})
	f.begin()
	f.stage("PATCH", system, `{"AssetTag":"mine"}`)
	f.stage("POST", subscriptions, `{"Destination":"https://192.0.2.1/","Context":"mine"}`)
	f.stage("PATCH", system, `{"AssetTag":"mine, too","HostName":"mine"}`)
	f.stage("PATCH", bios, `{"Attributes":{"AdminName":"mine"}}`)
	f.ilo.on(n, "", "", kind)
	f.ilo.requests()
	var r api.Result
	if !survives(func() { r, _ = f.Commit(context.Background(), "s") }) {
		f.ilo.heal()
		f.start(Options{})
		if err := f.Recover(context.Background()); err != nil {
			t.Fatal(err)
		}
		s, _ := f.Status("s")
		f.told()
		if s.Report == nil { // it had not begun
			s.Report = &api.Result{Result: api.RolledBack}
		}
		r = *s.Report
	}
	requests := len(f.ilo.requests())
	f.ilo.heal()
	f.noFiles()
	applied := r.Result == api.Committed
	want := func(path, pointer, before, after string) {
		t.Helper()
		if got := f.ilo.value(path, pointer); got != before && !applied || got != after && applied {
			t.Errorf("request %d, %s: %s: %s %s is %s", n, kind, asText(r), path, pointer, got)
		}
	}
	want(system, "/AssetTag", `""`, `"mine, too"`)
	want(system, "/HostName", `"sim.example"`, `"mine"`)
	want(subscriptions, "/Members@odata.count", "1", "2")
	want(pending, "/Attributes/AdminName", `""`, `"mine"`)
	if !applied && r.Result != api.RolledBack {
		t.Errorf("request %d, %s: %s", n, kind, asText(r))
	}
	return requests >= n
}

// TestDead: an iLO that no longer answers. The commit ends, and says what it does
// not know.
func TestDead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, redfish.Options{})
		f.start(Options{pause: defaultPause})
		f.begin()
		f.stage("PATCH", system, `{"AssetTag":"mine"}`)
		f.stage("PATCH", network, `{"HostName":"mine"}`)
		dead := false
		f.ilo.fault = func(r *http.Request) fault {
			if dead = dead || r.Method == http.MethodPatch && r.URL.Path == network; dead {
				return dropped
			}
			return none
		}
		f.commit(api.Unknown, api.OutcomeUnknown, api.OutcomeUnknown)
	})
}

// TestBackInTime: an iLO that comes back while the commit waits for it.
func TestBackInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, redfish.Options{})
		f.start(Options{pause: defaultPause})
		f.begin()
		f.stage("PATCH", system, `{"AssetTag":"mine"}`)
		f.stage("PATCH", network, `{"HostName":"mine"}`)
		var down time.Time
		f.ilo.fault = func(r *http.Request) fault {
			if down.IsZero() && r.Method == http.MethodPatch {
				down = time.Now()
				return lost
			}
			if !down.IsZero() && time.Since(down) < 2*time.Minute {
				return dropped
			}
			return none
		}
		f.commit(api.Committed, api.Applied, api.Applied)
	})
}

// TestUnreachableAfterCrash: Recover has to be called again, and meanwhile
// nobody else changes what it is about.
func TestUnreachableAfterCrash(t *testing.T) {
	f := newFixture(t, redfish.Options{})
	f.begin()
	f.stage("PATCH", system, `{"AssetTag":"mine"}`)
	f.stage("PATCH", network, `{"HostName":"mine"}`)
	f.ilo.on(1, "PATCH", network, crash)
	f.die(func() { _, _ = f.Commit(context.Background(), "s") })
	f.start(Options{deadline: time.Millisecond})
	f.ilo.fault = func(*http.Request) fault { return dropped }
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := f.Recover(ctx); !errors.Is(err, errLost) {
		t.Error(err)
	}
	f.ilo.heal()
	f.begin()
	f.stage("PATCH", system, `{"AssetTag":"other"}`)
	if _, err := f.commit(api.RolledBack, api.NotSent); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	f.check(f.report(), api.RolledBack, api.Undone, api.Refused)
	f.is(system, "/AssetTag", `""`)
	f.start(Options{})
	f.begin()
	f.stage("PATCH", system, `{"AssetTag":"other"}`)
	f.commit(api.Committed, api.Applied)
}

// TestCrashes: at each step, and again while recovering.
func TestCrashes(t *testing.T) {
	for n := 1; n <= 2; n++ {
		f := newFixture(t, redfish.Options{})
		f.begin()
		f.stage("PATCH", system, `{"AssetTag":"mine"}`)
		f.stage("PATCH", network, `{"HostName":"mine"}`)
		f.stage("PATCH", pending, `{"Attributes":{"AdminName":"mine"}}`)
		f.ilo.on(n, "PATCH", "", afterCrash)
		f.die(func() { _, _ = f.Commit(context.Background(), "s") })
		f.ilo.on(1, "PATCH", "", afterCrash)
		f.die(func() { _ = f.Recover(context.Background()) })
		f.ilo.on(1, "GET", "", crash)
		f.die(func() { _ = f.Recover(context.Background()) })
		f.check(f.report(), api.RolledBack, []api.Outcome{api.Undone, []api.Outcome{api.NotSent, api.Undone}[n-1], api.NotSent}...)
		f.is(system, "/AssetTag", `""`)
		f.is(network, "/HostName", `"ilo-sim"`)
	}
	// The last answer was missing alone.
	f := newFixture(t, redfish.Options{})
	f.begin()
	f.stage("PATCH", system, `{"AssetTag":"mine"}`)
	f.stage("DELETE", accounts+"/1", "")
	f.ilo.on(1, "DELETE", "", afterCrash)
	f.die(func() { _, _ = f.Commit(context.Background(), "s") })
	r := f.report()
	if f.check(r, api.Committed, api.Applied, api.Applied); !r.Recovered {
		t.Error("not marked")
	}
}

// TestReportSurvives: a restart between recovery and question, and questions whose
// answer may have been lost; until it is acknowledged, or has aged.
func TestReportSurvives(t *testing.T) {
	f := newFixture(t, redfish.Options{})
	for _, age := range []time.Duration{time.Hour, reportAge + time.Hour} {
		f.begin()
		f.stage("PATCH", system, `{"AssetTag":"mine"}`)
		f.ilo.on(1, "PATCH", "", crash)
		f.die(func() { _, _ = f.Commit(context.Background(), "s") })
		if err := f.Recover(context.Background()); err != nil {
			t.Fatal(err)
		}
		f.now = f.now.Add(age)
		first := ""
		for _, restart := range []bool{false, true, false} {
			if restart {
				f.start(Options{})
			}
			s, _ := f.Status("s")
			if want := age < reportAge; (s.Report != nil) != want || want && (!s.Report.Recovered || s.Report.ID == "" || first != "" && s.Report.ID != first) {
				t.Errorf("after %v: %+v", age, s.Report)
			} else if want {
				first = s.Report.ID
			}
		}
		f.told()
		f.noFiles()
		if err := f.Acknowledge("s", first); err != ErrNoReport {
			t.Error(err)
		}
	}
}

// TestNoResultIsMissedThatRecoveryFinds: a client may ask before the recovery of its commit
// ends. It is told that a commit is under way. ErrNone would be wrong then.
func TestNoResultIsMissedThatRecoveryFinds(t *testing.T) {
	f := newFixture(t, redfish.Options{})
	f.begin()
	f.stage("PATCH", system, `{"AssetTag":"mine"}`)
	f.ilo.on(1, "PATCH", "", crash)
	f.die(func() { _, _ = f.Commit(context.Background(), "s") })
	if s, err := f.Status("s"); err != ErrCommitting || s.Report != nil {
		t.Errorf("before the recovery: %v, %+v", err, s.Report)
	}
	if s, err := f.Status("another"); err != ErrNone || s.Report != nil {
		t.Errorf("another session: %v, %+v", err, s.Report)
	}
	if err := f.Recover(context.Background()); err != nil {
		t.Fatal(err)
	}
	if s, err := f.Status("s"); !errors.Is(err, ErrNone) || s.Report == nil {
		t.Errorf("after it: %v, %+v", err, s.Report)
	}
	f.told()
}

// TestJournal: it holds no value that was staged, and its end may be torn off
// anywhere.
func TestJournal(t *testing.T) {
	f := newFixture(t, redfish.Options{})
	f.begin()
	f.stage("PATCH", system, `{"AssetTag":"staged-1","HostName":"staged-2"}`)
	f.stage("PATCH", system, `{"AssetTag":"staged-3"}`)
	f.stage("POST", accounts, `{"UserName":"staged-4","Password":"staged-5"}`)
	f.stage("PUT", pending, `{"Attributes":{"AdminName":"staged-6"}}`)
	f.stage("PATCH", accounts+"/1", `{"UserName":"staged-7","Password":"staged-8"}`)
	f.stage("PATCH", network, `{"HostName":"staged-9"}`)
	f.ilo.on(1, "PATCH", network, crash)
	f.die(func() { _, _ = f.Commit(context.Background(), "s") })
	files, err := filepath.Glob(filepath.Join(f.dir, "*"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	info, err := os.Stat(files[0])
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info.Mode(), err)
	}
	whole, err := os.ReadFile(files[0])
	if err != nil || strings.Contains(string(whole), "staged") || !strings.Contains(string(whole), "sim.example") {
		t.Fatalf("%v %s", err, whole)
	}
	lines := strings.SplitAfter(string(whole), "\n")
	first, last := len(lines[0]), len(whole)-len(lines[len(lines)-2])
	torn := filepath.Join(f.dir, "torn")
	for size := range len(whole) + 1 {
		if size >= first && size < last {
			continue // only the last record, or the first, can be torn
		}
		if err := os.WriteFile(torn, whole[:size], 0o600); err != nil {
			t.Fatal(err)
		}
		begun, _, good, err := readJournal(torn)
		if size < first && err != errNotBegun || size >= first && (err != nil || len(begun.Steps) != 6 || good < int64(last) || good > int64(size)) {
			t.Fatalf("%d of %d bytes: %d are good: %+v %v", size, len(whole), good, begun, err)
		}
	}
	if err := os.Remove(torn); err != nil {
		t.Error(err)
	}
	f.check(f.report(), api.PartlyRolledBack, api.Undone, api.Undone, api.Undone, api.Undone, api.UndoRefused, api.Refused)
	f.is(system, "/AssetTag", `""`)
	f.is(system, "/HostName", `"sim.example"`)
	f.is(accounts, "/Members@odata.count", "1")
	f.is(accounts+"/1", "/UserName", `"Administrator"`)
}

// TestDamagedJournal: the agent starts all the same.
func TestDamagedJournal(t *testing.T) {
	f := newFixture(t, redfish.Options{})
	for name, content := range map[string]string{
		"a": "\x00\x00\n", "b": "{}\n", "c": "", "d": `{"Begin":{"Steps":[null]}}` + "\n", "e": `{"Begin":{"Steps":[{"Number":7}]}}` + "\n",
	} {
		if err := os.WriteFile(filepath.Join(f.dir, name+journalSuffix), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	f.start(Options{})
	if err := f.Recover(context.Background()); err != nil {
		t.Error(err)
	}
	if files, _ := filepath.Glob(filepath.Join(f.dir, "*"+damagedSuffix)); len(files) != 4 {
		t.Errorf("set aside: %v\n%s", files, &f.out)
	}
}
