package agent

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ilod/ilod/agent/api"
	"github.com/ilod/ilod/chif"
	"github.com/ilod/ilod/chif/chiftest/redfish"
	"github.com/ilod/ilod/chif/chiftest/tree"
)

const (
	txPath   = "/ilod/v1/transaction"
	system   = "/redfish/v1/Systems/1/"
	settings = system + "Bios/Settings/"
)

// writes are the requests so far that change something but sessions.
func (h *host) writes() (list []string) {
	for _, request := range h.gate.requests() {
		if !strings.HasPrefix(request, "GET ") && !strings.Contains(request, "/SessionService/") {
			list = append(list, request)
		}
	}
	return list
}

// result reads what became of a transaction, as the outcomes of its writes.
func result(t *testing.T, a *reply) (r api.Result, outcomes string) {
	t.Helper()
	a.into(t, &r)
	for _, w := range r.Writes {
		outcomes += " " + string(w.Outcome)
	}
	return r, strings.TrimPrefix(outcomes, " ")
}

// TestTransaction is one as curl would make it, in a default client session.
func TestTransaction(t *testing.T) {
	h := newHost(t, redfish.Options{})
	r := h.run(t, h.options(t))
	defer r.end(t)
	ask := func(method, path, body string, header ...string) *reply {
		return r.ask(t, "", method, path, body, header...)
	}
	ask("GET", txPath, "").want(t, 404, "NoTransaction")
	ask("GET", txPath+"/diff", "").want(t, 404, "NoTransaction")
	ask("POST", txPath+"/commit", "").want(t, 404, "NoTransaction")
	ask("POST", txPath+"/rollback", "").want(t, 404, "NoTransaction")
	ask("POST", txPath, `{"timeout":-1}`).want(t, 400, "GeneralError")
	ask("POST", txPath, `{"timeout":"1m"}`).want(t, 400, "PropertyValueTypeError")
	begun := ask("POST", txPath, `{"timeout":60}`)
	begun.want(t, 201, "")
	if begun.Get("Location") != txPath || !strings.Contains(begun.body, `"state":"open"`) || !strings.Contains(begun.body, `"timeout":60`) {
		t.Errorf("%v %s", begun.Header, begun.body)
	}
	ask("POST", txPath, "").want(t, 409, "TransactionOpen")

	// What is staged is not sent, and reads do not see it.
	for i, w := range []struct{ path, body string }{
		{system, `{"AssetTag":"rack 7"}`}, {settings, `{"Attributes":{"BootMode":"LegacyBios"}}`},
	} {
		a := ask("PATCH", w.path, w.body)
		a.want(t, 202, "")
		if want := `"staged":` + string(rune('1'+i)); !strings.Contains(a.body, want) || !strings.Contains(a.body, txPath) {
			t.Errorf("%s, want %s", a.body, want)
		}
	}
	ask("POST", system+"Actions/ComputerSystem.Reset/", `{"ResetType":"On"}`).want(t, 409, "ActionInTransaction")
	if a := ask("GET", system, "", "Cache-Control", "no-cache"); strings.Contains(a.body, "rack 7") || len(h.writes()) != 0 {
		t.Errorf("after staging: %v", h.writes())
	}
	if a := ask("GET", "/ilod/v1/sessions/current", ""); !strings.Contains(a.body, `"holds":"transaction of 3 writes"`) {
		t.Errorf("%s", a.body)
	}
	if a := ask("GET", txPath+"/diff", ""); !strings.Contains(a.body, `"property":"/AssetTag"`) || !strings.Contains(a.body, `"to":"LegacyBios"`) {
		t.Errorf("diff: %s", a.body)
	}
	// Other client sessions are not part of it.
	_, other := r.session(t)
	r.ask(t, other, "PATCH", system, `{"IndicatorLED":"Lit"}`).want(t, 200, "")
	if n := len(h.writes()); n != 1 {
		t.Errorf("%d writes", n)
	}

	done := ask("POST", txPath+"/commit", "")
	done.want(t, 409, "TransactionErrant") // by the action
	if got, outcomes := result(t, done); got.Result != api.RolledBack || !strings.HasPrefix(outcomes, "not-sent not-sent") {
		t.Errorf("%s", done.body)
	}
	ask("GET", txPath, "").want(t, 404, "NoTransaction")

	ask("POST", txPath, "").want(t, 201, "")
	ask("PATCH", system, `{"AssetTag":"rack 7"}`).want(t, 202, "")
	ask("PATCH", settings, `{"Attributes":{"BootMode":"LegacyBios"}}`).want(t, 202, "")
	ask("PATCH", system, `{"AssetTag":"now"}`, "Ilod-Transaction", "immediate").want(t, 200, "")
	ask("PATCH", system, `{"AssetTag":"rack 8"}`, "If-Match", `W/"00000000"`).want(t, 412, "StaleResource")
	ask("POST", txPath+"/rollback", "").want(t, 200, "")

	ask("POST", txPath, "").want(t, 201, "")
	ask("POST", txPath+"/commit", "").want(t, 200, "") // empty
	ask("POST", txPath, "").want(t, 201, "")
	ask("PATCH", system, `{"AssetTag":"rack 7"}`).want(t, 202, "")
	ask("PATCH", settings, `{"Attributes":{"BootMode":"LegacyBios"}}`).want(t, 202, "")
	done = ask("POST", txPath+"/commit", "")
	done.want(t, 200, "")
	if got, outcomes := result(t, done); got.Result != api.Committed || outcomes != "applied applied" || !got.ResetRequired {
		t.Errorf("%s", done.body)
	}
	if a := ask("GET", system, ""); !strings.Contains(a.body, "rack 7") {
		t.Errorf("from the cache: %.200s", a.body)
	}
	if a := ask("GET", settings, ""); !strings.Contains(a.body, "LegacyBios") {
		t.Errorf("from the cache: %.200s", a.body)
	}
	if s := h.Stats(); s.Logins != 1 {
		t.Errorf("%d logins", s.Logins)
	}
}

