package transaction

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/ilod/ilod/agent/api"
	"github.com/ilod/ilod/chif/chiftest/redfish"
)

// TestRefusedETagOfAChangedResource: the write is not sent without If-Match if the
// ETag is another one, nor if the value is under the same one.
func TestRefusedETagOfAChangedResource(t *testing.T) {
	for name, sameETag := range map[string]bool{"another ETag": false, "another value under the same ETag": true} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, redfish.Options{})
			patches := 0
			f.start(Options{Next: roundTrip(func(r *http.Request) (*http.Response, error) {
				if r.Method == http.MethodPatch {
					if patches++; sameETag {
						f.ilo.do("PATCH", system, `{"AssetTag":"theirs"}`)
					} else {
						f.ilo.do("PATCH", system, `{"HostName":"theirs"}`)
					}
					return says(r, http.StatusPreconditionFailed, ""), nil
				}
				resp, err := f.ilo.RoundTrip(r)
				if err == nil && sameETag {
					resp.Header.Set("ETag", `W/"00000000"`)
				}
				return resp, err
			})})
			f.begin()
			f.stage("PATCH", system, `{"AssetTag":"mine"}`)
			r, err := f.commit(api.RolledBack, api.Refused)
			if patches != 1 || !errors.Is(err, ErrStale) || r.Writes[0].Unguarded {
				t.Errorf("%d writes, %v, %s", patches, err, asText(r))
			}
		})
	}
}

// TestAnswerProvesThatAWriteWasSent: whatever the error says with which it breaks
// off.
func TestAnswerProvesThatAWriteWasSent(t *testing.T) {
	f := newFixture(t, redfish.Options{})
	f.start(Options{Next: roundTrip(func(r *http.Request) (*http.Response, error) {
		resp, err := f.ilo.RoundTrip(r)
		if err == nil && r.Method == http.MethodPatch {
			resp.Body = io.NopCloser(iotest.ErrReader(errNotSent))
		}
		return resp, err
	})})
	f.begin()
	f.stage("PATCH", system, `{"AssetTag":"mine"}`)
	f.commit(api.Committed, api.Applied)
}

// TestSecretBesideWhatIsNotTaken: the iLO may have taken the secret, so the write
// counts as taken in part; and a reset that it asks for may be for the secret.
func TestSecretBesideWhatIsNotTaken(t *testing.T) {
	f := newFixture(t, redfish.Options{})
	f.answering("PATCH", "", http.StatusOK, `{"RoleId@Message.ExtendedInfo":[{"MessageId":"Base.1.18.PropertyNotWritable"}]}`)
	f.begin()
	f.stage("PATCH", accounts+"/1", `{"Password":"12345678","RoleId":"Operator"}`)
	f.commit(api.PartlyRolledBack, api.UndoRefused)
	f.answering("PATCH", "", http.StatusOK, `{"error":{"@Message.ExtendedInfo":[{"MessageId":"iLO.2.14.ResetRequired"}]}}`)
	f.begin()
	f.stage("PATCH", accounts+"/1", `{"Password":"12345678"}`)
	if r, _ := f.commit(api.Committed, api.Applied); r.Reset != (api.Reset{ILO: true}) {
		t.Error(asText(r))
	}
}

// TestSettingsThatAreNotTaken: SystemResetRequired is what the iLO answers to each
// write of settings, also to one that it does not keep.
func TestSettingsThatAreNotTaken(t *testing.T) {
	f := newFixture(t, redfish.Options{})
	f.answering("PATCH", "", http.StatusOK, `{"error":{"@Message.ExtendedInfo":[{"MessageId":"iLO.2.14.SystemResetRequired"}]}}`)
	f.begin()
	f.stage("PATCH", bios, `{"Attributes":{"ProcTurbo":"Disabled"}}`)
	if r, _ := f.commit(api.RolledBack, api.Refused); states(r, 0) != "/Attributes/ProcTurbo not taken" || r.Reset.Any() {
		t.Error(asText(r))
	}
}

// TestMaskedSecretIsNotPutBack: what the iLO shows instead of it is no value.
func TestMaskedSecretIsNotPutBack(t *testing.T) {
	f := newFixture(t, redfish.Options{})
	patches := 0
	f.between(Options{}, func(r *http.Request) *http.Response {
		switch {
		case r.Method == http.MethodPatch && r.URL.Path == accounts+"/1":
			patches++
			return says(r, http.StatusOK, "")
		case r.Method == http.MethodGet && r.URL.Path == accounts+"/1":
			return says(r, http.StatusOK, `{"LicenseKey":"XXXXX-4ZBW2"}`, "Allow", "GET, PATCH", "ETag", `W/"1"`)
		}
		return nil
	})
	f.begin()
	f.stage("PATCH", accounts+"/1", `{"LicenseKey":"AAAAA-BBBBB"}`)
	f.stage("PATCH", network, `{"HostName":7}`)
	f.commit(api.PartlyRolledBack, api.UndoRefused, api.Refused)
	if patches != 1 {
		t.Errorf("%d writes", patches)
	}
}

