// Package transaction keeps the writes of a client session until it commits them
// together: all of them are applied, or what was applied is put back as far as
// an iLO lets it, and the result says truthfully which.
//
// An iLO knows no transactions. These are made of fresh reads, If-Match, a
// journal, and writes that put former values back where the present one is still
// ours. Reads take no part: they run at once and do not see what is staged.
package transaction

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"
)

// Defaults of Options.
const (
	DefaultTimeout  = 5 * time.Minute
	DefaultDeadline = 10 * time.Minute
	DefaultPause    = 500 * time.Millisecond
	DefaultLate     = 3 * time.Minute // as long as the channel waits for an answer
)

// closeGrace is how long Close waits for commits.
const closeGrace = 20 * time.Second

// Options configures a Manager; Next is required.
type Options struct {
	Next http.RoundTripper
	// Check names what is wrong with a write before it is staged; nil: nothing
	// ever is.
	Check func(ctx context.Context, w Write) ([]Violation, error)
	// Dir is where the journal of a commit is until it is over, a directory that
	// need not exist and is used by this Manager alone; empty: nowhere, so
	// that a crash leaves half a commit behind.
	Dir string
	// Timeout is the idle timeout of transactions that are begun without one; nil:
	// DefaultTimeout, 0: none.
	Timeout func() time.Duration
	// Unknown reports errors of Next after which the iLO may have executed the
	// request; nil: all of them are.
	Unknown func(error) bool
	// Deadline bounds a commit, and once more the putting back; 0:
	// DefaultDeadline.
	Deadline time.Duration
	// Pause passes before the iLO is asked again what became of a write; longer
	// each time. 0: DefaultPause.
	Pause time.Duration
	// Late is how long after it was sent the iLO may still carry out a write that it
	// has not answered. One that does not show for so long had no effect. 0:
	// DefaultLate.
	Late time.Duration
	Now  func() time.Time   // nil: time.Now
	Log  logrus.FieldLogger // nil: nobody
}

// Manager keeps the transactions of all client sessions. It is an
// http.RoundTripper and safe for concurrent use.
type Manager struct {
	o     Options
	locks locks

	mu      sync.Mutex
	closed  bool
	open    map[string]*transaction // by client session
	reports map[string]*report      // by client session
	stats   Stats
	crashed []*commit // what journals of former processes tell; they have their locks

	wg      sync.WaitGroup  // commits; Add only while not closed
	ctx     context.Context // ends when commits have to
	abandon context.CancelFunc
}

