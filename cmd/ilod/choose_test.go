package main

import (
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/ilod/ilod/agent/client"
)

// TestTheMenuIsForWhoMayEndSessions: others see the list, and whom to ask; so do those
// whose own sessions are not enough.
func TestTheMenuIsForWhoMayEndSessions(t *testing.T) {
	const session, iloSession = `{"id":"ilod-1","user":"alice"}`, `{"id":"system administrator01","inBand":true}`
	for name, c := range map[string]struct {
		message, room, hint string
		offered             bool
	}{
		"own session":                 {"Ilod.1.0.SessionLimit", `"Candidates":[` + session + `],"MustEnd":1,"MayEnd":true`, "session new --terminate ID", true},
		"agent of an earlier version": {"Ilod.1.0.SessionLimit", `"Candidates":[` + session + `]`, "session new --terminate ID", true},
		"fewer than must end":         {"Ilod.1.0.SessionLimit", `"Candidates":[` + session + `],"MustEnd":2,"MayEnd":false,"Ask":["root","the user olga"]`, "ask somebody who may end a session: root, the user olga", false},
		"none of one's own":           {"Ilod.1.0.SessionLimit", `"MustEnd":1,"MayEnd":false,"Ask":["root"]`, "ask somebody who may end a session: root", false},
		"iLO session, admin":          {"Base.1.16.SessionLimitExceeded", `"Candidates":[` + iloSession + `],"MustEnd":1,"MayEnd":true`, "ilo-sessions terminate ID --login", true},
		"iLO session, reader":         {"Base.1.16.SessionLimitExceeded", `"Candidates":[` + iloSession + `],"MustEnd":1,"MayEnd":false,"Ask":["root"]`, "ask somebody who may end a session: root", false},
	} {
		text := "full"
		if strings.HasPrefix(c.message, "Base.") {
			text = "ILO_SESSION_LIMIT: full" // the agent names the exit code
		}
		body := `{"error":{"code":"x","message":"x","@Message.ExtendedInfo":[{"MessageId":"` + c.message + `","Message":"` + text + `","Oem":{"Ilod":{` + c.room + `}}}]}}`
		refusal := client.NewError(&http.Response{StatusCode: 503, Status: "503 Service Unavailable", Request: &http.Request{Method: "POST", URL: &url.URL{Path: "/x"}}}, []byte(body))
		found, ok := candidatesOf(refusal)
		if offered := ok && found.offered(); offered != c.offered {
			t.Errorf("%s: offered is %v: %+v", name, offered, found)
		}
		if _, hint := classify(refusal); !strings.Contains(hint, c.hint) {
			t.Errorf("%s: hint %q", name, hint)
		}
		var stderr strings.Builder
		newApp(os.Stdin, os.Stdout, &stderr).report(refusal)
		if ok && !strings.Contains(stderr.String(), found.rows[1][0]) {
			t.Errorf("%s: the list is not shown: %s", name, &stderr)
		}
	}
}
