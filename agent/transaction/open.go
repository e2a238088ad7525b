package transaction

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/ilod/ilod/agent/api"
)

// transaction is the open one of a client session. All but the bases is guarded
// by Manager.mu; who stages or commits has its turn.
type transaction struct {
	session string
	begun   time.Time
	used    time.Time
	timeout time.Duration // 0: none, as of one that has ended
	turn    chan struct{} // holds a value while somebody stages or commits

	writes     []*write
	weight     int // of them and of the bases
	errant     bool
	committing bool
	sent       atomic.Int64 // how many writes the commit has sent
	ended      error        // ErrExpired or ErrLost: nothing is left but the fact that it was
	over       bool
	bases      map[string]*resource // by key, as they were first staged for
}

// enter waits for the caller's turn. The transaction may be over by then.
func (m *Manager) enter(ctx context.Context, t *transaction) error {
	select {
	case t.turn <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case t.committing:
		t.leave()
		return ErrCommitting
	case t.over:
		t.leave()
		return ErrNone
	}
	return nil
}

func (t *transaction) leave() { <-t.turn }

// Begin opens a transaction, which is thrown away when it was idle for timeout;
// 0 is that of the options.
func (m *Manager) Begin(session string, timeout time.Duration) (api.Transaction, error) {
	if timeout < 0 {
		return api.Transaction{}, ErrTimeout
	}
	if timeout == 0 {
		timeout = max(0, m.o.Timeout())
	}
	t, err := m.begin(session, timeout)
	if err != nil {
		return api.Transaction{}, err
	}
	m.remember(session)
	m.dropAged()
	return t, nil
}

func (m *Manager) begin(session string, timeout time.Duration) (api.Transaction, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return api.Transaction{}, ErrClosed
	}
	for other := range m.open {
		m.expire(other)
	}
	if t := m.open[session]; t != nil && t.ended == nil {
		return api.Transaction{}, t.busy()
	}
	now := m.o.Now()
	t := &transaction{
		session: session, begun: now, used: now, timeout: timeout,
		turn: make(chan struct{}, 1), bases: map[string]*resource{},
	}
	m.open[session] = t
	return t.snapshot(), nil
}

// busy is why no other transaction can be begun.
func (t *transaction) busy() error {
	if t.committing {
		return ErrCommitting
	}
	return ErrOpen
}

// expire throws away a transaction that was idle for too long. That there was
// one is remembered, or the writes still to come would be sent at once. The
// caller holds mu.
func (m *Manager) expire(session string) {
	t := m.open[session]
	if t == nil || t.committing || len(t.turn) > 0 || t.timeout == 0 || m.o.Now().Sub(t.used) < t.timeout {
		return
	}
	m.o.Log.WithFields(logrus.Fields{"clientSession": session, "writes": len(t.writes), "timeout": t.timeout}).
		Warn("a transaction was idle for too long and is discarded")
	m.stats.ThrownAway++
	*t = transaction{session: session, ended: ErrExpired, over: true, turn: t.turn}
}

// find is the open transaction of a client session, nil if it has none. One that
// has ended without its client's doing is ErrExpired or ErrLost.
func (m *Manager) find(session string) (*transaction, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.expire(session)
	t := m.open[session]
	switch {
	case t == nil:
		return nil, nil
	case t.ended != nil:
		return nil, t.ended
	case t.committing:
		return nil, ErrCommitting
	}
	return t, nil
}

// current is find for those who need a transaction.
func (m *Manager) current(session string) (*transaction, error) {
	t, err := m.find(session)
	if t == nil && err == nil {
		err = ErrNone
	}
	return t, err
}

// Status describes the open transaction of a client session. Without one the
// error is an ErrNone, or ErrCommitting as long as Recover has a commit of it to
// finish. The oldest Report that waits is there all the same, until it
// is acknowledged or a week old.
func (m *Manager) Status(session string) (api.Transaction, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.expire(session)
	var s api.Transaction
	var err error
	switch t := m.open[session]; {
	case t == nil:
		err = ErrNone
	case t.ended != nil:
		err = t.ended
	default:
		s = t.snapshot()
	}
	if err != nil && m.recovering[session] > 0 {
		err = ErrCommitting
	}
	s.Report = m.due(session)
	return s, err
}

// snapshot describes a transaction; the caller holds mu.
func (t *transaction) snapshot() api.Transaction {
	s := api.Transaction{State: api.Open, Session: t.session, Begun: t.begun, Used: t.used, Timeout: api.Seconds(t.timeout), Writes: make([]api.Staged, len(t.writes))}
	if t.errant {
		s.State = api.Errant
	}
	for i, w := range t.writes {
		s.Writes[i] = w.Staged
	}
	s.Sent = int(t.sent.Load())
	return s
}

// Holds says for people what a client session holds; nothing if it has no open
// transaction.
func (m *Manager) Holds(session string) string {
	t, err := m.find(session)
	switch {
	case err == ErrCommitting:
		return "transaction being committed"
	case t == nil:
		return ""
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(t.writes) == 1 {
		return "transaction of 1 write"
	}
	return fmt.Sprintf("transaction of %d writes", len(t.writes))
}

// Drop throws away the transaction of a client session that has ended, and what
// would have been reported to it. A commit under way goes on.
func (m *Manager) Drop(session, why string) {
	m.mu.Lock()
	gone, t := m.reports[session], m.open[session]
	delete(m.reports, session)
	delete(m.open, session)
	if t != nil {
		m.drop(t, why)
	}
	m.mu.Unlock()
	m.forget(session, why, gone)
	if t != nil {
		m.remember(session)
	}
}

// drop notes that the client session of a transaction has ended; the caller holds
// mu.
func (m *Manager) drop(t *transaction, why string) {
	if t.over = true; t.ended == nil && !t.committing {
		m.stats.ThrownAway++
		m.o.Log.WithFields(logrus.Fields{"clientSession": t.session, "writes": len(t.writes), "reason": why}).
			Warn("the client session ended, and its open transaction is discarded")
	}
}
