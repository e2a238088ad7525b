package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/ilod/ilod/cmd/ilod/script"
)

// sources reads the files below a directory with a suffix.
func sources(t *testing.T, dir, suffix string) (text string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, suffix) {
			return err
		}
		data, err := os.ReadFile(path)
		text += string(data) + "\n"
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// TestEveryExitCodeIsReached wants a transcript that ends with each code.
func TestEveryExitCodeIsReached(t *testing.T) {
	transcripts := sources(t, "testdata", ".txtar")
	for _, row := range exitCodes {
		if !regexp.MustCompile(fmt.Sprintf(`(?m)(exits|ended|unread) %d($| )|"code":%[1]d\b`, row.code)).MatchString(transcripts) {
			t.Errorf("no transcript ends with %d (%s)", row.code, row.name)
		}
	}
}

// elsewhere are commands and flags that no transcript has, and the tests that do.
var elsewhere = map[string]string{}

// head is what transcripts have before the words of a command.
var head = regexp.MustCompile(`^(\[\S+\] +)*(! +)?((exec +)?(setpriv .* )?ilod +|(exits|unread) +\d+ +)`)

// TestEveryFlagIsUsed wants each command, and each of its flags, in a transcript or
// in a test of elsewhere. A global flag is wanted once.
func TestEveryFlagIsUsed(t *testing.T) {
	used := map[string]bool{}
	for line := range strings.Lines(sources(t, "testdata", ".txtar")) {
		words := strings.TrimSuffix(strings.TrimSpace(head.ReplaceAllString(line, "")), "&")
		all, err := script.Statements(strings.ReplaceAll(words, "$", `\$`))
		if err != nil || len(all) != 1 {
			continue
		}
		root := newApp(os.Stdin, os.Stdout, os.Stderr).rootCommand()
		cmd, rest, err := root.Find(all[0].Words)
		if err != nil || cmd == root {
			continue
		}
		used[cmd.CommandPath()] = true
		_ = cmd.ParseFlags(rest) // those before a mistake count
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			if f.Changed {
				used[flagName(cmd, f)] = true
			}
		})
	}
	tests := sources(t, ".", "_test.go")
	want := func(name string) {
		test := elsewhere[name]
		switch {
		case used[name] && test != "":
			t.Errorf("%s is in a transcript, too", name)
		case !used[name] && test == "":
			t.Errorf("%s is in no transcript", name)
		case test != "" && !strings.Contains(tests, "func "+test+"("):
			t.Errorf("%s: there is no %s", name, test)
		}
	}
	var names []string
	walk(newApp(os.Stdin, os.Stdout, os.Stderr).rootCommand(), func(cmd *cobra.Command) {
		if cmd.HasParent() && cmd.Runnable() {
			names = append(names, cmd.CommandPath())
		}
		cmd.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, flagName(cmd, f)) })
	})
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		want(name)
	}
}

// flagName is the flag with the command that it belongs to.
func flagName(cmd *cobra.Command, f *pflag.Flag) string {
	if cmd.Root().PersistentFlags().Lookup(f.Name) == f {
		cmd = cmd.Root()
	}
	return cmd.CommandPath() + " --" + f.Name
}
