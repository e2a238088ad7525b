package redfish

import (
	"net/http"
	"time"
)

// clock is the iLO's own clock: the host's, displaced and drifting.
type clock struct {
	source func() time.Time
	start  time.Time
	offset time.Duration
	drift  float64
}

func (c *clock) now() time.Time {
	t := c.source()
	drift := time.Duration(float64(t.Sub(c.start)) * c.drift)
	return t.Add(c.offset + drift).UTC()
}

// set makes the clock show t now.
func (c *clock) set(t time.Time) { c.offset += t.Sub(c.now()) }

// Now is the time by the iLO's clock.
func (s *Service) Now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.clock.now()
}

// SetClock makes the iLO's clock jump, such as to 2001 (§2). Sessions idle
// by the new time expire.
func (s *Service) SetClock(t time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clock.set(t)
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }

func httpDate(t time.Time) string { return t.UTC().Format(http.TimeFormat) }
