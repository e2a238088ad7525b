package schedule

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
)

// busy is a scheduler whose slots are taken until the gate is closed.
func busy(t *testing.T, o Options) (s *Scheduler, next *ilo, gate chan struct{}) {
	next = newILO()
	o.Next, o.Slots = next, 1
	s = New(o)
	t.Cleanup(func() { s.Close() })
	gate = next.hold("first")
	send(t, s, t.Context(), "GET", "first", Interactive, "z")
	return s, next, gate
}

// TestUsersTakeTurnsAndThenTheirSessions: many sessions give a user no more turns.
func TestUsersTakeTurnsAndThenTheirSessions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, next, gate := busy(t, Options{})
		for _, name := range []string{"a:1", "a:1", "a:2", "a:2", "a:3", "b:1", "b:1", "c"} {
			send(t, s, t.Context(), "GET", name, Interactive, name)
		}
		close(gate)
		synctest.Wait()
		if want := "first a:1 b:1 c a:2 b:1 a:3 a:1 a:2"; next.order() != want {
			t.Errorf("order %s, want %s", next.order(), want)
		}
	})
}

// TestFullQueueGivesWayFairly: a newcomer displaces the newest of the user with
// most, unless it would have as many itself; of its own user that of the session
// with most, by the same rule.
func TestFullQueueGivesWayFairly(t *testing.T) {
	for name, c := range map[string]struct{ waiting, comes, goes string }{
		"another has most":            {"a a a b", "b", "a"},
		"it would have as many":       {"a a b", "b", ""},
		"it would have one more":      {"a a b b", "b", ""},
		"it has nothing":              {"a a b b", "c", "a"},
		"all have one":                {"a b c d", "e", ""},
		"sessions are of their user":  {"a:1 a:2 a:3 b", "b", "a:1"},
		"another session has most":    {"a:1 a:1 a:1 a:2", "a:2", "a:1"},
		"as many as another session":  {"a:1 a:1 a:2", "a:2", ""},
		"a new session":               {"a:1 a:1 a:2", "a:3", "a:1"},
		"another user has most, then": {"a:1 a:1 a:1 b:1 b:2", "b:3", ""},
		"alone":                       {"a a a", "a", ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				waiting := strings.Fields(c.waiting)
				s, _, gate := busy(t, Options{Queue: [classes]int{Interactive: len(waiting)}})
				var all []<-chan error
				for i, peer := range waiting {
					all = append(all, send(t, s, t.Context(), "GET", fmt.Sprint(i), Interactive, peer))
				}
				comes := send(t, s, t.Context(), "GET", "new", Interactive, c.comes)
				close(gate)
				goes := ""
				for i, done := range all {
					if err := <-done; errors.Is(err, ErrQueueFull) {
						goes += waiting[i]
					} else if err != nil {
						t.Error(err)
					}
				}
				if err := <-comes; goes != c.goes || errors.Is(err, ErrQueueFull) != (c.goes == "") {
					t.Errorf("%q goes, the newcomer: %v", goes, err)
				}
			})
		})
	}
}

// TestPlacesForThePrivileged: whoever fills a queue, an eighth more is for them.
func TestPlacesForThePrivileged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _, gate := busy(t, Options{Queue: [classes]int{Interactive: 16}})
		for i := range 16 { // one each: nobody has more than another
			send(t, s, t.Context(), "GET", fmt.Sprint(i), Interactive, fmt.Sprint("user", i))
		}
		if err := <-send(t, s, t.Context(), "GET", "x", Interactive, "another"); !errors.Is(err, ErrQueueFull) {
			t.Errorf("one more: %v", err)
		}
		one := send(t, s, t.Context(), "GET", "r1", Interactive, "root")
		two := send(t, s, t.Context(), "GET", "r2", Interactive, "root")
		if err := <-send(t, s, t.Context(), "GET", "r3", Interactive, "root"); !errors.Is(err, ErrQueueFull) {
			t.Errorf("beyond the reserve: %v", err)
		}
		close(gate)
		if err := errors.Join(<-one, <-two); err != nil {
			t.Error(err)
		}
	})
}

// TestShareOfSlots: one user has so many slots at once and no more, and the others
// go past it.
func TestShareOfSlots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		next := newILO()
		s := New(Options{Next: next, Slots: 3, Share: 2})
		defer s.Close()
		one, rest := next.hold("a1"), next.hold("a2", "a3", "b1")
		for _, name := range []string{"a1", "a2", "a3", "b1"} {
			send(t, s, t.Context(), "GET", name, Interactive, name[:1]+":"+name)
		}
		if next.order() != "a1 a2 b1" {
			t.Errorf("started: %s", next.order())
		}
		close(one)
		synctest.Wait()
		if next.order() != "a1 a2 b1 a3" {
			t.Errorf("then: %s", next.order())
		}
		close(rest)
	})
}

