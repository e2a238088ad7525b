package clients

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/ilod/ilod/agent/api"
)

// TestLimitThatIsNotSetFollowsTheConfiguration sets one limit, and then starts with
// another configuration.
func TestLimitThatIsNotSetFollowsTheConfiguration(t *testing.T) {
	o := Options{Limits: DefaultLimits(), Dir: t.TempDir(), Now: newClock().now}
	r := open(t, o)
	set := func(named map[string]bool, change func(*api.Limits)) {
		t.Helper()
		if _, _, err := r.SetLimits(named, func(l *api.Limits) error { change(l); return nil }); err != nil {
			t.Fatal(err)
		}
	}
	restart := func(change func(*api.Limits)) {
		t.Helper()
		closeRegistry(t, r)
		change(&o.Limits)
		r = open(t, o)
	}
	want := func(l api.Limits, from map[string]api.Origin) {
		t.Helper()
		got := r.ShownLimits()
		if got.Limits != l || got.Limits != r.Limits() {
			t.Errorf("%+v, want %+v", got.Limits, l)
		}
		for name, origin := range got.From {
			if expected := from[name]; origin != expected && (expected != "" || origin != api.FromDefault) {
				t.Errorf("%s comes from %q, want %q", name, origin, expected)
			}
		}
		if len(got.From) != len(properties(l)) {
			t.Errorf("%v", got.From)
		}
	}
	l := o.Limits
	want(l, nil)

	set(map[string]bool{"maxSessions": true}, func(l *api.Limits) { l.MaxSessions = 7 })
	l.MaxSessions = 7
	want(l, map[string]api.Origin{"maxSessions": api.FromAdmin})

	restart(func(c *api.Limits) { c.MaxSessions, c.Lifetime = 50, api.Seconds(time.Hour) })
	l.Lifetime = api.Seconds(time.Hour)
	want(l, map[string]api.Origin{"maxSessions": api.FromAdmin, "lifetime": api.FromConfiguration})

	// One is set to what the configuration has: it stays when that changes.
	set(map[string]bool{"lifetime": true}, func(*api.Limits) {})
	restart(func(c *api.Limits) { c.Lifetime = 0 })
	want(l, map[string]api.Origin{"maxSessions": api.FromAdmin, "lifetime": api.FromAdmin})

	// One is given back, and another one set in the same step.
	set(map[string]bool{"maxSessions": false, "strictJSON": true}, func(l *api.Limits) {
		if l.MaxSessions != 50 {
			t.Errorf("change got %d", l.MaxSessions)
		}
		l.StrictJSON = false
	})
	l.MaxSessions, l.StrictJSON = 50, false
	from := map[string]api.Origin{"maxSessions": api.FromConfiguration, "lifetime": api.FromAdmin, "strictJSON": api.FromAdmin}
	want(l, from)
	restart(func(*api.Limits) {})
	want(l, from)

	// A change that fails changes nothing, neither the values nor where they come from.
	refused := errors.New("refused")
	if _, _, err := r.SetLimits(map[string]bool{"lifetime": false}, func(*api.Limits) error { return refused }); !errors.Is(err, refused) {
		t.Error(err)
	}
	_, _, err := r.SetLimits(map[string]bool{"lifetime": false}, func(l *api.Limits) error { l.MaxSessions = -1; return nil })
	if !errors.Is(err, ErrVariable) {
		t.Error(err)
	}
	want(l, from)
	closeRegistry(t, r)
}

// TestLimitsOfEarlierVersionsStaySet: those are kept, and a change of another one does not
// lose them.
func TestLimitsOfEarlierVersionsStaySet(t *testing.T) {
	o := Options{Limits: DefaultLimits(), Dir: t.TempDir(), Now: newClock().now}
	if err := os.WriteFile(filepath.Join(o.Dir, limitsFile), []byte(`{"MaxSessions":7,"WhenFull":"ask"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	r := open(t, o)
	if _, _, err := r.SetLimits(map[string]bool{"whenFull": false}, func(*api.Limits) error { return nil }); err != nil {
		t.Fatal(err)
	}
	closeRegistry(t, r)
	r = open(t, o)
	if l := r.ShownLimits(); l.MaxSessions != 7 || l.WhenFull != api.Reject || l.From["maxSessions"] != api.FromAdmin || l.From["whenFull"] != api.FromDefault {
		t.Errorf("%+v", l)
	}
	closeRegistry(t, r)
}
