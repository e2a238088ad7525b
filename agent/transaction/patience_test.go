package transaction

import (
	"context"
	"errors"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ilod/ilod/agent/api"
	"github.com/ilod/ilod/chif/chiftest/redfish"
)

// TestACommitEndsSoonWhateverTheILODoes: it looks a few times for what does not
// show, and tries a few times to put something back. An answer, whatever it says,
// comes after the work.
func TestACommitEndsSoonWhateverTheILODoes(t *testing.T) {
	const task = "/redfish/v1/TaskService/Tasks/7"
	for name, c := range map[string]struct {
		answer func(r *http.Request, patches int) *http.Response // to the writes of the system
		want   api.Verdict
		first  api.Outcome
		least  time.Duration
		most   time.Duration
	}{
		"accepted without a task": {func(r *http.Request, _ int) *http.Response { return says(r, http.StatusAccepted, "") }, api.Unknown, api.OutcomeUnknown, 0, 10 * time.Second},
		"accepted with a task that does not end": {func(r *http.Request, _ int) *http.Response {
			return says(r, http.StatusAccepted, "", "Location", task)
		}, api.Unknown, api.OutcomeUnknown, 15 * time.Second, time.Minute},
		"not taken":       {func(r *http.Request, _ int) *http.Response { return says(r, http.StatusOK, "") }, api.RolledBack, api.Refused, 0, 10 * time.Second},
		"answers garbage": {func(r *http.Request, _ int) *http.Response { return says(r, http.StatusOK, "\xa5{") }, api.RolledBack, api.Refused, 0, 10 * time.Second},
		"fails":           {func(r *http.Request, _ int) *http.Response { return says(r, http.StatusInternalServerError, "") }, api.RolledBack, api.Refused, 0, 10 * time.Second},
		"cannot be undone for now": {func(r *http.Request, patches int) *http.Response {
			if patches == 1 {
				return nil
			}
			return says(r, http.StatusServiceUnavailable, "")
		}, api.PartlyRolledBack, api.UndoRefused, 5 * time.Second, time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t, redfish.Options{})
				patches := 0
				f.between(Options{pause: defaultPause, Late: DefaultLate}, func(r *http.Request) *http.Response {
					switch {
					case r.URL.Path == task:
						return says(r, http.StatusOK, `{"TaskState":"Running"}`)
					case r.Method == http.MethodPatch && r.URL.Path == system:
						patches++
						return c.answer(r, patches)
					}
					return nil
				})
				f.begin()
				f.stage("PATCH", system, `{"AssetTag":"mine"}`)
				f.stage("PATCH", network, `{"HostName":7}`)
				begun := time.Now()
				second := api.Refused
				if c.first == api.Refused {
					second = api.NotSent
				}
				f.commit(c.want, c.first, second)
				if took := time.Since(begun); took < c.least || took > c.most {
					t.Errorf("took %v", took)
				}
			})
		})
	}
}

// TestAnILOThatIsBackIsAskedSoon: the pauses grow, but not for ever.
func TestAnILOThatIsBackIsAskedSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, redfish.Options{})
		f.start(Options{pause: defaultPause})
		f.begin()
		f.stage("PATCH", system, `{"AssetTag":"mine"}`)
		var down time.Time
		asked := 0
		f.ilo.fault = func(r *http.Request) fault {
			if r.Method == http.MethodPatch {
				down = time.Now()
				return lost
			}
			if asked++; !down.IsZero() && time.Since(down) < 5*time.Minute {
				return dropped
			}
			return none
		}
		if f.commit(api.Committed, api.Applied); time.Since(down) > 5*time.Minute+10*time.Second || asked > 100 {
			t.Errorf("after %v, asked %d times", time.Since(down), asked)
		}
	})
}

// TestCloseLeavesAStalledCommitToTheNextProcess: it waits for a while, not until
// the time of the commit is over.
func TestCloseLeavesAStalledCommitToTheNextProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, redfish.Options{})
		f.start(Options{pause: defaultPause, Late: DefaultLate})
		f.begin()
		f.stage("PATCH", system, `{"AssetTag":"mine"}`)
		f.stage("PATCH", network, `{"HostName":"mine"}`)
		closed := make(chan time.Duration, 1)
		dead := false
		f.ilo.fault = func(r *http.Request) fault {
			if !dead && r.Method == http.MethodPatch && r.URL.Path == network {
				dead = true
				go func() {
					begun := time.Now()
					if err := f.Close(); err != nil {
						t.Error(err)
					}
					closed <- time.Since(begun)
				}()
			}
			if dead {
				return dropped
			}
			return none
		}
		r, err := f.Commit(context.Background(), "s")
		if f.check(r, api.Unknown, api.OutcomeUnknown, api.OutcomeUnknown); !errors.Is(err, ErrClosed) {
			t.Error(err)
		}
		if took := <-closed; took < 10*time.Second || took > time.Minute {
			t.Errorf("Close has waited %v", took)
		}
		if files, err := filepath.Glob(filepath.Join(f.dir, "*"+journalSuffix)); err != nil || len(files) != 1 {
			t.Fatal(files, err)
		}
		f.ilo.heal()
		f.start(Options{})
		f.check(f.report(), api.RolledBack, api.Undone, api.Refused)
		f.is(system, "/AssetTag", `""`)
	})
}

