package clients

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ilod/ilod/agent/api"
)

// TestSessionManagers has a test for each thing that the session managers before
// us offer and that is about client sessions; those about paths are in
// TestSessionManagerPaths.
func TestSessionManagers(t *testing.T) {
	wantErr := func(t *testing.T, got, want error) {
		t.Helper()
		if !errors.Is(got, want) {
			t.Errorf("%v, want %v", got, want)
		}
	}

	// F5 iControl, System::Session.

	t.Run("get_session_identifier", func(t *testing.T) {
		r, c := inMemory(t, nil)
		first, handle := create(t, r, alice, Request{Name: "nightly"})
		second, other := create(t, r, alice, Request{})
		if first.ID == second.ID || handle == other || !strings.HasPrefix(handle, first.ID+".1.") {
			t.Errorf("%s %s", handle, other)
		}
		want := api.Session{
			Path: "/ilod/v1/sessions/" + first.ID, ID: first.ID, Name: "nightly", Owner: "uid:1000", User: "alice", Kind: api.KindSocket, Process: api.Process{ID: 4711, Name: "bash"},
			Version: 1, Created: c.now(), Used: c.now(), Expires: c.now().Add(30 * time.Minute), Variables: api.Variables{ActivePath: "/redfish/v1/", ReturnedPath: "full", Output: "text"},
		}
		if first != want {
			t.Errorf("%+v, want %+v", first, want)
		}
		// The default session still applies to requests without a handle.
		l, err := r.Default(alice)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Release()
		if s := l.Session(); !s.Default || !s.Current || s.ID == first.ID || s.InUse != 1 || s.Requests != 1 {
			t.Errorf("%+v", s)
		}
		for _, name := range []string{"a\nb", "\xff", strings.Repeat("x", maxName+1)} {
			_, _, err := r.Create(alice, Request{Name: name})
			wantErr(t, err, ErrVariable)
		}
	})
	t.Run("session_variables", func(t *testing.T) {
		r, _ := inMemory(t, nil)
		one, _ := create(t, r, alice, Request{})
		two, _ := create(t, r, alice, Request{})
		l, err := r.Default(alice)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Release()
		mine := api.Variables{ActivePath: "/redfish/v1/Systems/1/", Recursive: true, ReturnedPath: "leaf", Output: "json", Selection: "ComputerSystem."}
		got, err := r.Set(one.ID, func(v *api.Variables) error { *v = mine; return nil })
		if err != nil || got.Variables != mine {
			t.Errorf("%+v %v", got, err)
		}
		if got, err := r.Get(two.ID); err != nil || got.Variables != two.Variables {
			t.Errorf("the other session has %+v: %v", got, err)
		}
		if s := l.Session(); s.Variables != two.Variables {
			t.Errorf("the default session has %+v", s)
		}
		// Who shares a key shares them.
		again, err := r.Default(alice)
		if err != nil {
			t.Fatal(err)
		}
		defer again.Release()
		if again.Session().ID != l.Session().ID {
			t.Error("the user has two default sessions")
		}
		// A change that fails changes nothing.
		broken := errors.New("broken")
		_, err = r.Set(one.ID, func(v *api.Variables) error { v.Output = "raw"; return broken })
		wantErr(t, err, broken)
		_, err = r.Set(one.ID, func(v *api.Variables) error { v.Output, v.ReturnedPath = "raw", "short"; return nil })
		wantErr(t, err, ErrVariable)
		if got, _ := r.Get(one.ID); got.Variables != mine {
			t.Errorf("%+v", got)
		}
		// An empty one is the default.
		if got, err := r.Set(one.ID, func(v *api.Variables) error { *v = api.Variables{}; return nil }); err != nil || got.Variables != two.Variables {
			t.Errorf("%+v %v", got, err)
		}
	})
	t.Run("maximum_sessions", func(t *testing.T) {
		r, _ := inMemory(t, func(l *api.Limits) { l.MaxSessions = 2 })
		create(t, r, alice, Request{})
		create(t, r, bob, Request{})
		_, _, err := r.Create(bob, Request{})
		if full := refused(t, err); full.PerUser || full.Policy != api.Reject || full.Candidates != nil {
			t.Errorf("%+v", full)
		}
		if l, err := r.Default(bob); err != nil { // which does not count
			t.Error(err)
		} else {
			l.Release()
		}
		l := r.Limits()
		l.MaxSessions = 0
		if err := setLimits(r, l); err != nil {
			t.Fatal(err)
		}
		for range 100 {
			create(t, r, bob, Request{})
		}
		l.MaxSessions = -1
		wantErr(t, setLimits(r, l), ErrVariable)
	})
	t.Run("session_timeout", func(t *testing.T) {
		r, c := inMemory(t, func(l *api.Limits) { l.InactivityTimeout = api.Seconds(time.Minute) })
		_, handle := create(t, r, alice, Request{})
		before, err := r.Default(alice)
		if err != nil {
			t.Fatal(err)
		}
		old := before.Session()
		if _, err := r.Set(old.ID, func(v *api.Variables) error { v.Recursive = true; return nil }); err != nil {
			t.Fatal(err)
		}
		before.Release()
		c.advance(time.Minute - 1)
		if err := use(r, handle, alice.Key); err != nil {
			t.Error(err)
		}
		c.advance(time.Minute)
		wantErr(t, use(r, handle, alice.Key), ErrExpired)
		after, err := r.Default(alice)
		if err != nil {
			t.Fatal(err)
		}
		defer after.Release()
		if s := after.Session(); s.ID == old.ID || s.Recursive {
			t.Errorf("%+v", s)
		}
	})
	t.Run("session_timeout_zero", func(t *testing.T) {
		r, c := inMemory(t, func(l *api.Limits) { l.InactivityTimeout = 0 })
		_, handle := create(t, r, alice, Request{})
		_, unused := create(t, r, alice, Request{})
		c.advance(unusedGrace - 1)
		l, err := r.Use(handle, alice.Key)
		if err != nil {
			t.Fatal(err)
		}
		wantErr(t, use(r, handle, alice.Key), ErrExpired) // while the first runs
		l.Release()
		wantErr(t, use(r, handle, alice.Key), ErrExpired)
		c.advance(1)
		wantErr(t, use(r, unused, alice.Key), ErrExpired)
		one, err := r.Default(alice)
		if err != nil {
			t.Fatal(err)
		}
		two, err := r.Default(alice)
		if err != nil {
			t.Fatal(err)
		}
		if one.Session().ID == two.Session().ID {
			t.Error("one session for two requests")
		}
		one.Release()
		two.Release()
		if s := r.Stats(); s.Sessions != 0 || s.Expired != 4 {
			t.Errorf("%+v", s)
		}
	})
	t.Run("force_sessions_state", func(t *testing.T) {
		r, _ := inMemory(t, nil)
		l := r.Limits()
		if l.ForceSessions {
			t.Error("it is on by default")
		}
		l.ForceSessions = true
		if err := setLimits(r, l); err != nil {
			t.Fatal(err)
		}
		_, err := r.Default(alice)
		wantErr(t, err, ErrForceSessions)
		if !strings.Contains(err.Error(), "alice") {
			t.Errorf("the error does not name the user: %v", err)
		}
		_, handle := create(t, r, alice, Request{})
		if err := use(r, handle, alice.Key); err != nil {
			t.Error(err)
		}
	})
	t.Run("transaction_timeout", func(t *testing.T) {
		r, _ := inMemory(t, nil)
		l := r.Limits()
		l.TransactionTimeout = api.Seconds(7 * time.Second)
		if err := setLimits(r, l); err != nil || r.Limits() != l {
			t.Errorf("%+v: %v", r.Limits(), err)
		}
		b, err := json.Marshal(l)
		const want = `{"maxSessions":4096,"maxSessionsPerUser":1024,"inactivityTimeout":1800,"lifetime":0,"transactionTimeout":7,"forceSessions":false,"whenFull":"reject","strictJSON":true}`
		if string(b) != want || err != nil {
			t.Errorf("%s %v", b, err)
		}
	})

	// IBM Tivoli Access Manager, session management server.

	t.Run("another_server", func(t *testing.T) { // takes the session over without a login
		o := Options{Limits: DefaultLimits(), Dir: t.TempDir(), Now: newClock().now}
		r := open(t, o)
		s, handle := create(t, r, alice, Request{Name: "kept"})
		s, err := r.Set(s.ID, func(v *api.Variables) error { v.ActivePath = "/redfish/v1/Chassis/"; return nil })
		if err != nil {
			t.Fatal(err)
		}
		_, gone := create(t, r, alice, Request{})
		if err := r.End(gone[:idSize], Owner{Name: "alice"}); err != nil {
			t.Fatal(err)
		}
		r.Bump("another iLO")
		s, fresh, err := r.Reissue(s.ID)
		if err != nil {
			t.Fatal(err)
		}
		l := r.Limits()
		l.MaxSessionsPerUser = 3
		if err := setLimits(r, l); err != nil {
			t.Fatal(err)
		}
		closeRegistry(t, r)

		r = open(t, o)
		if got, err := r.Get(s.ID); err != nil || got != s {
			t.Errorf("%+v, want %+v: %v", got, s, err)
		}
		if r.Limits() != l {
			t.Errorf("%+v", r.Limits())
		}
		if err := use(r, fresh, alice.Key); err != nil {
			t.Error(err)
		}
		wantErr(t, use(r, handle, alice.Key), ErrStale)
		wantErr(t, use(r, gone, alice.Key), ErrTerminated)
	})
	t.Run("version", func(t *testing.T) {
		r, _ := inMemory(t, nil)
		s, handle := create(t, r, alice, Request{})
		_, compatible := create(t, r, alice, Request{Compatible: true})
		r.Bump("the iLO was reset")
		wantErr(t, use(r, handle, alice.Key), ErrStale)
		if err := use(r, compatible, alice.Key); err != nil {
			t.Error(err)
		}
		got, fresh, err := r.Reissue(s.ID)
		if err != nil || got.Version != s.Version+1 {
			t.Errorf("%+v %v", got, err)
		}
		if err := use(r, fresh, alice.Key); err != nil {
			t.Error(err)
		}
	})
	t.Run("hmac", func(t *testing.T) { // see TestForgedFlood
		r, _ := inMemory(t, nil)
		s, handle := create(t, r, alice, Request{})
		_, remote := create(t, r, carol, Request{})
		wantErr(t, use(r, handle, bob.Key), ErrHandle) // stolen
		wantErr(t, use(r, handle, ""), ErrHandle)      // on the TLS listener
		wantErr(t, use(r, remote, alice.Key), ErrHandle)
		if err := use(r, remote, ""); err != nil {
			t.Error(err)
		}
		if err := r.RotateKey(); err != nil {
			t.Fatal(err)
		}
		wantErr(t, use(r, handle, alice.Key), ErrHandle)
		_, fresh, err := r.Reissue(s.ID)
		if err != nil {
			t.Fatal(err)
		}
		if err := use(r, fresh, alice.Key); err != nil {
			t.Error(err)
		}
	})
	t.Run("lifetime_exceeded", func(t *testing.T) {
		r, c := inMemory(t, func(l *api.Limits) { l.Lifetime = api.Seconds(time.Hour) })
		_, handle := create(t, r, alice, Request{})
		for range 3 {
			c.advance(20*time.Minute - 1)
			if err := use(r, handle, alice.Key); err != nil {
				t.Fatal(err)
			}
		}
		running, err := r.Use(handle, alice.Key)
		if err != nil {
			t.Fatal(err)
		}
		c.advance(3)
		wantErr(t, use(r, handle, alice.Key), ErrExpired)
		if s := r.Stats(); s.Sessions != 1 || running.Session().InUse != 1 {
			t.Errorf("it ends under its request: %+v", s)
		}
		running.Release()
		if s := r.Stats(); s.Sessions != 0 || s.Expired != 1 {
			t.Errorf("%+v", s)
		}
	})
	t.Run("inactivity_exceeded", func(t *testing.T) {
		r, c := inMemory(t, nil)
		_, handle := create(t, r, alice, Request{})
		long, err := r.Use(handle, alice.Key)
		if err != nil {
			t.Fatal(err)
		}
		c.advance(time.Hour)
		if err := use(r, handle, alice.Key); err != nil {
			t.Errorf("while it is in use: %v", err)
		}
		c.advance(time.Hour)
		long.Release()
		long.Release() // which counts once
		c.advance(30*time.Minute - 1)
		if err := use(r, handle, alice.Key); err != nil {
			t.Errorf("inactivity is counted from the end of a request: %v", err)
		}
		c.advance(30 * time.Minute)
		wantErr(t, use(r, handle, alice.Key), ErrExpired)
	})
	t.Run("terminated_by_an_administrator", func(t *testing.T) {
		var ended []string
		l := DefaultLimits()
		r := open(t, Options{Limits: l, Now: newClock().now, Ended: func(id, why string) { ended = append(ended, id+" "+why) }})
		s, handle := create(t, r, alice, Request{})
		running, err := r.Use(handle, alice.Key)
		if err != nil {
			t.Fatal(err)
		}
		if err := r.End(s.ID, Owner{Name: "root"}); err != nil {
			t.Fatal(err)
		}
		wantErr(t, use(r, handle, alice.Key), ErrTerminated)
		running.Release()
		_, err = r.Get(s.ID)
		wantErr(t, err, ErrNoSession)
		wantErr(t, r.End(s.ID, Owner{Name: "root"}), ErrNoSession)
		if want := []string{s.ID + " terminated by root"}; !slices.Equal(ended, want) {
			t.Errorf("%q", ended)
		}
		check(t, r)
	})
	t.Run("logout", func(t *testing.T) {
		r, _ := inMemory(t, nil)
		s, handle := create(t, r, alice, Request{})
		if err := r.End(s.ID, Owner{Name: "alice"}); err != nil {
			t.Fatal(err)
		}
		wantErr(t, use(r, handle, alice.Key), ErrTerminated)
	})
	t.Run("administration", func(t *testing.T) { // list, show, terminate one, terminate all of a user
		r, c := inMemory(t, nil)
		one, _ := create(t, r, alice, Request{})
		c.advance(1)
		two, _ := create(t, r, bob, Request{})
		c.advance(1)
		three, _ := create(t, r, alice, Request{})
		if got := ids(r.List(everybody)); !slices.Equal(got, []string{one.ID, two.ID, three.ID}) {
			t.Errorf("%q", got)
		}
		if got := ids(r.List(func(s api.Session) bool { return s.Owner == bob.Key })); !slices.Equal(got, []string{two.ID}) {
			t.Errorf("%q", got)
		}
		if got := r.EndUser("alice", Owner{Name: "root"}); !slices.Equal(got, []string{one.ID, three.ID}) {
			t.Errorf("%q", got)
		}
		if got := r.EndUser("uid:1001", Owner{Name: "root"}); !slices.Equal(got, []string{two.ID}) {
			t.Errorf("%q", got)
		}
		if got := r.EndUser("alice", Owner{Name: "root"}); got != nil {
			t.Errorf("%q", got)
		}
	})

	// BIG-IP APM, at most N sessions per user, of which the user chooses.

	full := func(t *testing.T, policy api.Policy, holds map[string]string) (*Registry, *clock, []api.Session, []string) {
		l, c := DefaultLimits(), newClock()
		l.MaxSessionsPerUser, l.MaxSessions, l.WhenFull = 2, 3, policy
		r := open(t, Options{Limits: l, Now: c.now, Holds: func(id string) string { return holds[id] }})
		var made []api.Session
		var handles []string
		for range 2 {
			c.advance(time.Second)
			s, handle := create(t, r, alice, Request{})
			made, handles = append(made, s), append(handles, handle)
		}
		return r, c, made, handles
	}
	t.Run("at_the_maximum", func(t *testing.T) { // a table of them; cancel is not to ask again
		holds := map[string]string{}
		r, c, made, handles := full(t, api.Ask, holds)
		holds[made[0].ID] = "transaction of 3 writes"
		c.advance(time.Second)
		if err := use(r, handles[0], alice.Key); err != nil {
			t.Fatal(err)
		}
		before := r.List(everybody)
		_, _, err := r.Create(alice, Request{})
		got := refused(t, err)
		if !got.PerUser || got.Policy != api.Ask || !reflect.DeepEqual(got.Candidates, []api.Session{before[1], before[0]}) || got.Candidates[1].Holds == "" {
			t.Errorf("%+v", got)
		}
		if after := r.List(everybody); !reflect.DeepEqual(before, after) {
			t.Errorf("the refusal has changed %+v to %+v", before, after)
		}
		if _, _, err := r.Create(bob, Request{}); err != nil { // who is below it
			t.Error(err)
		}
	})
	t.Run("choose", func(t *testing.T) {
		r, _, made, handles := full(t, api.Ask, nil)
		s, handle := create(t, r, alice, Request{Terminate: []string{made[1].ID}})
		wantErr(t, use(r, handles[1], alice.Key), ErrTerminated)
		if err := errors.Join(use(r, handles[0], alice.Key), use(r, handle, alice.Key)); err != nil {
			t.Error(err)
		}
		if got := ids(r.List(everybody)); !slices.Equal(got, []string{made[0].ID, s.ID}) {
			t.Errorf("%q", got)
		}
	})
	t.Run("result", func(t *testing.T) { // if the chosen one cannot be ended, the new one is not made
		r, _, made, _ := full(t, api.Ask, nil)
		others, _ := create(t, r, bob, Request{})
		before := r.List(everybody)
		for _, q := range []Request{
			{Terminate: []string{"ilod-0000000000000000"}}, {Terminate: []string{others.ID}}, {Terminate: []string{others.ID}, Admin: true}, // the user's own maximum
		} {
			_, _, err := r.Create(alice, q)
			refused(t, err)
		}
		for _, q := range []Request{{}, {Terminate: []string{made[0].ID}}} { // the maximum of all
			_, _, err := r.Create(carol, q)
			if got := refused(t, err); got.PerUser || len(got.Candidates) != 0 {
				t.Errorf("%+v", got)
			}
		}
		_, _, err := r.Create(carol, Request{Admin: true})
		if got := refused(t, err); len(got.Candidates) != 3 {
			t.Errorf("%+v", got)
		}
		if after := r.List(everybody); !reflect.DeepEqual(before, after) {
			t.Errorf("%+v, want %+v", after, before)
		}
		create(t, r, carol, Request{Admin: true, Terminate: []string{made[0].ID}})

		l := r.Limits()
		l.MaxSessions = 2 // one less would not do
		if err := setLimits(r, l); err != nil {
			t.Fatal(err)
		}
		_, _, err = r.Create(bob, Request{Terminate: []string{others.ID}})
		refused(t, err)
		if s := r.Stats(); s.Sessions != 3 {
			t.Errorf("%+v", s)
		}
	})
	t.Run("oldest_idle", func(t *testing.T) { // not the oldest, not one in use, not one with a transaction
		holds := map[string]string{}
		r, c, made, handles := full(t, api.OldestIdle, holds)
		c.advance(time.Second)
		if err := use(r, handles[0], alice.Key); err != nil {
			t.Fatal(err)
		}
		third, _ := create(t, r, alice, Request{})
		wantErr(t, use(r, handles[1], alice.Key), ErrTerminated)
		holds[made[0].ID] = "a transaction"
		c.advance(time.Second)
		_, last := create(t, r, alice, Request{})
		if _, err := r.Get(third.ID); !errors.Is(err, ErrNoSession) {
			t.Errorf("%v", err)
		}
		running, err := r.Use(last, alice.Key)
		if err != nil {
			t.Fatal(err)
		}
		_, _, err = r.Create(alice, Request{})
		if got := refused(t, err); got.Policy != api.OldestIdle || got.Candidates != nil {
			t.Errorf("%+v", got)
		}
		running.Release()
		create(t, r, bob, Request{})
		create(t, r, bob, Request{}) // takes that of alice that is idle
		wantErr(t, use(r, last, alice.Key), ErrTerminated)
		l := r.Limits()
		l.MaxSessions, l.MaxSessionsPerUser = 2, 1
		if err := setLimits(r, l); err != nil {
			t.Fatal(err)
		}
		create(t, r, bob, Request{}) // takes both of bob
		if got := r.List(everybody); len(got) != 2 || got[0].ID != made[0].ID {
			t.Errorf("%+v", got)
		}
	})
}

