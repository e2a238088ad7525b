package freshness

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/ilod/ilod/agent/guard"
	"github.com/ilod/ilod/agent/schedule"
)

// ErrNoDirectory: this iLO has no ResourceDirectory, so that ages alone count.
var ErrNoDirectory = errors.New("this iLO has no ResourceDirectory")

// directoryPath is HPE's list of all resources with their ETags (ILO.md
// §6); it is asked for with a slash, as old firmware redirects to that.
const directoryPath = root + "/resourcedirectory"

var directoryURL = &url.URL{Path: root + "/ResourceDirectory/"}

// directory is what the ResourceDirectory said last.
type directory struct {
	asked    time.Time         // zero: never, in this epoch
	links    []string          // as it spelled them
	etags    map[string]string // by canonical path
	children map[string][]uint64
	cost     time.Duration // how long it took
}

// sweep is one request for the directory and its consequences.
type sweep struct {
	done chan struct{}
	err  error
}

// Sweep asks for the ResourceDirectory, one request, and holds it against all
// that is kept. What is listed with the ETag that it had is good again, within
// its class's longest age; what has another one, or left the directory, is dropped, and
// so is a collection whose members are not the listed ones. Simultaneous calls
// share one sweep, which goes on when they have left.
//
// Errors: ErrNoDirectory, which is no failure; those of Next; ErrClosed.
func (c *Cache) Sweep(ctx context.Context) error {
	c.mu.Lock()
	s := c.sweep
	if s == nil {
		if c.closed {
			c.mu.Unlock()
			return ErrClosed
		}
		s = &sweep{done: make(chan struct{})}
		c.sweep = s
		if _, ok := schedule.ClassOf(ctx); !ok {
			ctx = schedule.WithClass(ctx, schedule.Background)
		}
		c.wg.Go(func() {
			defer close(s.done)
			ctx := schedule.WithPeer(context.WithoutCancel(ctx), schedule.Peer{}) // it is everybody's
			s.err = guard.Panics(func() error { return c.runSweep(ctx) })
			c.mu.Lock()
			c.sweep = nil
			c.mu.Unlock()
		})
	}
	c.mu.Unlock()
	select {
	case <-s.done:
		return s.err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (c *Cache) runSweep(ctx context.Context) error {
	c.mu.Lock()
	epoch := c.epoch
	c.debt = 0 // also if it fails: that must not cost every read a sweep
	c.mu.Unlock()
	f, _, err := c.join(ctx, directoryPath+"/", directoryURL, 0)
	if err != nil {
		return err
	}
	<-f.done // has a deadline of its own
	switch {
	case f.err != nil:
		return fmt.Errorf("sweep: %w", f.err)
	case f.doc.status == http.StatusNotFound:
		return ErrNoDirectory
	case f.doc.status != http.StatusOK:
		return fmt.Errorf("sweep: the ResourceDirectory answers %s", statusLine(f.doc.status))
	}
	dir, err := readDirectory(f)
	if err != nil {
		return fmt.Errorf("sweep: %w", err)
	}
	return c.apply(ctx, dir, epoch)
}

func readDirectory(f *flight) (directory, error) {
	body, _, err := f.doc.plain()
	if err != nil {
		return directory{}, err
	}
	var doc struct {
		Instances []struct {
			ID   string `json:"@odata.id"`
			ETag string
		}
	}
	if err := json.Unmarshal(body, &doc); err != nil {
		return directory{}, fmt.Errorf("the ResourceDirectory: %w", err)
	}
	if len(doc.Instances) == 0 {
		return directory{}, errors.New("the ResourceDirectory lists nothing")
	}
	d := directory{asked: f.started, cost: f.took, etags: make(map[string]string, len(doc.Instances)), children: map[string][]uint64{}}
	for _, i := range doc.Instances {
		path := pathOfLink(i.ID)
		if _, twice := d.etags[path]; path == "" || twice {
			continue
		}
		d.links = append(d.links, i.ID)
		d.etags[path] = i.ETag
		d.children[parent(path)] = append(d.children[parent(path)], hash(path))
	}
	return d, nil
}

// renews tells whether the directory says that an entry is what the iLO would
// still answer, as far as it can.
func (d *directory) renews(e *entry, listed func(uint64) bool) bool {
	if e.negative() || e.query() || e.etag == "" || d.etags[e.path] != e.etag {
		return false
	}
	if !e.collection {
		return true
	}
	// Its ETag is in effect a number of members (ILO.md §6): all of them
	// must be listed, and nothing else below it.
	for _, m := range e.members {
		if !listed(m) {
			return false
		}
	}
	return !d.swapped(e, nil)
}

// swapped tells whether a member of a collection has gone, or one has come.
func (d *directory) swapped(e *entry, gone map[uint64]bool) bool {
	return slices.ContainsFunc(e.members, func(m uint64) bool { return gone[m] }) ||
		slices.ContainsFunc(d.children[e.path], func(child uint64) bool {
			_, ok := slices.BinarySearch(e.members, child)
			return !ok
		})
}

// hashes returns a look-up of the listed paths by hash.
func (d *directory) hashes() func(uint64) bool {
	var set map[uint64]bool // made when a collection asks
	return func(h uint64) bool {
		if set == nil {
			set = make(map[uint64]bool, len(d.etags))
			for path := range d.etags {
				set[hash(path)] = true
			}
		}
		return set[h]
	}
}

// judge notes what the directory said about a new entry.
func (d *directory) judge(e *entry) {
	_, e.listed = d.etags[e.path]
	e.renewable = e.listed && d.renews(e, d.hashes())
}

// couldRenew tells whether a sweep could make an old entry good again.
func (c *Cache) couldRenew(e *entry, now time.Time) bool {
	return e.renewable && !e.unsettled && e.epoch == c.epoch && now.Sub(e.fetched) <= c.limits(e.class).most
}

// watched are the resources that tell of another firmware or a booting host;
// they are read again when their ETag changes.
var watched = []string{root + "/", root + "/systems/1/"}

func (c *Cache) apply(ctx context.Context, dir directory, epoch uint64) error {
	c.disk.Lock()
	c.mu.Lock()
	if c.epoch != epoch { // it tells about another time
		c.mu.Unlock()
		c.disk.Unlock()
		return nil
	}
	before := c.dir
	c.dir = dir
	c.stats.Sweeps++
	listedHash := dir.hashes()
	gone := map[uint64]bool{}
	for path := range before.etags {
		if _, ok := dir.etags[path]; !ok {
			gone[hash(path)] = true
		}
	}
	var dropped []string
	for _, e := range c.entries {
		etag, listed := dir.etags[e.path]
		wasListed := e.listed
		if e.epoch != c.epoch || !e.fetched.Before(dir.asked) || e.path == directoryPath {
			continue // not what the directory is about
		}
		e.listed, e.renewable = listed, dir.renews(e, listedHash)
		left := wasListed && !listed
		appeared := listed && !wasListed && e.negative()
		changed := listed && etag != "" && (e.etag != "" && !e.query() && etag != e.etag ||
			e.query() && before.etags[e.path] != "" && before.etags[e.path] != etag)
		switch {
		case left, appeared, changed, e.collection && dir.swapped(e, gone):
			c.forget(e)
			dropped = append(dropped, e.key)
		case e.renewable:
			e.validated = dir.asked
		}
	}
	c.mu.Unlock()
	c.o.Store.Drop(dropped...)
	if _, ok := c.o.Store.Get(metaKey); !ok { // a store may lose what is seldom used
		err := c.saveMeta()
		c.o.Log.WithError(err).Debug("the epoch was written again")
	}
	c.disk.Unlock()
	c.o.Log.WithField("listed", len(dir.etags)).WithField("dropped", len(dropped)).Debug("swept")
	for _, key := range watched {
		path := pathOf(key)
		if was, now := before.etags[path], dir.etags[path]; was == "" || was == now {
			continue
		}
		f, _, err := c.join(ctx, key, &url.URL{Path: key}, forever)
		if err != nil {
			return err
		}
		<-f.done
	}
	return nil
}
