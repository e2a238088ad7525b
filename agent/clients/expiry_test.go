package clients

import (
	"testing"
	"time"

	"github.com/ilod/ilod/agent/api"
)

// TestASessionSaysWhenItExpires: it is there until the moment it has named, and not
// any more then, whichever limit ends it.
func TestASessionSaysWhenItExpires(t *testing.T) {
	for name, c := range map[string]struct {
		limits func(*api.Limits)
		after  time.Duration // the time of use
		want   time.Duration
	}{
		"unused":                 {func(*api.Limits) {}, 0, 30 * time.Minute},
		"used later":             {func(*api.Limits) {}, 10 * time.Minute, 40 * time.Minute},
		"lifetime":               {func(l *api.Limits) { l.Lifetime = api.Seconds(35 * time.Minute) }, 10 * time.Minute, 35 * time.Minute},
		"lifetime is far":        {func(l *api.Limits) { l.Lifetime = api.Seconds(time.Hour) }, 10 * time.Minute, 40 * time.Minute},
		"one request, none made": {func(l *api.Limits) { l.InactivityTimeout = 0 }, 0, unusedGrace},
	} {
		t.Run(name, func(t *testing.T) {
			r, clock := inMemory(t, c.limits)
			start := clock.now()
			s, handle := create(t, r, alice, Request{})
			if c.after > 0 {
				clock.advance(c.after)
				if err := use(r, handle, alice.Key); err != nil {
					t.Fatal(err)
				}
			}
			s, err := r.Get(s.ID)
			if err != nil || !s.Expires.Equal(start.Add(c.want)) {
				t.Fatalf("expires %v after its start, want %v: %v", s.Expires.Sub(start), c.want, err)
			}
			clock.advance(s.Expires.Sub(clock.now()) - time.Nanosecond)
			if _, err := r.Get(s.ID); err != nil {
				t.Errorf("just before: %v", err)
			}
			clock.advance(time.Nanosecond)
			if _, err := r.Get(s.ID); err == nil {
				t.Error("it is there still")
			}
		})
	}
}

// TestExpireComesAgainInTime: twice in the shortest time that a session may be there, but
// not more often than every second, and once a minute at least.
func TestExpireComesAgainInTime(t *testing.T) {
	for _, c := range []struct{ idle, life, want time.Duration }{
		{30 * time.Minute, 0, time.Minute}, {time.Minute, 0, 30 * time.Second}, {time.Hour, 20 * time.Second, 10 * time.Second},
		{time.Second, 0, time.Second}, {0, 0, time.Second}, {20 * time.Second, time.Hour, 10 * time.Second},
	} {
		r, clock := inMemory(t, func(l *api.Limits) { l.InactivityTimeout, l.Lifetime = api.Seconds(c.idle), api.Seconds(c.life) })
		create(t, r, alice, Request{})
		if got := r.Expire(); got != c.want || len(r.live) != 1 {
			t.Errorf("%v and %v: %v, want %v, and %d sessions", c.idle, c.life, got, c.want, len(r.live))
		}
		clock.advance(max(c.idle, unusedGrace))
		if r.Expire(); len(r.live) != 0 {
			t.Errorf("%v and %v: it is there still", c.idle, c.life)
		}
	}
}
