package transaction

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ilod/ilod/agent/api"
	"github.com/ilod/ilod/agent/ilopath"
	"github.com/ilod/ilod/chif/chiftest/redfish"
	"github.com/ilod/ilod/chif/chiftest/tree"
)

// says is an answer of an iLO that does not keep to what it says.
func says(r *http.Request, status int, body string, header ...string) *http.Response {
	resp := &http.Response{Status: fmt.Sprint(status), StatusCode: status, Header: http.Header{}, Request: r, Body: io.NopCloser(strings.NewReader(body))}
	for i := 0; i+1 < len(header); i += 2 {
		resp.Header.Set(header[i], header[i+1])
	}
	return resp
}

// between starts the Manager anew, with f between it and the iLO. nil lets the iLO
// answer.
func (f *fixture) between(o Options, answer func(r *http.Request) *http.Response) {
	f.t.Helper()
	o.Next = roundTrip(func(r *http.Request) (*http.Response, error) {
		if resp := answer(r); resp != nil {
			return resp, nil
		}
		return f.ilo.RoundTrip(r)
	})
	f.start(o)
}

// answering is between for an iLO that answers all requests of a method to a path,
// or to any, and does nothing.
func (f *fixture) answering(method, path string, status int, body string) {
	f.t.Helper()
	f.between(Options{}, func(r *http.Request) *http.Response {
		if r.Method != method || path != "" && r.URL.Path != path {
			return nil
		}
		return says(r, status, body)
	})
}

// states are those of the properties of the n-th write.
func states(r api.Result, n int) string {
	var all []string
	for _, p := range r.Writes[n].Properties {
		all = append(all, p.Property+" "+string(p.State))
	}
	return strings.Join(all, ", ")
}

const complaintOfAssetTag = `{"error":{"code":"iLO.0.10.ExtendedInfo","@Message.ExtendedInfo":[{"MessageId":"Base.1.18.Success"}]},
	"AssetTag@Message.ExtendedInfo":[{"MessageId":"Base.1.18.PropertyNotWritable","MessageArgs":["AssetTag"],"Severity":"Warning"}]}`

// TestSuccessIsWhatReadingShows: an answer of 200 that names a property which was
// not taken, or that says nothing of it, is no success. What others of the
// transaction have changed is undone.
func TestSuccessIsWhatReadingShows(t *testing.T) {
	for name, body := range map[string]string{
		"annotated":          complaintOfAssetTag,
		"silent":             `{"error":{"@Message.ExtendedInfo":[{"MessageId":"Base.1.18.Success"}]}}`,
		"related properties": `{"error":{"@Message.ExtendedInfo":[{"MessageId":"Base.1.18.PropertyNotUpdated","RelatedProperties":["#/AssetTag"],"MessageSeverity":"Warning"}]}}`,
		"by argument":        `{"@Message.ExtendedInfo":[{"MessageId":"iLO.2.14.PropertyValueModified","MessageArgs":["x","AssetTag"]}]}`,
		"no body":            ``,
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, redfish.Options{})
			f.answering("PATCH", system, http.StatusOK, body)
			f.begin()
			f.stage("PATCH", network, `{"HostName":"mine"}`)
			f.stage("PATCH", system, `{"AssetTag":"mine"}`)
			f.stage("PATCH", network, `{"HostName":"never"}`)
			r, err := f.commit(api.RolledBack, api.Undone, api.Refused, api.NotSent)
			if states(r, 1) != "/AssetTag not taken" || !strings.Contains(r.Writes[1].Error, "the iLO has not taken /AssetTag") || r.Writes[1].Status != http.StatusOK || err == nil {
				t.Errorf("%s: %v", asText(r), err)
			}
			f.is(network, "/HostName", `"ilo-sim"`)
		})
	}
}

// TestPartOfAWriteIsNotASuccess: what the iLO has taken of it is undone, and the
// result names what it has not taken.
func TestPartOfAWriteIsNotASuccess(t *testing.T) {
	f := newFixture(t, redfish.Options{})
	f.between(Options{}, func(r *http.Request) *http.Response {
		if r.Method == http.MethodPatch && r.URL.Path == system {
			if body, _ := io.ReadAll(r.Body); strings.Contains(string(body), "never") {
				f.ilo.do("PATCH", system, `{"HostName":"mine"}`)
				return says(r, http.StatusOK, complaintOfAssetTag)
			} else {
				setBody(r, body)
			}
		}
		return nil
	})
	f.begin()
	f.stage("PATCH", system, `{"AssetTag":"never","HostName":"mine"}`)
	r, _ := f.commit(api.RolledBack, api.Undone)
	if states(r, 0) != "/AssetTag not taken, /HostName applied" {
		t.Error(asText(r))
	}
	f.is(system, "/HostName", `"sim.example"`)
}

