// Package clients keeps the client sessions: those of local clients with the
// agent, which cost the iLO nothing (architecture §8).
package clients

import (
	"errors"
	"io"
	"time"

	"github.com/sirupsen/logrus"
)

// Errors of a Registry and of a Stage.
var (
	// ErrHandle: the handle is not one of ours, or of somebody else's session.
	ErrHandle = errors.New("the handle of the client session is not valid")
	// ErrExpired: the client session was not used for too long, or is too old.
	ErrExpired = errors.New("the client session has expired")
	// ErrTerminated: somebody has ended the client session.
	ErrTerminated = errors.New("the client session was terminated")
	// ErrStale: the iLO session underneath is another one than the handle knows.
	ErrStale = errors.New("the iLO session underneath has changed: a new handle is needed")
	// ErrForceSessions: default client sessions are not allowed.
	ErrForceSessions = errors.New("a client session is required")
	// ErrNoSession: there is no such client session.
	ErrNoSession = errors.New("no such client session")
	// ErrVariable: a value is not one that a variable or limit can have. See ValueError.
	ErrVariable = errors.New("the value is not valid")
	// ErrRootReadOnly: a relative write while the active path is the service root.
	ErrRootReadOnly = errors.New("the service root as the active path is for reading only")
	// ErrSubtree: a recursive read would be too large.
	ErrSubtree = errors.New("there is too much below the path to read it recursively")
)

// ValueError is an ErrVariable.
type ValueError struct {
	Property string // the name in JSON
	Value    string
	Reason   string // completes the sentence that begins with the value
}

// Error is for people.
func (e *ValueError) Error() string { return e.Property + ": " + e.Value + " " + e.Reason }

// Unwrap returns ErrVariable.
func (e *ValueError) Unwrap() error { return ErrVariable }

// LimitError says that there may be no more client sessions.
type LimitError struct {
	PerUser    bool      // the maximum of the user, not that of all
	Policy     Policy    // that refused
	Candidates []Session // with Ask, those of which one may be ended, longest unused first
}

// Error is for people.
func (e *LimitError) Error() string {
	if e.PerUser {
		return "the user has too many client sessions"
	}
	return "there are too many client sessions"
}

// Options is what a Registry needs.
type Options struct {
	// Limits are those of the configuration. Those of a call of SetLimits win,
	// also after a restart.
	Limits Limits
	// Dir is the directory for what survives a restart. Empty: in memory only.
	Dir string
	// Holds is what would be lost with a session, for people. Nil: nothing. It
	// must not call the Registry except for Limits.
	Holds func(id string) string
	// Ended is called when a session has ended, without any lock.
	Ended func(id, why string)

	Now    func() time.Time   // nil: time.Now
	Random io.Reader          // nil: crypto/rand
	Log    logrus.FieldLogger // nil: none
}

// Registry has all client sessions. It is safe for concurrent use.
type Registry struct{}

// Stats count what a Registry has and did.
type Stats struct {
	Sessions   int   `json:"sessions"`   // live, the default ones included
	Defaults   int   `json:"defaults"`   // live
	InUse      int   `json:"inUse"`      // live with requests that run now
	Created    int64 `json:"created"`    // all of them since the start
	Expired    int64 `json:"expired"`    // ended by a timeout
	Terminated int64 `json:"terminated"` // ended by somebody, or to make room
	Refused    int64 `json:"refused"`    // not made because of a limit
	Forged     int64 `json:"forged"`     // uses of a handle that is none
	Lookups    int64 `json:"lookups"`    // uses of a genuine handle
}

// Open makes a Registry of what survived in o.Dir.
func Open(o Options) (*Registry, error) { return nil, errors.ErrUnsupported }

// Close keeps everything for the next Open.
func (*Registry) Close() error { return nil }

// Create makes a session and its handle.
func (*Registry) Create(of Owner, q Request) (s Session, handle string, err error) {
	return s, "", errors.ErrUnsupported
}

// Use is the use of the session of a handle.
func (*Registry) Use(handle, ownerKey string) (*Lease, error) { return nil, errors.ErrUnsupported }

// Default is the use of the owner's default session.
func (*Registry) Default(of Owner) (*Lease, error) { return nil, errors.ErrUnsupported }

// Get returns a session.
func (*Registry) Get(id string) (Session, error) { return Session{}, errors.ErrUnsupported }

// List returns the sessions that are visible, oldest first.
func (*Registry) List(visible func(Session) bool) []Session { return nil }

// Set changes variables.
func (*Registry) Set(id string, change func(*Variables) error) (Session, error) {
	return Session{}, errors.ErrUnsupported
}

// End terminates a session.
func (*Registry) End(id, by string) error { return errors.ErrUnsupported }

// EndUser terminates all sessions of a user and returns their ids.
func (*Registry) EndUser(ownerKeyOrName, by string) []string { return nil }

// Reissue makes a fresh handle.
func (*Registry) Reissue(id string) (s Session, handle string, err error) {
	return s, "", errors.ErrUnsupported
}

// RotateKey makes every handle invalid.
func (*Registry) RotateKey() error { return errors.ErrUnsupported }

// Limits are the present ones.
func (*Registry) Limits() Limits { return Limits{} }

// SetLimits changes the limits, and keeps them across restarts.
func (*Registry) SetLimits(l Limits) error { return errors.ErrUnsupported }

// Bump raises all versions: the iLO session underneath has changed.
func (*Registry) Bump(why string) {}

// Stats returns the counts.
func (*Registry) Stats() Stats { return Stats{} }
