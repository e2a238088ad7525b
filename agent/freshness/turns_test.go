package freshness

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ilod/ilod/agent/schedule"
)

// as reads a path as a peer.
func as(t *testing.T, c http.RoundTripper, peer, uri string) <-chan error {
	t.Helper()
	u, err := url.Parse("https://ilo" + uri)
	if err != nil {
		t.Fatal(err)
	}
	r := (&http.Request{Method: "GET", URL: u, Header: http.Header{}}).WithContext(schedule.WithPeer(t.Context(), schedule.Peer{User: peer}))
	done := make(chan error, 1)
	go func() {
		_, err := c.RoundTrip(r)
		done <- err
	}()
	synctest.Wait()
	return done
}

// queued is a cache over a scheduler with one slot and short queues.
func queued(t *testing.T, h http.Handler) (c *Cache, next *ilo) {
	next = &ilo{handler: h, latency: time.Second}
	s := schedule.New(schedule.Options{Next: next, Slots: 1, Queue: [4]int{4, 4, 4, 4}})
	c = New(Options{Next: s, Store: newMemory()})
	t.Cleanup(func() { s.Close(); c.Close() })
	return c, next
}

// TestJoinedReadsAreNobodysAlone: who joins the read of a peer that has many
// neither waits for the others of that peer nor is refused for them.
func TestJoinedReadsAreNobodysAlone(t *testing.T) {
	r := newResources()
	for i := range 20 {
		r.set(fmt.Sprintf("/redfish/v1/Systems/%d/", i), "", fmt.Sprintf(`{"n":%d}`, i))
	}
	path := func(i int) string { return fmt.Sprintf("/redfish/v1/Systems/%d/", i) }
	t.Run("refused", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c, next := queued(t, r)
			var flooder []<-chan error
			for i := range 5 { // one runs, four wait
				flooder = append(flooder, as(t, c, "flooder", path(i)))
			}
			joined := as(t, c, "modest", path(4)) // the newest
			another := as(t, c, "another", path(10))
			if err := <-joined; err != nil {
				t.Errorf("who had joined: %v", err)
			}
			if err := <-another; err != nil {
				t.Errorf("who came for the first time: %v", err)
			}
			refused := 0
			for _, done := range flooder {
				if err := <-done; errors.Is(err, schedule.ErrQueueFull) {
					refused++
				} else if err != nil {
					t.Error(err)
				}
			}
			if seen := strings.Join(next.seen(), " "); refused != 1 || strings.Count(seen, path(4)) != 1 {
				t.Errorf("%d are refused; %s", refused, seen)
			}
		})
	})
	t.Run("turn", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c, next := queued(t, r)
			for i := range 5 {
				as(t, c, "flooder", path(i))
			}
			if err := <-as(t, c, "modest", path(4)); err != nil {
				t.Error(err)
			}
			if seen := next.seen(); !slices.Contains(seen[:3], "GET "+path(4)) { // what ran, and one turn of the flooder
				t.Errorf("order: %q", seen)
			}
			time.Sleep(time.Minute)
		})
	})
}

// TestRefusedToAnotherIsAskedAgain: a read that joined one just before that was
// refused is sent for itself.
func TestRefusedToAnotherIsAskedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newResources()
		r.set("/redfish/v1/Systems/1/", "", `{}`)
		full := &schedule.QueueFullError{RetryAfter: time.Second}
		next := &ilo{handler: r}
		first := sync.OnceValue(func() error { time.Sleep(time.Second); return full })
		began := false
		c := New(Options{Store: newMemory(), Next: roundTripper(func(r *http.Request) (*http.Response, error) {
			if !began {
				began = true
				return nil, first()
			}
			return next.RoundTrip(r)
		})})
		defer c.Close()
		one := as(t, c, "one", "/redfish/v1/Systems/1/")
		two := as(t, c, "two", "/redfish/v1/Systems/1/")
		if err := <-one; !errors.Is(err, schedule.ErrQueueFull) {
			t.Errorf("who was refused: %v", err)
		}
		if err := <-two; err != nil {
			t.Errorf("who had joined: %v", err)
		}
	})
}

// TestSweepsAreInNobodysLine: all who want one share it.
func TestSweepsAreInNobodysLine(t *testing.T) {
	r := newResources()
	r.list("/redfish/v1/Systems/1/")
	peers := make(chan schedule.Peer, 1)
	next := &ilo{handler: r}
	c := New(Options{Store: newMemory(), Next: roundTripper(func(r *http.Request) (*http.Response, error) {
		peers <- schedule.PeerOf(r.Context())
		return next.RoundTrip(r)
	})})
	defer c.Close()
	if err := c.Sweep(schedule.WithPeer(t.Context(), schedule.Peer{User: "flooder", Session: "1"})); err != nil {
		t.Fatal(err)
	}
	if got := <-peers; got != (schedule.Peer{}) {
		t.Errorf("%+v", got)
	}
}