// transaction is the open one of a client session. All but the bases is guarded
// by Manager.mu; who stages or commits has its turn.
type transaction struct {
	session string
	begun   time.Time
	used    time.Time
	timeout time.Duration // 0: none
	turn    chan struct{} // holds a value while somebody stages or commits

	writes     []*write
	bytes      int // of their bodies
	errant     bool
	committing bool
	sent       atomic.Int64 // how many writes the commit has sent
	expired    bool         // nothing is left but the fact that it was
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

// New makes a Manager. It reads what journals a crash has left in Dir: until
// Recover has dealt with them, their resources are locked for other commits. It
// panics without Next.
func New(o Options) (*Manager, error) {
	if o.Next == nil {
		panic("transaction: Options.Next is nil")
	}
	if o.Timeout == nil {
		o.Timeout = func() time.Duration { return DefaultTimeout }
	}
	if o.Unknown == nil {
		o.Unknown = func(error) bool { return true }
	}
	if o.Deadline <= 0 {
		o.Deadline = DefaultDeadline
	}
	if o.Pause <= 0 {
		o.Pause = DefaultPause
	}
	if o.Late <= 0 {
		o.Late = DefaultLate
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		l := logrus.New()
		l.SetOutput(io.Discard)
		o.Log = l
	}
	m := &Manager{
		o: o, locks: locks{held: map[string]chan struct{}{}},
		open: map[string]*transaction{}, reports: map[string]*report{},
	}
	if err := m.readJournals(); err != nil {
		return nil, err
	}
	m.ctx, m.abandon = context.WithCancel(context.Background())
	return m, nil
}

// Close refuses new requests and waits for commits that are under way. One that
// takes much longer, since the iLO does not answer, is left to the next process,
// as after a crash. What is only staged is lost.
func (m *Manager) Close() error {
	m.mu.Lock()
	m.closed = true
	m.mu.Unlock()
	defer m.abandon()
	defer time.AfterFunc(closeGrace, m.abandon).Stop()
	m.wg.Wait()
	return nil
}

// Begin opens a transaction, which is thrown away when it was idle for timeout;
// 0 is that of the options.
func (m *Manager) Begin(session string, timeout time.Duration) (Transaction, error) {
	if timeout < 0 {
		return Transaction{}, ErrTimeout
	}
	if timeout == 0 {
		timeout = max(0, m.o.Timeout())
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return Transaction{}, ErrClosed
	}
	for other := range m.open {
		m.expire(other)
	}
	if t := m.open[session]; t != nil && !t.expired {
		return Transaction{}, t.busy()
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
	if t == nil || t.committing || t.expired || len(t.turn) > 0 || t.timeout == 0 || m.o.Now().Sub(t.used) < t.timeout {
		return
	}
	m.o.Log.WithFields(logrus.Fields{"clientSession": session, "writes": len(t.writes), "timeout": t.timeout}).
		Warn("a transaction was idle for too long and is thrown away")
	m.stats.ThrownAway++
	*t = transaction{session: session, expired: true, over: true, turn: t.turn}
}

// find is the open transaction of a client session, nil if it has none. One that
// expired is ErrExpired.
func (m *Manager) find(session string) (*transaction, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.expire(session)
	t := m.open[session]
	switch {
	case t == nil:
		return nil, nil
	case t.expired:
		return nil, ErrExpired
	case t.committing:
		return nil, ErrCommitting
	}
	return t, nil
}

// acknowledge is find for those who ask about the transaction: having been told
// that it expired, they need not be told again.
func (m *Manager) acknowledge(session string) (*transaction, error) {
	t, err := m.find(session)
	m.mu.Lock()
	defer m.mu.Unlock()
	if err == ErrExpired {
		delete(m.open, session)
	}
	if t == nil && err == nil {
		err = ErrNone
	}
	return t, err
}

// Status describes the open transaction of a client session. Without one the
// error is ErrNone or ErrExpired; a Report may be there all the same, and is
// there once.
func (m *Manager) Status(session string) (Transaction, error) {
	t, err := m.acknowledge(session)
	m.mu.Lock()
	defer m.mu.Unlock()
	var s Transaction
	if err == ErrCommitting {
		t, err = m.open[session], nil
	}
	if t != nil {
		s = t.snapshot()
	}
	if r := m.reports[session]; r != nil {
		s.Report = &r.result
		m.forget(session)
	}
	return s, err
}

// snapshot describes a transaction; the caller holds mu.
func (t *transaction) snapshot() Transaction {
	s := Transaction{State: Open, Session: t.session, Begun: t.begun, Used: t.used, Timeout: Seconds(t.timeout), Writes: make([]Staged, len(t.writes))}
	if t.errant {
		s.State = Errant
	}
	for i, w := range t.writes {
		s.Writes[i] = w.Staged
	}
	s.Sent = int(t.sent.Load())
	return s
}

// Commit sends what is staged and ends the transaction, whatever comes of it. It
// goes on when ctx ends, and if nobody is left to be told the Result, Status will
// report it. Errors are ErrNone, ErrErrant, ErrCommitting and *FailedError, the
// second and the last with the Result.
func (m *Manager) Commit(ctx context.Context, session string) (Result, error) {
	t, err := m.seize(ctx, session)
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
	running, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(m.ctx, cancel)()
	err = c.run(running)
	result := verdict(c.steps)
	c.log(result)
	if ctx.Err() != nil && !m.dropped(t) {
		m.report(session, &report{result: result})
	}
	if result.Result.good() {
		return result, nil
	}
	return result, &FailedError{result, err}
}

// seize takes a transaction out of the hands of those who stage. The caller has
// to call finish and wg.Done.
func (m *Manager) seize(ctx context.Context, session string) (*transaction, error) {
	t, err := m.acknowledge(session)
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
	t.committing = true
	m.wg.Add(1)
	return t, nil
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
	defer m.mu.Unlock()
	t.over = true
	if m.open[t.session] == t {
		delete(m.open, t.session)
	}
}

// Rollback throws away what is staged. Errors are ErrNone and ErrCommitting.
func (m *Manager) Rollback(session string) (Result, error) {
	t, err := m.seize(context.Background(), session)
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
	defer m.mu.Unlock()
	if r := m.reports[session]; r != nil {
		m.forget(session)
	}
	t := m.open[session]
	if t == nil {
		return
	}
	delete(m.open, session)
	if t.over = true; !t.expired && !t.committing {
		m.stats.ThrownAway++
		m.o.Log.WithFields(logrus.Fields{"clientSession": session, "writes": len(t.writes), "reason": why}).
			Warn("the client session ended, and its open transaction is thrown away")
	}
}
