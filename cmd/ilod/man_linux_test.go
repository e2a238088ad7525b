package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
)

// TestManual wants a page for each command, of which mandoc does not warn.
func TestManual(t *testing.T) {
	need(t, "mandoc", "mandoc")
	root, dir := newApp(os.Stdin, os.Stdout, os.Stderr).rootCommand(), t.TempDir()
	if err := writeManual(root, dir, time.Unix(1e9, 0)); err != nil {
		t.Fatal(err)
	}
	pages, err := filepath.Glob(filepath.Join(dir, "ilod*.[17]"))
	if err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mandoc", append([]string{"-T", "lint", "-W", "warning"}, pages...)...).CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("%v: %s", err, out)
	}
	walk(root, func(cmd *cobra.Command) {
		text, err := exec.Command("mandoc", "-T", "ascii", filepath.Join(dir, pageName(cmd)+"."+section(cmd))).Output()
		if err != nil || !strings.Contains(string(text), strings.Fields(cmd.Short)[0]) {
			t.Errorf("%s: %v: %s", cmd.CommandPath(), err, text)
		}
	})
}
