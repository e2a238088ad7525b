package transaction

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/ilod/ilod/agent/api"
	"github.com/ilod/ilod/agent/equal"
	"github.com/ilod/ilod/agent/ilopath"
)

// commit is one that is under way, or was when the process ended.
type commit struct {
	m            *Manager
	session      string
	owner        string               // who commits; empty after a crash
	writes       []*write             // nil after a crash
	sent         *atomic.Int64        // how many of them; nil after a crash
	bases        map[string]*resource // as they were when the writes were staged
	steps        []*step
	key          sealer
	etags        map[string]string // by key, as read last; none after a write
	selfChanging map[string]bool   // by key: their ETags change by themselves
	journal      *journal
	readErr      error  // why a resource could not be read until the time was over
	release      func() // gives the locks back
}

func (m *Manager) newCommit(t *transaction) *commit {
	c := &commit{
		m: m, session: t.session, writes: t.writes, sent: &t.sent, bases: t.bases, key: make(sealer, 32),
		etags: map[string]string{}, selfChanging: map[string]bool{},
	}
	_, _ = rand.Read(c.key) // never fails
	for _, w := range t.writes {
		c.steps = append(c.steps, &step{Done: api.Done{Number: w.Number, Method: w.Method, Path: w.Path, Outcome: api.NotSent}})
	}
	return c
}

// keys are those of all resources, sorted.
func (c *commit) keys() []string {
	keys := make([]string, len(c.steps))
	for i, s := range c.steps {
		keys[i] = ilopath.Canonical(s.Path)
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

// run does everything. The steps say what came of it; the error is a reason that
// they do not.
func (c *commit) run(ctx context.Context) error {
	applying, cancel := context.WithTimeout(ctx, c.m.o.deadline)
	defer cancel()
	var err error
	if c.release, err = c.m.locks.take(applying, false, c.keys()...); err != nil {
		return fmt.Errorf("wait for another commit: %w", err)
	}
	defer c.release()
	if err := c.prepare(applying); err != nil {
		return err
	}
	if err := c.begin(); err != nil {
		return fmt.Errorf("the journal: %w", err)
	}
	err = c.apply(applying)
	if !good(verdict(c.steps).Result) {
		undoing, cancel := context.WithTimeout(ctx, c.m.o.deadline)
		defer cancel()
		c.compensate(undoing)
	}
	if v := verdict(c.steps).Result; ctx.Err() != nil && !good(v) && v != api.RolledBack {
		c.journal.close() // the next process goes on from here
		return ErrClosed
	}
	if gone := c.journal.remove(); gone != nil {
		c.m.o.Log.WithError(gone).Warn("the journal of a commit could not be removed")
	}
	return err
}

// prepare reads each resource again and compares it with what it was when it was
// staged: by its ETag, which is not enough on an iLO, and by what will be written.
func (c *commit) prepare(ctx context.Context) error {
	fresh := map[string]*resource{}
	states := map[string]map[string]any{}
	for i, w := range c.writes {
		key := ilopath.Canonical(w.Path)
		if fresh[key] == nil {
			r, err := c.fresh(ctx, w.Path)
			if err != nil {
				return err
			}
			fresh[key], states[key] = r, r.body
		}
		if !w.unchanged(fresh[key]) || w.Method != http.MethodPost && !c.selfChanging[key] && w.base.etag != fresh[key].etag {
			c.steps[i].fail(ErrStale)
			return ErrStale
		}
		c.steps[i] = w.step(c.key, fresh[key], states[key])
		if w.Method == http.MethodPatch || w.Method == http.MethodPut {
			states[key], _ = merge(states[key], w.change).(map[string]any)
		}
	}
	return nil
}

// fresh reads a resource. If its ETag has changed, it looks a second time: one
// that changes with each look, such as of a power meter, tells nothing.
func (c *commit) fresh(ctx context.Context, uri string) (*resource, error) {
	r, err := c.read(ctx, uri)
	if err != nil || r.gone || r.etag == c.bases[ilopath.Canonical(uri)].etag {
		return r, err
	}
	again, err := c.read(ctx, uri)
	if err == nil && again.etag != r.etag {
		c.selfChanging[ilopath.Canonical(uri)] = true
	}
	return again, err
}

// unchanged tells whether what a write is about is as it was.
func (w *write) unchanged(now *resource) bool {
	switch {
	case now.gone:
		return false
	case w.Method == http.MethodPost:
		return true
	case w.Method == http.MethodDelete:
		return equal.Same(w.base.body, now.body)
	}
	ok := true
	eachLeaf(w.base.body, w.change, "", func(pointer string, _ any) {
		ok = ok && equal.Same(at(w.base.body, pointer), at(now.body, pointer))
	})
	return ok
}

// read is Manager.read for one that another write may follow.
func (c *commit) read(ctx context.Context, uri string) (*resource, error) {
	r, err := c.m.read(ctx, uri)
	if err == nil {
		c.etags[ilopath.Canonical(uri)] = ""
		if len(r.etag) <= maxETag {
			c.etags[ilopath.Canonical(uri)] = r.etag
		}
	}
	return r, err
}

// begin writes the first record, without which nothing is sent.
func (c *commit) begin() (err error) {
	if c.journal, err = c.m.createJournal(); err != nil {
		return err
	}
	err = c.journal.append(record{Begin: &beginning{c.session, c.m.o.Now(), c.key, c.steps}})
	if err != nil {
		_ = c.journal.remove() // a torn first record says that nothing was sent
	}
	return err
}

// apply sends the writes in order, up to the first that has no effect.
func (c *commit) apply(ctx context.Context) error {
	for i, s := range c.steps {
		if err := c.journal.append(record{Sending: s.Number, At: time.Now()}); err != nil {
			return fmt.Errorf("the journal: %w", err)
		}
		c.send(ctx, s, c.writes[i])
		c.sent.Add(1)
		c.note(record{Done: s})
		switch {
		case s.Status == http.StatusPreconditionFailed:
			return ErrStale
		case s.Outcome != api.Applied && s.Outcome != api.Accepted:
			return nil
		}
	}
	return nil
}

// note adds a record that a recovery could do without: it would have to find out
// by itself.
func (c *commit) note(r record) {
	if err := c.journal.append(r); err != nil {
		c.m.o.Log.WithError(err).Warn("the journal of a commit cannot be written")
	}
}

// log tells what came of a commit, without a value or what an iLO says, which may
// quote one.
func (c *commit) log(r api.Result) {
	c.m.count(r.Result)
	log := c.m.o.Log.WithFields(logrus.Fields{"clientSession": c.session, "owner": c.owner, "writes": len(r.Writes), "result": r.Result})
	if r.Recovered {
		log = log.WithField("recovered", true)
	}
	level, not := logrus.InfoLevel, ""
	if !good(r.Result) {
		level, not = logrus.WarnLevel, "not "
	}
	for _, w := range r.Writes {
		if w.Outcome != api.NotSent {
			log.WithFields(logrus.Fields{"write": w.Number, "method": w.Method, "path": w.Path, "outcome": w.Outcome, "status": w.Status}).
				Log(level, "a write of a transaction that is "+not+"committed")
		}
	}
	log.Log(level, "a transaction is "+not+"committed")
}
