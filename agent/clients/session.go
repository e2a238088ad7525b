package clients

import (
	"context"

	"github.com/ilod/ilod/agent/api"
	"github.com/ilod/ilod/agent/transaction"
)

// SessionsPath begins the paths of client sessions.
const SessionsPath = "/ilod/v1/sessions/"

// Request is what a new client session is asked for with.
type Request struct {
	Kind       string // one of package api; empty: api.KindSocket
	Name       string // chosen by the client, may be empty
	Compatible bool   // its handle stays good when versions go up
	// Terminate are ids of sessions to end if there are too many, as many as need be, and
	// in this order. They must be among the candidates that a LimitError would name.
	Terminate []string
	// Admin: the reserve of MaxSessions is for it, and at the maximum of all users
	// it may end anybody's session.
	Admin bool
}

// WithSession returns a context for the requests of a client session.
func WithSession(ctx context.Context, s api.Session) context.Context {
	return transaction.WithSession(context.WithValue(ctx, sessionKey{}, &s), s.ID)
}

// sessionKey is the key of a *Session in a context.
type sessionKey struct{}
