package platform

import (
	"os/exec"
	"testing"

	"golang.org/x/sys/unix"
)

// waitWithoutReaping waits until a child has ended, and leaves it a zombie.
func waitWithoutReaping(pid int) error {
	return unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
}

// TestTheEndOfAProcessIsKnown: while it lives it has not ended, as a zombie it has, and
// nobody else's number and time are its.
func TestTheEndOfAProcessIsKnown(t *testing.T) {
	cmd := exec.Command("cat")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	pid := uint32(cmd.Process.Pid)
	started := processStart(pid)
	if started == 0 || ProcessEnded(pid, started) {
		t.Errorf("it lives, since %d", started)
	}
	if !ProcessEnded(pid, started-1) {
		t.Error("an earlier process with this number has not ended")
	}
	if ProcessEnded(pid, 0) || ProcessEnded(0, 0) {
		t.Error("what is not known has ended")
	}
	if err := in.Close(); err != nil {
		t.Fatal(err)
	}
	if err := waitWithoutReaping(cmd.Process.Pid); err != nil {
		t.Fatal(err)
	}
	if !ProcessEnded(pid, started) {
		t.Error("a zombie has not ended")
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	if !ProcessEnded(pid, started) {
		t.Error("it is gone and has not ended")
	}
}
