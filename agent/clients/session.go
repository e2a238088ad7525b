package clients

import (
	"context"

	"github.com/ilod/ilod/agent/api"
	"github.com/ilod/ilod/agent/transaction"
)

// The documents of client sessions.
type (
	// Session is a client session as it was at one moment, in the form in which
	// clients and the journal get it.
	Session = api.Session
	// Process is a process of this host.
	Process = api.Process
	// Variables are what a client session remembers for its client.
	Variables = api.Variables
	// Limits bound the client sessions.
	Limits = api.Limits
	// Policy says what happens at a maximum.
	Policy = api.Policy
	// Seconds is a duration in JSON.
	Seconds = api.Seconds
	// Stats count the client sessions.
	Stats = api.ClientStats
)

// What happens at a maximum.
const (
	Reject     = api.Reject
	OldestIdle = api.OldestIdle
	Ask        = api.Ask
)

// SessionsPath begins the paths of client sessions.
const SessionsPath = "/ilod/v1/sessions/"

// Request is what a new client session is asked for with.
type Request struct {
	Name       string // chosen by the client, may be empty
	Compatible bool   // its handle stays good when versions go up
	// Terminate is the id of the session to end if there are too many. It must
	// be one of the candidates that a LimitError would name.
	Terminate string
	// Admin: the reserve of MaxSessions is for it, and at the maximum of all users
	// it may end anybody's session.
	Admin bool
}

// WithSession returns a context for the requests of a client session.
func WithSession(ctx context.Context, s Session) context.Context {
	return transaction.WithSession(context.WithValue(ctx, sessionKey{}, &s), s.ID)
}

// sessionKey is the key of a *Session in a context.
type sessionKey struct{}
