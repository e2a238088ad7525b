package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/ilod/ilod/agent/server/selection"
)

// commitError is a commit that failed and changed nothing.
type commitError struct{ err error }

func (e *commitError) Error() string { return "commit: " + e.err.Error() }

func (e *commitError) Unwrap() error { return e.err }

func (a *app) commitCommand() *cobra.Command {
	var reboot string
	cmd := &cobra.Command{
		Use: "commit", Short: "Send the changes that set has kept", Args: noArguments,
		Long: `Send what the transaction of the client session keeps, as tx commit: all of it is
applied, or what was applied is put back as far as the iLO lets it.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkReboot(reboot, true); err != nil {
				return err
			}
			return a.withAgent(cmd.Context(), func(ctx context.Context, rt http.RoundTripper) error {
				return a.commitAndReboot(ctx, rt, reboot)
			})
		},
	}
	rebootFlag(cmd.Flags(), &reboot)
	return cmd
}

func rebootFlag(flags *pflag.FlagSet, reboot *string) {
	flags.StringVar(reboot, "reboot", "", "reset the server after the commit, with a `TYPE` of the command reboot")
}

// checkReboot finds a type of reset that cannot be meant.
func checkReboot(reboot string, commit bool) error {
	if reboot == "" {
		return nil
	}
	if !commit {
		return &usageError{"--reboot is for after a commit", "add --commit"}
	}
	_, err := resetOf(reboot)
	return err
}

// commitAndReboot commits, and if that is done resets the server, if a type of
// reset is given.
func (a *app) commitAndReboot(ctx context.Context, rt http.RoundTripper, reboot string) error {
	err := a.endTransaction(ctx, rt, "commit")
	switch {
	case isMessage("NoTransaction")(err):
		return fmt.Errorf("%w: there is nothing to commit", errNoChanges)
	case isMessage("TransactionRolledBack")(err):
		return &commitError{err}
	case err != nil || reboot == "":
		return err
	}
	return a.reset(ctx, rt, reboot)
}

func (a *app) statusCommand() *cobra.Command {
	return a.ownCommand("status", "Print the changes that wait for a commit", noArguments, func(ctx context.Context, rt http.RoundTripper, _ []string) error {
		body, err := a.ask(ctx, rt, http.MethodGet, transactionPath)
		if err != nil {
			if err = a.besideError(ctx, rt, err); isMessage("NoTransaction")(err) {
				err = fmt.Errorf("%w found on the current server", errNoChanges)
			}
			return err
		}
		var t struct{ State string }
		if err := json.Unmarshal(body, &t); err != nil {
			return fmt.Errorf("the transaction: %w", err)
		}
		if t.State != "open" {
			fmt.Fprintln(a.stderr, "a change was refused: the commit will send nothing; see 'ilod tx status'")
		}
		if body, err = a.ask(ctx, rt, http.MethodGet, transactionPath+"/diff"); err != nil {
			return err
		}
		return a.printChanges(ctx, rt, body)
	})
}

// printChanges prints the changes of a transaction below the type of what they
// change, as ilorest does.
func (a *app) printChanges(ctx context.Context, rt http.RoundTripper, body []byte) error {
	var diff struct {
		Changes []struct {
			Path, Property string
			To             any
		}
	}
	if err := json.Unmarshal(body, &diff); err != nil {
		return fmt.Errorf("the changes: %w", err)
	}
	if len(diff.Changes) == 0 {
		return fmt.Errorf("%w found on the current server", errNoChanges)
	}
	if a.json {
		_, err := a.stdout.Write(append(body, '\n'))
		return err
	}
	s, err := a.clientSession(ctx, rt)
	if err != nil {
		return err
	}
	selector, _ := selection.Parse(s.Selection) // that of no selection matches nothing
	reader := &selection.Reader{Next: directly(rt)}
	last := ""
	for _, c := range diff.Changes {
		if c.Path != last {
			last = c.Path
			title := oneLine(c.Path)
			if x, err := reader.Read(ctx, c.Path); err == nil && x.Type != "" {
				title = fmt.Sprintf("%s (%s)", oneLine(strings.TrimPrefix(x.Type, "#")), title)
				if selector.Type != "" && selector.Matches(x.Type) {
					title += " (Currently selected)"
				}
			}
			if _, err := fmt.Fprintln(a.stdout, title); err != nil {
				return err
			}
		}
		if _, err := fmt.Fprintf(a.stdout, "\t%s=%s\n", oneLine(strings.TrimPrefix(c.Property, "/")), selection.Scalar(c.To)); err != nil {
			return err
		}
	}
	return nil
}

func (a *app) pendingCommand() *cobra.Command {
	return a.readerCommand("pending", "Print BIOS and other settings that take effect with the next reset of the server",
		func(ctx context.Context, reader *selection.Reader) error {
			pending, err := reader.Pending(ctx)
			if err != nil {
				return err
			}
			return a.printPending(pending)
		})
}

func (a *app) printPending(pending []selection.Pending) error {
	if len(pending) == 0 {
		return fmt.Errorf("%w are pending", errNoChanges)
	}
	if a.json {
		_, err := a.stdout.Write([]byte(selection.JSON(pending, "  ")))
		return err
	}
	for _, p := range pending {
		if _, err := fmt.Fprintf(a.stdout, "%s (%s)\n", oneLine(strings.TrimPrefix(p.Type, "#")), oneLine(p.Path)); err != nil {
			return err
		}
		for _, d := range p.Differences {
			if _, err := fmt.Fprintf(a.stdout, "\t%s: Current=%s Pending=%s\n", oneLine(d.Property), selection.Scalar(d.Current), selection.Scalar(d.Pending)); err != nil {
				return err
			}
		}
	}
	return nil
}