// TestComplaintOfWhatIsThere: what is as it was asked for is applied, whatever the
// answer says; what is there in another form is said to be so, and can be undone.
func TestComplaintOfWhatIsThere(t *testing.T) {
	f := newFixture(t, redfish.Options{})
	otherwise := true
	f.between(Options{}, func(r *http.Request) *http.Response {
		if r.Method != http.MethodPatch || r.URL.Path != system || !otherwise {
			return nil
		}
		f.ilo.do("PATCH", system, `{"AssetTag":"mine","HostName":"MINE"}`)
		return says(r, http.StatusOK, complaintOfAssetTag)
	})
	f.begin()
	f.stage("PATCH", system, `{"AssetTag":"mine","HostName":"mine"}`)
	r, _ := f.commit(api.Committed, api.Applied)
	if states(r, 0) != "/AssetTag applied, /HostName taken otherwise" {
		t.Error(asText(r))
	}
	f.ilo.do("PATCH", system, `{"AssetTag":"","HostName":"sim.example"}`)
	f.begin()
	f.stage("PATCH", system, `{"AssetTag":"mine","HostName":"mine"}`)
	f.stage("PATCH", network, `{"HostName":7}`)
	f.ilo.fault = func(r *http.Request) fault {
		if r.Method == http.MethodPatch && r.URL.Path == network {
			otherwise = false
		}
		return none
	}
	f.commit(api.RolledBack, api.Undone, api.Refused)
	f.is(system, "/HostName", `"sim.example"`)
}

// TestWaitsForWhatDoesNotShowAtOnce: an iLO may take a moment.
func TestWaitsForWhatDoesNotShowAtOnce(t *testing.T) {
	f := newFixture(t, redfish.Options{})
	looks := -1
	f.between(Options{}, func(r *http.Request) *http.Response {
		switch {
		case r.Method == http.MethodPatch:
			looks = 0
			return says(r, http.StatusOK, "")
		case looks >= 0:
			if looks++; looks == maxLooks {
				f.ilo.do("PATCH", system, `{"AssetTag":"mine"}`)
			}
		}
		return nil
	})
	f.begin()
	f.stage("PATCH", system, `{"AssetTag":"mine"}`)
	f.commit(api.Committed, api.Applied)
}

// taskiLO answers writes of one resource with a task.
func taskiLO(f *fixture, body string, header string, state func() string, carryOut func()) {
	const task = "/redfish/v1/TaskService/Tasks/7"
	f.between(Options{}, func(r *http.Request) *http.Response {
		switch {
		case ilopath.Canonical(r.URL.Path) == ilopath.Canonical(task):
			now := state()
			if now == "Completed" {
				carryOut()
			}
			return says(r, http.StatusOK, fmt.Sprintf(`{"@odata.id":%q,"TaskState":%q}`, task, now))
		case r.Method != http.MethodGet && r.URL.Path == system:
			return says(r, http.StatusAccepted, body, "Location", header)
		}
		return nil
	})
}

// TestAcceptedIsNotApplied: a task that is still running.
func TestAcceptedIsNotApplied(t *testing.T) {
	for name, c := range map[string]struct{ body, header string }{
		"named in the header": {"", "https://ilo.example/redfish/v1/TaskService/Tasks/7/"},
		"named in the body":   {`{"@odata.id":"/redfish/v1/TaskService/Tasks/7"}`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, redfish.Options{})
			taskiLO(f, c.body, c.header, func() string { return "Running" }, nil)
			f.begin()
			f.stage("PATCH", system, `{"AssetTag":"mine"}`)
			r, err := f.Commit(context.Background(), "s")
			f.check(r, api.InProgress, api.Accepted)
			if states(r, 0) != "/AssetTag accepted" || !strings.HasPrefix(r.Writes[0].Task, "/redfish/v1/TaskService/Tasks/7") || err != nil {
				t.Error(asText(r), err)
			}
			// A later write fails: the first one is not known to be undone.
			f.begin()
			f.stage("PATCH", system, `{"AssetTag":"mine"}`)
			f.stage("PATCH", network, `{"HostName":7}`)
			f.commit(api.Unknown, api.OutcomeUnknown, api.Refused)
		})
	}
}

