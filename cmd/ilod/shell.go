package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/ilod/ilod/cmd/ilod/script"
	"github.com/ilod/ilod/cmd/ilod/terminal"
)

const prompt = "ilod> "

func (a *app) shellCommand() *cobra.Command {
	return &cobra.Command{
		Use: "shell", Short: "Run commands as they are typed, in one session", Args: noArguments,
		Long: `Run commands as they are typed, as on the command line without "ilod", and quoted as
in a batch. They share one client session, which is ended with the shell unless
--session names it. Without agent they share one session on the iLO, and other
commands wait until the shell has ended.

TAB completes, the arrows go back to former lines, which are kept in memory only.
^C ends the command that is running, or throws the line away; ^D, exit or quit end
the shell. Without a terminal on standard input it is "batch --keep-going -".`,
		Example: `  ilod shell
  ilod> select Bios.
  ilod> set BootMode=Uefi
  ilod> commit`,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.shell(cmd.Context()) },
	}
}

func (a *app) shell(ctx context.Context) error {
	stdin, ok := a.stdin.(*os.File)
	if !ok || !terminal.Is(stdin) {
		return a.batch(ctx, "-", true)
	}
	ctx, stop := interruptible(ctx, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	// Once it has begun ^C ends commands only, and nothing between them.
	signal.Notify(make(chan os.Signal, 1), os.Interrupt)
	starting, end := interruptible(ctx, syscall.SIGINT)
	end = sync.OnceFunc(end)
	defer end()
	begun := context.AfterFunc(starting, func() { cancel(context.Cause(starting)) })
	next := terminal.Lines(ctx, stdin, prompt, a.ways)
	err := a.hold(ctx, "shell", func(ctx context.Context) error {
		begun()
		end()
		return a.interact(ctx, next)
	})
	return signalled(ctx, err)
}

// interact runs what is typed, until there is no more, or it fails with errExpired.
func (a *app) interact(ctx context.Context, next func() (string, error)) error {
	for a.stdout.Err == nil {
		line, err := next()
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err == io.EOF:
			return nil
		case err != nil:
			return fmt.Errorf("the terminal: %w", err)
		}
		all, err := script.Statements(line)
		if err != nil {
			a.report(err)
		}
		for _, s := range all {
			if word := strings.Join(s.Words, " "); word == "exit" || word == "quit" {
				return nil
			}
			if err := a.check(s); err != nil {
				a.report(err)
				continue
			}
			command, stop := interruptible(ctx, syscall.SIGINT)
			code := a.run(command, s, "")
			stop()
			if code == sessionExpired && a.session == "" {
				return errExpired
			}
		}
	}
	return nil
}

// ways finds how a line goes on; see terminal.Completer.
func (a *app) ways(line string) (last string, ways []string, whole bool) {
	const cursor = "\x00" // so that there is a word, even after a blank
	all, err := script.Statements(line + cursor)
	if err != nil || len(all) != 1 {
		return "", nil, false
	}
	words := all[0].Words
	last = strings.TrimSuffix(words[len(words)-1], cursor)
	if !strings.HasSuffix(line, last) { // it has quotes
		return "", nil, false
	}
	words[len(words)-1] = last
	_, root := a.inner()
	var out bytes.Buffer
	root.SetOut(&out)
	root.SetErr(io.Discard)
	root.SetArgs(append([]string{cobra.ShellCompNoDescRequestCmd}, words...))
	if root.Execute() != nil {
		return "", nil, false
	}
	var directive cobra.ShellCompDirective
	for line := range strings.Lines(out.String()) {
		line = strings.TrimSuffix(line, "\n")
		if _, err := fmt.Sscanf(line, ":%d", &directive); err != nil && strings.HasPrefix(line, last) {
			ways = append(ways, line)
		}
	}
	return last, ways, directive&cobra.ShellCompDirectiveNoSpace == 0
}
