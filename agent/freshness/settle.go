package freshness

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
)

// landing is what a flight has brought, in the forms that take time to make.
type landing struct {
	entry  *entry
	plain  []byte // the body without gzip
	packed packed // what is stored of it, if it is
	keep   bool
	spare  bool // what is kept already may still serve
}

// land makes ready what a flight has brought. It takes no lock, because writes
// wait for those.
func (f *flight) land() (l landing) {
	if f.err != nil {
		return l
	}
	plain, _, err := f.doc.plain()
	if err != nil { // also of what is not kept: clients get it
		f.err = fmt.Errorf("GET %s: %w", f.path, err)
		return l
	}
	class, _ := classify(f.path)
	refused := class != Live && refuses(f.path, f.doc)
	l.plain, l.entry = plain, &entry{
		key: f.key, path: f.path, class: class, status: f.doc.status, etag: f.doc.etag,
		fetched: f.started, validated: f.started, wall: f.started.UnixNano(),
	}
	l.keep = class != Never && !f.doc.private() && (f.doc.status == http.StatusOK && !flashing(f.path, plain) || refused)
	l.spare = f.doc.status >= 500 && !refused
	if l.keep && !l.entry.negative() {
		l.entry.outline, l.packed = outlineOf(plain), pack(f.doc)
	}
	return l
}

// settle ends a flight: its answer is kept, if it may be.
func (c *Cache) settle(f *flight) {
	l := f.land()
	c.disk.Lock()
	defer c.disk.Unlock()
	c.mu.Lock()
	discard := f.discard
	delete(c.active, f)
	if c.flights[f.key] == f {
		delete(c.flights, f.key)
	}
	c.mu.Unlock()
	if f.err != nil || discard || l.spare {
		return
	}
	e := l.entry
	if l.keep && !e.negative() && !e.query() {
		c.observe(f.path, l.plain) // may begin a new epoch
	}
	old, evicted, ok := c.enter(f, e, l.keep)
	if !ok {
		return
	}
	if old && (!l.keep || e.negative()) {
		evicted = append(evicted, f.key)
	}
	c.o.Store.Drop(evicted...)
	if !l.keep || e.negative() {
		return
	}
	if err := c.o.Store.Put(f.key, encode(e, f.doc, l.packed)); err != nil {
		c.o.Store.Drop(f.key)
		c.mu.Lock()
		c.forget(e)
		c.mu.Unlock()
		f.stored = false
		c.o.Log.WithError(err).WithField("path", f.path).Debug("an answer could not be kept")
	}
}

// enter puts an entry into the index, if it is to be kept, instead of what was
// there. ok is false if what was there is better and stays. The caller holds
// disk, and drops from the store what was evicted.
func (c *Cache) enter(f *flight, e *entry, keep bool) (replaced bool, evicted []string, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ageRefusals(c.o.Now())
	old := c.entries[f.key]
	if old != nil && old.epoch == c.epoch && (old.fetched.After(f.started) || !old.negative() && f.doc.status >= 500) {
		return true, nil, false
	}
	if old != nil {
		c.forget(old)
	}
	if keep {
		e.epoch, e.unsettled = c.epoch, f.started.Before(c.settled)
		c.dir.judge(e)
		evicted = c.makeRoom()
		c.entries[f.key] = e
		if e.negative() {
			c.refuse(e, f.doc)
		} else {
			c.heat(e, f.doc)
		}
		f.stored, f.ttl = true, c.ttl(e, c.o.Now())
	}
	return old != nil, evicted, true
}

// makeRoom takes the oldest entries out of a full index, refusals first, and
// returns their keys; the caller holds mu.
func (c *Cache) makeRoom() (keys []string) {
	if len(c.entries) < c.o.entries {
		return nil
	}
	all := slices.SortedFunc(maps.Values(c.entries), func(a, b *entry) int {
		if a.negative() != b.negative() {
			if a.negative() {
				return -1
			}
			return 1
		}
		return a.fetched.Compare(b.fetched)
	})
	for _, e := range all[:len(all)-c.o.entries*15/16] {
		c.forget(e)
		keys = append(keys, e.key)
	}
	return keys
}