// TestAcceptedAndDone: the end of the task counts, and then what shows.
func TestAcceptedAndDone(t *testing.T) {
	for state, want := range map[string]api.Outcome{"Completed": api.Applied, "Exception": api.Refused, "Killed": api.Refused, "Cancelled": api.Refused} {
		f := newFixture(t, redfish.Options{})
		polls := 0
		taskiLO(f, "", "/redfish/v1/TaskService/Tasks/7", func() string {
			if polls++; polls < 4 {
				return "Running"
			}
			return state
		}, func() { f.ilo.do("PATCH", system, `{"AssetTag":"mine"}`) })
		f.begin()
		f.stage("PATCH", system, `{"AssetTag":"mine"}`)
		verdict := api.Committed
		if want == api.Refused {
			verdict = api.RolledBack
		}
		r, _ := f.commit(verdict, want)
		if want == api.Refused && !strings.Contains(r.Writes[0].Error, "ended with "+state) {
			t.Error(asText(r))
		}
	}
}

// TestDeletionIsDoneWhenItShows: until then it is accepted.
func TestDeletionIsDoneWhenItShows(t *testing.T) {
	f := newFixture(t, redfish.Options{})
	f.answering("DELETE", "", http.StatusNoContent, "")
	f.begin()
	f.stage("DELETE", subscriptions+"/1", "")
	r, _ := f.Commit(context.Background(), "s")
	f.check(r, api.InProgress, api.Accepted)
}

// TestWhatAPostPromisesIsThere: a Location that leads nowhere does not count, if
// there is nothing new in the collection.
func TestWhatAPostPromisesIsThere(t *testing.T) {
	const body = `{"Destination":"https://192.0.2.1/","Context":"mine"}`
	for makes, want := range map[bool]api.Outcome{true: api.Applied, false: api.Refused} {
		f := newFixture(t, redfish.Options{})
		f.between(Options{}, func(r *http.Request) *http.Response {
			if r.Method != http.MethodPost {
				return nil
			}
			if makes {
				f.ilo.do("POST", subscriptions, body)
			}
			return says(r, http.StatusCreated, "", "Location", subscriptions+"/99")
		})
		f.begin()
		f.stage("POST", subscriptions, body)
		verdict := api.Committed
		if !makes {
			verdict = api.RolledBack
		}
		r, _ := f.commit(verdict, want)
		if makes && (r.Writes[0].Location == "" || states(r, 0) != "/Context applied, /Destination applied") {
			t.Error(asText(r))
		}
	}
}

// TestPasswordIsNotShown: what the iLO never shows is neither applied nor refused,
// unless it complains.
func TestPasswordIsNotShown(t *testing.T) {
	f := newFixture(t, redfish.Options{})
	f.begin()
	f.stage("PATCH", accounts+"/1", `{"Password":"Geheim-Geheim","RoleId":"Operator"}`)
	r, _ := f.commit(api.Committed, api.Applied)
	if states(r, 0) != "/Password not shown, /RoleId applied" {
		t.Error(asText(r))
	}
	f.answering("PATCH", "", http.StatusOK, `{"Password@Message.ExtendedInfo":[{"MessageId":"Base.1.18.PropertyValueFormatError","MessageArgs":["Geheim-Geheim","Password"]}]}`)
	f.begin()
	f.stage("PATCH", accounts+"/1", `{"Password":"Geheim-Geheim"}`)
	r, err := f.commit(api.RolledBack, api.Refused)
	if states(r, 0) != "/Password not taken" || strings.Contains(asText(r)+err.Error()+f.out.String(), "Geheim") {
		t.Error(asText(r), err)
	}
}

// TestResetIsForWhatNeedsIt: the iLO answers each write of BIOS settings with
// SystemResetRequired. One that asks for what is in effect needs no reset.
func TestResetIsForWhatNeedsIt(t *testing.T) {
	f := newFixture(t, redfish.Options{})
	was := f.ilo.value(bios, "/Attributes/ProcTurbo")
	for value, reset := range map[string]bool{`"Disabled"`: true, was: false} {
		for _, path := range []string{bios, pending} { // either way leads to the settings
			f.ilo.do("PATCH", pending, `{"Attributes":{"ProcTurbo":"Disabled"}}`)
			f.begin()
			f.stage("PATCH", path, `{"Attributes":{"ProcTurbo":`+value+`}}`)
			if s, _ := f.Status("s"); s.Writes[0].ResetRequired != reset {
				t.Errorf("%s to %s: staged %s", path, value, asText(s))
			}
			r, _ := f.commit(api.Committed, api.Applied)
			state := map[bool]string{true: "pending reset", false: "applied"}[reset]
			if (r.Reset != api.Reset{Server: reset}) || r.ResetRequired != reset || r.Writes[0].Reset.Server != reset || states(r, 0) != "/Attributes/ProcTurbo "+state {
				t.Errorf("%s to %s: %s", path, value, asText(r))
			}
			f.is(pending, "/Attributes/ProcTurbo", value)
		}
	}
}

