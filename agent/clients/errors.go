package clients

import (
	"errors"
	"fmt"

	"github.com/ilod/ilod/agent/api"
)

// Errors of a Registry and of a Stage.
var (
	// ErrHandle: the handle is not one of ours, or is of somebody else's session.
	ErrHandle = errors.New("the handle of the client session is not valid")
	// ErrExpired: the client session was not used for too long, or is too old.
	ErrExpired = errors.New("the client session has expired")
	// ErrTerminated: somebody has ended the client session.
	ErrTerminated = errors.New("the client session was terminated")
	// ErrStale: the iLO session underneath is another one than the handle knows. It
	// is a *StaleError.
	ErrStale = errors.New("the iLO session underneath has changed: a new handle is needed")
	// ErrForceSessions: default client sessions are not allowed.
	ErrForceSessions = errors.New("a client session is required")
	// ErrNoSession: there is no such client session.
	ErrNoSession = errors.New("no such client session")
	// ErrVariable: a value is not one that its variable, limit or header can
	// have. It is a *ValueError.
	ErrVariable = errors.New("the value is not valid")
	// ErrOneRequest: the client session lasts one request, and a transaction takes more.
	ErrOneRequest = errors.New("the inactivity-timeout is 0: the client session ends with this request, so it cannot have a transaction; those of ilod tx run and ilod batch last as long as the command")
	// ErrRootReadOnly: a relative write while the active path is the service root.
	ErrRootReadOnly = errors.New("the service root as the active path is for reading only")
	// ErrSubtree: a recursive read would be too large.
	ErrSubtree = errors.New("there is too much below the path to read it recursively")
)

// StaleError is an ErrStale with the client session of the handle, which is
// genuine and its user's.
type StaleError struct{ Session string }

func (*StaleError) Error() string { return ErrStale.Error() }

func (*StaleError) Unwrap() error { return ErrStale }

// ValueError is an ErrVariable.
type ValueError struct {
	Property string // the name in JSON, or of the header
	Value    any
	Reason   string // completes the sentence that begins with the value
}

func (e *ValueError) Error() string {
	return fmt.Sprintf("%s: %.200q %s", e.Property, fmt.Sprint(e.Value), e.Reason)
}

func (e *ValueError) Unwrap() error { return ErrVariable }

// LimitError says that there may be no more client sessions.
type LimitError struct {
	PerUser    bool          // the maximum of the user, not that of all
	Policy     api.Policy    // that refused
	Candidates []api.Session // with Ask, those of which some may be ended, longest unused first
	MustEnd    int           // how many have to, at least 1
	MayEnd     bool          // the user may end so many
}

func (e *LimitError) Error() string {
	text := "there are too many client sessions"
	if e.PerUser {
		text = "the user has too many client sessions"
	}
	if e.MustEnd > 1 {
		text += fmt.Sprintf(": %d of them must end before there can be another one", e.MustEnd)
	}
	return text
}