// TestRecoveryTakesItsTime: if its time is over before the outcome can be known,
// Recover fails, the resources stay locked, and the next call goes on.
func TestRecoveryTakesItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, redfish.Options{})
		f.begin()
		f.stage("PATCH", system, `{"AssetTag":"mine"}`)
		f.ilo.on(1, "PATCH", "", crash)
		f.die(func() { _, _ = f.Commit(context.Background(), "s") })
		f.start(Options{pause: defaultPause, Late: DefaultLate})
		begun := time.Now()
		short, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := f.Recover(short); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		if _, err := f.send("other", "PATCH", system, `{}`); !errors.Is(err, ErrHeld) {
			t.Error(err)
		}
		if f.check(f.report(), api.RolledBack, api.Refused); time.Since(begun) > DefaultLate+time.Minute {
			t.Errorf("it began anew: %v", time.Since(begun))
		}
	})
}

// TestAcceptedAfterACrash: what the iLO has accepted before may still come.
func TestAcceptedAfterACrash(t *testing.T) {
	f := newFixture(t, redfish.Options{})
	f.answering("PATCH", system, http.StatusAccepted, "")
	f.begin()
	f.stage("PATCH", system, `{"AssetTag":"mine"}`)
	f.stage("PATCH", network, `{"HostName":"mine"}`)
	f.ilo.on(1, "PATCH", network, afterCrash)
	f.die(func() { _, _ = f.Commit(context.Background(), "s") })
	f.check(f.report(), api.InProgress, api.Accepted, api.Applied)
}

// TestJournalSaysWhenAWriteWasSent: unless a clock was set.
func TestJournalSaysWhenAWriteWasSent(t *testing.T) {
	f := newFixture(t, redfish.Options{})
	name := f.dir + "/x"
	for in, want := range map[time.Duration]bool{-time.Minute: true, time.Hour: false} {
		var all []byte
		for _, r := range []record{
			{Begin: &beginning{Session: "s", Steps: []*step{{Done: api.Done{Number: 1}}}}},
			{Sending: 1, At: time.Now().Add(in)},
			{Done: &step{Done: api.Done{Number: 1, Outcome: api.OutcomeUnknown}}},
		} {
			line, err := json.Marshal(r)
			if err != nil {
				t.Fatal(err)
			}
			all = append(append(all, line...), '\n')
		}
		if err := os.WriteFile(name, all, 0o600); err != nil {
			t.Fatal(err)
		}
		b, _, _, err := readJournal(name)
		if err != nil || b.Steps[0].sent.IsZero() == want || !strings.Contains(string(all), `"At"`) {
			t.Errorf("%v: %v %v", in, b.Steps[0].sent, err)
		}
	}
	if err := os.Remove(name); err != nil {
		t.Error(err)
	}
}

// TestRefusedWriteIsUse: whoever is refused is at work, so the transaction does not
// expire, and tells why it is errant.
func TestRefusedWriteIsUse(t *testing.T) {
	f := newFixture(t, redfish.Options{})
	f.begin()
	f.now = f.now.Add(DefaultTimeout - time.Second)
	f.Spoil(context.Background(), "s", "PATCH", system, "no role")
	f.now = f.now.Add(DefaultTimeout - time.Second)
	if s, err := f.Status("s"); err != nil || s.State != api.Errant || len(s.Writes) != 1 || s.Writes[0].Error != "no role" {
		t.Errorf("%s %v", asText(s), err)
	}
}

// TestSettingsOfNobody: if no resource says that they are its own, nobody knows what
// is in effect, and a reset may be needed.
func TestSettingsOfNobody(t *testing.T) {
	f := newFixture(t, redfish.Options{})
	was := f.ilo.value(bios, "/Attributes/ProcTurbo")
	f.between(Options{}, func(r *http.Request) *http.Response {
		if r.Method != http.MethodGet || strings.Contains(strings.ToLower(r.URL.Path), "settings") {
			return nil
		}
		return says(r, http.StatusOK, `{"Attributes":{"ProcTurbo":`+was+`}}`)
	})
	f.begin()
	f.stage("PATCH", pending, `{"Attributes":{"ProcTurbo":`+was+`}}`)
	if s, _ := f.Status("s"); !s.Writes[0].ResetRequired {
		t.Error(asText(s))
	}
}
