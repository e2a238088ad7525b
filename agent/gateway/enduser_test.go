package gateway

import (
	"encoding/json"
	"net/url"
	"os/user"
	"runtime"
	"strings"
	"testing"

	"github.com/ilod/ilod/agent/api"
)

// TestToEndTheSessionsOfNobodyIsAnError: an admin who misspells a name is told, with the
// nearest one; who has no session is no mistake, and a user of a directory service,
// whom the system cannot look up, is known by his sessions or his role.
func TestToEndTheSessionsOfNobodyIsAnError(t *testing.T) {
	g := newGateway(t, Options{Accounts: testAccounts})
	directory := Peer{UID: 700001, User: "dora.directory", GID: 2002}
	end := func(p *Peer, name string) (ended []string, text string, status int) {
		w := ask(g, p, "DELETE", "/ilod/v1/sessions?user="+url.QueryEscape(name), "")
		var answer api.Terminated
		if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
			t.Fatal(err)
		}
		return answer.Terminated, w.Body.String(), w.Code
	}
	self, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	_, _ = newSession(t, g, &directory)
	if _, text, status := end(&root, "dora.directori"); status != 404 || !strings.Contains(text, `Ilod.1.0.UserUnknown`) || !strings.Contains(text, `(did you mean \"dora.directory\"?)`) {
		t.Errorf("%d %s", status, text)
	}
	if _, text, status := end(&root, "uid:700002"); status != 404 || !strings.Contains(text, `(did you mean \"uid:700001\"?)`) {
		t.Errorf("%d %s", status, text)
	}
	if ended, text, status := end(&root, "dora.directory"); status != 200 || len(ended) != 1 {
		t.Errorf("%d %s", status, text)
	}
	if _, text, status := end(&root, "dora.directory"); status != 404 {
		t.Errorf("without a session she is not known: %d %s", status, text)
	}
	for _, known := range []string{self.Username, "remote", "account:remote", "olga", "uid:1", root.User} {
		if ended, text, status := end(&root, known); known != root.User && known != self.Username && (known != "uid:1" || runtime.GOOS == "linux") && (status != 200 || ended == nil || len(ended) != 0) {
			t.Errorf("%s: %d %s", known, status, text)
		}
	}
	// What is not theirs is not told to others, and their own name is never unknown.
	wantFailure(t, ask(g, &reader, "DELETE", "/ilod/v1/sessions?user=nobody-at-all", ""), 403, "InsufficientPrivilege")
	wantFailure(t, ask(g, &reader, "DELETE", "/ilod/v1/sessions?user="+url.QueryEscape(self.Username), ""), 403, "InsufficientPrivilege")
	if _, text, status := end(&reader, "1002"); status != 200 {
		t.Errorf("%d %s", status, text)
	}
}

// TestSessionsOfAUserEndUnderTheFormerNameToo: the kernel's number says whose they are.
func TestSessionsOfAUserEndUnderTheFormerNameToo(t *testing.T) {
	self, err := user.Current()
	if err != nil || !strings.HasPrefix(known(Peer{UID: 0}).owner, "uid:") {
		t.Fatal(err)
	}
	if self.Uid != "0" {
		t.Skip("not root, whose number is known to be an admin's")
	}
	g := newGateway(t, Options{})
	former := Peer{User: "toor"}
	s, _ := newSession(t, g, &former)
	w := ask(g, &Peer{User: "another-admin"}, "DELETE", "/ilod/v1/sessions?user="+url.QueryEscape(self.Username), "")
	if w.Code != 200 || !strings.Contains(w.Body.String(), s.ID) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}
