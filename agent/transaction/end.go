package transaction

import (
	"context"
	"fmt"

	"github.com/ilod/ilod/agent/schedule"
)

// Commit sends what is staged and ends the transaction, whatever comes of it. It
// goes on when ctx ends, and if nobody is left to be told the Result, Status will
// report it. Errors are ErrNone, ErrErrant, ErrCommitting and *FailedError, the
// second and the last with the Result, and ErrForbidden, after which the transaction
// is still open.
func (m *Manager) Commit(ctx context.Context, session string) (Result, error) {
	t, err := m.seize(ctx, session, func(w *write) error { return m.allowed(ctx, w) })
	if err != nil {
		return Result{}, err
	}
	defer m.wg.Done()
	defer m.finish(t)
	if t.errant {
		m.count(RolledBack)
		return t.thrownAway(), ErrErrant
	}
	c := m.newCommit(t)
	c.owner = schedule.PeerOf(ctx).User
	running, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(m.life, cancel)()
	err = c.run(running)
	result := verdict(c.steps)
	c.log(result)
	if ctx.Err() != nil && !m.dropped(t) {
		m.report(session, &report{result: result, time: m.o.Now()})
	}
	if good(result.Result) {
		return result, nil
	}
	return result, &FailedError{result, err}
}

// seize takes a transaction out of the hands of those who stage. The caller has
// to call finish and wg.Done. Whoever wants to end one that has ended without its
// doing is told so, and then knows. Unless all writes pass, nothing changes.
func (m *Manager) seize(ctx context.Context, session string, pass func(*write) error) (*transaction, error) {
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
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil, ErrClosed
	}
	for _, w := range t.writes {
		if err := pass(w); err != nil && !t.errant {
			return nil, err
		}
	}
	t.committing = true
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
func (m *Manager) Rollback(session string) (Result, error) {
	t, err := m.seize(context.Background(), session, func(*write) error { return nil })
	if err != nil {
		return Result{}, err
	}
	defer m.wg.Done()
	defer m.finish(t)
	m.count(RolledBack)
	return t.thrownAway(), nil
}

// thrownAway is the Result of a transaction of which nothing was sent.
func (t *transaction) thrownAway() Result {
	r := Result{Result: RolledBack, Writes: make([]Done, len(t.writes))}
	for i, w := range t.writes {
		r.Writes[i] = Done{Number: w.Number, Method: w.Method, Path: w.Path, Outcome: NotSent, Error: w.Error}
	}
	return r
}
