package clients

import (
	"fmt"
	"time"
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

// checkLimits fails with ErrVariable. No policy is Reject.
func checkLimits(l *Limits) error {
	if l.WhenFull == "" {
		l.WhenFull = Reject
	}
	for _, c := range []struct {
		property string
		n        int
	}{{"maxSessions", l.MaxSessions}, {"maxSessionsPerUser", l.MaxSessionsPerUser}} {
		if c.n < 0 {
			return &ValueError{c.property, c.n, "is negative"}
		}
	}
	for _, c := range []struct {
		property string
		d        Seconds
	}{{"inactivityTimeout", l.InactivityTimeout}, {"lifetime", l.Lifetime}, {"transactionTimeout", l.TransactionTimeout}} {
		if c.d < 0 || c.d > maxSeconds {
			return &ValueError{c.property, time.Duration(c.d), "is not between 0 and 10 years"}
		}
	}
	return oneOf("whenFull", l.WhenFull, Reject, OldestIdle, Ask)
}

// oneOf fails with ErrVariable if the value is none of the allowed ones.
func oneOf[T ~string](property string, value T, allowed ...T) error {
	for _, a := range allowed {
		if value == a {
			return nil
		}
	}
	return &ValueError{property, string(value), fmt.Sprintf("is not one of %q", allowed)}
}
