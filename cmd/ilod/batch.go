package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ilod/ilod/cmd/ilod/script"
)

func (a *app) batchCommand() *cobra.Command {
	var keepGoing bool
	cmd := &cobra.Command{
		Use:   "batch FILE|-",
		Short: "Run a file of commands in one session",
		Long: `Run the commands of a file, or of standard input, one on each line, as on the
command line without "ilod". They share one client session, which is ended with the
batch unless --session names it, and without agent one session on the iLO.

Words are quoted as for a POSIX shell; a quoted word may have several lines, and
a backslash at the end of a line joins it with the next. What follows a "#" at the
beginning of a word is a comment. There are no variables, patterns, pipes or
redirections.

Nothing is run unless all commands and their flags are understood. Then the first
failure ends the batch. The exit code is that of the first failure. A body that get
or raw prints is followed by a newline. Global flags before "batch" are those of
each command; --timeout limits each on its own.`,
		Example: `  ilod batch commands.txt
  printf 'select Bios.\nget BootMode\n' | ilod batch -
  ilod batch --keep-going --json commands.txt`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return &usageError{"batch needs one file, or - for standard input", "see 'ilod batch --help'"}
			}
			return a.batch(cmd.Context(), args[0], keepGoing)
		},
	}
	cmd.Flags().BoolVar(&keepGoing, "keep-going", false, "go on after a failure")
	return cmd
}

// batch runs the commands of a file.
func (a *app) batch(ctx context.Context, name string, keepGoing bool) error {
	text, err := a.readText(name)
	if err != nil {
		return &usageError{err.Error(), ""}
	}
	if name == "-" {
		a.stdin = strings.NewReader("")
	}
	all, err := script.Statements(string(text))
	if err != nil {
		return err
	}
	for _, s := range all {
		if err := a.check(s); err != nil {
			return fmt.Errorf("line %d: %w", s.Line, err)
		}
	}
	if len(all) == 0 {
		return nil
	}
	ctx, stop := interruptible(ctx)
	defer stop()
	first := 0
	err = a.hold(ctx, "batch", func(ctx context.Context) (err error) {
		first, err = script.Run(ctx, all, keepGoing, func(s script.Statement) (code int, more bool) {
			code = a.run(ctx, s, fmt.Sprintf("line %d: %v: ", s.Line, s))
			return code, a.stdout.Err == nil
		})
		return err
	})
	if err == nil && first != 0 {
		return reportedError{first}
	}
	return signalled(ctx, err)
}

// outer are the global flags that count for a batch or a shell as a whole.
var outer = []string{"config", "device", "state-dir", "runtime-dir", "socket", "nocache", "session"}

// check finds mistakes in the words and flags of a command, and commands that
// cannot be run among others.
func (a *app) check(s script.Statement) error {
	_, root := a.inner()
	root.InitDefaultHelpCmd()
	cmd, rest, err := root.Find(s.Words)
	if err != nil {
		return err
	}
	cmd.InitDefaultHelpFlag()
	if err := cmd.ParseFlags(rest); err != nil {
		return cmd.FlagErrorFunc()(cmd, err)
	}
	for _, name := range outer {
		if cmd.Flags().Changed(name) {
			return &usageError{fmt.Sprintf("--%s applies to all commands together", name), "put it before the name of this command"}
		}
	}
	if name, _, _ := strings.Cut(strings.TrimPrefix(cmd.CommandPath(), "ilod "), " "); slices.Contains(alone, name) {
		return &usageError{fmt.Sprintf("%s cannot be run here", name), "run 'ilod " + name + "' by itself"}
	}
	if help, _ := cmd.Flags().GetBool("help"); help {
		return nil
	}
	return cmd.ValidateArgs(cmd.Flags().Args())
}

// alone are commands that need the instance lock, the terminal or a process for
// themselves, or are about one that does.
var alone = []string{"agent", "batch", "completion", "doctor", hiddenCommand, "service", "shell"}

// inner makes the command tree for one command among others, with the flags of
// this one.
func (a *app) inner() (*app, *cobra.Command) {
	b := &app{stdin: a.stdin, stdout: a.stdout, stderr: a.stderr, log: a.log, held: a.held, accountNote: a.accountNote}
	root := b.rootCommand()
	b.config, b.json, b.verbose = a.config, a.json, a.verbose
	return b, root
}

// run runs one command, reports its error and returns its exit code.
func (a *app) run(ctx context.Context, s script.Statement, place string) int {
	b, root := a.inner()
	b.place = place
	root.SetArgs(s.Words)
	return b.ended(root.ExecuteContext(ctx))
}
