package clients

import "time"

// Limits bound the client sessions. Zero maxima and a zero Lifetime are no bound.
type Limits struct {
	MaxSessions        int
	MaxSessionsPerUser int
	InactivityTimeout  Seconds // zero: one request per client session
	Lifetime           Seconds
	TransactionTimeout Seconds // see package transaction
	ForceSessions      bool    // refuse default client sessions
	WhenFull           Policy
}

// Seconds is a duration that is encoded in JSON as a number of seconds.
type Seconds time.Duration

// Policy says what happens at a maximum.
type Policy string

// What happens at a maximum.
const (
	Reject     Policy = "reject"      // the new session is refused
	OldestIdle Policy = "oldest-idle" // the session that was not used for the longest time ends
	Ask        Policy = "ask"         // the refusal names those of which one may be ended
)

// DefaultLimits are those without a configuration.
func DefaultLimits() Limits {
	return Limits{
		MaxSessions: 4096, InactivityTimeout: Seconds(30 * time.Minute),
		TransactionTimeout: Seconds(5 * time.Minute), WhenFull: Reject,
	}
}
