package need

import (
	"errors"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestOnlyTheThreadHasTheOtherUser: the process stays root's, in /proc and for its other threads.
func TestOnlyTheThreadHasTheOtherUser(t *testing.T) {
	const uid = 64_321
	for range 300 {
		As(t, uid, func() error {
			if unix.Geteuid() != uid {
				return errors.New("the thread has not changed its user")
			}
			return nil
		})
	}
	status, err := os.ReadFile("/proc/self/status")
	if err != nil || !strings.Contains(string(status), "\nUid:\t0\t0\t0\t0\n") {
		t.Errorf("%s %v", status, err)
	}
}
