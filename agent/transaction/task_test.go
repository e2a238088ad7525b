package transaction

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ilod/ilod/agent/api"
	"github.com/ilod/ilod/agent/ilopath"
	"github.com/ilod/ilod/chif/chiftest/redfish"
)

// TestTaskOfAPostOrDelete: its end counts, and then what shows.
func TestTaskOfAPostOrDelete(t *testing.T) {
	const task = "/redfish/v1/TaskService/Tasks/7"
	const body = `{"Destination":"https://192.0.2.1/","Context":"mine"}`
	for _, c := range []struct {
		method, path, body string
		state              string
		done               bool // the iLO carries it out
		want               api.Outcome
	}{
		{"POST", subscriptions, body, "Running", false, api.Accepted},
		{"POST", subscriptions, body, "Completed", true, api.Applied},
		{"POST", subscriptions, body, "Exception", false, api.Refused},
		{"DELETE", subscriptions + "/1", "", "Running", false, api.Accepted},
		{"DELETE", subscriptions + "/1", "", "Completed", true, api.Applied},
		{"DELETE", subscriptions + "/1", "", "Completed", false, api.Accepted},
		{"DELETE", subscriptions + "/1", "", "Killed", false, api.Refused},
	} {
		f := newFixture(t, redfish.Options{})
		polls := 0
		f.between(Options{}, func(r *http.Request) *http.Response {
			switch {
			case ilopath.Canonical(r.URL.Path) == ilopath.Canonical(task):
				if polls++; polls < 3 {
					return says(r, http.StatusOK, `{"TaskState":"Running"}`)
				}
				if polls == 3 && c.done {
					f.ilo.do(c.method, c.path, c.body)
				}
				return says(r, http.StatusOK, `{"TaskState":"`+c.state+`"}`)
			case r.Method == c.method:
				return says(r, http.StatusAccepted, "", "Location", task)
			}
			return nil
		})
		f.begin()
		f.stage(c.method, c.path, c.body)
		r, err := f.Commit(t.Context(), "s")
		f.check(r, map[api.Outcome]api.Verdict{api.Accepted: api.InProgress, api.Applied: api.Committed, api.Refused: api.RolledBack}[c.want], c.want)
		if w := r.Writes[0]; w.Task != task || (c.want == api.Refused) != strings.Contains(w.Error, "ended with "+c.state) || (err != nil) != (c.want == api.Refused) {
			t.Errorf("%s, %s: %s %v", c.method, c.state, asText(r), err)
		}
		if w := r.Writes[0]; c.method == "POST" && (w.Location != "") != c.done {
			t.Errorf("%s: made at %q", c.state, w.Location)
		}
	}
}

// TestUndoOfWhatIsGone: a member that is not there any more is undone; a resource
// to which something is written back is not.
func TestUndoOfWhatIsGone(t *testing.T) {
	for _, c := range []struct {
		method, path, body string
		want               api.Verdict
		outcome            api.Outcome
	}{
		{"POST", subscriptions, `{"Destination":"https://192.0.2.1/","Context":"mine"}`, api.RolledBack, api.Undone},
		{"PATCH", system, `{"AssetTag":"mine"}`, api.PartlyRolledBack, api.UndoRefused},
	} {
		f := newFixture(t, redfish.Options{})
		undoing := false
		f.between(Options{}, func(r *http.Request) *http.Response {
			if r.Method == http.MethodPatch && r.URL.Path == network {
				undoing = true
			} else if undoing && r.Method != http.MethodGet {
				return says(r, http.StatusNotFound, "")
			}
			return nil
		})
		f.begin()
		f.stage(c.method, c.path, c.body)
		f.stage("PATCH", network, `{"HostName":7}`)
		f.commit(c.want, c.outcome, api.Refused)
	}
}

// TestAWriteKeepsItsContentType: JSON, unless the client says otherwise.
func TestAWriteKeepsItsContentType(t *testing.T) {
	for _, given := range []string{"", "application/json; charset=utf-8"} {
		f := newFixture(t, redfish.Options{})
		var sent http.Header
		f.watch(func(r *http.Request) {
			if r.Method == http.MethodPatch {
				sent = r.Header.Clone()
			}
		})
		f.begin()
		want, header := "application/json", []string(nil)
		if given != "" {
			want, header = given, []string{"Content-Type", given}
		}
		if _, err := f.send("s", "PATCH", system, `{"AssetTag":"mine"}`, header...); err != nil {
			t.Fatal(err)
		}
		if f.commit(api.Committed, api.Applied); sent.Get("Content-Type") != want || sent.Get("Odata-Version") != "4.0" || sent.Get("If-Match") == "" {
			t.Errorf("%v", sent)
		}
	}
}

// TestAReportWaitsAWeek: to the last moment of it.
func TestAReportWaitsAWeek(t *testing.T) {
	f := newFixture(t, redfish.Options{})
	f.Manager.report("s", &report{result: api.Result{Result: api.Committed}, time: f.now})
	f.Manager.report("t", &report{result: api.Result{Result: api.Committed}, time: f.now})
	for _, there := range []bool{true, false} {
		f.now = time.Date(2026, 3, 8, 12, 0, 0, 0, time.UTC)
		if !there {
			f.now = f.now.Add(1)
		}
		if _, err := f.Begin("other", 0); err != nil && !errors.Is(err, ErrOpen) {
			t.Error(err)
		}
		if s, _ := f.Status("s"); (s.Report != nil) != there {
			t.Errorf("at %v: %s", f.now, asText(s))
		}
		_, _ = f.Rollback("other")
	}
	if _, err := f.Begin("last", 0); err != nil || len(f.reports) != 0 {
		t.Errorf("%v %v", f.reports, err)
	}
}

// TestSettingsOfAResourceThatCannotBeRead: without it nobody knows whether a reset
// is needed, so the write is refused; of one that is not there it is.
func TestSettingsOfAResourceThatCannotBeRead(t *testing.T) {
	for status, staged := range map[int]bool{http.StatusOK: false, http.StatusNotFound: true} {
		f := newFixture(t, redfish.Options{})
		f.between(Options{}, func(r *http.Request) *http.Response {
			if ilopath.Canonical(r.URL.Path) == ilopath.Canonical(bios) {
				return says(r, status, `"garbage"`)
			}
			return nil
		})
		f.begin()
		_, err := f.send("s", "PATCH", pending, `{"Attributes":{"ProcTurbo":"Disabled"}}`)
		if s, _ := f.Status("s"); (err == nil) != staged || (s.State == api.Open) != staged || s.Writes[0].ResetRequired != staged {
			t.Errorf("%d: %s %v", status, asText(s), err)
		}
	}
}
