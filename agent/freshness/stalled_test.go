package freshness

import (
	"iter"
	"sync/atomic"
	"testing"
	"time"
)

// stalled is a Store whose disk can stall: each call then says so and waits.
type stalled struct {
	*memory
	gate atomic.Pointer[gateOfStore]
}

type gateOfStore struct{ entered, on chan struct{} }

func (s *stalled) wait() {
	if g := s.gate.Load(); g != nil {
		select {
		case g.entered <- struct{}{}:
		default:
		}
		<-g.on
	}
}

func (s *stalled) Get(key string) ([]byte, bool)      { s.wait(); return s.memory.Get(key) }
func (s *stalled) Put(key string, value []byte) error { s.wait(); return s.memory.Put(key, value) }
func (s *stalled) Drop(keys ...string)                { s.wait(); s.memory.Drop(keys...) }
func (s *stalled) Clear() error                       { s.wait(); return s.memory.Clear() }
func (s *stalled) All() iter.Seq2[string, []byte]     { s.wait(); return s.memory.All() }

// TestCountsDoNotWaitForTheStore: whatever waits for the disk, the counts and the
// list of what is kept are there at once.
func TestCountsDoNotWaitForTheStore(t *testing.T) {
	for name, do := range map[string]func(t *testing.T, c *Cache){
		"a miss":       func(t *testing.T, c *Cache) { ask(t, c, "GET", thermal) },
		"a cold hit":   func(t *testing.T, c *Cache) { ask(t, c, "GET", account) },
		"a write":      func(t *testing.T, c *Cache) { ask(t, c, "PATCH", account) },
		"invalidation": func(_ *testing.T, c *Cache) { c.Invalidate("a test") },
		"an identity":  func(_ *testing.T, c *Cache) { c.SetIdentity(Identity{UUID: "another"}) },
		"clearing":     func(_ *testing.T, c *Cache) { _ = c.Clear() },
		"a sweep":      func(t *testing.T, c *Cache) { _ = c.Sweep(t.Context()) },
	} {
		t.Run(name, func(t *testing.T) {
			r, store := one(), &stalled{memory: newMemory()}
			r.list(account)
			with := func(o *Options) { o.Store = store }
			c, _, _ := open(t, r, with)
			ask(t, c, "GET", account)
			c.Close()
			c, _, _ = open(t, r, with) // whose entries are cold
			g := &gateOfStore{make(chan struct{}, 1), make(chan struct{})}
			store.gate.Store(g)
			done := make(chan struct{})
			go func() { defer close(done); do(t, c) }()
			select {
			case <-g.entered:
			case <-done:
				t.Error("it has not asked the store")
			}
			answered := make(chan struct{})
			go func() { defer close(answered); c.Stats(); c.Entries() }()
			select {
			case <-answered:
			case <-time.After(time.Minute):
				t.Error("they wait for the store")
			}
			close(g.on)
			<-done
			<-answered
		})
	}
}
