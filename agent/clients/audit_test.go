package clients

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ilod/ilod/agent/api"
)

// TestEachDeedOfASessionIsTold: who did what to whose session, from where, and why.
func TestEachDeedOfASessionIsTold(t *testing.T) {
	c, limits := newClock(), DefaultLimits()
	limits.MaxSessionsPerUser, limits.WhenFull, limits.Lifetime = 2, api.Ask, api.Seconds(time.Hour)
	var got []string
	var r *Registry
	r = open(t, Options{Limits: limits, Now: c.now, Audit: func(e api.SessionEvent) {
		_ = r.Stats() // it takes the lock, which nobody holds
		if !e.Time.Equal(c.now()) {
			t.Errorf("told at %v: %+v", e.Time, e)
		}
		got = append(got, fmt.Sprintf("%s %s of %s=%s by %s from %s: %s, %d", e.Event, e.Session, e.User, e.Owner, e.By, e.From, e.Why, e.Sessions))
	}})
	want := func(texts ...string) {
		t.Helper()
		if diff := cmp.Diff(texts, got); diff != "" {
			t.Error(diff)
		}
		got = nil
	}
	byDefault, err := r.Default(alice)
	if err != nil {
		t.Fatal(err)
	}
	defer byDefault.Release()
	want("made " + byDefault.Session().ID + " of alice=uid:1000 by alice from bash (4711): by default, 1")
	first, _ := create(t, r, alice, Request{})
	want("made " + first.ID + " of alice=uid:1000 by alice from bash (4711): , 2")
	second, _ := create(t, r, alice, Request{})
	want("made " + second.ID + " of alice=uid:1000 by alice from bash (4711): , 3")
	if _, _, err := r.Create(alice, Request{}); err == nil {
		t.Fatal("there is room")
	}
	want("refused  of alice=uid:1000 by alice from bash (4711): the user has too many client sessions, 0")
	third, _, err := r.Create(alice, Request{Terminate: []string{first.ID}})
	if err != nil {
		t.Fatal(err)
	}
	want("terminated "+first.ID+" of alice=uid:1000 by alice from bash (4711): to make room for a session of uid:1000, 0",
		"made "+third.ID+" of alice=uid:1000 by alice from bash (4711): , 3")
	admin := Owner{Key: accountPrefix + "admin", Name: "admin", Address: "127.0.0.1"}
	if err := errors.Join(r.End(second.ID, alice), r.End(third.ID, admin)); err != nil {
		t.Fatal(err)
	}
	want("ended "+second.ID+" of alice=uid:1000 by alice from bash (4711): , 0",
		"terminated "+third.ID+" of alice=uid:1000 by admin from 127.0.0.1: , 0")
	fourth, handle := create(t, r, bob, Request{})
	c.advance(29 * time.Minute)
	if err := use(r, handle, bob.Key); err != nil {
		t.Fatal(err)
	}
	got = nil
	c.advance(30 * time.Minute)
	r.List(everybody)
	want("expired " + fourth.ID + " of bob=uid:1001 by  from : it was not used for 30m0s, 0")
	fifth, handle := create(t, r, bob, Request{})
	got = nil
	for range 3 {
		c.advance(20 * time.Minute)
		_ = use(r, handle, bob.Key)
	}
	want("expired " + fifth.ID + " of bob=uid:1001 by  from : its lifetime of 1h0m0s is over, 0")
	if ids := r.EndUser(bob.Key, admin); len(ids) != 0 || got != nil {
		t.Error(ids, got)
	}
	limits.InactivityTimeout = 0
	if err := setLimits(r, limits); err != nil {
		t.Fatal(err)
	}
	single, handle := create(t, r, bob, Request{})
	got = nil
	if err := use(r, handle, bob.Key); err != nil {
		t.Fatal(err)
	}
	want("expired " + single.ID + " of bob=uid:1001 by  from : its one request is over, 0")
	limits.ForceSessions = true
	if err := setLimits(r, limits); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Default(bob); !errors.Is(err, ErrForceSessions) {
		t.Fatal(err)
	}
	want("refused  of bob=uid:1001 by bob from : a client session is required: the default one of bob is not allowed, 0")
}