// TestJoinedReads: a read that another peer has joined runs in the turn of
// whoever comes first, and is not displaced as long as somebody else waits for it.
func TestJoinedReads(t *testing.T) {
	shared := func(t *testing.T, s *Scheduler, turn *Turn, peer string) <-chan error {
		return send(t, s, WithTurn(t.Context(), turn), "GET", "shared", Interactive, peer)
	}
	join := func(turn *Turn, peers ...string) {
		for _, p := range peers {
			turn.Join(WithPeer(context.Background(), peerOf(p)))
		}
	}
	t.Run("turns", func(t *testing.T) {
		for name, early := range map[string]bool{"before it waits": true, "while it waits": false} {
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s, next, gate := busy(t, Options{})
					for _, n := range []string{"f1", "f2", "f3"} {
						send(t, s, t.Context(), "GET", n, Interactive, "flooder")
					}
					var turn Turn
					if early {
						join(&turn, "flooder", "modest", "modest")
					}
					done := shared(t, s, &turn, "flooder")
					if !early {
						join(&turn, "flooder", "modest", "modest")
					}
					send(t, s, t.Context(), "GET", "m", Interactive, "modest")
					if got := s.Stats()["interactive"].Queued; got != 5 {
						t.Errorf("%d requests wait", got)
					}
					close(gate)
					synctest.Wait()
					if err := <-done; err != nil || next.order() != "first f1 shared f2 m f3" {
						t.Errorf("%v: %s", err, next.order())
					}
					join(&turn, "late")
					if got := s.Stats()["interactive"]; got.Queued != 0 || got.Started != 6 {
						t.Errorf("%+v", got)
					}
				})
			})
		}
	})
	t.Run("displaced", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s, next, gate := busy(t, Options{Queue: [classes]int{Interactive: 3}})
			first := send(t, s, t.Context(), "GET", "f1", Interactive, "flooder")
			second := send(t, s, t.Context(), "GET", "f2", Interactive, "flooder")
			var turn Turn
			done := shared(t, s, &turn, "flooder")
			join(&turn, "modest")
			other := send(t, s, t.Context(), "GET", "o", Interactive, "other")
			if err := <-second; !errors.Is(err, ErrQueueFull) {
				t.Errorf("the newest that is the flooder's alone: %v", err)
			}
			close(gate)
			if err := errors.Join(<-first, <-done, <-other); err != nil || !strings.Contains(next.order(), "shared") {
				t.Errorf("%v: %s", err, next.order())
			}
		})
	})
	t.Run("all joined", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s, _, gate := busy(t, Options{Queue: [classes]int{Interactive: 3}})
			var turns [3]Turn
			var all []<-chan error
			for i := range turns {
				all = append(all, shared(t, s, &turns[i], "flooder"))
				join(&turns[i], "modest")
			}
			if err := <-send(t, s, t.Context(), "GET", "o", Interactive, "other"); !errors.Is(err, ErrQueueFull) {
				t.Errorf("with nothing that may go: %v", err)
			}
			close(gate)
			for _, done := range all {
				if err := <-done; err != nil {
					t.Error(err)
				}
			}
		})
	})
}

// TestGivenBackSlotIsUsed: a request that got its slot when its context ended
// hands it to the next one.
func TestGivenBackSlotIsUsed(t *testing.T) {
	for _, c := range []Class{Interactive, Write} {
		s := New(Options{Next: newILO(), Slots: 1})
		ctx, cancel := context.WithCancel(WithPeer(t.Context(), peerOf("a")))
		late := &job{class: c, peers: []Peer{peerOf("a")}, decided: make(chan error, 1)}
		next := &job{class: c, peers: []Peer{peerOf("a")}, decided: make(chan error, 1)}
		if err := errors.Join(s.enter(ctx, late), s.enter(ctx, next)); err != nil {
			t.Fatal(err)
		}
		cancel()
		if err := s.abandon(ctx, late); !errors.Is(err, context.Canceled) || !errors.Is(err, ErrNotSent) {
			t.Error(err)
		}
		select {
		case err := <-next.decided:
			if err != nil {
				t.Error(err)
			}
		default:
			t.Fatal("the slot stays empty")
		}
		if st := s.Stats()[c.String()]; st.Running != 1 || st.Abandoned != 1 || st.Queued != 0 {
			t.Errorf("%+v", st)
		}
		s.mu.Lock()
		s.free(next)
		s.mu.Unlock()
		s.Close()
	}
}

// TestWritesAreNotJoined: a write keeps its place among those of its own peer.
func TestWritesAreNotJoined(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, next, gate := busy(t, Options{})
		var turn Turn
		turn.Join(WithPeer(t.Context(), peerOf("other")))
		send(t, s, t.Context(), "PATCH", "a1", Write, "a")
		send(t, s, t.Context(), "PATCH", "a2", Write, "a")
		send(t, s, WithTurn(t.Context(), &turn), "PATCH", "a3", Write, "a")
		turn.Join(WithPeer(t.Context(), peerOf("another")))
		close(gate)
		synctest.Wait()
		if next.order() != "first a1 a2 a3" {
			t.Errorf("order: %s", next.order())
		}
	})
}