// TestResetOfTheILO: is no reset of the server, and only asked for if something
// has changed.
func TestResetOfTheILO(t *testing.T) {
	for message, want := range map[string]api.Reset{"iLO.2.14.ResetRequired": {ILO: true}, "iLO.2.14.SystemResetRequired": {Server: true}} {
		f := newFixture(t, redfish.Options{})
		f.between(Options{}, func(r *http.Request) *http.Response {
			if r.Method != http.MethodPatch {
				return nil
			}
			body, _ := io.ReadAll(r.Body)
			f.ilo.do("PATCH", r.URL.Path, string(body))
			return says(r, http.StatusOK, `{"error":{"@Message.ExtendedInfo":[{"MessageId":"`+message+`"}]}}`)
		})
		for _, changes := range []bool{true, false} {
			f.begin()
			f.stage("PATCH", network, `{"HTTPS":{"Port":8443}}`)
			r, _ := f.commit(api.Committed, api.Applied)
			state := "/HTTPS/Port pending reset"
			if !changes {
				want, state = api.Reset{}, "/HTTPS/Port applied"
			}
			if r.Reset != want || r.ResetRequired != want.Server || states(r, 0) != state || r.Writes[0].Messages[0] != message {
				t.Errorf("%s: %s", message, asText(r))
			}
		}
	}
}

// TestResetOfWhatIsUndone: is not asked for.
func TestResetOfWhatIsUndone(t *testing.T) {
	f := newFixture(t, redfish.Options{})
	f.begin()
	f.stage("PATCH", pending, `{"Attributes":{"ProcTurbo":"Disabled"}}`)
	f.stage("PATCH", network, `{"HostName":7}`)
	if r, _ := f.commit(api.RolledBack, api.Undone, api.Refused); r.Reset.Any() {
		t.Error(asText(r))
	}
}

// TestILOThatRefusesItsOwnETag: it would answer 412 for ever. If nothing has
// changed the write is sent once without If-Match, and the result says so.
func TestILOThatRefusesItsOwnETag(t *testing.T) {
	for name, always := range map[string]bool{"quoted twice": false, "always 412": true} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, redfish.Options{})
			guarded, bare := 0, 0
			f.start(Options{Next: roundTrip(func(r *http.Request) (*http.Response, error) {
				if r.Method == http.MethodPatch {
					if r.Header.Get("If-Match") == "" {
						bare++
					} else if guarded++; always {
						return says(r, http.StatusPreconditionFailed, ""), nil
					}
				}
				resp, err := f.ilo.RoundTrip(r)
				if err == nil && resp.Header.Get("ETag") != "" && !always {
					resp.Header.Set("ETag", `"`+resp.Header.Get("ETag")+`"`)
				}
				return resp, err
			})})
			f.begin()
			f.stage("PATCH", system, `{"AssetTag":"mine"}`)
			r, _ := f.commit(api.Committed, api.Applied)
			if !r.Writes[0].Unguarded || guarded != 1 || bare != 1 {
				t.Errorf("%d with If-Match, %d without: %s", guarded, bare, asText(r))
			}
			f.is(system, "/AssetTag", `"mine"`)
		})
	}
	// One that has changed is not written: TestChangedInBetween.
	f := newFixture(t, redfish.Options{})
	f.begin()
	f.stage("PATCH", system, `{"AssetTag":"mine"}`)
	if r, _ := f.commit(api.Committed, api.Applied); r.Writes[0].Unguarded {
		t.Error("said of one that is like any other")
	}
}

