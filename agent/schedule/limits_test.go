package schedule

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ilod/ilod/agent/api"
)

// TestSharesOfClasses: while all classes wait they start in the shares 8, 4, 2 and 1.
func TestSharesOfClasses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, next, gate := busy(t, Options{Queue: [classes]int{50, 50, 50, 50}})
		for c := range Class(classes) {
			method := "GET"
			if c == Write {
				method = "PATCH"
			}
			for range 32 {
				send(t, s, t.Context(), method, c.String(), c, "")
			}
		}
		close(gate)
		synctest.Wait()
		order := strings.Fields(next.order())[1:]
		for round := range 3 {
			got := map[string]int{}
			for _, class := range order[15*round : 15*round+15] {
				got[class]++
			}
			if got["interactive"] != 8 || got["write"] != 4 || got["background"] != 2 || got["bulk"] != 1 {
				t.Errorf("round %d: %v", round, got)
			}
		}
	})
}

// TestDefaults: without options there are two slots, and so many places in the queues.
func TestDefaults(t *testing.T) {
	for c, places := range [classes]int{Interactive: 256, Write: 64, Background: 256, Bulk: 16} {
		t.Run(Class(c).String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				next := newILO()
				s := New(Options{Next: next})
				defer s.Close()
				gate := next.hold("first", "second", "third")
				for _, name := range []string{"first", "second", "third"} {
					send(t, s, t.Context(), "GET", name, Interactive, "z")
				}
				if next.order() != "first second" {
					t.Errorf("started: %s", next.order())
				}
				method := "GET"
				if Class(c) == Write {
					method = "PATCH"
				}
				for s.Stats()[Class(c).String()].Queued < places {
					send(t, s, t.Context(), method, "x", Class(c), "a")
				}
				if err := <-send(t, s, t.Context(), method, "x", Class(c), "a"); !errors.Is(err, ErrQueueFull) {
					t.Errorf("after %d: %v", places, err)
				}
				close(gate)
			})
		})
	}
}

// TestRetryAfter: a queue is worked off in so much time, half of which is what who is
// refused is told, in whole seconds from one to sixty.
func TestRetryAfter(t *testing.T) {
	for _, c := range []struct {
		took, want time.Duration // of one request; on average an eighth of it
		slots      int
	}{
		{0, time.Second, 1}, {16 * time.Second, 4 * time.Second, 1}, {16 * time.Second, 2 * time.Second, 2},
		{10 * time.Second, 3 * time.Second, 1}, // rounded from 2.5 s
		{time.Hour, time.Minute, 1},
	} {
		synctest.Test(t, func(t *testing.T) {
			next := newILO()
			s := New(Options{Next: next, Slots: c.slots, Queue: [classes]int{Interactive: 4}})
			defer s.Close()
			r, _ := http.NewRequestWithContext(t.Context(), "GET", "https://ilo/first", nil)
			r.Header.Set("Takes", c.took.String())
			if _, err := s.RoundTrip(r); err != nil {
				t.Fatal(err)
			}
			gate := next.hold("x")
			for range 4 + c.slots {
				send(t, s, t.Context(), "GET", "x", Interactive, "a")
			}
			full, ok := errors.AsType[*QueueFullError](<-send(t, s, t.Context(), "GET", "x", Interactive, "a"))
			if !ok || full.RetryAfter != c.want || full.Class != Interactive {
				t.Errorf("%+v: %+v", c, full)
			}
			close(gate)
		})
	}
}

// TestUserWhoLeavesLeavesNothing: a user of whom nothing waits any more is refused
// like any other when the queue is full.
func TestUserWhoLeavesLeavesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _, gate := busy(t, Options{Queue: [classes]int{Interactive: 2}})
		ctx, cancel := context.WithCancel(t.Context())
		left := send(t, s, ctx, "GET", "x", Interactive, "a")
		cancel()
		if err := <-left; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		for _, user := range []string{"b", "c"} {
			send(t, s, t.Context(), "GET", "x", Interactive, user)
		}
		if err := <-send(t, s, t.Context(), "GET", "x", Interactive, "a"); !errors.Is(err, ErrQueueFull) {
			t.Error(err)
		}
		close(gate)
		synctest.Wait()
		if n := len(s.queues[Interactive].parties); n != 0 {
			t.Errorf("%d users wait in the end", n)
		}
	})
}

// TestSmallQueueHasAPlaceForThePrivileged: an eighth more is at least one.
func TestSmallQueueHasAPlaceForThePrivileged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _, gate := busy(t, Options{Queue: [classes]int{Interactive: 1}})
		send(t, s, t.Context(), "GET", "x", Interactive, "a")
		root := send(t, s, t.Context(), "GET", "r", Interactive, "root")
		if err := <-send(t, s, t.Context(), "GET", "x", Interactive, "b"); !errors.Is(err, ErrQueueFull) {
			t.Errorf("without privilege: %v", err)
		}
		close(gate)
		if err := <-root; err != nil {
			t.Error(err)
		}
	})
}

// TestBackgroundLeavesASlotToWhoCame: a write that has just come is one who wants
// something, although a slot is free.
func TestBackgroundLeavesASlotToWhoCame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		next := newILO()
		s := New(Options{Next: next, Slots: 2})
		defer s.Close()
		gate := next.hold("w", "b")
		time.Sleep(time.Hour)
		send(t, s, t.Context(), "PATCH", "w", Write, "")
		send(t, s, t.Context(), "GET", "b", Background, "")
		if next.order() != "w" {
			t.Errorf("started: %s", next.order())
		}
		close(gate)
	})
}

// TestStatsTellTheTimeInTheQueue: only that, and only of requests that got a slot.
func TestStatsTellTheTimeInTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _, gate := busy(t, Options{})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		abandoned := send(t, s, ctx, "GET", "x", Interactive, "")
		stays := send(t, s, t.Context(), "GET", "x", Interactive, "")
		time.Sleep(3 * time.Second)
		close(gate)
		if err := <-abandoned; !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		if err := <-stays; err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if got, want := s.Stats()["interactive"], (api.ClassStats{Started: 2, Abandoned: 1, Waited: api.Seconds(3 * time.Second)}); got != want {
			t.Errorf("%+v, want %+v", got, want)
		}
		s.Close()
		if err := <-send(t, s, t.Context(), "GET", "x", Interactive, ""); !errors.Is(err, ErrClosed) {
			t.Error(err)
		}
		if got := s.Stats()["interactive"].Abandoned; got != 2 {
			t.Errorf("%d abandoned after Close", got)
		}
	})
}

// TestClassesThatThereAre: others have no name, and are given to no context.
func TestClassesThatThereAre(t *testing.T) {
	for c := Class(-1); c <= classes; c++ {
		there := c >= 0 && c < classes
		func() {
			defer func() {
				if panicked := recover() != nil; panicked == there {
					t.Errorf("%d: panicked %v", c, panicked)
				}
			}()
			WithClass(t.Context(), c)
		}()
		if named := c.String() != fmt.Sprintf("Class(%d)", int(c)); named != there {
			t.Errorf("%d is %s", c, c)
		}
	}
}
