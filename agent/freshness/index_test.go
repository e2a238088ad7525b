package freshness

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// reads counts what is read from a store.
type reads struct {
	*memory
	n map[string]int
}

func (s *reads) Get(key string) ([]byte, bool) {
	s.n[key]++
	return s.memory.Get(key)
}

// What is used stays in memory; what is large does not push all else out.
func TestMemoryKeepsWhatIsUsedAndSmall(t *testing.T) {
	r := newResources()
	for uri, n := range map[string]int{"a": 200, "b": 200, "c": 200, "d": 200, "e": 200, "large": 201} {
		r.set("/redfish/v1/"+uri, "", strings.Repeat("x", n))
	}
	store := &reads{newMemory(), map[string]int{}}
	c := New(Options{Next: &ilo{handler: r}, Store: store, hotBytes: 800})
	defer c.Close()
	for _, uri := range []string{"a", "b", "c", "d", "a", "e", "large", "a", "large", "b"} {
		ask(t, c, "GET", "/redfish/v1/"+uri)
	}
	for uri, want := range map[string]int{"a": 0, "b": 1, "large": 1} {
		if n := store.n["/redfish/v1/"+uri]; n != want {
			t.Errorf("%s was read %d times from the store, want %d", uri, n, want)
		}
	}
	if n := c.Stats().HotBytes; n != 800 {
		t.Errorf("%d bytes in memory", n)
	}
}

// A store may give back what it had before.
func TestWhatTheStoreGivesIsWhatTheIndexHas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := one()
		c, _, store := open(t, r, func(o *Options) { o.hotBytes = 1 })
		ask(t, c, "GET", account)
		key := strings.ToLower(account)
		old, _ := store.Get(key)
		time.Sleep(time.Second)
		r.set(account, `W/"A"`, `{"UserName":"new"}`)
		ask(t, c, "GET", account, "Cache-Control", "no-cache")
		now, _ := store.Get(key)
		e, d, err := decode(key, now, true)
		if err != nil {
			t.Fatal(err)
		}
		e.epoch++
		for name, value := range map[string][]byte{"older": old, "of another epoch": encode(e, d, pack(d))} {
			_ = store.Put(key, value)
			if g := ask(t, c, "GET", account); g.body != `{"UserName":"new"}` || !strings.HasPrefix(g.how, "fwd=miss") {
				t.Errorf("%s: %+v", name, g)
			}
		}
	})
}

// A clock that is set back makes nothing younger.
func TestWhatWasReadInTheFutureIsTooOld(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	c, next, _ := open(t, one(), func(o *Options) { o.Now = func() time.Time { return now } })
	ask(t, c, "GET", account)
	now = now.Add(-time.Second)
	ask(t, c, "GET", account)
	wantRequests(t, next, "GET "+account, "GET "+account)
}

func TestStaleIfErrorIsForErrorsOfTheILO(t *testing.T) {
	for status, stale := range map[int]bool{500: true, 502: true, 503: true, 504: true, 501: false, 400: false, 404: false} {
		synctest.Test(t, func(t *testing.T) {
			r := one()
			c, _, _ := open(t, r)
			ask(t, c, "GET", account)
			time.Sleep(time.Hour)
			c.Invalidate("test")
			r.status[account] = status
			want := status
			if stale {
				want = 200
			}
			if g := ask(t, c, "GET", account, "Cache-Control", "stale-if-error"); g.status != want {
				t.Errorf("at %d: %+v", status, g)
			}
		})
	}
	// Whoever has left gets the reason, not an old answer.
	synctest.Test(t, func(t *testing.T) {
		c, next, _ := open(t, one())
		ask(t, c, "GET", account)
		time.Sleep(time.Hour)
		next.latency = time.Second
		ctx, cancel := context.WithCancelCause(t.Context())
		gone := errors.New("ctrl-c")
		time.AfterFunc(time.Millisecond, func() { cancel(gone) })
		r := (&http.Request{Method: "GET", URL: &url.URL{Path: account}, Header: http.Header{"Cache-Control": {"stale-if-error"}}}).WithContext(ctx)
		if _, err := c.RoundTrip(r); !errors.Is(err, gone) {
			t.Errorf("%v", err)
		}
	})
}