// TestLostWriteIsUnknownWhileItMayBeCarriedOut: a write without answer that comes
// late is found, and is not said to have had no effect before.
func TestLostWriteIsUnknownWhileItMayBeCarriedOut(t *testing.T) {
	for delay, want := range map[time.Duration]api.Outcome{DefaultLate - time.Second: api.Applied, 100 * DefaultLate: api.Refused} {
		synctest.Test(t, func(t *testing.T) {
			f := newFixture(t, redfish.Options{})
			var sent time.Time
			f.start(Options{pause: defaultPause, Late: DefaultLate, Next: roundTrip(func(r *http.Request) (*http.Response, error) {
				if !sent.IsZero() && time.Since(sent) >= delay {
					f.ilo.do("PATCH", system, `{"AssetTag":"mine"}`)
				}
				if r.Method == http.MethodPatch {
					sent = time.Now()
					return nil, errLost
				}
				return f.ilo.RoundTrip(r)
			})})
			f.begin()
			f.stage("PATCH", system, `{"AssetTag":"mine"}`)
			verdict := api.Committed
			if want == api.Refused {
				verdict = api.RolledBack
			}
			f.commit(verdict, want)
			if took := time.Since(sent); want == api.Refused && took < DefaultLate {
				t.Errorf("said after %v", took)
			}
		})
	}
	// The commit's own time is over before: nobody can tell.
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, redfish.Options{})
		f.start(Options{pause: defaultPause, Late: time.Hour, deadline: time.Minute})
		f.begin()
		f.stage("PATCH", system, `{"AssetTag":"mine"}`)
		f.ilo.on(1, "PATCH", "", dropped)
		r, _ := f.commit(api.Unknown, api.OutcomeUnknown)
		if !strings.Contains(r.Writes[0].Error, "may still carry it out") {
			t.Error(asText(r))
		}
	})
}

// TestLostWriteAfterACrash: the next process waits as long.
func TestLostWriteAfterACrash(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, redfish.Options{})
		f.begin()
		f.stage("PATCH", system, `{"AssetTag":"mine"}`)
		f.ilo.on(1, "PATCH", "", crash)
		f.die(func() { _, _ = f.Commit(context.Background(), "s") })
		f.start(Options{pause: defaultPause, Late: DefaultLate})
		begun := time.Now()
		if f.check(f.report(), api.RolledBack, api.Refused); time.Since(begun) < DefaultLate {
			t.Errorf("said after %v", time.Since(begun))
		}
	})
}

// TestCannotBeReadAfterwards: an iLO that answers with success and then no more has
// accepted the write, and nobody has seen it.
func TestCannotBeReadAfterwards(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, redfish.Options{})
		dead := false
		f.start(Options{pause: defaultPause, Next: roundTrip(func(r *http.Request) (*http.Response, error) {
			if dead {
				return nil, errLost
			}
			dead = r.Method == http.MethodPatch
			return f.ilo.RoundTrip(r)
		})})
		f.begin()
		f.stage("PATCH", system, `{"AssetTag":"mine"}`)
		r, err := f.Commit(context.Background(), "s")
		if f.check(r, api.InProgress, api.Accepted); err != nil || !strings.Contains(r.Writes[0].Error, errLost.Error()) {
			t.Error(asText(r), err)
		}
	})
}

// TestNoSecretOnTheDisk: of a secret the journal has its name alone, no HMAC that
// could be guessed with the key beside it; and of the iLO's complaint, which quotes
// a value, the id.
func TestNoSecretOnTheDisk(t *testing.T) {
	f := newFixture(t, redfish.Options{})
	f.begin()
	f.stage("PATCH", accounts+"/1", `{"Password":"Winter26","Oem":{"Hpe":{"LoginName":"Winter27"}}}`)
	f.stage("PATCH", system, `{"AssetTag":"Winter28"}`)
	f.ilo.on(1, "PATCH", system, crash)
	f.die(func() { _, _ = f.Commit(context.Background(), "s") })
	files, err := filepath.Glob(filepath.Join(f.dir, "*"+journalSuffix))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	b, _, _, err := readJournal(files[0])
	if err != nil || len(b.Steps[0].Leaves) != 2 {
		t.Fatal(err)
	}
	for _, l := range b.Steps[0].Leaves {
		if secret := l.Pointer == "/Password"; secret != l.Secret || secret != (l.To == nil && l.Prior == nil && l.After == nil && l.From == nil) {
			t.Errorf("%s has %s", l.Pointer, asText(l))
		}
	}
	// Not even a recovery's own record has what the iLO quotes.
	f.answering("PATCH", "", http.StatusBadRequest, `{"error":{"@Message.ExtendedInfo":[{"MessageId":"Base.1.18.PropertyValueNotInList","MessageArgs":["quoted-value","LoginName"]}]}}`)
	if err := f.Recover(context.Background()); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(files[0])
	if err != nil || strings.Contains(string(whole), "quoted-value") || !strings.Contains(string(whole), "PropertyValueNotInList") {
		t.Errorf("%v %s", err, whole)
	}
	s, _ := f.Status("s")
	if s.Report == nil || !strings.Contains(s.Report.Writes[0].Error, "PropertyValueNotInList") {
		t.Fatalf("%s", asText(s))
	}
}

