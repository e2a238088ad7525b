package transaction

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/ilod/ilod/agent/schema"
)

// Errors of a Manager.
var (
	// ErrNone: the client session has no open transaction.
	ErrNone = errors.New("the client session has no open transaction")
	// ErrExpired: it had one, which was idle for too long. It is an ErrNone.
	ErrExpired = fmt.Errorf("%w: it was idle for too long and was thrown away", ErrNone)
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
	// ErrLarge: the transaction holds as much as it may.
	ErrLarge = errors.New("the transaction is too large")
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

func (e *ViolationError) Error() string {
	texts := make([]string, len(e.Violations))
	for i, v := range e.Violations {
		texts[i] = v.Text
	}
	return strings.Join(texts, "; ")
}

// FailedError is a commit that did not apply all writes. Err is the reason as
// far as one write's Error does not tell it: ErrStale if a resource had changed,
// what the journal or the iLO made of it, or nil.
type FailedError struct {
	Result Result
	Err    error
}

func (e *FailedError) Error() string {
	s := "the transaction was not committed: it is " + string(e.Result.Result)
	if e.Result.Result == Unknown {
		s = "the transaction was not committed, and what became of it is not known"
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

// Unwrap returns Err.
func (e *FailedError) Unwrap() error { return e.Err }

// Seconds is a duration that JSON writes as a number of seconds.
type Seconds time.Duration

// MarshalJSON writes whole or broken seconds.
func (s Seconds) MarshalJSON() ([]byte, error) {
	return strconv.AppendFloat(nil, time.Duration(s).Seconds(), 'f', -1, 64), nil
}

// UnmarshalJSON reads what MarshalJSON writes.
func (s *Seconds) UnmarshalJSON(text []byte) error {
	seconds, err := strconv.ParseFloat(string(text), 64)
	if err == nil {
		*s = Seconds(min(max(seconds, -1), 1e9) * float64(time.Second)) // what a Duration can hold
	}
	return err
}

// State tells what a commit would do.
type State string

// The states of an open transaction.
const (
	Open   State = "open"
	Errant State = "errant" // a write was refused: a commit acts as a rollback
)

// Transaction describes a client session's open transaction.
type Transaction struct {
	State   State
	Session string
	Begun   time.Time
	Used    time.Time // when the last write was staged
	Timeout Seconds   // idle time after which it is thrown away; 0: never
	Writes  []Staged
	Sent    int `json:",omitempty"` // how many of the writes a commit has sent so far
	// Report is the result of an earlier commit that nobody was told yet: a
	// crash interrupted it, or its client had left.
	Report *Result `json:",omitempty"`
}

// Staged describes a write that waits for the commit.
type Staged struct {
	Number        int
	Method        string
	Path          string // where it will go: the settings object, for a resource that has one
	Body          any    `json:",omitempty"` // secrets are hidden
	Undoable      bool   // all of it could be put back
	ResetRequired bool   // it takes effect with the next reset of the server
	Error         string `json:",omitempty"` // why it was refused
}

// Change is what a write would do to one property; of a POST and a DELETE, to
// one resource. Secrets are hidden.
type Change struct {
	Number   int
	Path     string
	Property string // JSON pointer
	From, To any
	Undoable bool
}

// Verdict says what became of a transaction.
type Verdict string

// The verdicts.
const (
	Committed        Verdict = "committed"          // every write is applied
	RolledBack       Verdict = "rolled-back"        // nothing is, or all that was has been put back
	PartlyRolledBack Verdict = "partly-rolled-back" // something could not be put back
	Unknown          Verdict = "unknown"            // the outcome of a write could not be found out
)

// Outcome says what became of a write.
type Outcome string

// The outcomes.
const (
	NotSent        Outcome = "not-sent"
	Applied        Outcome = "applied"
	Refused        Outcome = "refused" // it had no effect
	Undone         Outcome = "undone"  // the former values are there
	UndoRefused    Outcome = "undo-refused"
	OutcomeUnknown Outcome = "unknown"
)

// Result is what became of a transaction.
type Result struct {
	Result        Verdict
	Writes        []Done
	ResetRequired bool // of the server, before all that is applied takes effect
	Recovered     bool // found out after a crash
}

// Done is what became of a write.
type Done struct {
	Number   int
	Method   string
	Path     string
	Outcome  Outcome
	Status   int      `json:",omitempty"` // of the iLO's answer, 0 if there was none
	Messages []string `json:",omitempty"` // ids of the messages in it
	Location string   `json:",omitempty"` // of what a POST has made
	Error    string   `json:",omitempty"`
}
