package gateway

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ilod/ilod/agent/clients"
)

// hpe is the part of HPE in a session's resource.
func hpe(session map[string]any) map[string]any {
	oem, _ := session["Oem"].(map[string]any)
	ext, _ := oem["Hpe"].(map[string]any)
	return ext
}

// TestAClientSessionHasThePropertiesOfAnILOsSession compares with the sessions that
// real iLOs show: the same types, and no property of another name or kind.
func TestAClientSessionHasThePropertiesOfAnILOsSession(t *testing.T) {
	g := newGateway(t, Options{})
	ours := decode(t, ask(g, &reader, "POST", sessionsPath, "").Body.Bytes())
	compared := 0
	for _, real := range realTrees(t) {
		for _, r := range real.Resources() {
			if !strings.Contains(string(r.Body), `#HpeiLOSession.v2_1_0.HpeiLOSession`) || !strings.Contains(string(r.Body), `#Session.v1_0_0.Session"`) {
				continue
			}
			theirs := decode(t, r.Body)
			compared++
			for name, value := range hpe(theirs) {
				switch got := hpe(ours)[name].(type) {
				case nil:
					if !slices.Contains([]string{"Privileges", "UserIP"}, name) {
						t.Errorf("%s: a client session has no %s", r.URI, name)
					}
				case string:
					if strings.HasPrefix(name, "@") && got != value {
						t.Errorf("%s: %s is %s, not %s", r.URI, name, got, value)
					}
					if _, err := time.Parse("2006-01-02T15:04:05Z", value.(string)); err == nil {
						if _, err := time.Parse("2006-01-02T15:04:05Z", got); err != nil {
							t.Errorf("%s: %v", name, err)
						}
					}
				}
			}
			for name := range hpe(ours) {
				if hpe(theirs)[name] == nil {
					t.Errorf("%s: an iLO has no %s", r.URI, name)
				}
			}
			if ours["@odata.type"] != theirs["@odata.type"] {
				t.Errorf("%v, not %v", ours["@odata.type"], theirs["@odata.type"])
			}
		}
	}
	if compared < 5 {
		t.Fatalf("compared with %d sessions: %v", compared, slices.Sorted(maps.Keys(ours)))
	}
}

// TestAClientSessionTellsItsTimes: when it was made, when it was used last, and when it
// ends, and that it is the one of the request that asks.
func TestAClientSessionTellsItsTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limits := clients.DefaultLimits()
		g := newGateway(t, Options{Clients: openClients(t, limits)})
		start := time.Now()
		created := ask(g, &reader, "POST", sessionsPath, "")
		location, token := created.Header().Get("Location"), created.Header().Get(tokenHeader)
		times := func(header ...string) []any {
			ext := hpe(decode(t, ask(g, &reader, "GET", location, "", header...).Body.Bytes()))
			return []any{ext["LoginTime"], ext["AccessTime"], ext["UserExpires"], ext["MySession"]}
		}
		at := func(d time.Duration) string { return start.Add(d).UTC().Format("2006-01-02T15:04:05Z") }
		time.Sleep(time.Minute)
		if diff := cmp.Diff([]any{at(0), at(0), at(30 * time.Minute), false}, times()); diff != "" {
			t.Errorf("seen from another session: %s", diff)
		}
		if diff := cmp.Diff([]any{at(0), at(time.Minute), at(31 * time.Minute), true}, times(tokenHeader, token)); diff != "" {
			t.Errorf("seen from itself: %s", diff)
		}
		time.Sleep(30*time.Minute - time.Second)
		if w := ask(g, &reader, "GET", location, ""); w.Code != 200 {
			t.Errorf("a second before its expiry: %d", w.Code)
		}
		time.Sleep(time.Second)
		wantFailure(t, ask(g, &reader, "GET", location, ""), 404, "ResourceMissingAtURI")
	})
}

// TestTheEndOfAClientSessionIsAnsweredAsAnILODoes: 200 with a message of success, where
// an iLO has its sessions; the agent's own resource answers 204.
func TestTheEndOfAClientSessionIsAnsweredAsAnILODoes(t *testing.T) {
	g := newGateway(t, Options{})
	for _, header := range []string{tokenHeader, "X-Nothing"} {
		created := ask(g, &reader, "POST", sessionsPath, "")
		wantFailure(t, ask(g, &reader, "DELETE", created.Header().Get("Location"), "", header, created.Header().Get(tokenHeader)), 200, "Success")
		wantFailure(t, ask(g, &reader, "DELETE", created.Header().Get("Location"), ""), 404, "ResourceMissingAtURI")
	}
}
