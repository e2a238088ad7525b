package gateway

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/ilod/ilod/agent/api"
)

// What spoilt a transaction is in it: the method, the path as far as it is known, and
// why it was refused; so is a write whose body broke off.
func TestASpoiltTransactionNamesTheWrite(t *testing.T) {
	for name, c := range map[string]struct {
		method, target, body string
		header               []string
		path, why            string
	}{
		"role":           {"DELETE", "/redfish/v1/Managers/1/", "", nil, "/redfish/v1/managers/1", "needs the role admin"},
		"path":           {"PATCH", "/redfish/v1/Systems%2f1", "{}", nil, "/redfish/v1/Systems/1", "encoded slash"},
		"active path":    {"PUT", "/ilod/v1/active/Bios/Settings", "{}", []string{"X-HTTP-Method", "GET"}, "./bios/settings", "X-Http-Method"},
		"strict JSON":    {"POST", "/redfish/v1/Systems/1", `{"a":1,"a":2}`, nil, "/redfish/v1/systems/1", "twice"},
		"half of a body": {"PATCH", "/redfish/v1/Systems/1", "", nil, "/redfish/v1/systems/1", "cut off"},
	} {
		g, _, _ := newTransacting(t, &next{})
		ask(g, &operator, "POST", "/ilod/v1/transaction", "")
		if c.why == "cut off" {
			r := httptest.NewRequest(c.method, c.target, io.MultiReader(strings.NewReader("{"), failingReader{io.ErrUnexpectedEOF}))
			func() {
				defer func() {
					if got := recover(); got != http.ErrAbortHandler {
						t.Errorf("%v", got)
					}
				}()
				g.ServeHTTP(httptest.NewRecorder(), r.WithContext(WithPeer(r.Context(), operator)))
			}()
		} else if w := ask(g, &operator, c.method, c.target, c.body, c.header...); w.Code < 400 {
			t.Errorf("%s: %d", name, w.Code)
		}
		var status api.Transaction
		w := ask(g, &operator, "GET", "/ilod/v1/transaction", "")
		if err := json.Unmarshal(w.Body.Bytes(), &status); err != nil || status.State != api.Errant || len(status.Writes) != 1 {
			t.Errorf("%s: %v %s", name, err, w.Body)
			continue
		}
		if got := status.Writes[0]; got.Method != c.method || got.Path != c.path || !strings.Contains(got.Error, c.why) {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

type failingReader struct{ err error }

func (r failingReader) Read([]byte) (int, error) { return 0, r.err }

// Without transactions there is nothing to spoil. A method that nobody knows, and a
// write to the agent itself, however it is spelled, spoil nothing.
func TestNothingIsSpoiltWithoutATransaction(t *testing.T) {
	if w := ask(newGateway(t, Options{}), &operator, "PATCH", "/redfish/v1/Managers/1", "{}"); w.Code != 403 {
		t.Errorf("%d", w.Code)
	}
	for _, target := range []string{"", "/diff", "/commit", "/rollback"} {
		method := map[bool]string{true: "GET", false: "POST"}[len(target) < 6]
		wantFailure(t, ask(newGateway(t, Options{}), &operator, method, "/ilod/v1/transaction"+target, ""), 404, "ResourceMissingAtURI")
	}
	for _, refused := range [][2]string{{"BREW", "/nothing/here"}, {"OPTIONS", "/nothing/here"}, {"DELETE", "/ilod/v1/cache"}, {"DELETE", "/ilod/v1%2fcache"}} {
		method := refused[0]
		g, _, _ := newTransacting(t, &next{})
		ask(g, &operator, "POST", "/ilod/v1/transaction", "")
		ask(g, &operator, method, refused[1], "{}")
		if w := ask(g, &operator, "GET", "/ilod/v1/transaction", ""); !strings.Contains(w.Body.String(), `"state":"open"`) {
			t.Errorf("%s: %s", method, w.Body)
		}
	}
}

// A request whose client is gone is not answered, whatever room it was in.
func TestWhoHasLeftIsNotAnswered(t *testing.T) {
	gone, leave := context.WithCancel(t.Context())
	leave()
	n := &next{answer: func(r *http.Request) (*http.Response, error) { return nil, r.Context().Err() }}
	g := newGateway(t, Options{Next: n, ILOSessions: &fakeTable{err: context.Canceled}})
	for _, path := range []string{"/redfish/v1/Systems", "/ilod/v1/ilo-sessions"} {
		r := httptest.NewRequest("GET", path, nil)
		w := httptest.NewRecorder()
		func() {
			defer func() {
				if got := recover(); got != http.ErrAbortHandler {
					t.Errorf("%s: %v", path, got)
				}
			}()
			g.ServeHTTP(w, r.WithContext(WithPeer(gone, operator)))
		}()
		if w.Body.Len() != 0 || g.counts.inFlight.Load() != 0 {
			t.Errorf("%s: %s", path, w.Body)
		}
	}
}