// TestALostWriteOfASecretAloneIsUnknown: reading does not show it, before or after.
func TestALostWriteOfASecretAloneIsUnknown(t *testing.T) {
	for _, kind := range []fault{lost, dropped} {
		f := newFixture(t, redfish.Options{})
		f.begin()
		f.stage("PATCH", accounts+"/1", `{"Password":"12345678"}`)
		f.ilo.on(1, "PATCH", "", kind)
		f.commit(api.Unknown, api.OutcomeUnknown)
	}
}

// TestAcceptedWriteThatShowsLateIsUndone: once it shows, it can be put back.
func TestAcceptedWriteThatShowsLateIsUndone(t *testing.T) {
	f := newFixture(t, redfish.Options{})
	f.between(Options{}, func(r *http.Request) *http.Response {
		if r.Method != http.MethodPatch {
			return nil
		}
		if r.URL.Path == network { // the second write: now the first is carried out
			f.ilo.do("PATCH", system, `{"AssetTag":"mine"}`)
			return says(r, http.StatusBadRequest, "")
		}
		if f.ilo.value(system, "/AssetTag") == `"mine"` {
			return nil // the undo
		}
		return says(r, http.StatusAccepted, "")
	})
	f.begin()
	f.stage("PATCH", system, `{"AssetTag":"mine"}`)
	f.stage("PATCH", network, `{"HostName":"mine"}`)
	f.commit(api.RolledBack, api.Undone, api.Refused)
	f.is(system, "/AssetTag", `""`)
}

// TestUndoIsAWriteLikeAnyOther: it says what its body is, and is guarded by the
// ETag of what it has read.
func TestUndoIsAWriteLikeAnyOther(t *testing.T) {
	f := newFixture(t, redfish.Options{})
	var undo *http.Request
	f.watch(func(r *http.Request) {
		if r.Method == http.MethodPatch && r.URL.Path == system {
			undo = r
		}
	})
	f.begin()
	f.stage("PATCH", system, `{"AssetTag":"mine"}`)
	f.stage("PATCH", network, `{"HostName":7}`)
	f.commit(api.RolledBack, api.Undone, api.Refused)
	if h := undo.Header; h.Get("Content-Type") != "application/json" || h.Get("If-Match") == "" || undo.GetBody == nil {
		t.Errorf("%v", h)
	}
}

// TestAnyStatusThatIsNoSuccessIsARefusal: also a redirection, to a write as to what
// puts one back.
func TestAnyStatusThatIsNoSuccessIsARefusal(t *testing.T) {
	for status, undoes := range map[int]bool{300: false, 302: false, 400: false, 300 + 1000: true} {
		f := newFixture(t, redfish.Options{})
		patches := 0
		f.between(Options{}, func(r *http.Request) *http.Response {
			if r.Method != http.MethodPatch || r.URL.Path != system {
				return nil
			}
			if patches++; undoes && patches == 1 {
				return nil
			}
			return says(r, status%1000, "")
		})
		f.begin()
		f.stage("PATCH", system, `{"AssetTag":"mine"}`)
		f.stage("PATCH", network, `{"HostName":7}`)
		want, outcomes := api.RolledBack, []api.Outcome{api.Refused, api.NotSent}
		if undoes {
			want, outcomes = api.PartlyRolledBack, []api.Outcome{api.UndoRefused, api.Refused}
		}
		r, _ := f.commit(want, outcomes...)
		if text := http.StatusText(status % 1000); !strings.Contains(r.Writes[0].Error, text) {
			t.Errorf("%q does not say %s", r.Writes[0].Error, text)
		}
	}
}

// TestLogTellsWhatBecameOfACommit: and of each write that was sent.
func TestLogTellsWhatBecameOfACommit(t *testing.T) {
	f := newFixture(t, redfish.Options{})
	f.begin()
	f.stage("PATCH", system, `{"AssetTag":"mine"}`)
	f.stage("PATCH", network, `{"HostName":7}`)
	f.stage("PATCH", accounts+"/1", `{"RoleId":"Operator"}`)
	f.commit(api.RolledBack, api.Undone, api.Refused, api.NotSent)
	if log := f.out.String(); !strings.Contains(log, "outcome=undone") || !strings.Contains(log, "status=400") || strings.Contains(log, "outcome=not-sent") || strings.Contains(log, "recovered") {
		t.Error(log)
	}
	f.out.Reset()
	f.begin()
	f.stage("PATCH", system, `{"AssetTag":"mine"}`)
	f.ilo.on(1, "PATCH", "", afterCrash)
	f.die(func() { _, _ = f.Commit(context.Background(), "s") })
	f.check(f.report(), api.Committed, api.Applied)
	if log := f.out.String(); !strings.Contains(log, "recovered=true") || !strings.Contains(log, "outcome=applied") || strings.Contains(log, "not committed") {
		t.Error(log)
	}
}
