package freshness

import (
	"time"
	"weak"
)

// limits are the ages of a class now.
func (c *Cache) limits(class Class) ages {
	a := agesOf[class]
	if c.early && class > Slow {
		a.fresh, a.most = min(a.fresh, agesOf[Slow].fresh), min(a.most, agesOf[Slow].most)
	}
	return a
}

// ttl is how long an entry is still good; negative: since when it is not.
// Entries of another epoch never are.
func (c *Cache) ttl(e *entry, now time.Time) time.Duration {
	if e.epoch != c.epoch {
		return -forever
	}
	age := now.Sub(e.fetched)
	if age < 0 { // from the future
		return -forever
	}
	if e.negative() {
		return negativeAge - age
	}
	l := c.limits(e.class)
	if e.unsettled && e.class != Immutable {
		v := agesOf[Volatile]
		l.fresh, l.most = min(l.fresh, v.fresh), min(l.most, v.most)
	}
	return min(l.fresh-now.Sub(e.validated), l.most-age)
}

// fromIndex answers from what is kept, if the directives allow that.
func (c *Cache) fromIndex(key []byte, d directives) (*answer, bool) {
	if d.maxAge == 0 {
		return nil, false
	}
	now := c.o.Now()
	c.mu.Lock()
	e := c.entries[string(key)]
	if e == nil {
		c.mu.Unlock()
		return nil, false
	}
	a := &answer{class: e.class, age: now.Sub(e.fetched), ttl: c.ttl(e, now)}
	fresh := a.ttl >= 0
	switch {
	case fresh && a.age <= d.maxAge:
	case fresh || e.negative() || a.age > d.maxAge || -a.ttl > d.maxStale:
		c.mu.Unlock()
		return nil, false
	}
	if a.doc = e.doc; a.doc != nil && !e.negative() {
		c.hot.MoveToFront(e.place)
	}
	if a.doc != nil {
		c.countHit(fresh)
	}
	c.mu.Unlock()
	if a.doc != nil {
		return a, true
	}
	if a.doc = c.fetchStored(e); a.doc == nil {
		return nil, false
	}
	c.mu.Lock()
	c.countHit(fresh)
	c.mu.Unlock()
	return a, true
}

func (c *Cache) countHit(fresh bool) {
	c.stats.Hits++
	if !fresh {
		c.stats.StaleServed++
	}
}

// fetchStored reads an entry's document from the store, once for all who have it
// at one time. What the store has lost leaves the index.
func (c *Cache) fetchStored(e *entry) *document {
	e.fetching.Lock()
	defer e.fetching.Unlock()
	if d := e.given.Value(); d != nil {
		return d
	}
	value, ok := c.o.Store.Get(e.key)
	var d *document
	if ok {
		stored, doc, err := decode(e.key, value, true)
		if err != nil {
			c.o.Log.WithError(err).WithField("path", e.path).Warn("an entry of the cache is unreadable")
		} else if stored.epoch == e.epoch && stored.wall == e.wall {
			d, doc.fetched = doc, e.fetched
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.entries[e.key] != e: // replaced meanwhile
	case d == nil:
		c.forget(e)
	case e.doc == nil:
		c.heat(e, d)
	}
	if d != nil {
		e.given = weak.Make(d)
	}
	return d
}

// heat keeps a document in memory, and lets go of those used least lately.
func (c *Cache) heat(e *entry, d *document) {
	if len(d.body) > c.o.hotBytes/4 {
		return
	}
	e.doc, e.place = d, c.hot.PushFront(e)
	for c.hotBytes += len(d.body); c.hotBytes > c.o.hotBytes; {
		c.cool(c.hot.Back().Value.(*entry))
	}
}

func (c *Cache) cool(e *entry) {
	if e.place == nil {
		return
	}
	list, bytes := c.hot, &c.hotBytes
	if e.negative() {
		list, bytes = c.refused, &c.refusedBytes
	}
	list.Remove(e.place)
	*bytes -= len(e.doc.body)
	e.doc, e.place = nil, nil
}

// forget takes an entry out of the index; the caller holds mu.
func (c *Cache) forget(e *entry) {
	c.cool(e)
	if c.entries[e.key] == e {
		delete(c.entries, e.key)
	}
}
