package clients

import (
	"encoding/json"
	"fmt"
	"time"
)

// Limits bound the client sessions. A maximum of zero and a Lifetime of zero are
// no bound. The last eighth of MaxSessions is for admins. Default client sessions do not count: each user has one at most.
type Limits struct {
	MaxSessions        int
	MaxSessionsPerUser int
	InactivityTimeout  Seconds // zero: one request per client session
	Lifetime           Seconds
	TransactionTimeout Seconds // see package transaction
	ForceSessions      bool    // refuse default client sessions
	WhenFull           Policy
	StrictJSON         bool // refuse writes whose JSON could be read in two ways
}

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
		MaxSessions: 4096, MaxSessionsPerUser: 1024, InactivityTimeout: Seconds(30 * time.Minute),
		TransactionTimeout: Seconds(5 * time.Minute), WhenFull: Reject, StrictJSON: true,
	}
}

// maxSeconds bounds what a limit can be.
const maxSeconds = Seconds(10 * 365 * 24 * time.Hour)

// Validate fails with ErrVariable. No policy is Reject.
func (l *Limits) Validate() error {
	if l.WhenFull == "" {
		l.WhenFull = Reject
	}
	for _, c := range []struct {
		property string
		n        int
	}{{"MaxSessions", l.MaxSessions}, {"MaxSessionsPerUser", l.MaxSessionsPerUser}} {
		if c.n < 0 {
			return &ValueError{c.property, c.n, "is negative"}
		}
	}
	for _, c := range []struct {
		property string
		d        Seconds
	}{{"InactivityTimeout", l.InactivityTimeout}, {"Lifetime", l.Lifetime}, {"TransactionTimeout", l.TransactionTimeout}} {
		if c.d < 0 || c.d > maxSeconds {
			return &ValueError{c.property, time.Duration(c.d), "is not between 0 and 10 years"}
		}
	}
	return oneOf("WhenFull", l.WhenFull, Reject, OldestIdle, Ask)
}

// oneOf fails with ErrVariable if the value is none of the allowed ones.
func oneOf[T ~string](property string, value T, allowed ...T) error {
	for _, a := range allowed {
		if value == a {
			return nil
		}
	}
	return &ValueError{property, string(value), fmt.Sprintf("is none of %q", allowed)}
}

// Seconds is a duration that is a number of seconds in JSON.
type Seconds time.Duration

// MarshalJSON encodes the seconds.
func (s Seconds) MarshalJSON() ([]byte, error) {
	return json.Marshal(time.Duration(s).Seconds())
}

// UnmarshalJSON decodes seconds, to the nanosecond.
func (s *Seconds) UnmarshalJSON(b []byte) error {
	var seconds *float64
	if err := json.Unmarshal(b, &seconds); err != nil || seconds == nil {
		return err
	}
	// What a Duration cannot hold stays out of range for Validate.
	*s = Seconds(min(max(*seconds, -1), 2*time.Duration(maxSeconds).Seconds()) * float64(time.Second))
	return nil
}
