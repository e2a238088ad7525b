package transaction

import (
	"context"
	"fmt"
	"slices"

	"github.com/ilod/ilod/agent/api"
	"github.com/ilod/ilod/agent/schedule"
)

// Commit sends what is staged and ends the transaction, whatever comes of it. It
// goes on when ctx ends, and if nobody is left to be told the Result, Status will
// report it. Errors are ErrNone, ErrErrant, ErrCommitting and *FailedError, the
// second and the last with the Result, and ErrForbidden, after which the transaction
// is still open.
func (m *Manager) Commit(ctx context.Context, session string) (api.Result, error) {
	t, err := m.seize(ctx, session, keepAll, func(w *write) error { return m.allowed(ctx, w) })
	if err != nil {
		return api.Result{}, err
	}
	return m.commit(ctx, t)
}

// CommitNeeded is Commit without the PATCHes and PUTs that would change nothing, as the
// iLO is now. The others are numbered anew. If none is left, it sends nothing, and the
// result is Unchanged. After an error of reading the transaction is still open.
func (m *Manager) CommitNeeded(ctx context.Context, session string) (api.Run, error) {
	run := api.Run{Changes: []api.Change{}}
	choose := func(t *transaction) (left []*write, err error) {
		if t.errant {
			return t.writes, nil
		}
		if run.Changes, err = m.changes(ctx, t.writes); err == nil {
			left = needed(t.writes, run.Changes)
		}
		return left, err
	}
	t, err := m.seize(ctx, session, choose, func(w *write) error { return m.allowed(ctx, w) })
	if err != nil {
		return api.Run{}, err
	}
	if len(t.writes) == 0 {
		defer m.wg.Done()
		defer m.finish(t)
		m.count(api.Unchanged)
		run.Result = api.Result{Result: api.Unchanged, Writes: []api.Done{}}
		return run, nil
	}
	run.Result, err = m.commit(ctx, t)
	return run, err
}

// needed are those of the writes that change something, with numbers of their own, which
// the changes get, too.
func needed(writes []*write, changes []api.Change) (left []*write) {
	numbers := map[int]int{}
	for _, w := range writes {
		if !slices.ContainsFunc(changes, func(c api.Change) bool { return c.Number == w.Number }) {
			continue
		}
		copied := *w
		copied.Number = len(left) + 1
		numbers[w.Number] = copied.Number
		left = append(left, &copied)
	}
	for i := range changes {
		changes[i].Number = numbers[changes[i].Number]
	}
	return left
}

// commit commits a transaction that is seized.
func (m *Manager) commit(ctx context.Context, t *transaction) (api.Result, error) {
	defer m.wg.Done()
	defer m.finish(t)
	if t.errant {
		m.count(api.RolledBack)
		return t.thrownAway(), ErrErrant
	}
	c := m.newCommit(t)
	c.owner = schedule.PeerOf(ctx).User
	running, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(m.life, cancel)()
	err := c.run(running)
	result := verdict(c.steps)
	c.log(result)
	if ctx.Err() != nil && !m.dropped(t) {
		m.report(t.session, &report{result: result, time: m.o.Now()})
	}
	if good(result.Result) {
		return result, nil
	}
	return result, &FailedError{result, err}
}

// keepAll chooses all writes of a transaction.
func keepAll(t *transaction) ([]*write, error) { return t.writes, nil }

// seize takes a transaction out of the hands of those who stage, with those writes alone
// that are chosen. The caller has to call finish and wg.Done. Whoever wants to end one
// that has ended without its doing is told so, and then knows. Unless they can be
// chosen, and all of them pass, nothing changes.
func (m *Manager) seize(ctx context.Context, session string, choose func(*transaction) ([]*write, error), pass func(*write) error) (*transaction, error) {
	t, err := m.current(session)
	if err == ErrExpired || err == ErrLost {
		m.mu.Lock()
		if t := m.open[session]; t != nil && t.ended != nil {
			delete(m.open, session)
		}
		m.mu.Unlock()
		m.remember(session)
	}
	if err != nil {
		return nil, err
	}
	if err := m.enter(ctx, t); err != nil {
		return nil, err
	}
	defer t.leave()
	chosen, err := choose(t)
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.closed:
		return nil, ErrClosed
	case t.over: // its client session ended meanwhile
		return nil, ErrNone
	}
	for _, w := range chosen {
		if err := pass(w); err != nil && !t.errant {
			return nil, err
		}
	}
	t.writes, t.committing = chosen, true
	m.wg.Add(1)
	return t, nil
}

// allowed fails with ErrForbidden.
func (m *Manager) allowed(ctx context.Context, w *write) error {
	if m.o.Allowed(ctx, w.Method, w.Path) {
		return nil
	}
	return fmt.Errorf("%w: write %d, %s %s", ErrForbidden, w.Number, w.Method, w.Path)
}

// dropped tells whether the client session of a commit has ended.
func (m *Manager) dropped(t *transaction) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return t.over
}

// finish ends a transaction.
func (m *Manager) finish(t *transaction) {
	m.mu.Lock()
	t.over = true
	if m.open[t.session] == t {
		delete(m.open, t.session)
	}
	m.mu.Unlock()
	m.remember(t.session)
}

// Rollback throws away what is staged. Errors are ErrNone and ErrCommitting.
func (m *Manager) Rollback(session string) (api.Result, error) {
	t, err := m.seize(context.Background(), session, keepAll, func(*write) error { return nil })
	if err != nil {
		return api.Result{}, err
	}
	defer m.wg.Done()
	defer m.finish(t)
	m.count(api.RolledBack)
	return t.thrownAway(), nil
}

// thrownAway is the Result of a transaction of which nothing was sent.
func (t *transaction) thrownAway() api.Result {
	r := api.Result{Result: api.RolledBack, Writes: make([]api.Done, len(t.writes))}
	for i, w := range t.writes {
		r.Writes[i] = api.Done{Number: w.Number, Method: w.Method, Path: w.Path, Outcome: api.NotSent, Error: w.Error}
	}
	return r
}
