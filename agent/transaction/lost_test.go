package transaction

import (
	"context"
	"errors"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ilod/ilod/agent/api"
	"github.com/ilod/ilod/chif/chiftest/redfish"
)

// TestReportsWaitForEachOther: one is told after the other; of too many the oldest
// goes, with a word in the log; one that nobody asks for goes when it has aged.
func TestReportsWaitForEachOther(t *testing.T) {
	f := newFixture(t, redfish.Options{})
	for n := range maxReports + 1 {
		f.Manager.report("s", &report{result: api.Result{Result: api.Committed, Writes: make([]api.Done, n)}, time: f.now})
	}
	if !strings.Contains(f.out.String(), "there are too many") {
		t.Errorf("log: %s", &f.out)
	}
	for n := range maxReports {
		s, _ := f.Status("s")
		if s.Report == nil || len(s.Report.Writes) != n+1 {
			t.Fatalf("%d: %s", n, asText(s))
		}
		if err := f.Acknowledge("other", s.Report.ID); err != ErrNoReport {
			t.Error(err)
		}
		if err := f.Acknowledge("s", s.Report.ID); err != nil {
			t.Error(err)
		}
	}
	if s, _ := f.Status("s"); s.Report != nil {
		t.Error(asText(s))
	}
	f.Manager.report("s", &report{time: f.now})
	f.Manager.report("t", &report{time: f.now.Add(time.Hour)})
	f.now = f.now.Add(reportAge + time.Minute)
	f.begin()
	if len(f.reports) != 1 || f.reports["t"] == nil || !strings.Contains(f.out.String(), "it is too old") {
		t.Errorf("%v %s", f.reports, &f.out)
	}
	f.Drop("t", "terminated")
	if len(f.reports) != 0 || !strings.Contains(f.out.String(), "no client has read it") {
		t.Errorf("%v %s", f.reports, &f.out)
	}
}

