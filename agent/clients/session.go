package clients

import (
	"context"
	"time"
)

// Session is a client session as it was at one moment.
type Session struct {
	Path      string  `json:"@odata.id"`
	ID        string  `json:"Id"`
	Name      string  `json:"Name"`
	Owner     string  `json:"Owner"` // Owner.Key
	User      string  `json:"User"`
	Process   Process `json:"Process"` // that made it
	Default   bool    `json:"Default"` // the one of requests without a handle
	Version   uint64  `json:"Version"`
	Created   time.Time
	Used      time.Time
	Requests  uint64
	InUse     int    // requests that run now
	Holds     string // what would be lost with it, for people; empty: nothing
	Current   bool   // the session of the request that asks
	Variables        // encoded beside the others
}

// Process is a process of this host.
type Process struct {
	ID   uint32 `json:"Id"`
	Name string
}

// Request is what a new client session is asked for with.
type Request struct {
	Name       string // chosen by the client, may be empty
	Compatible bool   // its handle stays good when versions go up
	Terminate  string // the id of the session to end if there are too many
	Admin      bool   // may choose among the sessions of all users at the global maximum
}

// WithSession returns a context for the requests of a client session.
func WithSession(ctx context.Context, s Session) context.Context {
	return context.WithValue(ctx, sessionKey{}, &s)
}

type sessionKey struct{}
