package freshness

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/ilod/ilod/agent/ilopath"
	"github.com/ilod/ilod/agent/schedule"
)

// flight is one GET at the iLO, for one or more requests. It goes on when they
// have all left, so that its answer is kept.
type flight struct {
	key, path string
	class     schedule.Class
	started   time.Time
	turn      schedule.Turn
	discard   bool // a write or an invalidation came in between; guarded by Cache.mu

	done   chan struct{} // closed when the rest is set
	doc    *document
	err    error
	stored bool
	ttl    time.Duration // if stored
	took   time.Duration
}

// wait waits for the end of the flight or of the request.
func (f *flight) wait(ctx context.Context) error {
	select {
	case <-f.done:
		return f.err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// join finds a GET under way that began at most the age ago, or starts one. One
// of a lower class is not joined: it may wait behind much.
func (c *Cache) join(ctx context.Context, key string, u *url.URL, age time.Duration) (f *flight, joined bool, err error) {
	path := pathOf(key)
	if _, large := classify(path); large {
		ctx = asBulk(ctx)
	}
	class, _ := schedule.ClassOf(ctx)
	now := c.o.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, false, ErrClosed
	}
	if f := c.flights[key]; f != nil && f.class <= class && now.Sub(f.started) <= age && age > 0 {
		c.stats.Collapsed++
		f.turn.Join(ctx)
		return f, true, nil
	}
	f = &flight{key: key, path: path, class: class, started: now, done: make(chan struct{})}
	c.flights[key], c.active[f] = f, true
	c.wg.Go(func() { c.fly(schedule.WithTurn(context.WithoutCancel(ctx), &f.turn), f, u) })
	return f, false, nil
}

func (c *Cache) fly(ctx context.Context, f *flight, u *url.URL) {
	defer close(f.done)
	ctx, cancel := context.WithTimeout(ctx, c.o.FetchTimeout)
	defer cancel()
	defer context.AfterFunc(c.ctx, cancel)()
	defer func() {
		if p := recover(); p != nil { // the gateway's recover does not reach this goroutine
			f.err = fmt.Errorf("read %s: panic: %v", f.path, p)
			c.settle(f)
		}
	}()
	f.doc, f.err = c.get(ctx, u, f.started)
	f.took = c.o.Now().Sub(f.started)
	c.settle(f)
}

// get reads from the iLO with a request of the cache's own, so that the answer
// fits everybody.
func (c *Cache) get(ctx context.Context, u *url.URL, started time.Time) (*document, error) {
	own := *u
	own.Scheme, own.Host = "https", "ilo"
	r := (&http.Request{
		Method: http.MethodGet, URL: &own, Host: own.Host, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"Accept": {"*/*"}, "Accept-Encoding": {"gzip"}},
	}).WithContext(ctx)
	if !ilopath.Within(own.Path, legacy) { // there it would change the format (ilo-behaviour §5)
		r.Header["Odata-Version"] = []string{"4.0"}
	}
	resp, err := c.o.Next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	d, err := readDocument(resp, started)
	if err != nil {
		return nil, fmt.Errorf("GET %s: %w", own.Path, err)
	}
	return d, nil
}

// settle ends a flight: its answer is kept, if it may be.
func (c *Cache) settle(f *flight) {
	var plain []byte
	if f.err == nil {
		var err error
		if plain, _, err = f.doc.plain(); err != nil { // also of what is not kept: clients get it
			f.err = fmt.Errorf("GET %s: %w", f.path, err)
		}
	}
	c.disk.Lock()
	defer c.disk.Unlock()
	c.mu.Lock()
	discard := f.discard
	delete(c.active, f)
	if c.flights[f.key] == f {
		delete(c.flights, f.key)
	}
	c.mu.Unlock()
	if f.err != nil || discard || f.doc.status >= 500 && !refuses(f.path, f.doc) {
		return // what is kept may still serve
	}
	class, _ := classify(f.path)
	e := &entry{key: f.key, path: f.path, class: class, status: f.doc.status, etag: f.doc.etag, fetched: f.started, validated: f.started}
	e.wall = f.started.UnixNano()
	keep := class != Never && !f.doc.private() && (f.doc.status == http.StatusOK || refuses(f.path, f.doc))
	if keep && !e.negative() {
		if !e.query() {
			c.observe(f.path, plain) // may begin a new epoch
		}
		e.outline = outlineOf(plain)
		keep = !flashing(f.path, plain)
	}
	c.mu.Lock()
	c.ageRefusals(c.o.Now())
	old := c.entries[f.key]
	if old != nil && old.epoch == c.epoch && (old.fetched.After(f.started) || !old.negative() && f.doc.status >= 500) {
		c.mu.Unlock()
		return
	}
	if old != nil {
		c.forget(old)
	}
	var evicted []string
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
	c.mu.Unlock()
	for _, key := range evicted {
		c.o.Store.Drop(key)
	}
	if !keep || e.negative() {
		if old != nil {
			c.o.Store.Drop(f.key)
		}
		return
	}
	if err := c.o.Store.Put(f.key, encode(e, f.doc)); err != nil {
		c.o.Store.Drop(f.key)
		c.mu.Lock()
		c.forget(e)
		c.mu.Unlock()
		f.stored = false
		c.o.Log.WithError(err).WithField("path", f.path).Debug("an answer could not be kept")
	}
}

// makeRoom takes the oldest entries out of a full index, refusals first, and
// returns their keys; the caller holds mu.
func (c *Cache) makeRoom() (keys []string) {
	if len(c.entries) < c.o.MaxEntries {
		return nil
	}
	all := make([]*entry, 0, len(c.entries))
	for _, e := range c.entries {
		all = append(all, e)
	}
	slices.SortFunc(all, func(a, b *entry) int {
		if a.negative() != b.negative() {
			if a.negative() {
				return -1
			}
			return 1
		}
		return a.fetched.Compare(b.fetched)
	})
	for _, e := range all[:len(all)-c.o.MaxEntries*15/16] {
		c.forget(e)
		keys = append(keys, e.key)
	}
	return keys
}
