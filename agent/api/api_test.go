package api

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestFormerNamesAreRead: what earlier versions have left in journals and files, and what
// their clients send, is read.
func TestFormerNamesAreRead(t *testing.T) {
	when := time.Date(2026, 11, 30, 18, 5, 29, 0, time.UTC)
	for text, c := range map[string]struct{ got, want any }{
		`{"@odata.id":"/ilod/v1/sessions/ilod-1","Id":"ilod-1","Name":"nightly","Owner":"uid:0","User":"root","Process":{"Id":7,"Name":"bash"},` +
			`"Default":true,"Version":3,"Created":"2026-11-30T18:05:29Z","Used":"2026-11-30T18:05:29Z","Requests":2,"InUse":1,"Current":false,` +
			`"ActivePath":"/redfish/v1/Systems/1/","Recursive":true,"ReturnedPath":"leaf","Output":"json","Selection":"Bios."}`: {new(Session), &Session{
			ID: "ilod-1", Name: "nightly", Owner: "uid:0", User: "root", Process: Process{ID: 7, Name: "bash"}, Default: true, Version: 3, Created: when, Used: when, Requests: 2, InUse: 1,
			Variables: Variables{ActivePath: "/redfish/v1/Systems/1/", Recursive: true, ReturnedPath: "leaf", Output: "json", Selection: "Bios."},
		}},
		`{"MaxSessions":4096,"MaxSessionsPerUser":1024,"InactivityTimeout":1800,"Lifetime":0.5,"TransactionTimeout":300,"ForceSessions":true,"WhenFull":"ask","StrictJSON":true}`: {new(Limits), &Limits{
			MaxSessions: 4096, MaxSessionsPerUser: 1024, InactivityTimeout: Seconds(30 * time.Minute), Lifetime: Seconds(time.Second / 2),
			TransactionTimeout: Seconds(5 * time.Minute), ForceSessions: true, WhenFull: Ask, StrictJSON: true,
		}},
		`{"Id":"CJA2","Result":"unknown","Writes":[{"Number":1,"Method":"POST","Path":"/x","Outcome":"undone","Properties":[{"Property":"/Context","State":"applied"}],` +
			`"Reset":true,"Task":"/t","Status":201,"Messages":["Base.1.4.Created"],"Location":"/x/3/","Unguarded":true,"Error":"e"}],` +
			`"ResetRequired":true,"Reset":{"Server":true,"ILO":true,"Device":true},"Recovered":true}`: {new(Result), &Result{
			ID: "CJA2", Result: Unknown, ResetRequired: true, Reset: Reset{Server: true, ILO: true, Device: true}, Recovered: true,
			Writes: []Done{{Number: 1, Method: "POST", Path: "/x", Outcome: Undone, Properties: []Property{{"/Context", PropertyApplied}}, Reset: Reset{Server: true},
				Task: "/t", Status: 201, Messages: []string{"Base.1.4.Created"}, Location: "/x/3/", Unguarded: true, Error: "e"}},
		}},
	} {
		if err := json.Unmarshal([]byte(text), c.got); err != nil {
			t.Error(err)
		}
		if d := cmp.Diff(c.want, c.got); d != "" {
			t.Errorf("%s: %s", text, d)
		}
		again, err := json.Marshal(c.want)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(again, c.got); err != nil || !cmp.Equal(c.want, c.got) {
			t.Errorf("%s: %+v, %v", again, c.got, err)
		}
	}
}

// TestSecondsAreNumbers: a duration is a number of seconds, to the nanosecond. What is out
// of every range stays so.
func TestSecondsAreNumbers(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0", time.Minute: "60", 1500 * time.Millisecond: "1.5", time.Nanosecond: "0.000000001", -time.Second: "-1", 30 * 365 * 24 * time.Hour: "946080000",
	} {
		var got Seconds
		text, err := json.Marshal(Seconds(d))
		if err != nil || string(text) != want {
			t.Errorf("%v: %s, %v", d, text, err)
		}
		if err := json.Unmarshal(text, &got); err != nil || time.Duration(got) != d {
			t.Errorf("%s: %v, %v", text, time.Duration(got), err)
		}
	}
	kept := Seconds(time.Hour)
	if err := json.Unmarshal([]byte("null"), &kept); err != nil || kept != Seconds(time.Hour) {
		t.Errorf("null: %v, %v", kept, err)
	}
	for _, text := range []string{`"1m"`, `true`, `{}`} {
		if err := json.Unmarshal([]byte(text), new(Seconds)); err == nil {
			t.Errorf("%s is a duration", text)
		}
	}
	for text, want := range map[string]Seconds{"1e300": Seconds(maxSeconds * time.Second), "-1e300": Seconds(-time.Second)} {
		var got Seconds
		if err := json.Unmarshal([]byte(text), &got); err != nil || got != want {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
}
