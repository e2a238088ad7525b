package main

import (
	"os"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/ilod/ilod/cmd/ilod/script"
)

// TestHelp wants of every command that its help says what it does, shows how, and
// describes each flag.
func TestHelp(t *testing.T) {
	root := newApp(os.Stdin, os.Stdout, os.Stderr).rootCommand()
	for path := range more {
		if cmd, rest, err := root.Find(strings.Fields(path)); path != "ilod" && (err != nil || len(rest) > 0 || cmd == root) {
			t.Errorf("there is no %q", path)
		}
	}
	walk(root, func(cmd *cobra.Command) {
		path := cmd.CommandPath()
		if strings.HasSuffix(cmd.Short, ".") || cmd.Short == "" {
			t.Errorf("%s: short help %q", path, cmd.Short)
		}
		if cmd.Long == "" {
			t.Errorf("%s: no long help", path)
		}
		if cmd.Runnable() && !strings.Contains(cmd.Example, path) {
			t.Errorf("%s: its examples are %q", path, cmd.Example)
		}
		for line := range strings.Lines(cmd.Example) {
			if all, err := script.Statements(line); err == nil && len(all) == 1 && all[0].Words[0] == "ilod" {
				if err := understood(root, all[0].Words[1:]); err != nil {
					t.Errorf("%s: %q: %v", path, line, err)
				}
			}
		}
		for line := range strings.Lines(cmd.Long) {
			if strings.HasSuffix(line, " \n") {
				t.Errorf("%s: %q", path, line)
			}
		}
		cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
			if f.Usage == "" || strings.HasSuffix(f.Usage, ".") {
				t.Errorf("%s --%s: %q", path, f.Name, f.Usage)
			}
		})
	})
}

// walk visits the commands that are for people.
func walk(cmd *cobra.Command, visit func(*cobra.Command)) {
	if cmd.Hidden {
		return
	}
	visit(cmd)
	for _, sub := range cmd.Commands() {
		walk(sub, visit)
	}
}
