package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ilod/ilod/agent/server/selection"
)

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
			fmt.Fprintln(a.stdout, title)
		}
		fmt.Fprintf(a.stdout, "\t%s=%s\n", oneLine(strings.TrimPrefix(c.Property, "/")), selection.Scalar(c.To))
	}
	return nil
}
