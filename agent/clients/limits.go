package clients

import (
	"fmt"
	"slices"
	"time"

	"github.com/ilod/ilod/agent/api"
)

// DefaultLimits are those without a configuration.
func DefaultLimits() api.Limits {
	return api.Limits{
		MaxSessions: 4096, MaxSessionsPerUser: 1024, InactivityTimeout: api.Seconds(30 * time.Minute),
		TransactionTimeout: api.Seconds(5 * time.Minute), WhenFull: api.Reject, StrictJSON: true,
	}
}

// maxSeconds bounds what a limit can be.
const maxSeconds = api.Seconds(10 * 365 * 24 * time.Hour)

// checkLimits fails with ErrVariable. No policy is Reject.
func checkLimits(l *api.Limits) error {
	if l.WhenFull == "" {
		l.WhenFull = api.Reject
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
		d        api.Seconds
	}{{"inactivityTimeout", l.InactivityTimeout}, {"lifetime", l.Lifetime}, {"transactionTimeout", l.TransactionTimeout}} {
		if c.d < 0 || c.d > maxSeconds {
			return &ValueError{c.property, time.Duration(c.d), "is not between 0 and 10 years"}
		}
	}
	return oneOf("whenFull", l.WhenFull, api.Reject, api.OldestIdle, api.Ask)
}

// oneOf fails with ErrVariable if the value is none of the allowed ones.
func oneOf[T ~string](property string, value T, allowed ...T) error {
	if slices.Contains(allowed, value) {
		return nil
	}
	return &ValueError{property, string(value), fmt.Sprintf("is not one of %q", allowed)}
}