func TestVariables(t *testing.T) {
	for _, c := range []struct {
		in, want api.Variables // no Output: refused
	}{
		{api.Variables{}, api.Variables{ActivePath: "/redfish/v1/", ReturnedPath: "full", Output: "text", Selection: ""}},
		{api.Variables{ActivePath: "/redfish/v1"}, api.Variables{ActivePath: "/redfish/v1/", ReturnedPath: "full", Output: "text", Selection: ""}},
		{api.Variables{ActivePath: "/redfish/v1/Systems/1", Output: "raw", Selection: "#ComputerSystem.v1_2_0.ComputerSystem"},
			api.Variables{ActivePath: "/redfish/v1/Systems/1/", ReturnedPath: "full", Output: "raw", Selection: "#ComputerSystem.v1_2_0.ComputerSystem"}},
		{api.Variables{ActivePath: "/redfish/v1/Oem/a%20b/", ReturnedPath: "relative", Selection: "Bios."}, api.Variables{ActivePath: "/redfish/v1/Oem/a%20b/", ReturnedPath: "relative", Output: "text", Selection: "Bios."}},
		{api.Variables{ReturnedPath: "Full"}, api.Variables{}},
		{api.Variables{Output: "xml"}, api.Variables{}},
		{api.Variables{Selection: "/redfish/v1/Systems/1/#/Boot?Id%3D1"}, api.Variables{ActivePath: "/redfish/v1/", ReturnedPath: "full", Output: "text", Selection: "/redfish/v1/Systems/1/#/Boot?Id%3D1"}},
		{api.Variables{Selection: "Memory.?Id%3D1"}, api.Variables{ActivePath: "/redfish/v1/", ReturnedPath: "full", Output: "text", Selection: "Memory.?Id%3D1"}},
		{api.Variables{Selection: "/redfish/v1/../x"}, api.Variables{}},
		{api.Variables{Selection: "/etc/passwd"}, api.Variables{}},
		{api.Variables{Selection: "Memory.?a\nb"}, api.Variables{}},
		{api.Variables{Selection: "a b"}, api.Variables{}},
		{api.Variables{Selection: "Bios.v1."}, api.Variables{}},
		{api.Variables{Selection: ".v1"}, api.Variables{}},
	} {
		got := c.in
		err := checkVariables(&got)
		if c.want == (api.Variables{}) {
			if !errors.Is(err, ErrVariable) {
				t.Errorf("%+v: %v", c.in, err)
			}
		} else if err != nil || got != c.want {
			t.Errorf("%+v: %+v %v", c.in, got, err)
		}
	}
	for _, path := range []string{
		"Systems/1", "/", "/redfish", "/redfish/v2/", "/redfish/v1x/", "/redfish/v1/../v1/", "/redfish/v1//Systems", "/redfish/v1/Systems/.", "/redfish/v1/Systems//",
		"/redfish/v1/?a", "/redfish/v1/#a", "http://x/redfish/v1/", "//x/redfish/v1/", "/redfish/v1/a b/", "/redfish/v1/%2e%2e/", "/redfish/v1/a%2Fb", "/redfish/v1/%", "/redfish/v1/%25/",
		"/redfish/v1/a;b/", `/redfish/v1/a\b/`, "/redfish/v1/\x00", "/redfish/v1/" + strings.Repeat("x", maxActivePath),
	} {
		v := api.Variables{ActivePath: path}
		if err := checkVariables(&v); !errors.Is(err, ErrVariable) {
			t.Errorf("%q: %v", path, err)
		}
	}
}

