package api

import (
	"encoding/json"
	"strings"
	"time"
)

// State tells what a commit would do.
type State string

// The states of an open transaction.
const (
	Open   State = "open"
	Errant State = "errant" // a write was refused: a commit acts as a rollback
)

// Begin is the request for a transaction.
type Begin struct {
	Timeout Seconds `json:"timeout"` // idle time after which it is thrown away; 0: that of the limits
}

// Transaction describes a client session's open transaction.
type Transaction struct {
	State   State     `json:"state"`
	Session string    `json:"session"` // the id of the client session
	Begun   time.Time `json:"begun"`
	Used    time.Time `json:"used"`    // when the last write was staged
	Timeout Seconds   `json:"timeout"` // idle time after which it is thrown away; 0: never
	Writes  []Staged  `json:"writes"`
	Sent    int       `json:"sent,omitempty"` // how many of the writes a commit has sent so far
	// Report is the result of an earlier commit that nobody was told yet: a crash
	// interrupted it, or its client had left.
	Report *Result `json:"report,omitempty"`
}

// Staged describes a write that waits for the commit.
type Staged struct {
	Number        int    `json:"number"` // from 1
	Method        string `json:"method"`
	Path          string `json:"path"`           // where it will go: the settings object, for a resource that has one
	Body          any    `json:"body,omitempty"` // secrets are hidden
	Undoable      bool   `json:"undoable"`       // all of it could be put back
	ResetRequired bool   `json:"resetRequired"`  // it takes effect with the next reset of the server, as far as it is known before it is sent
	Error         string `json:"error,omitempty"`
}

// Receipt is the answer to a write that was staged instead of sent.
type Receipt struct {
	Staged      int    `json:"staged"`      // its number
	Transaction string `json:"transaction"` // path of the transaction
}

// Change is what a write would do to one property; of a POST and a DELETE, to one
// resource. Secrets are hidden.
type Change struct {
	Number   int    `json:"number"` // of the write
	Path     string `json:"path"`
	Property string `json:"property"` // JSON pointer
	From     any    `json:"from"`
	To       any    `json:"to"`
	Undoable bool   `json:"undoable"`
}

// Changes are what a commit would change.
type Changes struct {
	Changes []Change `json:"changes"`
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
	Unchanged        Verdict = "unchanged"          // no write was needed, and nothing was sent
)

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
	Property string        `json:"property"` // JSON pointer
	State    PropertyState `json:"state"`
}

// Result is what became of a transaction.
type Result struct {
	// ID names the result of a commit that nobody was told, until it is acknowledged.
	ID            string  `json:"id,omitempty"`
	Result        Verdict `json:"result"`
	Writes        []Done  `json:"writes"`
	ResetRequired bool    `json:"resetRequired"` // of the server, before all that is applied takes effect
	Reset         Reset   `json:"reset"`         // what has to be reset for that
	Recovered     bool    `json:"recovered"`     // found out after a crash
}

// Run is the Result of a commit of what was needed, and what it was to change.
type Run struct {
	Changes []Change `json:"changes"`
	Result
}

// Done is what became of a write.
type Done struct {
	Number     int        `json:"number"`
	Method     string     `json:"method"`
	Path       string     `json:"path"`
	Outcome    Outcome    `json:"outcome"`
	Properties []Property `json:"properties,omitempty"`
	Reset      Reset      `json:"reset,omitzero"`     // before it takes effect
	Task       string     `json:"task,omitempty"`     // path of the iLO's task, if it has made one
	Status     int        `json:"status,omitempty"`   // of the iLO's answer, 0 if there was none
	Messages   []string   `json:"messages,omitempty"` // ids of the messages in it
	Location   string     `json:"location,omitempty"` // of what a POST has made
	// Unguarded: it was sent without If-Match, because the iLO refuses the ETag
	// that it shows.
	Unguarded bool   `json:"unguarded,omitempty"`
	Error     string `json:"error,omitempty"`

	// Kept is Error without what the iLO quotes, for the agent's journal alone.
	Kept string `json:"-"`
}

// Reset says what has to be reset before a change takes effect.
type Reset struct {
	Server bool `json:"server"`
	ILO    bool `json:"ilo"`
	Device bool `json:"device"` // another: a drive, an adapter, the chassis
}

// Any reports whether anything has to be.
func (r Reset) Any() bool { return r != Reset{} }

// String names what has to be reset, for people; it is empty if nothing has.
func (r Reset) String() string {
	var all []string
	if r.Server {
		all = append(all, "the server")
	}
	if r.ILO {
		all = append(all, "the iLO")
	}
	if r.Device {
		all = append(all, "a device")
	}
	return strings.Join(all, " and ")
}

// UnmarshalJSON also reads what journals of earlier versions have: whether the server
// has to be reset.
func (r *Reset) UnmarshalJSON(data []byte) error {
	if string(data) == "true" || string(data) == "false" {
		*r = Reset{Server: string(data) == "true"}
		return nil
	}
	type plain Reset
	return json.Unmarshal(data, (*plain)(r))
}
