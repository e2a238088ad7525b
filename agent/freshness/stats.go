package freshness

import (
	"fmt"
	"time"
)

// Stats count what a Cache did and holds.
type Stats struct {
	Hits          int64     `json:"hits"`          // answered from the cache
	Misses        int64     `json:"misses"`        // nothing was there
	Stale         int64     `json:"stale"`         // what was there was too old
	Collapsed     int64     `json:"collapsed"`     // joined the exchange of another request
	Bypassed      int64     `json:"bypassed"`      // not for this cache
	StaleServed   int64     `json:"staleServed"`   // too old, and the client agreed
	Writes        int64     `json:"writes"`        // requests that may have changed something
	Sweeps        int64     `json:"sweeps"`        // of the directory, that succeeded
	Invalidations int64     `json:"invalidations"` // of everything
	Entries       int       `json:"entries"`
	HotBytes      int       `json:"hotBytes"`
	Epoch         uint64    `json:"epoch"`
	LastSweep     time.Time `json:"lastSweep"`
}

// Stats returns the counts.
func (c *Cache) Stats() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	st := c.stats
	st.Entries, st.HotBytes, st.Epoch, st.LastSweep = len(c.entries), c.hotBytes, c.epoch, c.dir.asked
	return st
}

// Clear drops everything that is kept.
func (c *Cache) Clear() error {
	c.Invalidate("cleared")
	c.disk.Lock()
	defer c.disk.Unlock()
	return c.clear()
}

// clear empties index and store, and writes the epoch down again; the caller
// holds disk.
func (c *Cache) clear() error {
	c.mu.Lock()
	for _, e := range c.entries {
		c.forget(e)
	}
	c.mu.Unlock()
	if err := c.o.Store.Clear(); err != nil {
		return fmt.Errorf("clear the store: %w", err)
	}
	return c.saveMeta()
}
