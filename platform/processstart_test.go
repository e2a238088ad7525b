//go:build linux || windows

package platform

import (
	"os"
	"testing"
)

// TestThisProcessHasNotEnded, and an earlier one with its number has.
func TestThisProcessHasNotEnded(t *testing.T) {
	pid := uint32(os.Getpid())
	switch started := processStart(pid); {
	case started == 0 || ProcessEnded(pid, started):
		t.Errorf("this process has ended; it began at %d", started)
	case !ProcessEnded(pid, started-1):
		t.Error("an earlier process with this number has not ended")
	case ProcessEnded(pid, 0):
		t.Error("what is not known has ended")
	}
}