func TestLimitsJSON(t *testing.T) {
	l := DefaultLimits()
	if err := json.Unmarshal([]byte(`{"inactivityTimeout":0.5,"lifetime":null,"whenFull":"ask"}`), &l); err != nil {
		t.Fatal(err)
	}
	want := DefaultLimits()
	want.InactivityTimeout, want.WhenFull = api.Seconds(time.Second/2), api.Ask
	if l != want || checkLimits(&l) != nil {
		t.Errorf("%+v", l)
	}
	for _, text := range []string{`{"lifetime":-1}`, `{"lifetime":1e300}`, `{"transactionTimeout":-1e300}`, `{"maxSessionsPerUser":-1}`, `{"whenFull":"fifo"}`} {
		l := DefaultLimits()
		if err := json.Unmarshal([]byte(text), &l); err != nil {
			t.Errorf("%s: %v", text, err)
		}
		bad, ok := errors.AsType[*ValueError](checkLimits(&l))
		if !ok || !strings.Contains(text, fmt.Sprintf("%q", bad.Property)) {
			t.Errorf("%s: %v", text, bad)
		}
	}
	if _, err := Open(Options{Limits: api.Limits{WhenFull: "fifo"}}); !errors.Is(err, ErrVariable) {
		t.Error(err)
	}
}

// ids are those of sessions.
func ids(of []api.Session) (all []string) {
	for _, s := range of {
		all = append(all, s.ID)
	}
	return all
}

// refused is the error of a maximum.
func refused(t *testing.T, err error) *LimitError {
	t.Helper()
	full, ok := errors.AsType[*LimitError](err)
	if !ok {
		t.Fatalf("%v", err)
	}
	return full
}
