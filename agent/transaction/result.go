package transaction

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/ilod/ilod/agent/api"
	"github.com/ilod/ilod/agent/redfisherror"
	"github.com/ilod/ilod/agent/schema"
)

// Errors of a Manager.
var (
	// ErrNone: the client session has no open transaction.
	ErrNone = errors.New("the client session has no open transaction")
	// ErrExpired: it had one, which was idle for too long. It is an ErrNone.
	ErrExpired = fmt.Errorf("%w: it was idle for too long and was discarded; nothing is sent until you roll it back or begin another one", ErrNone)
	// ErrLost: it had one when the agent ended. It is an ErrNone.
	ErrLost = fmt.Errorf("%w: it was lost when the agent was restarted; nothing is sent until you roll it back or begin another one", ErrNone)
	// ErrNoReport: there is no report of that ID.
	ErrNoReport = errors.New("there is no such report")
	// ErrOpen: the client session has an open transaction already.
	ErrOpen = errors.New("the client session has an open transaction already")
	// ErrCommitting: the transaction is being committed. It is an ErrOpen.
	ErrCommitting = fmt.Errorf("%w: it is being committed", ErrOpen)
	// ErrErrant: a write was refused when it was staged, so the commit was a
	// rollback.
	ErrErrant = errors.New("a write of the transaction was refused, so it was rolled back")
	// ErrAction: an action cannot be undone. It runs at once if it is asked for
	// with the header Ilod-Transaction: immediate.
	ErrAction = errors.New("an action cannot be undone, so it cannot be part of a transaction")
	// ErrStale: a resource is not what it was when the write was staged.
	ErrStale = errors.New("the resource has changed since the write was staged")
	// ErrHeld: a write that was to be sent at once has waited too long for a commit.
	ErrHeld = errors.New("a transaction that is being committed, or was when the agent ended, changes the same resource")
	// ErrForbidden: who commits, or stages, may not write to what is changed. The
	// transaction stays open.
	ErrForbidden = errors.New("this user may not make a change that the transaction holds")
	// ErrLarge: a write has a large body, or its transaction, or all of them
	// together, hold as much as they may.
	ErrLarge = errors.New("too large to be staged")
	// ErrTimeout: an idle timeout may not be negative.
	ErrTimeout = errors.New("the idle timeout of a transaction is negative")
	// ErrClosed: the Manager takes no more requests.
	ErrClosed = errors.New("the transactions are closed")
)

// Write is a write as Options.Check sees it.
type Write = schema.Write

// Violation is a reason why the iLO would refuse a write.
type Violation = schema.Violation

// ViolationError refuses to stage a write that the iLO would refuse.
type ViolationError struct{ Violations []Violation }

// Error tells the first few violations.
func (e *ViolationError) Error() string {
	const few = 5
	var texts []string
	for i, v := range e.Violations {
		if i == few {
			texts = append(texts, fmt.Sprintf("and %d more", len(e.Violations)-few))
			break
		}
		texts = append(texts, v.Text)
	}
	return strings.Join(texts, "; ")
}

// FailedError is a commit that did not apply all writes. Err is the reason as
// far as one write's Error does not tell it: ErrStale if a resource had changed,
// what the journal or the iLO made of it, or nil.
type FailedError struct {
	Result api.Result
	Err    error
}

func (e *FailedError) Error() string {
	s := "the transaction was not committed: it is " + string(e.Result.Result)
	if e.Result.Result == api.Unknown {
		s = "the transaction was not committed, and its outcome is unknown"
	}
	if e.Err != nil {
		return s + ": " + e.Err.Error()
	}
	for _, w := range e.Result.Writes {
		if w.Error != "" {
			return s + ": " + w.Error
		}
	}
	return s
}

func (e *FailedError) Unwrap() error { return e.Err }

// good tells whether nothing has to be put back.
func good(v api.Verdict) bool { return v == api.Committed || v == api.InProgress }

// fail notes why a write is not as it should be. A complaint of the iLO may quote
// a value, so on the disk, and about secrets anywhere, only its id stands.
func (s *step) fail(errs ...error) {
	var all, quiet []string
	for _, err := range errs {
		all, quiet = append(all, err.Error()), append(quiet, withoutQuotes(err))
	}
	s.Error, s.Kept = strings.Join(all, "; "), strings.Join(quiet, "; ")
	if slices.ContainsFunc(s.Leaves, func(l leaf) bool { return l.Secret }) {
		s.Error = s.Kept
	}
}

// withoutQuotes is the text of an error without what an iLO says of values.
func withoutQuotes(err error) string {
	e, ok := errors.AsType[*redfisherror.Error](err)
	if !ok {
		return err.Error()
	}
	quiet := *e
	quiet.Messages = make([]redfisherror.Message, len(e.Messages))
	for i, m := range e.Messages {
		quiet.Messages[i].ID = m.ID
	}
	return quiet.Error()
}
