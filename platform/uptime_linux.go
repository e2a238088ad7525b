package platform

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Uptime is how long ago the host was booted, with the time that it slept.
func Uptime() (time.Duration, error) {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &t); err != nil {
		return 0, os.NewSyscallError("clock_gettime", err)
	}
	return time.Duration(t.Nano()), nil
}
