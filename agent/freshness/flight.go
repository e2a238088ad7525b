package freshness

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
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
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	defer context.AfterFunc(c.life, cancel)()
	defer func() {
		if p := recover(); p != nil { // the gateway's recover does not reach this goroutine
			f.err = fmt.Errorf("read %s: panic: %v", f.path, p)
			c.settle(f)
		}
	}()
	f.doc, f.err = c.get(ctx, f, u)
	f.took = c.o.Now().Sub(f.started)
	c.settle(f)
}

// get reads from the iLO with a request of the cache's own, so that the answer
// fits everybody.
func (c *Cache) get(ctx context.Context, f *flight, u *url.URL) (*document, error) {
	own := *u
	own.Scheme, own.Host = "https", "ilo"
	r := (&http.Request{
		Method: http.MethodGet, URL: &own, Host: own.Host,
		Header: http.Header{"Accept": {"*/*"}, "Accept-Encoding": {"gzip"}},
	}).WithContext(ctx)
	if path, _, _ := strings.Cut(f.key, "?"); !ilopath.Within(path, legacy) { // there it would change the format (ILO.md §5)
		r.Header["Odata-Version"] = []string{"4.0"}
	}
	resp, err := c.o.Next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	d, err := readDocument(resp, f.started)
	if err != nil {
		return nil, fmt.Errorf("GET %s: %w", own.Path, err)
	}
	return d, nil
}
