package platform

import (
	"time"

	"golang.org/x/sys/windows"
)

// Uptime is how long ago the host was booted, with the time that it slept.
func Uptime() (time.Duration, error) { return windows.DurationSinceBoot(), nil }
