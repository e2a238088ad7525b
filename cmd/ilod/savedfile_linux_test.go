package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/ilod/ilod/chif/chiftest/redfish"
)

// TestSavedFilesAreTheirOwnersOnly: what an iLO tells may be secret. Whatever the
// umask, and whatever mode a file had before, others cannot read it.
func TestSavedFilesAreTheirOwnersOnly(t *testing.T) {
	device, _ := simulator(t, redfish.Options{})
	env := environment(t, device)
	file := filepath.Join(t.TempDir(), "file")
	for _, args := range []string{
		"save --select ComputerSystem. -f", "rawget /redfish/v1/ -f", "rawget /redfish/v1/ -b",
	} {
		for _, mode := range []os.FileMode{0, 0o666, 0o600} {
			if mode == 0 {
				_ = os.Remove(file) // it need not be there
			} else if err := os.Chmod(file, mode); err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command("sh", "-c", "umask 0; ilod "+args+" "+file)
			cmd.Env = env
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%s: %v: %s", args, err, out)
			}
			if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 || info.Size() < 100 {
				t.Errorf("%s over %v: %v, %v", args, mode, info.Mode(), err)
			}
		}
	}
	cmd := exec.Command("ilod", "save", "--select", "ComputerSystem.", "-f", "/dev/null")
	cmd.Env = env
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}
