package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/ilod/ilod/chif/chiftest/need"
	"github.com/ilod/ilod/cmd/ilod/internal/manual"
)

// TestManual wants a page for each command, in which mandoc finds nothing, be it
// style.
func TestManual(t *testing.T) {
	need.Program(t, "mandoc", "mandoc")
	dir := t.TempDir()
	root := newApp(os.Stdin, os.Stdout, os.Stderr).rootCommand()
	root.InitDefaultHelpCmd()
	if err := manual.Write(root, dir, time.Unix(1000000000, 0)); err != nil {
		t.Fatal(err)
	}
	pages, err := filepath.Glob(filepath.Join(dir, "ilod*.[17]"))
	if err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mandoc", append([]string{"-T", "lint", "-W", "style"}, pages...)...).CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("%v: %s", err, out)
	}
	walk(root, func(cmd *cobra.Command) {
		text, err := exec.Command("mandoc", "-T", "ascii", filepath.Join(dir, manual.File(cmd))).Output()
		if err != nil || !strings.Contains(string(text), strings.Fields(cmd.Short)[0]) {
			t.Errorf("%s: %v: %s", cmd.CommandPath(), err, text)
		}
	})
}
