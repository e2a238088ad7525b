package clients

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/ilod/ilod/agent/api"
)

// TestASessionTellsWhoUsedItLast, not who has made it, and whether that process is gone;
// that survives a restart.
func TestASessionTellsWhoUsedItLast(t *testing.T) {
	dir, gone := t.TempDir(), map[uint32]bool{0: true}
	options := Options{Limits: DefaultLimits(), Dir: dir, Gone: func(p api.Process) bool { return gone[p.ID] }}
	r, err := Open(options)
	if err != nil {
		t.Fatal(err)
	}
	maker, user := alice, alice
	maker.PID, maker.Process, maker.Started, maker.Agent = 100, "ilod", 7, "ilod/1"
	user.PID, user.Process, user.Started, user.Agent = 200, "curl", 9, "curl/8"
	s, handle := create(t, r, maker, Request{Kind: api.KindRedfish})
	gone[100] = true
	wantWho := func(r *Registry, kind, address, agent string, p api.Process) {
		t.Helper()
		s, err := r.Get(s.ID)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]any{kind, address, agent, p}, []any{s.Kind, s.Address, s.Agent, s.Process}); diff != "" {
			t.Error(diff)
		}
		for _, listed := range r.List(everybody) {
			if listed.ID == s.ID && listed.Process != p {
				t.Errorf("listed with %+v", listed.Process)
			}
		}
	}
	wantWho(r, "redfish", "", "ilod/1", api.Process{ID: 100, Name: "ilod", Started: 7, Ended: true})
	l, err := r.Use(handle, alice.Key)
	if err != nil {
		t.Fatal(err)
	}
	l.By(user)
	l.Release()
	wantWho(r, "redfish", "", "curl/8", api.Process{ID: 200, Name: "curl", Started: 9})
	closeRegistry(t, r)
	gone[200] = true
	r = open(t, options)
	wantWho(r, "redfish", "", "curl/8", api.Process{ID: 200, Name: "curl", Started: 9, Ended: true})
	if l, err = r.Use(handle, alice.Key); err != nil {
		t.Fatal(err)
	}
	l.By(Owner{Key: alice.Key, Address: "127.0.0.1"})
	l.Release()
	wantWho(r, "redfish", "127.0.0.1", "", api.Process{})

	byDefault, err := r.Default(maker)
	if err != nil {
		t.Fatal(err)
	}
	byDefault.Release()
	if byDefault, err = r.Default(user); err != nil {
		t.Fatal(err)
	}
	byDefault.Release()
	if s = byDefault.Session(); s.Process.ID != 200 || s.Kind != api.KindSocket {
		t.Errorf("%+v", s)
	}
}

// TestAUserAgentIsKeptAsPlainText of a bounded length, whatever a client sends.
func TestAUserAgentIsKeptAsPlainText(t *testing.T) {
	for sent, want := range map[string]string{
		"curl/8.5.0": "curl/8.5.0", "a\tb\x1b[2Jc\x7f": "a b [2Jc ", "\xff\xfe": "?",
		strings.Repeat("x", 500): strings.Repeat("x", 128), strings.Repeat("é", 500): strings.Repeat("é", 64), "x" + strings.Repeat("é", 500): "x" + strings.Repeat("é", 63),
	} {
		if got := (Owner{Agent: sent}).agent(); got != want || !utf8.ValidString(got) {
			t.Errorf("%q is kept as %q", sent, got)
		}
	}
}