// TestTransactionArguments: what breaks the schemas of a real iLO is refused at
// once, with all that is wrong.
func TestTransactionArguments(t *testing.T) {
	real, err := tree.Load(filepath.Join(tree.Testdata(t), "trees", "ilo5-3.11-dl360-gen10plus.jsonl.gz"))
	if err != nil {
		t.Fatal(err)
	}
	h := newHost(t, redfish.Options{Tree: real})
	r := h.run(t, h.options(t))
	defer r.end(t)
	r.ask(t, "", "POST", txPath, "").want(t, 201, "")
	a := r.ask(t, "", "PATCH", system, `{"SerialNumber":"1","AssetTag":7}`)
	if a.status != 400 || !strings.Contains(a.body, "PropertyNotWritable") || !strings.Contains(a.body, "PropertyValueTypeError") || !strings.Contains(a.body, "#/SerialNumber") {
		t.Errorf("%d %s", a.status, a.body)
	}
	r.ask(t, "", "PATCH", system, `{`).want(t, 400, "MalformedJSON")
	if a := r.ask(t, "", "GET", txPath, ""); !strings.Contains(a.body, `"state":"errant"`) {
		t.Errorf("%s", a.body)
	}
	r.ask(t, "", "POST", txPath+"/commit", "").want(t, 409, "TransactionErrant")
	if list := h.writes(); len(list) != 0 {
		t.Errorf("%v", list)
	}
}

// TestTransactionFails: what was applied is put back, and the answer says so.
func TestTransactionFails(t *testing.T) {
	h := newHost(t, redfish.Options{})
	r := h.run(t, h.options(t))
	defer r.end(t)
	r.ask(t, "", "PATCH", system, `{"AssetTag":"before"}`).want(t, 200, "")
	r.ask(t, "", "POST", txPath, "").want(t, 201, "")
	r.ask(t, "", "PATCH", system, `{"AssetTag":"after"}`).want(t, 202, "")
	r.ask(t, "", "PATCH", settings, `{"Attributes":{"BootMode":"LegacyBios"}}`).want(t, 202, "")
	if err := h.SetFaults(redfish.Faults{Answers: []redfish.Answer{{Method: "PATCH", Path: settings, Status: 400, MessageID: "ActionNotSupported"}}}); err != nil {
		t.Fatal(err)
	}
	done := r.ask(t, "", "POST", txPath+"/commit", "")
	done.want(t, 409, "TransactionRolledBack")
	if got, outcomes := result(t, done); got.Result != api.RolledBack || outcomes != "undone refused" {
		t.Errorf("%s", done.body)
	}
	if a := r.ask(t, "", "GET", system, "", "Cache-Control", "no-cache"); !strings.Contains(a.body, `"before"`) {
		t.Errorf("%.300s", a.body)
	}

	// Somebody else changes the resource meanwhile.
	if err := h.SetFaults(redfish.Faults{}); err != nil {
		t.Fatal(err)
	}
	r.ask(t, "", "POST", txPath, "").want(t, 201, "")
	r.ask(t, "", "PATCH", system, `{"AssetTag":"after"}`).want(t, 202, "")
	_, other := r.session(t)
	r.ask(t, other, "PATCH", system, `{"AssetTag":"theirs"}`).want(t, 200, "")
	done = r.ask(t, "", "POST", txPath+"/commit", "")
	done.want(t, 409, "TransactionRolledBack")
	if _, outcomes := result(t, done); outcomes == "applied" || !strings.Contains(done.body, "Ilod.1.0.StaleResource") {
		t.Errorf("%s", done.body)
	}
	if a := r.ask(t, "", "GET", system, ""); !strings.Contains(a.body, `"theirs"`) {
		t.Errorf("%.300s", a.body)
	}
}

