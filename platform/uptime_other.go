//go:build !linux && !windows

package platform

import "time"

// Uptime fails with errors.ErrUnsupported.
func Uptime() (time.Duration, error) { return 0, unsupported("uptime") }
