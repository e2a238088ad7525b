package clients

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ilod/ilod/agent/api"
)

// TestALoweredMaximumNeedsSeveralToEnd: the refusal says how many, those that are chosen
// end together, no more than need be, and none if they are too few.
func TestALoweredMaximumNeedsSeveralToEnd(t *testing.T) {
	r, c := inMemory(t, func(l *api.Limits) { l.WhenFull = api.Ask })
	var made []string
	for range 5 {
		c.advance(time.Second)
		s, _ := create(t, r, alice, Request{})
		made = append(made, s.ID)
	}
	others, _ := create(t, r, bob, Request{})
	set := func(change func(*api.Limits)) {
		t.Helper()
		l := r.Limits()
		change(&l)
		if err := setLimits(r, l); err != nil {
			t.Fatal(err)
		}
	}
	set(func(l *api.Limits) { l.MaxSessionsPerUser = 3 })
	_, _, err := r.Create(alice, Request{})
	full := refused(t, err)
	if full.MustEnd != 3 || !full.MayEnd || !slices.Equal(ids(full.Candidates), made) || !strings.Contains(full.Error(), "3 of them must end") {
		t.Errorf("%+v", full)
	}
	for name, chosen := range map[string][]string{
		"none": nil, "too few": made[:2], "one twice": {made[0], made[0], made[1]}, "one of another user": {made[0], made[1], others.ID}, "one that is not there": {made[0], made[1], "ilod-0000000000000000"},
	} {
		_, _, err := r.Create(alice, Request{Terminate: chosen})
		if full := refused(t, err); full.MustEnd != 3 || r.Stats().Sessions != 6 {
			t.Errorf("%s: %+v, %d sessions are left", name, full, r.Stats().Sessions)
		}
	}
	s, _ := create(t, r, alice, Request{Terminate: []string{made[4], made[1], made[3], made[0]}})
	want := []string{made[0], made[2], s.ID}
	left := r.List(func(s api.Session) bool { return s.Owner == alice.Key })
	slices.Sort(want)
	if got := ids(left); len(got) != 3 || !slices.Equal(slices.Sorted(slices.Values(got)), want) {
		t.Errorf("left are %q, want %q", got, want)
	}

	// All users together: an admin may choose any, others their own ones if that is enough.
	set(func(l *api.Limits) { l.MaxSessionsPerUser, l.MaxSessions = 0, 2 })
	_, _, err = r.Create(bob, Request{})
	if full := refused(t, err); full.MustEnd != 3 || full.MayEnd || full.PerUser {
		t.Errorf("bob: %+v", full)
	}
	_, _, err = r.Create(alice, Request{})
	if full := refused(t, err); full.MustEnd != 3 || !full.MayEnd {
		t.Errorf("alice: %+v", full)
	}
	_, _, err = r.Create(bob, Request{Admin: true, Terminate: []string{others.ID}})
	if full := refused(t, err); full.MustEnd != 3 || !full.MayEnd || len(full.Candidates) != 4 {
		t.Errorf("an admin: %+v", full)
	}
	create(t, r, bob, Request{Admin: true, Terminate: want})
	check(t, r)

	// Where the end of an own session is enough, nobody else's ends.
	set(func(l *api.Limits) { l.MaxSessionsPerUser, l.MaxSessions = 2, 2 })
	_, _, err = r.Create(bob, Request{Admin: true})
	if full := refused(t, err); full.MustEnd != 1 || len(full.Candidates) != 2 {
		t.Errorf("an admin with two sessions of two: %+v", full)
	}
	set(func(l *api.Limits) { l.MaxSessions = 3 })
	late, _ := create(t, r, alice, Request{})
	_, _, err = r.Create(bob, Request{Admin: true, Terminate: []string{late.ID}})
	if full := refused(t, err); full.MustEnd != 1 || len(full.Candidates) != 2 {
		t.Errorf("an admin at both maxima: %+v", full)
	}
}

// TestWhoNamesASessionHasItEndedWhateverThePolicy, and no other one instead.
func TestWhoNamesASessionHasItEndedWhateverThePolicy(t *testing.T) {
	for _, policy := range []api.Policy{api.Reject, api.OldestIdle, api.Ask} {
		r, c := inMemory(t, func(l *api.Limits) { l.WhenFull, l.MaxSessionsPerUser = policy, 2 })
		first, _ := create(t, r, alice, Request{Terminate: []string{"ilod-0000000000000000"}}) // there is room
		c.advance(time.Second)
		second, _ := create(t, r, alice, Request{Terminate: []string{first.ID}}) // still
		if got := ids(r.List(everybody)); !slices.Equal(got, []string{first.ID, second.ID}) {
			t.Errorf("%s: %q", policy, got)
		}
		_, _, err := r.Create(alice, Request{Terminate: []string{"ilod-0000000000000000"}})
		if full := refused(t, err); full.MustEnd != 1 || len(full.Candidates) > 0 != (policy == api.Ask) {
			t.Errorf("%s: %+v", policy, full)
		}
		third, _ := create(t, r, alice, Request{Terminate: []string{second.ID}})
		if got := ids(r.List(everybody)); !slices.Equal(got, []string{first.ID, third.ID}) {
			t.Errorf("%s: %q", policy, got)
		}
	}
}
