package freshness

import (
	"fmt"

	"github.com/ilod/ilod/agent/api"
)

// Stats returns the counts.
func (c *Cache) Stats() api.CacheStats {
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
