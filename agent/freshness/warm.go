package freshness

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"github.com/ilod/ilod/agent/api"
	"github.com/ilod/ilod/agent/guard"
	"github.com/ilod/ilod/agent/schedule"
)

// maxFailures is how many reads in a row may fail, not be refused, before Warm
// gives up.
const maxFailures = 3

// Warm reads the whole tree, each resource once: what the ResourceDirectory lists,
// and what links lead to. It leaves out what is not kept, such as sessions. What is
// fresh is not read again. A resource that the iLO refuses is no failure (ILO.md §8).
//
// The work is schedule.Background unless the context has another class.
// progress, if any, is called for each resource, one call at a time, without Finished
// and Error. An error is the cause of the context's end, or the last of several reads
// in a row that failed.
func (c *Cache) Warm(ctx context.Context, what api.Warm, progress func(api.Warming)) error {
	if _, ok := schedule.ClassOf(ctx); !ok {
		ctx = schedule.WithClass(ctx, schedule.Background)
	}
	w := &warmer{c: c, what: what, progress: progress, seen: map[string]bool{}}
	w.more.L = &w.mu
	err := c.Sweep(ctx)
	c.mu.Lock()
	listed := c.dir.links
	c.mu.Unlock()
	if err != nil && !errors.Is(err, ErrNoDirectory) {
		return fmt.Errorf("warm: %w", err)
	}
	if err == nil {
		w.seen[directoryPath] = true // it has just been read
	}
	w.add(listed)
	w.add([]string{root + "/"})
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
	what     api.Warm
	progress func(api.Warming)

	mu       sync.Mutex
	more     sync.Cond // there may be more in todo, or nothing to come
	todo     []*url.URL
	seen     map[string]bool // paths that were in todo
	total    int
	done     int
	refused  int
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
		if path == "" || w.seen[path] || w.total >= w.c.o.entries || !w.wants(path) {
			continue
		}
		u, err := url.Parse(strings.ReplaceAll(link, " ", "%20"))
		if err != nil {
			continue
		}
		w.seen[path] = true
		w.total++
		w.todo = append(w.todo, u)
	}
}

// wants tells whether a path is of what Warm is for.
func (w *warmer) wants(path string) bool {
	switch class, _ := classify(path); {
	case class == Never:
		return false
	case class == Immutable:
		return w.what.Schemas
	}
	return w.what.Logs || !strings.Contains(path, "/logservices/") || !strings.Contains(path, "/entries/")
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
		var refused bool
		err := guard.Panics(func() (err error) {
			found, refused, err = w.visit(ctx, u)
			return err
		})
		w.mu.Lock()
		w.busy--
		w.done++
		if refused {
			w.refused++
		}
		w.add(found)
		if w.failures++; err == nil {
			w.failures = 0
		} else if w.last = err; w.failures >= maxFailures && w.err == nil {
			w.err = err
		}
		if w.progress != nil && w.err == nil {
			w.progress(api.Warming{Done: w.done, Total: w.total, Refused: w.refused})
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

// visit reads one resource, and returns the links in it.
func (w *warmer) visit(ctx context.Context, u *url.URL) (found []string, refused bool, err error) {
	key, ok := appendKey(nil, u)
	if !ok {
		return nil, false, nil
	}
	d := directives{maxAge: forever}
	a, ok := w.c.fromIndex(key, d)
	if !ok {
		if a, err = w.c.read(ctx, string(key), u, d); err != nil {
			return nil, false, err
		}
	}
	if a.doc.status != http.StatusOK {
		return nil, true, nil
	}
	body, _, err := a.doc.plain()
	if err != nil {
		return nil, false, err
	}
	return links(body), false, nil
}