// mortal is a transport that dies, as its process would: what its engine still
// tries comes to nothing.
type mortal struct {
	Transport
	mu    sync.Mutex
	dead  bool
	dying func(*http.Request) bool // asked before each request
}

func (m *mortal) RoundTrip(r *http.Request) (*http.Response, error) {
	m.mu.Lock()
	m.dead = m.dead || m.dying(r)
	dead := m.dead
	m.mu.Unlock()
	if !dead {
		return m.Transport.RoundTrip(r)
	}
	if r.Body != nil {
		_ = r.Body.Close()
	}
	return &http.Response{StatusCode: http.StatusNotFound, Header: http.Header{}, Body: http.NoBody, Request: r}, nil
}

// TestTransactionCrash: an agent that dies in a commit leaves a journal, and the
// next one puts back what it began and tells whoever asks, if the client session
// has survived, too.
func TestTransactionCrash(t *testing.T) {
	for _, nocache := range []bool{false, true} {
		t.Run(fmt.Sprintf("nocache=%v", nocache), func(t *testing.T) {
			h := newHost(t, redfish.Options{})
			h.config.Cache.Disabled = nocache
			o := h.options(t)
			after := DefaultConfig(filepath.Join(t.TempDir(), "state"), filepath.Join(t.TempDir(), "run"))
			after.Cache.Disabled = nocache
			m := &mortal{dying: func(r *http.Request) bool {
				if r.Method != http.MethodPatch || !strings.Contains(strings.ToLower(r.URL.Path), "settings") {
					return false
				}
				for from, to := range map[string]string{h.config.StateDir: after.StateDir, h.config.RuntimeDir: after.RuntimeDir} {
					for _, dir := range []string{"clients", "transactions"} {
						if err := os.CopyFS(filepath.Join(to, dir), os.DirFS(filepath.Join(from, dir))); err != nil && !errors.Is(err, os.ErrNotExist) {
							t.Error(err)
						}
					}
					if err := os.Chmod(to, 0o700); err != nil && !errors.Is(err, os.ErrNotExist) {
						t.Error(err)
					}
				}
				return true
			}}
			o.ILO.Transport = func(onReset func()) (Transport, error) {
				transport, err := chif.NewTransport(h.server.Device(), chif.TransportOptions{OnReset: onReset})
				m.Transport = transport
				return m, err
			}
			r := h.run(t, o)
			_, handle := r.session(t)
			r.ask(t, "", "PATCH", system, `{"AssetTag":"before"}`).want(t, 200, "")
			r.ask(t, handle, "POST", txPath, "").want(t, 201, "")
			r.ask(t, handle, "PATCH", system, `{"AssetTag":"after"}`).want(t, 202, "")
			r.ask(t, handle, "PATCH", settings, `{"Attributes":{"BootMode":"LegacyBios"}}`).want(t, 202, "")
			r.ask(t, handle, "POST", txPath+"/commit", "")
			r.stop()
			<-r.result
			r.client.CloseIdleConnections()
			h.EndSession(h.Sessions()[0].ID) // its ledger is not kept here

			next := &host{Service: h.Service, server: h.server, gate: h.gate, config: after}
			again := next.options(t)
			again.ILO.Late = time.Millisecond
			n := next.run(t, again)
			defer n.end(t)
			tag := func() (now struct{ AssetTag string }) {
				n.ask(t, "", "GET", system, "", "Cache-Control", "no-cache").into(t, &now)
				return now
			}
			for tag().AssetTag != "before" {
				time.Sleep(10 * time.Millisecond)
			}
			if nocache {
				n.ask(t, handle, "GET", txPath, "").want(t, 401, "SessionHandleInvalid")
				return
			}
			a := n.ask(t, handle, "GET", txPath, "")
			for ; !strings.Contains(a.body, "recovered"); a = n.ask(t, handle, "GET", txPath, "") {
				time.Sleep(10 * time.Millisecond)
			}
			a.want(t, 404, "NoTransaction")
			if got, outcomes := result(t, a); !got.Recovered || got.Result != api.RolledBack || !strings.HasPrefix(outcomes, "undone") {
				t.Errorf("%s", a.body)
			}
			got, _ := result(t, a)
			n.ask(t, handle, "DELETE", txPath+"/reports/"+got.ID, "").want(t, 204, "")
			if a := n.ask(t, handle, "GET", txPath, ""); strings.Contains(a.body, "recovered") {
				t.Errorf("told after it was acknowledged: %s", a.body)
			}
			// What would have been staged is not sent at once.
			n.ask(t, handle, "PATCH", system, `{"AssetTag":"late"}`).want(t, 404, "NoTransaction")
			n.ask(t, handle, "POST", txPath+"/rollback", "").want(t, 404, "NoTransaction")
			n.ask(t, handle, "PATCH", system, `{"AssetTag":"late"}`).want(t, 200, "")
		})
	}
}
