package main

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/ilod/ilod/cmd/ilod/script"
)

// TestReference wants each command with its short help, each exit code and each global
// flag in COMMANDS.md, and of the command lines in README.md that they can be run.
func TestReference(t *testing.T) {
	root := newApp(os.Stdin, os.Stdout, os.Stderr).rootCommand()
	reference, err := os.ReadFile("COMMANDS.md")
	if err != nil {
		t.Fatal(err)
	}
	walk(root, func(cmd *cobra.Command) {
		group := cmd.HasAvailableSubCommands() && cmd.Name() != "agent"
		row := regexp.MustCompile("(?m)^\\| `" + cmd.CommandPath() + "( [^`]*)?` \\| " + regexp.QuoteMeta(cmd.Short) + " \\|$")
		if cmd.Runnable() && !group && !row.Match(reference) {
			t.Errorf("COMMANDS.md has no row for %s: %s", cmd.CommandPath(), cmd.Short)
		}
	})
	root.PersistentFlags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden && !strings.Contains(string(reference), "`--"+f.Name+"`") {
			t.Errorf("COMMANDS.md lacks --%s", f.Name)
		}
	})
	for _, row := range exitCodes {
		if !strings.Contains(string(reference), fmt.Sprintf("| %d | %s |", row.code, row.name)) {
			t.Errorf("COMMANDS.md lacks %d %s", row.code, row.name)
		}
	}

	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	tried := 0
	for line := range strings.Lines(string(readme)) {
		line, _, _ = strings.Cut(strings.TrimPrefix(line, "# "), "  #") // a comment
		line, _, _ = strings.Cut(line, " | ")
		line = strings.TrimSuffix(strings.TrimSpace(line), " &")
		if !strings.HasPrefix(line, "ilod ") || strings.Contains(line, "…") {
			continue
		}
		all, err := script.Statements(line)
		if err != nil || len(all) != 1 {
			t.Errorf("%s: %v", line, err)
			continue
		}
		if err := understood(newApp(os.Stdin, os.Stdout, os.Stderr).rootCommand(), all[0].Words[1:]); err != nil {
			t.Errorf("%s: %v", line, err)
		}
		tried++
	}
	if tried < 15 {
		t.Errorf("%d command lines in README.md", tried)
	}
}

// understood says why a command line cannot be run.
func understood(root *cobra.Command, words []string) error {
	cmd, rest, err := root.Find(words)
	if err == nil {
		err = cmd.ParseFlags(rest)
	}
	if err == nil {
		err = cmd.ValidateArgs(cmd.Flags().Args())
	}
	return err
}