// TestCommunitiesAreUndone: a secret that the iLO shows is put back by the process
// that has changed it, and is not known to the next one.
func TestCommunitiesAreUndone(t *testing.T) {
	const from = `["public",""]`
	for _, crashes := range []bool{false, true} {
		resources := slices.Clone(smallTree().Resources())
		at := slices.IndexFunc(resources, func(r tree.Resource) bool { return tree.Key(r.URI) == tree.Key(subscriptions+"/1") })
		resources[at].Body = append([]byte(`{"Oem":{"Hpe":{"ReadCommunities":`+from+`}},`), bytes.TrimPrefix(resources[at].Body, []byte("{"))...)
		shown, err := tree.New(resources)
		if err != nil {
			t.Fatal(err)
		}
		f := newFixture(t, redfish.Options{Tree: shown})
		f.begin()
		f.stage("PATCH", subscriptions+"/1", `{"Oem":{"Hpe":{"ReadCommunities":["geheim"]}}}`)
		f.stage("PATCH", network, `{"HostName":7}`)
		if crashes {
			f.ilo.on(1, "PATCH", network, crash)
			f.die(func() { _, _ = f.Commit(context.Background(), "s") })
			f.check(f.report(), api.PartlyRolledBack, api.UndoRefused, api.Refused)
			continue
		}
		if s, err := f.Status("s"); strings.Contains(asText(s), "geheim") || err != nil {
			t.Error(asText(s), err)
		}
		f.commit(api.RolledBack, api.Undone, api.Refused)
		f.is(subscriptions+"/1", "/Oem/Hpe/ReadCommunities", from)
	}
}

// TestComplaints: which messages are about properties that were not taken.
func TestComplaints(t *testing.T) {
	for body, want := range map[string]string{
		complaintOfAssetTag: "/AssetTag",
		`{"Oem":{"Hpe":{"X@Message.ExtendedInfo":[{"MessageId":"Base.1.0.PropertyUnknown"}]}}}`:                         "/Oem/Hpe/X",
		`{"X@Message.ExtendedInfo":[{"MessageId":"Base.1.0.Success"},{"MessageId":"iLO.2.14.SystemResetRequired"}]}`:    "",
		`{"X@Message.ExtendedInfo":[{"MessageId":"Base.1.0.PropertyUnknown","Severity":"OK"}]}`:                         "",
		`{"error":{"@Message.ExtendedInfo":[{"MessageId":"Base.1.0.PropertyUnknown","MessageArgs":["Attributes/A"]}]}}`: "Attributes/A",
		`{"error":{"@Message.ExtendedInfo":[{"MessageId":"Base.1.0.GeneralError","MessageArgs":["A"]}]}}`:               "",
		`{"@Message.ExtendedInfo":[{"MessageId":"Base.1.0.GeneralError","RelatedProperties":["#/A/b"]}]}`:               "/A/b",
		`{"@Message.ExtendedInfo":[{"MessageId":"Base.1.0.GeneralError","RelatedProperties":["#/"]}]}`:                  "",
		`{"@Message.ExtendedInfo":7,"X@Message.ExtendedInfo":[7]}`:                                                      "", `[]`: "", `x`: "",
	} {
		var got []string
		for _, c := range complaints([]byte(body)) {
			got = append(got, c.property)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %v, want %s", body, got, want)
		}
	}
	for _, c := range []struct {
		property, pointer string
		want              bool
	}{
		{"/A", "/A", true}, {"/A", "/A/b", true}, {"/A/b", "/A", true}, {"/A", "/AB", false}, {"/AB", "/A", false}, {"b", "/A/b", true}, {"b", "/A/ab", false}, {"A/b", "/X/A/b", true},
	} {
		if got := (complaint{property: c.property}).about(c.pointer); got != c.want {
			t.Errorf("%s about %s: %v", c.property, c.pointer, got)
		}
	}
}
