package transaction

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/ilod/ilod/agent/equal"
	"github.com/ilod/ilod/agent/ilopath"
	"github.com/ilod/ilod/agent/redfisherror"
)

// maxLooks is how often a write must not show before it counts as one that had
// no effect.
const maxLooks = 3

// commit is one that is under way, or was when the process ended.
type commit struct {
	m        *Manager
	session  string
	writes   []*write             // nil after a crash
	sent     *atomic.Int64        // how many of them; nil after a crash
	bases    map[string]*resource // as they were when the writes were staged
	steps    []*step
	key      sealer
	etags    map[string]string // by key, as read last; none after a write
	restless map[string]bool   // by key: their ETags change by themselves
	journal  *journal
	blind    error  // why a resource could not be read until the time was over
	release  func() // gives the locks back
}

func (m *Manager) newCommit(t *transaction) *commit {
	c := &commit{
		m: m, session: t.session, writes: t.writes, sent: &t.sent, bases: t.bases, key: make(sealer, 32),
		etags: map[string]string{}, restless: map[string]bool{},
	}
	_, _ = rand.Read(c.key) // never fails
	for _, w := range t.writes {
		c.steps = append(c.steps, &step{Done: Done{Number: w.Number, Method: w.Method, Path: w.Path, Outcome: NotSent}})
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
	applying, cancel := context.WithTimeout(ctx, c.m.o.Deadline)
	defer cancel()
	var err error
	if c.release, err = c.m.locks.take(applying, c.keys()); err != nil {
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
	if verdict(c.steps).Result != Committed {
		undoing, cancel := context.WithTimeout(ctx, c.m.o.Deadline)
		defer cancel()
		c.compensate(undoing)
	}
	if v := verdict(c.steps).Result; ctx.Err() != nil && v != Committed && v != RolledBack {
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
		if !w.unchanged(fresh[key]) || w.Method != http.MethodPost && !c.restless[key] && w.base.etag != fresh[key].etag {
			c.steps[i].Error = ErrStale.Error()
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
		c.restless[ilopath.Canonical(uri)] = true
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
		c.etags[ilopath.Canonical(uri)] = r.etag
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
		if err := c.journal.append(record{Sending: s.Number}); err != nil {
			return fmt.Errorf("the journal: %w", err)
		}
		c.send(ctx, s, c.writes[i])
		c.sent.Add(1)
		if s.Outcome == Applied && i+1 < len(c.steps) {
			c.confirm(ctx, s)
		}
		c.note(record{Done: s})
		switch {
		case s.Status == http.StatusPreconditionFailed:
			return ErrStale
		case s.Outcome != Applied:
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

// send sends a write, once. What an answer does not tell is found out by reading.
func (c *commit) send(ctx context.Context, s *step, w *write) {
	key := ilopath.Canonical(s.Path)
	h := w.header.Clone()
	if etag := c.etags[key]; etag != "" && s.Method != http.MethodPost && !c.restless[key] {
		h["If-Match"] = []string{etag}
	}
	delete(c.etags, key)
	resp, body, err := c.m.exchange(ctx, s.Method, s.Path, h, w.body)
	if resp != nil {
		s.Status = resp.StatusCode
	}
	switch {
	case err != nil && resp == nil && !c.m.o.Unknown(err):
		s.Outcome, s.Error = NotSent, err.Error()
	case err != nil:
		s.Error = err.Error()
		s.Outcome = c.decide(ctx, s)
	case resp.StatusCode >= 500:
		s.Error = redfisherror.New(resp, body).Error()
		s.Outcome = c.decide(ctx, s)
	case resp.StatusCode >= 300:
		s.Outcome, s.Error = Refused, redfisherror.New(resp, body).Error()
	default:
		s.Outcome = Applied
		for _, message := range redfisherror.Parse(body) {
			s.Messages = append(s.Messages, message.ID)
			s.Reset = s.Reset || strings.HasSuffix(message.Key(), "ResetRequired")
		}
		if s.Method == http.MethodPost {
			s.Location = location(resp.Header.Get("Location"), s.Path)
		}
	}
	if s.Outcome == Applied {
		s.Error = ""
	}
}

// location is the path of a new member of a collection; empty if it is none. Its
// host means nothing, and it may hold a literal blank (ilo-behaviour §2).
func location(given, collection string) string {
	u, err := url.Parse(strings.ReplaceAll(given, " ", "%20"))
	if err != nil || ilopath.Canonical(u.EscapedPath()) == ilopath.Canonical(collection) || !ilopath.Within(ilopath.Canonical(u.EscapedPath()), ilopath.Canonical(collection)) {
		return ""
	}
	return u.EscapedPath()
}

// confirm reads what the iLO made of a write: it may spell a value in its own
// way, and the next write needs the new ETag. Without an answer, a present value
// is compared with what was sent alone.
func (c *commit) confirm(ctx context.Context, s *step) {
	uri := s.Path
	if s.Method == http.MethodPost {
		if uri = s.Location; uri == "" && s.InGroup {
			_, _ = c.look(ctx, s) // else it is looked for when it has to be deleted
			uri = s.Location
		}
	}
	if uri == "" || s.Method == http.MethodDelete {
		return
	}
	r, err := c.read(ctx, uri)
	if err != nil || r.gone {
		return
	}
	for i := range s.Leaves {
		l := &s.Leaves[i]
		l.After = c.key.seal(l.Pointer, at(r.body, l.Pointer))
	}
}

// decide finds out by reading what became of a write whose answer does not tell.
// One that shows is there; one that does not may still be on its way. As long as
// the iLO cannot be read it is asked again, until ctx ends.
func (c *commit) decide(ctx context.Context, s *step) Outcome {
	for looks, tries := 0, 0; ; tries++ {
		outcome, err := c.look(ctx, s)
		if err == nil {
			if looks++; outcome == Applied || looks == maxLooks {
				return outcome
			}
		}
		if !c.pause(ctx, tries) {
			c.blind = cmp.Or(err, c.blind)
			return OutcomeUnknown
		}
	}
}

// pause waits before another try, longer each time; it reports false if ctx has
// ended.
func (c *commit) pause(ctx context.Context, tries int) bool {
	timer := time.NewTimer(c.m.o.Pause << min(tries, 4))
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}

// look compares what a step is about with what it was to become: Applied,
// Refused if everything is as before, OutcomeUnknown if it is neither.
func (c *commit) look(ctx context.Context, s *step) (Outcome, error) {
	if s.Method == http.MethodPost {
		return c.find(ctx, s)
	}
	r, err := c.read(ctx, s.Path)
	switch {
	case err != nil:
		return OutcomeUnknown, err
	case s.Method == http.MethodDelete && r.gone:
		return Applied, nil
	case s.Method == http.MethodDelete:
		return Refused, nil
	}
	applied, before, secrets := 0, 0, 0
	for i := range s.Leaves {
		l := &s.Leaves[i]
		now := at(r.body, l.Pointer)
		switch {
		case l.Secret:
			secrets++
		case c.key.applied(l, now) && c.key.before(l, now): // no difference
		case c.key.applied(l, now):
			applied++
		case c.key.before(l, now):
			before++
		default:
			return OutcomeUnknown, nil
		}
	}
	switch {
	case applied > 0 && before == 0:
		return Applied, nil
	case before > 0 && applied == 0:
		return Refused, nil
	case applied+before+secrets == 0: // it makes no difference at all
		return Applied, nil
	}
	return OutcomeUnknown, nil
}

// find looks for what a POST has made: the only new member of the collection that
// is what was sent.
func (c *commit) find(ctx context.Context, s *step) (Outcome, error) {
	r, err := c.read(ctx, s.Path)
	if err != nil || !s.InGroup {
		return OutcomeUnknown, err
	}
	var made []string
	members, _ := r.members()
	for _, uri := range members {
		if slices.Contains(s.Members, uri) || slices.ContainsFunc(c.steps, func(other *step) bool {
			return other != s && ilopath.Canonical(other.Location) == ilopath.Canonical(uri)
		}) {
			continue
		}
		member, err := c.read(ctx, uri)
		if err != nil {
			return OutcomeUnknown, err
		}
		if !member.gone && c.ours(s, member) {
			made = append(made, uri)
		}
	}
	switch len(made) {
	case 0:
		return Refused, nil
	case 1:
		s.Location = made[0]
		return Applied, nil
	}
	return OutcomeUnknown, nil
}

// ours tells whether a member is what a POST has made.
func (c *commit) ours(s *step, member *resource) bool {
	return !slices.ContainsFunc(s.Leaves, func(l leaf) bool {
		return !l.Secret && !c.key.applied(&l, at(member.body, l.Pointer))
	})
}

// log tells what came of a commit, without a value or what an iLO says, which may
// quote one.
func (c *commit) log(r Result) {
	c.m.count(r.Result)
	log := c.m.o.Log.WithFields(logrus.Fields{"clientSession": c.session, "writes": len(r.Writes), "result": r.Result})
	if r.Recovered {
		log = log.WithField("recovered", true)
	}
	if r.Result == Committed {
		log.Info("a transaction is committed")
		return
	}
	for _, w := range r.Writes {
		if w.Outcome != NotSent {
			log.WithFields(logrus.Fields{"write": w.Number, "method": w.Method, "path": w.Path, "outcome": w.Outcome, "status": w.Status}).
				Warn("a write of a transaction that is not committed")
		}
	}
	log.Warn("a transaction is not committed")
}
