package api

import (
	"encoding/json"
	"time"
)

// Status says how the agent is doing.
type Status struct {
	Agent    Agent         `json:"agent"`
	Started  time.Time     `json:"started"`
	Session  ILOStatus     `json:"session"`  // on the iLO
	Schedule ScheduleStats `json:"schedule"` // requests for the iLO, by class
	Cache    CacheStats    `json:"cache"`
	Clients  ClientStats   `json:"clients"` // sessions of local clients with the agent
	// TLS is nil without a TLS listener.
	TLS *Listener `json:"tls,omitempty"`
	// Transactions of these sessions.
	Transactions TransactionStats `json:"transactions"`
}

// Agent says who the agent is.
type Agent struct {
	Version string `json:"version"`
	Commit  string `json:"commit"` // of the source
	PID     int    `json:"pid"`
	Device  string `json:"device"` // as in the configuration
	Socket  string `json:"socket"` // path, as in the configuration
}

// Listener is a port on which the agent listens.
type Listener struct {
	Address string `json:"address"`
	Error   string `json:"error,omitempty"` // why it does not listen
}

// ILOStatus is about the agent's own session on the iLO.
type ILOStatus struct {
	Session       string    `json:"session,omitempty"` // path of the session in use
	Since         time.Time `json:"since,omitzero"`
	LastUse       time.Time `json:"lastUse,omitzero"`
	InUse         int       `json:"inUse"` // requests in flight in the session
	Logins        int       `json:"logins"`
	Replays       int       `json:"replays"`
	Refusals      int       `json:"refusals"`              // logins that failed, for whatever reason
	LastError     string    `json:"lastError,omitempty"`   // of logins and of left sessions, until they succeed
	LedgerEntries int       `json:"ledgerEntries"`         // sessions that the iLO may have of ours, with the one in use
	LedgerError   string    `json:"ledgerError,omitempty"` // why the ledger is not where it should be
	Recovered     time.Time `json:"recovered,omitzero"`    // when what was left was last put in order, without an error
}

// ScheduleStats say what became of requests for the iLO, by name of class.
type ScheduleStats map[string]ClassStats

// ClassStats are the part of ScheduleStats about one class.
type ClassStats struct {
	Queued    int     `json:"queued"`    // wait now
	Running   int     `json:"running"`   // hold a slot now
	Started   int64   `json:"started"`   // got a slot
	Refused   int64   `json:"refused"`   // because the queue was full
	Abandoned int64   `json:"abandoned"` // context ended, or closed, while waiting
	Waited    Seconds `json:"waited"`    // in the queue, all that got a slot together
}

// CacheStats count what the cache did and holds.
type CacheStats struct {
	Hits          int64     `json:"hits"`          // answered from the cache
	Misses        int64     `json:"misses"`        // nothing was there
	Stale         int64     `json:"stale"`         // what was there was too old
	Collapsed     int64     `json:"collapsed"`     // joined the exchange of another request
	Bypassed      int64     `json:"bypassed"`      // not for this cache
	StaleServed   int64     `json:"staleServed"`   // too old, and the client agreed
	Writes        int64     `json:"writes"`        // requests that may have changed something
	Sweeps        int64     `json:"sweeps"`        // of the directory, that succeeded
	Invalidations int64     `json:"invalidations"` // of everything
	Entries       int       `json:"entries"`
	HotBytes      int       `json:"hotBytes"`
	Epoch         uint64    `json:"epoch"`
	LastSweep     time.Time `json:"lastSweep"`
}

// Cache says what the cached tree has.
type Cache struct {
	CacheStats
	// Store is what the store below tells of itself, in the form of Stats of module
	// package cache.
	Store json.RawMessage `json:"store"`
}

// Warm is the body of a request to warm the cache: what to read beside the tree.
type Warm struct {
	Logs    bool `json:"logs"`    // each log entry, although its collection has it, too
	Schemas bool `json:"schemas"` // schemas and registries
}

// Warming is one line of the answer to a request to warm the cache: how far it is, in
// resources. The last line has Finished or Error.
type Warming struct {
	Done     int             `json:"done"`              // read, fresh already, or refused
	Total    int             `json:"total"`             // found so far: it grows while links are followed
	Refused  int             `json:"refused,omitempty"` // of Done, by the iLO
	Finished bool            `json:"finished,omitempty"`
	Error    json.RawMessage `json:"error,omitempty"` // as in an error body
}

// ClientStats count the client sessions since the agent's start.
type ClientStats struct {
	Sessions   int   `json:"sessions"`   // live, the default ones included
	Defaults   int   `json:"defaults"`   // live
	InUse      int   `json:"inUse"`      // live with requests that run now
	Created    int64 `json:"created"`    // the default ones included
	Expired    int64 `json:"expired"`    // ended by a timeout
	Terminated int64 `json:"terminated"` // ended by somebody, or to make room
	Refused    int64 `json:"refused"`    // not made because of a limit
	Forged     int64 `json:"forged"`     // uses of a handle that is not genuine
	Lookups    int64 `json:"lookups"`    // uses of a genuine handle
}

// TransactionStats count the transactions, and what became of them since the agent's
// start.
type TransactionStats struct {
	Open             int   `json:"open"`
	Committed        int64 `json:"committed"`
	RolledBack       int64 `json:"rolledBack"` // asked for, or after a failure
	PartlyRolledBack int64 `json:"partlyRolledBack"`
	Unknown          int64 `json:"unknown"`
	ThrownAway       int64 `json:"thrownAway"` // idle for too long, or the client session ended
}
