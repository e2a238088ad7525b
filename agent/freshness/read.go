package freshness

import (
	"context"
	"errors"
	"net/url"
	"slices"

	"github.com/ilod/ilod/agent/schedule"
)

// read answers from the iLO, or after all from the cache when a sweep has
// renewed what was there or the iLO does not answer.
func (c *Cache) read(ctx context.Context, key string, u *url.URL, d directives) (*answer, error) {
	if d.onlyIfCached {
		return &answer{}, nil
	}
	reason, renewable, sweepPays := c.whyRead(key, d)
	if sweepPays {
		// If it fails, so will the read, or it does not matter.
		class, _ := schedule.ClassOf(ctx) // somebody waits for this one
		_ = c.Sweep(schedule.WithClass(ctx, class))
		if a, ok := c.fromIndex([]byte(key), d); ok {
			return a, nil
		}
	}
	f, joined, err := c.join(ctx, key, u, d.maxAge)
	if err == nil {
		err = f.wait(ctx)
	}
	if joined && errors.Is(err, schedule.ErrQueueFull) { // it was refused to another, just before
		if f, _, err = c.join(ctx, key, u, 0); err == nil {
			err = f.wait(ctx)
		}
	}
	if err == nil && renewable {
		c.mu.Lock()
		c.debt += f.took
		c.mu.Unlock()
	}
	if d.staleIfError > 0 && ctx.Err() == nil && (err != nil || unavailable(f.doc.status)) {
		d.maxAge, d.maxStale = forever, d.staleIfError
		if a, ok := c.fromIndex([]byte(key), d); ok {
			return a, nil
		}
	}
	if err != nil {
		return nil, err
	}
	class, _ := classify(f.path)
	a := &answer{doc: f.doc, class: class, age: c.o.Now().Sub(f.doc.fetched), reason: reason, stored: f.stored, joined: joined}
	if f.stored {
		a.ttl = f.ttl
	}
	return a, nil
}

// whyRead counts a read that the cache does not answer, and says for which reason;
// and of an entry that is stale, if a sweep could renew it, and if that costs no
// more than the reads that one has saved.
func (c *Cache) whyRead(key string, d directives) (reason string, renewable, sweepPays bool) {
	now := c.o.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.entries[key]
	switch {
	case d.maxAge == 0 || e != nil && c.ttl(e, now) >= 0:
		return "request", false, false
	case e == nil:
		c.stats.Misses++
		return "miss", false, false
	}
	c.stats.Stale++
	renewable = c.couldRenew(e, now) && now.Sub(e.fetched) <= d.maxAge
	return "stale", renewable, renewable && c.debt >= c.dir.cost
}

// unavailable are the answers that stale-if-error is about (RFC 5861 §4).
func unavailable(status int) bool {
	return slices.Contains([]int{500, 502, 503, 504}, status)
}

// asBulk makes the context's work bulk, unless it is of less importance already.
func asBulk(ctx context.Context) context.Context {
	if c, _ := schedule.ClassOf(ctx); c > schedule.Bulk {
		return ctx
	}
	return schedule.WithClass(ctx, schedule.Bulk)
}
