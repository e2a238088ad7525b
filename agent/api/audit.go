package api

import (
	"fmt"
	"strings"
	"time"
)

// SessionEvent is what happened to a session, a limit, or the key of the handles.
type SessionEvent struct {
	Time     time.Time   `json:"time"` // in UTC
	Event    SessionDeed `json:"event"`
	ILO      bool        `json:"ilo"`                // it is about a session on the iLO, not a client session
	Session  string      `json:"session,omitempty"`  // the id
	Owner    string      `json:"owner,omitempty"`    // whose session it is: the key
	User     string      `json:"user,omitempty"`     // the same for people
	By       string      `json:"by,omitempty"`       // who did it; nobody: the agent, or the iLO
	From     string      `json:"from,omitempty"`     // where that one is: a process of this host, or an address
	Why      string      `json:"why,omitempty"`      // for people
	Sessions int         `json:"sessions,omitempty"` // how many client sessions the user has then, with the default one
	Limit    string      `json:"limit,omitempty"`    // the name in the JSON of Limits
	Old      string      `json:"old,omitempty"`      // of the limit, in JSON
	New      string      `json:"new,omitempty"`
	Times    int         `json:"times,omitempty"` // how often the same has happened, if more than once
}

// SessionDeed names what happened.
type SessionDeed string

// What can happen. A session ends in one of three ways: its owner has ended it, somebody
// else has, or nobody has.
const (
	SessionMade       SessionDeed = "made"
	SessionRefused    SessionDeed = "refused" // it was not made, or a request may not use it
	SessionEnded      SessionDeed = "ended"
	SessionTerminated SessionDeed = "terminated"
	SessionExpired    SessionDeed = "expired"
	SessionUsedLate   SessionDeed = "used-after-end" // the request was refused
	LimitSet          SessionDeed = "limit-set"
	KeyChanged        SessionDeed = "key-changed" // all handles are invalid
)

// String is the event for people, in a line.
func (e SessionEvent) String() string {
	what := "client session"
	if e.ILO {
		what = "iLO session"
	}
	switch e.Event {
	case LimitSet:
		return fmt.Sprintf("limit %s set from %s to %s", e.Limit, e.Old, e.New)
	case KeyChanged:
		return "key of the handles changed"
	}
	text := what + " " + strings.ReplaceAll(string(e.Event), "-", " ")
	if e.Sessions > 0 {
		plural := "s"
		if e.Sessions == 1 {
			plural = ""
		}
		text += fmt.Sprintf("; user %s has %d session%s", e.User, e.Sessions, plural)
	}
	return text
}

// SessionLog are the last events, oldest first.
type SessionLog struct {
	Path    string         `json:"@odata.id"`
	Members []SessionEvent `json:"Members"`
	Count   int            `json:"Members@odata.count"`
}
