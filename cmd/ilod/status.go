package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ilod/ilod/agent/api"
	"github.com/ilod/ilod/agent/client"
	"github.com/ilod/ilod/agent/server/selection"
)

func (a *app) statusCommand() *cobra.Command {
	return a.agentOnly("status", "Print the staged changes", noArguments, func(ctx context.Context, c *client.Client, _ []string) error {
		t, err := c.Transaction(ctx)
		if err != nil {
			if err = a.besideError(ctx, c, err); errors.Is(err, client.ErrNoTransaction) {
				err = fmt.Errorf("%w found on the current server", errNoChanges)
			}
			return err
		}
		if t.State != api.Open {
			fmt.Fprintln(a.stderr, "a change was refused: the commit will send nothing; see 'ilod tx status'")
		}
		changes, err := c.Changes(ctx)
		if err != nil {
			return err
		}
		return a.printChanges(ctx, c, changes)
	})
}

// printChanges prints the changes of a transaction below the type of what they
// change, as ilorest does.
func (a *app) printChanges(ctx context.Context, c *client.Client, changes []api.Change) error {
	if len(changes) == 0 {
		return fmt.Errorf("%w found on the current server", errNoChanges)
	}
	if a.json {
		return a.writeJSON(api.Changes{Changes: changes})
	}
	s, err := c.Session(ctx, client.Current)
	if err != nil {
		return err
	}
	selector, _ := selection.Parse(s.Selection) // that of no selection matches nothing
	reader := &selection.Reader{Next: directly(c.Transport)}
	last := ""
	for _, change := range changes {
		if change.Path != last {
			last = change.Path
			title := oneLine(change.Path)
			if x, err := reader.Read(ctx, change.Path); err == nil && x.Type != "" {
				title = fmt.Sprintf("%s (%s)", oneLine(strings.TrimPrefix(x.Type, "#")), title)
				if selector.Type != "" && selector.Matches(x.Type) {
					title += " (Currently selected)"
				}
			}
			fmt.Fprintln(a.stdout, title)
		}
		fmt.Fprintf(a.stdout, "\t%s=%s\n", oneLine(strings.TrimPrefix(change.Property, "/")), selection.Scalar(change.To))
	}
	return nil
}
