package transaction

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ilod/ilod/agent/redfisherror"
	"github.com/ilod/ilod/agent/schema"
)

// Errors of a Manager.
var (
	// ErrNone: the client session has no open transaction.
	ErrNone = errors.New("the client session has no open transaction")
	// ErrExpired: it had one, which was idle for too long. It is an ErrNone.
	ErrExpired = fmt.Errorf("%w: it was idle for too long and was thrown away, and nothing is sent until it is rolled back or another one is begun", ErrNone)
	// ErrLost: it had one when the agent ended. It is an ErrNone.
	ErrLost = fmt.Errorf("%w: it was lost when the agent was restarted, and nothing is sent until it is rolled back or another one is begun", ErrNone)
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
	ResetRequired bool   // it takes effect with the next reset of the server, as far as it is known before it is sent
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
	InProgress       Verdict = "accepted"           // every write is applied or accepted, and the iLO still works at one
	RolledBack       Verdict = "rolled-back"        // nothing is, or all that was has been put back
	PartlyRolledBack Verdict = "partly-rolled-back" // something could not be put back
	Unknown          Verdict = "unknown"            // the outcome of a write could not be found out
)

// good tells whether nothing has to be put back.
func (v Verdict) good() bool { return v == Committed || v == InProgress }

// Outcome says what became of a write, as reading it afterwards shows.
type Outcome string

// The outcomes.
const (
	NotSent        Outcome = "not-sent"
	Applied        Outcome = "applied"
	Accepted       Outcome = "accepted"       // the iLO has taken it, and it does not show yet
	PartlyApplied  Outcome = "partly-applied" // the iLO has not taken all properties
	Refused        Outcome = "refused"        // it had no effect
	Undone         Outcome = "undone"         // the former values are there
	UndoRefused    Outcome = "undo-refused"
	OutcomeUnknown Outcome = "unknown" // the iLO may have carried it out, or may still do so
)

// PropertyState says what became of one property of a write.
type PropertyState string

// The states.
const (
	PropertyApplied  PropertyState = "applied"         // it is what was asked for
	PropertyAccepted PropertyState = "accepted"        // the iLO has taken the write, and the property is as before
	PendingReset     PropertyState = "pending reset"   // it takes effect with a reset
	NotTaken         PropertyState = "not taken"       // it is as before, or the iLO says that it has not taken it
	TakenOtherwise   PropertyState = "taken otherwise" // it has become something else
	NotShown         PropertyState = "not shown"       // the iLO does not show it, as with passwords, nor complain of it
)

// Property is one of a write.
type Property struct {
	Property string // JSON pointer
	State    PropertyState
}

// Result is what became of a transaction.
type Result struct {
	// ID names the result of a commit that nobody was told; see Acknowledge.
	ID            string `json:"Id,omitempty"`
	Result        Verdict
	Writes        []Done
	ResetRequired bool  // of the server, before all that is applied takes effect
	Reset         Reset // what has to be reset for that
	Recovered     bool  // found out after a crash
}

// Done is what became of a write.
type Done struct {
	Number     int
	Method     string
	Path       string
	Outcome    Outcome
	Properties []Property `json:",omitempty"`
	Reset      Reset      `json:",omitzero"`  // before it takes effect
	Task       string     `json:",omitempty"` // path of the iLO's task, if it has made one
	Status     int        `json:",omitempty"` // of the iLO's answer, 0 if there was none
	Messages   []string   `json:",omitempty"` // ids of the messages in it
	Location   string     `json:",omitempty"` // of what a POST has made
	// Unguarded: it was sent without If-Match, because the iLO refuses the ETag
	// that it shows.
	Unguarded bool   `json:",omitempty"`
	Error     string `json:",omitempty"`

	kept string // Error without what the iLO quotes, for the disk
}

// fail notes why a write is not as it should be. A complaint of the iLO may quote
// a value, so on the disk, and about secrets anywhere, only its id stands.
func (s *step) fail(errs ...error) {
	var all, quiet []string
	for _, err := range errs {
		all, quiet = append(all, err.Error()), append(quiet, withoutQuotes(err))
	}
	s.Error, s.kept = strings.Join(all, "; "), strings.Join(quiet, "; ")
	if slices.ContainsFunc(s.Leaves, func(l leaf) bool { return l.Secret }) {
		s.Error = s.kept
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
