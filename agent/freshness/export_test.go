package freshness

import (
	"slices"
	"strings"
	"time"
)

// MaxAge is how long an answer of a class is good at most; 0 if it is never kept.
func MaxAge(class string) time.Duration { return agesOf[slices.Index(classNames[:], class)].most }

// Entry describes one answer that is kept.
type Entry struct {
	Key      string // canonical path, a slash if asked for with one, and query
	Class    string
	Status   int
	ETag     string
	Age      time.Duration
	TTL      time.Duration // negative: too old
	Outdated bool
	Listed   bool // the ResourceDirectory lists it
}

// Entries returns what is kept, by key.
func (c *Cache) Entries() []Entry {
	now := c.o.Now()
	c.mu.Lock()
	all := make([]Entry, 0, len(c.entries))
	for _, e := range c.entries {
		x := Entry{
			Key: e.key, Class: e.class.String(), Status: e.status, ETag: e.etag, Listed: e.listed,
			Age: now.Sub(e.fetched), TTL: c.ttl(e, now), Outdated: e.epoch != c.epoch,
		}
		if x.TTL == -forever {
			x.TTL = -x.Age
		}
		all = append(all, x)
	}
	c.mu.Unlock()
	slices.SortFunc(all, func(a, b Entry) int { return strings.Compare(a.Key, b.Key) })
	return all
}
