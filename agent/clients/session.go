package clients

import (
	"context"
	"time"

	"github.com/ilod/ilod/agent/transaction"
)

// Session is a client session as it was at one moment, in the form in which
// clients and the journal get it.
type Session struct {
	Path      string    `json:"@odata.id"`
	ID        string    `json:"Id"`
	Name      string    // chosen by the client, may be empty
	Owner     string    // Owner.Key
	User      string    // Owner.Name
	Process   Process   // that made it
	Default   bool      // the one of requests without a handle
	Version   uint64    // that its handle must have
	Created   time.Time // in UTC
	Used      time.Time // in UTC, the begin or the end of its last request
	Requests  uint64    // all of them
	InUse     int       // requests that run now
	Holds     string    `json:",omitempty"` // what would be lost with it, for people
	Current   bool      // the session of the request that asks
	Variables           // encoded beside the others
}

// SessionsPath begins the paths of client sessions.
const SessionsPath = "/ilod/v1/sessions/"

// Process is a process of this host.
type Process struct {
	ID   uint32 `json:"Id"`
	Name string
}

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
