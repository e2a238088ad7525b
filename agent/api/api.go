// Package api has the documents of the agent's own resources, below /ilod/v1: what
// package gateway writes, package client reads, and the commands print with --json.
//
// The names of properties are in camelCase. A time is in the form of RFC 3339, a
// duration is a number of seconds. What begins with @odata, and the body of an error,
// are as in Redfish and not here.
package api

import (
	"encoding/json"
	"strconv"
	"time"
)

// Seconds is a duration that is a number of seconds in JSON, with a fraction if need be.
type Seconds time.Duration

// maxSeconds is below what a Duration can hold, and far above each limit.
const maxSeconds = 1e9

// MarshalJSON writes the seconds to the nanosecond.
func (s Seconds) MarshalJSON() ([]byte, error) {
	return strconv.AppendFloat(nil, time.Duration(s).Seconds(), 'f', -1, 64), nil
}

// UnmarshalJSON reads a number; null changes nothing. Any negative number becomes one
// that is at least -1, any large one at most a billion.
func (s *Seconds) UnmarshalJSON(text []byte) error {
	var seconds *float64
	if err := json.Unmarshal(text, &seconds); err != nil || seconds == nil {
		return err
	}
	*s = Seconds(min(max(*seconds, -1), maxSeconds) * float64(time.Second))
	return nil
}
