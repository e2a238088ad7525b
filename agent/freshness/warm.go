package freshness

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"github.com/ilod/ilod/agent/guard"
	"github.com/ilod/ilod/agent/schedule"
)

// maxFailures is how many reads in a row may fail, not be refused, before Warm
// gives up.
const maxFailures = 3

// Warm reads the whole tree: what the ResourceDirectory lists or, on an iLO
// without one, what links lead to. It leaves out what is not kept, registries and
// schemas, and single log entries, which are in their collection. What is fresh
// is not read again. A resource that the iLO refuses is no failure
// (ILO.md §8).
//
// The work is schedule.Background unless the context has another class.
// progress, if any, is called for each resource, one call at a time; total grows
// while links are followed. An error is the cause of the context's end, or the
// last of several reads in a row that failed.
func (c *Cache) Warm(ctx context.Context, progress func(done, total int)) error {
	if _, ok := schedule.ClassOf(ctx); !ok {
		ctx = schedule.WithClass(ctx, schedule.Background)
	}
	w := &warmer{c: c, progress: progress, seen: map[string]bool{}}
	w.more.L = &w.mu
	err := c.Sweep(ctx)
	c.mu.Lock()
	listed := c.dir.links
	c.mu.Unlock()
	switch {
	case errors.Is(err, ErrNoDirectory):
		w.follow = true
		w.add([]string{root + "/"})
	case err != nil:
		return fmt.Errorf("warm: %w", err)
	default:
		w.add(listed)
	}
	defer context.AfterFunc(ctx, func() { w.stop(context.Cause(ctx)) })()
	var wg sync.WaitGroup
	for range warmReads {
		wg.Go(func() {
			if err := guard.Panics(func() error { return w.work(ctx) }); err != nil {
				w.stop(err)
			}
		})
	}
	wg.Wait()
	if err := w.outcome(ctx); err != nil {
		return fmt.Errorf("warm: %w", err)
	}
	return nil
}

type warmer struct {
	c        *Cache
	progress func(done, total int)
	follow   bool // links, because there is no directory

	mu       sync.Mutex
	more     sync.Cond // there may be more in todo, or nothing to come
	todo     []*url.URL
	seen     map[string]bool // paths that were in todo
	done     int
	busy     int
	failures int   // in a row
	last     error // of them
	err      error // why to stop
}

// add puts links on the list, those that Warm is for; mu is held or not needed
// yet.
func (w *warmer) add(all []string) {
	for _, link := range all {
		path := pathOfLink(link)
		class, _ := classify(path)
		if path == "" || class == Never || class == Immutable || w.seen[path] || len(w.seen) >= w.c.o.entries ||
			strings.Contains(path, "/logservices/") && strings.Contains(path, "/entries/") {
			continue
		}
		u, err := url.Parse(strings.ReplaceAll(link, " ", "%20"))
		if err != nil {
			continue
		}
		w.seen[path] = true
		w.todo = append(w.todo, u)
	}
}

func (w *warmer) work(ctx context.Context) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	defer w.more.Broadcast()
	for {
		for len(w.todo) == 0 && w.busy > 0 && w.err == nil {
			w.more.Wait()
		}
		if len(w.todo) == 0 || w.err != nil {
			return nil
		}
		u := w.todo[0]
		w.todo = w.todo[1:]
		w.busy++
		w.mu.Unlock()
		var found []string
		err := guard.Panics(func() (err error) {
			found, err = w.visit(ctx, u)
			return err
		})
		w.mu.Lock()
		w.busy--
		w.done++
		w.add(found)
		if w.failures++; err == nil {
			w.failures = 0
		} else if w.last = err; w.failures >= maxFailures && w.err == nil {
			w.err = err
		}
		if w.progress != nil && w.err == nil {
			w.progress(w.done, len(w.seen))
		}
		w.more.Broadcast()
	}
}

// outcome is why Warm has failed, if it has.
func (w *warmer) outcome(ctx context.Context) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.err != nil:
		return w.err
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case w.failures == w.done: // all of them
		return w.last
	}
	return nil
}

func (w *warmer) stop(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err == nil {
		w.err = err
	}
	w.more.Broadcast()
}

// visit reads one resource, and returns the links in it if they are to be
// followed.
func (w *warmer) visit(ctx context.Context, u *url.URL) ([]string, error) {
	key, ok := appendKey(nil, u)
	if !ok {
		return nil, nil
	}
	d := directives{maxAge: forever}
	a, found := w.c.fromIndex(key, d)
	if !found {
		var err error
		if a, err = w.c.read(ctx, string(key), u, d); err != nil {
			return nil, err
		}
	}
	if !w.follow || a.doc.status != http.StatusOK {
		return nil, nil
	}
	body, _, err := a.doc.plain()
	if err != nil {
		return nil, err
	}
	return links(body), nil
}