// TestRestartLosesTheTransaction: what is staged is gone, and the next write of that
// client session must not be sent at once.
func TestRestartLosesTheTransaction(t *testing.T) {
	const mine = `{"AssetTag":"mine"}`
	f := newFixture(t, redfish.Options{})
	refused := func(want error) {
		t.Helper()
		f.ilo.requests()
		if _, err := f.send("s", "PATCH", system, mine); err != want || !errors.Is(err, ErrNone) || len(f.ilo.requests()) > 0 {
			t.Errorf("%v, want %v", err, want)
		}
	}
	sent := func() {
		t.Helper()
		if resp, err := f.send("s", "PATCH", system, mine); err != nil || resp.StatusCode != http.StatusOK {
			t.Errorf("%v %v", resp, err)
		}
	}
	for name, end := range map[string]func(){
		"rolled back": func() {
			if _, err := f.Rollback("s"); err != ErrLost {
				t.Error(err)
			}
		},
		"committed": func() {
			if r, err := f.Commit(context.Background(), "s"); err != ErrLost || r.Result != "" {
				t.Error(r, err)
			}
		},
		"dropped": func() { f.Drop("s", "terminated") },
		"begun":   func() { f.begin(); _, _ = f.Rollback("s") },
	} {
		f.begin()
		f.stage("PATCH", system, mine)
		for range 2 { // restarts
			f.start(Options{})
			refused(ErrLost)
			if _, err := f.Status("s"); err != ErrLost { // and asking does not change that
				t.Errorf("%s: %v", name, err)
			}
			refused(ErrLost)
		}
		if resp, err := f.send("other", "PATCH", system, mine); err != nil || resp.StatusCode != http.StatusOK || f.Holds("s") != "" {
			t.Error(resp, err)
		}
		end()
		sent()
		f.start(Options{})
		sent()
		f.noFiles()
	}
	// One that has expired before is still to be refused.
	f.begin()
	f.now = f.now.Add(DefaultTimeout)
	refused(ErrExpired)
	f.start(Options{})
	refused(ErrLost)
	f.told()
	// A commit that a crash has interrupted: its report, and the refusal.
	f.begin()
	f.stage("PATCH", network, `{"HostName":"mine"}`)
	f.ilo.on(1, "PATCH", "", crash)
	f.die(func() { _, _ = f.Commit(context.Background(), "s") })
	if err := os.WriteFile(f.dir+"/73"+openSuffix, nil, 0o600); err != nil { // unlike a killed process, ours has tidied up
		t.Fatal(err)
	}
	f.start(Options{})
	refused(ErrLost)
	f.check(f.report(), api.RolledBack, api.Refused)
	sent()
	// What has no name of ours, or is old, is no reason.
	for _, name := range []string{"x" + openSuffix, "7373" + openSuffix} {
		if err := os.WriteFile(f.dir+"/"+name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	f.now = time.Now().Add(reportAge + time.Hour)
	f.start(Options{})
	f.noFiles()
	if len(f.open) != 0 {
		t.Errorf("%v", f.open)
	}
}

// TestNothingExpiresWhileSomebodyStages: the iLO may take long to say what there is
// to be changed.
func TestNothingExpiresWhileSomebodyStages(t *testing.T) {
	f := newFixture(t, redfish.Options{})
	f.begin()
	asked := false
	f.ilo.fault = func(*http.Request) fault {
		asked = true
		f.now = f.now.Add(2 * DefaultTimeout)
		if _, err := f.Status("s"); err != nil {
			t.Errorf("while a write is staged: %v", err)
		}
		return none
	}
	f.stage("PATCH", system, `{"AssetTag":"mine"}`)
	if f.ilo.heal(); !asked {
		t.Error("nothing was asked")
	}
	f.commit(api.Committed, api.Applied) // the idle time counts from the end of the staging
}

// TestDirectWritesKeepOutOfACommit: a write of another client to the resource of a
// commit waits for its end; others do not.
func TestDirectWritesKeepOutOfACommit(t *testing.T) {
	for _, long := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			f := newFixture(t, redfish.Options{})
			f.begin()
			f.stage("PATCH", system, `{"AssetTag":"mine"}`)
			f.stage("PATCH", network, `{"HostName":"mine"}`)
			var order []string
			done := make(chan error, 1)
			f.watch(func(r *http.Request) {
				if r.Method != http.MethodPatch {
					return
				}
				if order = append(order, r.URL.Path); len(order) > 1 {
					return
				}
				go func() {
					_, err := f.send("other", "PATCH", strings.ToLower(network)+"/", `{"HostName":"theirs"}`)
					done <- err
				}()
				if long {
					time.Sleep(heldFor + time.Second)
				}
				for _, path := range []string{accounts + "/1", bios} {
					if _, err := f.send("other", "PATCH", path, `{}`); err != nil {
						t.Error(err)
					}
				}
			})
			f.commit(api.Committed, api.Applied, api.Applied)
			err := <-done
			if want := len(order) - 1; long != errors.Is(err, ErrHeld) || !long && (err != nil || order[want] != strings.ToLower(network)+"/") {
				t.Errorf("%v %v", order, err)
			}
		})
	}
	// One that a crash has interrupted holds its resources until it is in order.
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, redfish.Options{})
		f.begin()
		f.stage("PATCH", system, `{"AssetTag":"mine"}`)
		f.ilo.on(1, "PATCH", "", afterCrash)
		f.die(func() { _, _ = f.Commit(context.Background(), "s") })
		if _, err := f.send("other", "PATCH", system, `{"AssetTag":"theirs"}`); !errors.Is(err, ErrHeld) {
			t.Error(err)
		}
		f.check(f.report(), api.Committed, api.Applied)
		for range 2 {
			if _, err := f.send("other", "PATCH", system, `{"AssetTag":"theirs"}`); err != nil {
				t.Error(err)
			}
		}
	})
}

// TestCommitWaitsForDirectWrites: and several of these do not wait for each other.
func TestCommitWaitsForDirectWrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, redfish.Options{})
		f.begin()
		f.stage("PATCH", system, `{"AssetTag":"mine"}`)
		var mu sync.Mutex
		under, most := 0, 0
		enter := func(n int) {
			mu.Lock()
			defer mu.Unlock()
			under += n
			most = max(most, under)
		}
		f.watch(func(r *http.Request) {
			if r.Method != http.MethodPatch || r.Header.Get("X-Direct") == "" {
				mu.Lock()
				defer mu.Unlock()
				if r.Method == http.MethodPatch && under > 0 {
					t.Error("the commit did not wait")
				}
				return
			}
			enter(1)
			time.Sleep(time.Second)
			enter(-1)
		})
		done := make(chan error, 2)
		for range 2 {
			go func() {
				_, err := f.send("other", "PATCH", system, `{"HostName":"theirs"}`, "X-Direct", "1")
				done <- err
			}()
		}
		time.Sleep(time.Millisecond)
		r, _ := f.Commit(context.Background(), "s")
		if err := errors.Join(<-done, <-done); err != nil || most != 2 {
			t.Error(most, err)
		}
		f.check(r, api.RolledBack, api.NotSent) // for it has changed meanwhile
	})
}
