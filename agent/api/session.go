package api

import "time"

// Session is a client session with the agent, as it was at one moment. The journal of
// the sessions has it in the same form.
type Session struct {
	Path    string    `json:"path"` // of its resource
	ID      string    `json:"id"`
	Name    string    `json:"name"`    // chosen by the client, may be empty
	Owner   string    `json:"owner"`   // a key that stays the same when the user is renamed
	User    string    `json:"user"`    // for people
	Kind    string    `json:"kind"`    // one of the kinds below; empty: it is from an earlier version
	Process Process   `json:"process"` // that used it last
	Address string    `json:"address"` // where it was used from last, on the TLS listener
	Agent   string    `json:"agent"`   // the User-Agent of its last request, for people
	Default bool      `json:"default"` // the one of requests without a handle
	Version uint64    `json:"version"` // that its handle must have
	Created time.Time `json:"created"` // in UTC
	Used    time.Time `json:"used"`    // in UTC, the begin or the end of its last request
	// Expires is when it ends if nobody uses it any more, in UTC; the time of Used if it
	// lasts one request.
	Expires   time.Time `json:"expires"`
	Requests  uint64    `json:"requests"`
	InUse     int       `json:"inUse"`           // requests that run now
	Holds     string    `json:"holds,omitempty"` // what would be lost with it, for people
	Current   bool      `json:"current"`         // the session of the request that asks
	Variables           // encoded beside the others
}

// Process is a process of this host.
type Process struct {
	ID      uint32 `json:"id"`
	Name    string `json:"name"`
	Started uint64 `json:"started,omitempty"` // by a clock of the system's, to tell it from another one with its number
	Ended   bool   `json:"ended,omitempty"`   // it is gone
}

// The kinds of client sessions, by how they were made.
const (
	KindSocket  = "socket"  // on the Unix socket or the pipe; the default ones, too
	KindTLS     = "tls"     // on the TLS listener
	KindRedfish = "redfish" // by a login as Redfish has it, on either
	KindCommand = "command" // by a command of ilod for itself, which ends it
)

// Variables are what a client session remembers for its client. An empty one has its
// default.
type Variables struct {
	ActivePath   string `json:"activePath"`   // where relative paths begin; default /redfish/v1/
	Recursive    bool   `json:"recursive"`    // a GET answers with all below the resource
	ReturnedPath string `json:"returnedPath"` // the form of links in answers: "full" (default), "relative" or "leaf"
	Output       string `json:"output"`       // for the command line: "text" (default), "json" or "raw"
	Selection    string `json:"selection"`    // for the command line: a type such as "ComputerSystem.", or a path, with what package selection has behind it
	// TransactionTimeout is that of transactions that are begun without one; 0: that of the limits.
	TransactionTimeout Seconds `json:"transactionTimeout"`
}

// NewSession is the request for a client session.
type NewSession struct {
	Name    string `json:"name"`    // for people, may be empty
	Command bool   `json:"command"` // a command makes it for itself, and will end it
}

// Sessions are the client sessions that the caller may see.
type Sessions struct {
	Path    string    `json:"@odata.id"`
	Members []Session `json:"Members"`
	Count   int       `json:"Members@odata.count"`
}

// Room says in a refusal how there can be room for another session.
type Room struct {
	// Candidates are the sessions of which some may be ended, longest unused first: client
	// sessions as Session, those of the iLO as ILOSession.
	Candidates any `json:"Candidates,omitempty"`
	// MustEnd is how many of them have to end: more than one if the maximum was lowered.
	MustEnd int `json:"MustEnd"`
	// MayEnd: whoever asks may end as many. Else Ask has who may.
	MayEnd bool     `json:"MayEnd"`
	Ask    []string `json:"Ask,omitempty"`
}

// Terminated are the ids of the client sessions that a request has ended.
type Terminated struct {
	Terminated []string `json:"terminated"`
}

// Limits bound the client sessions. A maximum of zero and a Lifetime of zero are no
// bound. The last eighth of MaxSessions is for admins. Default client sessions do not
// count: each user has one at most.
type Limits struct {
	MaxSessions        int     `json:"maxSessions"`
	MaxSessionsPerUser int     `json:"maxSessionsPerUser"`
	InactivityTimeout  Seconds `json:"inactivityTimeout"` // zero: one request per client session
	Lifetime           Seconds `json:"lifetime"`
	TransactionTimeout Seconds `json:"transactionTimeout"` // how long an open transaction may be unused; zero: for ever
	ForceSessions      bool    `json:"forceSessions"`      // refuse default client sessions
	WhenFull           Policy  `json:"whenFull"`
	StrictJSON         bool    `json:"strictJSON"` // refuse writes whose JSON could be read in two ways
}

// ShownLimits are the limits, and where each comes from, by its name in JSON.
type ShownLimits struct {
	Limits
	From map[string]Origin `json:"from"`
}

// Origin says where the value of a limit comes from.
type Origin string

// Where the value of a limit comes from.
const (
	FromAdmin         Origin = "set"           // an admin has set it; it overrides the configuration
	FromConfiguration Origin = "configuration" // the agent's configuration has another value than the default
	FromDefault       Origin = "default"
)

// Policy says what happens at a maximum of client sessions.
type Policy string

// What happens at a maximum.
const (
	Reject     Policy = "reject"      // the new session is refused
	OldestIdle Policy = "oldest-idle" // the session that was not used for the longest time ends
	Ask        Policy = "ask"         // the refusal names those of which one may be ended
)
