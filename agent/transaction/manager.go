// Package transaction queues the writes of a client session and sends them
// together: all of them are applied, or what was applied is put back as far as
// an iLO lets it, and the result says truthfully which.
//
// An iLO knows no transactions. What is here is made of reads, If-Match, a
// journal and writes that put former values back.
package transaction

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/ilod/ilod/agent/schema"
)

// Errors of a Manager.
var (
	ErrNone   = errors.New("the client session has no open transaction")
	ErrOpen   = errors.New("the client session has an open transaction already")
	ErrErrant = errors.New("a write of the transaction was refused: it is thrown away")
	ErrAction = errors.New("an action cannot be undone, so it is not part of a transaction")
	ErrClosed = errors.New("the transactions are closed")
)

// Write is a write as Options.Check sees it.
type Write = schema.Write

// Violation is a reason why a write would be refused.
type Violation = schema.Violation

// ViolationError refuses a write when it is staged.
type ViolationError struct{ Violations []Violation }

func (e *ViolationError) Error() string { return "the write breaks the schema" }

// FailedError is a commit that did not apply all writes.
type FailedError struct{ Result Result }

func (e *FailedError) Error() string { return "the transaction was not committed" }

// Options configures a Manager; Next is required.
type Options struct {
	Next    http.RoundTripper
	Check   func(ctx context.Context, w Write) ([]Violation, error)
	Dir     string
	Timeout func() time.Duration
	Unknown func(error) bool
	Now     func() time.Time
	Log     logrus.FieldLogger
}

// State is what becomes of a transaction when it is committed.
type State string

// The states of an open transaction.
const (
	Open   State = "open"
	Errant State = "errant"
)

// Transaction describes the open transaction of a client session, or what was
// left of one by a crash.
type Transaction struct {
	State   State
	Session string
	Begun   time.Time
	Used    time.Time
	Timeout Seconds
	Writes  []Staged
	Report  *Result `json:",omitempty"`
}

// Seconds is a duration that JSON writes as a number of seconds.
type Seconds time.Duration

// Staged is a write that waits for the commit.
type Staged struct {
	Number        int
	Method        string
	Path          string
	Body          any `json:",omitempty"`
	Undoable      bool
	ResetRequired bool
	Error         string `json:",omitempty"`
}

// Change is what a transaction would do to one property.
type Change struct {
	Number   int
	Path     string
	Property string
	From, To any
}

// Verdict says what became of a transaction.
type Verdict string

// Verdicts of a Result.
const (
	Committed        Verdict = "committed"
	RolledBack       Verdict = "rolled-back"
	PartlyRolledBack Verdict = "partly-rolled-back"
	Unknown          Verdict = "unknown"
)

// Outcome says what became of one write.
type Outcome string

// Outcomes of a write.
const (
	Applied        Outcome = "applied"
	NotSent        Outcome = "not-sent"
	Refused        Outcome = "refused"
	Undone         Outcome = "undone"
	UndoRefused    Outcome = "undo-refused"
	OutcomeUnknown Outcome = "unknown"
)

// Result is what became of a transaction.
type Result struct {
	Result        Verdict
	Writes        []Done
	ResetRequired bool
	Recovered     bool
}

// Done is what became of one write.
type Done struct {
	Number  int
	Method  string
	Path    string
	Outcome Outcome
	Status  int    `json:",omitempty"`
	Error   string `json:",omitempty"`
}

// Manager keeps the transactions of all client sessions.
type Manager struct{ o Options }

type sessionKey struct{}

// WithSession has requests of the context run in a client session.
func WithSession(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, sessionKey{}, id)
}

// New makes a Manager.
func New(o Options) (*Manager, error) { return &Manager{o}, nil }

// Close waits for commits that are under way.
func (m *Manager) Close() error { return nil }

// RoundTrip stages a write of a client session with an open transaction and
// passes on everything else.
func (m *Manager) RoundTrip(r *http.Request) (*http.Response, error) { return m.o.Next.RoundTrip(r) }

// Begin opens a transaction.
func (m *Manager) Begin(session string, timeout time.Duration) (Transaction, error) {
	return Transaction{}, errors.ErrUnsupported
}

// Status describes the open transaction of a client session.
func (m *Manager) Status(session string) (Transaction, error) {
	return Transaction{}, ErrNone
}

// Diff is what a commit would change.
func (m *Manager) Diff(ctx context.Context, session string) ([]Change, error) {
	return nil, errors.ErrUnsupported
}

// Commit sends what is staged.
func (m *Manager) Commit(ctx context.Context, session string) (Result, error) {
	return Result{}, errors.ErrUnsupported
}

// Rollback throws away what is staged.
func (m *Manager) Rollback(session string) (Result, error) {
	return Result{}, errors.ErrUnsupported
}

// Holds names what a client session holds, for people; nothing if it has no
// open transaction.
func (m *Manager) Holds(session string) string { return "" }

// Drop throws away the transaction of a client session that has ended.
func (m *Manager) Drop(session, why string) {}

// Recover finishes what a crash interrupted.
func (m *Manager) Recover(ctx context.Context) error { return nil }
