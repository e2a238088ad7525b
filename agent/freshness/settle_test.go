package freshness

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// Writes wait for the locks of the cache. What takes long with a large body is
// done without them.
func TestBodiesAreDeflatedWithoutTheLocks(t *testing.T) {
	c, _, _ := open(t, one())
	c.disk.Lock()
	defer c.disk.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	body := []byte(`{"Members":[` + strings.Repeat(`{"@odata.id":"/redfish/v1/x"},`, 5000) + `{}]}`)
	f := &flight{key: "/redfish/v1/systems", path: "/redfish/v1/systems", doc: &document{status: http.StatusOK, header: http.Header{}, body: body}}
	l := f.land()
	if len(l.packed.body) > len(body)/10 || len(l.entry.members) != 5001 {
		t.Errorf("%d bytes, %d members", len(l.packed.body), len(l.entry.members))
	}
	if value := encode(l.entry, f.doc, l.packed); len(value) > len(body)/2 {
		t.Errorf("%d bytes are stored of %d", len(value), len(body))
	}
}

// counting counts the calls of Drop that have something to drop.
type counting struct {
	*memory
	drops int
}

func (s *counting) Drop(keys ...string) {
	if len(keys) > 0 {
		s.drops++
	}
	s.memory.Drop(keys...)
}

// Each call of the store's Drop waits for a disk.
func TestAWriteDropsAllInOneGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newResources()
		for i := range 202 {
			r.set(fmt.Sprint("/redfish/v1/Systems/1/Memory/", i), "", "{}")
		}
		store := &counting{memory: newMemory()}
		next := &ilo{handler: r}
		c := New(Options{Next: next, Store: store})
		defer func() { c.Close() }()
		fill := func() {
			for i := range 202 {
				ask(t, c, "GET", fmt.Sprint("/redfish/v1/Systems/1/Memory/", i))
			}
			store.drops = 0
		}
		fill()
		ask(t, c, "PATCH", "/redfish/v1/Systems/1")
		if store.drops != 1 || len(store.keys()) != 1 {
			t.Errorf("a write: %d calls, left %d", store.drops, len(store.keys()))
		}
		// So it is with a sweep, a start and a full index.
		fill()
		r.list("/redfish/v1/x")
		c.dir = directory{asked: time.Now()}
		for _, e := range c.entries {
			e.listed = true
		}
		time.Sleep(time.Second)
		if err := c.Sweep(t.Context()); err != nil || store.drops != 1 {
			t.Errorf("a sweep: %d calls, %v", store.drops, err)
		}
		fill()
		c.Close()
		_ = store.Put("/redfish/v1/a", []byte("rubbish"))
		_ = store.Put("/redfish/v1/b", []byte("rubbish"))
		store.drops = 0
		if c = New(Options{Next: next, Store: store, entries: 160}); store.drops != 1 || len(store.keys()) != 161 {
			t.Errorf("a start: %d calls, left %d", store.drops, len(store.keys()))
		}
		r.set("/redfish/v1/y", "", "{}")
		store.drops = 0
		if ask(t, c, "GET", "/redfish/v1/y"); store.drops != 1 || len(store.keys()) != 152 {
			t.Errorf("a full index: %d calls, left %d", store.drops, len(store.keys()))
		}
	})
}

// An answer that was asked for earlier may come later.
func TestAnOlderAnswerDoesNotReplaceANewerOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := one()
		next := &ilo{handler: r}
		slow := newGate(next)
		first := true
		c := New(Options{Store: newMemory(), Next: roundTripper(func(req *http.Request) (*http.Response, error) {
			if first {
				first = false
				return slow.RoundTrip(req)
			}
			return next.RoundTrip(req)
		})})
		defer c.Close()
		old := make(chan got, 1)
		go func() { old <- ask(t, c, "GET", account) }()
		synctest.Wait()
		time.Sleep(time.Second)
		r.set(account, `W/"A"`, `{"UserName":"new"}`)
		ask(t, c, "GET", account, "Cache-Control", "no-cache")
		close(slow.open)
		if g := <-old; g.body != `{"UserName":"Administrator"}` || strings.Contains(g.how, "stored") {
			t.Errorf("the older one: %+v", g)
		}
		if g := ask(t, c, "GET", account); g.body != `{"UserName":"new"}` || g.age != 0 {
			t.Errorf("what is kept: %+v", g)
		}
	})
}

// A refusal with a status of 5xx may pass soon: it does not replace what is kept,
// but for another refusal, and for what is of no more use.
func TestWhatAPassingRefusalReplaces(t *testing.T) {
	const busy = `{"error":{"@Message.ExtendedInfo":[{"MessageId":"iLO.2.25.ResourceTemporarilyUnavailable"}]}}`
	for name, s := range map[string]struct {
		before func(c *Cache)
		status int // of the first answer
		then   int // what is kept
	}{
		"an answer":      {func(*Cache) {}, 200, 200},
		"a refusal":      {func(*Cache) {}, 404, 503},
		"before a reset": {func(c *Cache) { c.Invalidate("test") }, 200, 503},
	} {
		synctest.Test(t, func(t *testing.T) {
			r := one()
			r.status[account] = s.status
			c, _, _ := open(t, r)
			ask(t, c, "GET", account)
			s.before(c)
			time.Sleep(time.Second)
			r.set(account, "", busy)
			r.status[account] = 503
			ask(t, c, "GET", account, "Cache-Control", "no-cache")
			if g := ask(t, c, "GET", account, "Cache-Control", "only-if-cached"); g.status != s.then {
				t.Errorf("%s: %+v", name, g)
			}
		})
	}
}

// The end of a read that a write has overtaken leaves the one that began after it
// to be joined.
func TestTheEndOfAnOvertakenReadLeavesTheNextOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		next := &ilo{handler: one()}
		gates := []*gate{newGate(next), newGate(next), newGate(next)}
		n := 0
		c := New(Options{Store: newMemory(), Next: roundTripper(func(req *http.Request) (*http.Response, error) {
			if req.Method != "GET" {
				return next.RoundTrip(req)
			}
			n++
			return gates[n-1].RoundTrip(req)
		})})
		defer c.Close()
		done := make(chan got, 3)
		read := func() {
			go func() { done <- ask(t, c, "GET", account) }()
			synctest.Wait()
		}
		read()
		ask(t, c, "PATCH", account)
		read()
		close(gates[0].open)
		<-done
		read()
		if n != 2 {
			t.Errorf("%d requests: the third did not join the second", n)
		}
		close(gates[1].open)
		close(gates[2].open)
		<-done
		<-done
	})
}
