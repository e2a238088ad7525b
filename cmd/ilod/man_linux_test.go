package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/ilod/ilod/chif/chiftest/need"
)

// TestManual wants a page for each command, in which mandoc finds nothing, be it
// style.
func TestManual(t *testing.T) {
	need.Program(t, "mandoc", "mandoc")
	dir := t.TempDir()
	manual := exec.Command("ilod", "internal", "man", dir)
	manual.Env = append(os.Environ(), "SOURCE_DATE_EPOCH=1000000000")
	if out, err := manual.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	pages, err := filepath.Glob(filepath.Join(dir, "ilod*.[17]"))
	if err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mandoc", append([]string{"-T", "lint", "-W", "style"}, pages...)...).CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("%v: %s", err, out)
	}
	root := newApp(os.Stdin, os.Stdout, os.Stderr).rootCommand()
	root.InitDefaultHelpCmd()
	walk(root, func(cmd *cobra.Command) {
		text, err := exec.Command("mandoc", "-T", "ascii", filepath.Join(dir, pageName(cmd)+"."+section(cmd))).Output()
		if err != nil || !strings.Contains(string(text), strings.Fields(cmd.Short)[0]) {
			t.Errorf("%s: %v: %s", cmd.CommandPath(), err, text)
		}
	})
}
