package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ilod/ilod/agent/api"
	"github.com/ilod/ilod/agent/client"
	"github.com/ilod/ilod/cmd/ilod/terminal"
)

// transactionHeader of a write says "immediate" for outside of the transaction.
const transactionHeader = "Ilod-Transaction"

func (a *app) txCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "tx",
		Short: "Stage writes, and send them together",
		Long: `Between "tx begin" and "tx commit" the writes of a client session are checked and
staged. A commit sends them in order. If one fails, those before it are undone as far
as the iLO allows, and the result says which. Reads do not see staged writes. Actions
cannot be undone: raw --immediate sends them at once.`,
		Example: `  ilod tx begin
  ilod raw PATCH /redfish/v1/Systems/1/ --data '{"AssetTag":"rack 7"}'
  ilod tx diff
  ilod tx commit`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.txBeginCommand(), a.txRunCommand(),
		a.agentOnly("status", "Print the open transaction", noArguments, func(ctx context.Context, c *client.Client, _ []string) error {
			return a.transactionStatus(ctx, c)
		}),
		a.agentOnly("diff", "Print what a commit would change", noArguments, func(ctx context.Context, c *client.Client, _ []string) error {
			return a.diffTransaction(ctx, c)
		}),
		a.agentOnly("commit", "Send the staged writes", noArguments, func(ctx context.Context, c *client.Client, _ []string) error {
			return a.endTransaction(ctx, c, c.Commit)
		}),
		a.agentOnly("rollback", "Discard the staged writes", noArguments, func(ctx context.Context, c *client.Client, _ []string) error {
			return a.endTransaction(ctx, c, c.Rollback)
		}),
	)
	return cmd
}

func (a *app) txBeginCommand() *cobra.Command {
	var timeout time.Duration
	cmd := &cobra.Command{
		Use: "begin", Short: "Begin a transaction in the client session", Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if cmd.Flags().Changed("timeout") && timeout < time.Second {
				return &usageError{fmt.Sprintf("--timeout is %v", timeout), "give a second or more"}
			}
			return a.withClient(cmd.Context(), func(ctx context.Context, c *client.Client) error {
				t, err := c.Begin(ctx, timeout)
				if err != nil {
					return err
				}
				return a.printTransaction(t)
			})
		},
	}
	// It hides the global flag, which has nothing to limit here.
	cmd.Flags().DurationVar(&timeout, "timeout", 0, "throw the transaction away after `TIME` without use; default: the limit transaction-timeout")
	return cmd
}

// transactionStatus prints the open transaction, and a report that waits.
func (a *app) transactionStatus(ctx context.Context, c *client.Client) error {
	t, err := c.Transaction(ctx)
	if err != nil {
		return a.besideError(ctx, c, err)
	}
	if err := a.printTransaction(t); err != nil || t.Report == nil {
		return err
	}
	if a.json { // it is in the document
		a.acknowledge(ctx, c, *t.Report)
		return nil
	}
	return a.showReport(ctx, c, *t.Report)
}

// printTransaction prints the open transaction.
func (a *app) printTransaction(t api.Transaction) error {
	if a.json {
		return a.writeJSON(t)
	}
	if _, err := fmt.Fprintf(a.stdout, "%s in client session %s, begun %s, used %s, thrown away after %v without use\n",
		oneLine(string(t.State)), oneLine(t.Session), local(t.Begun), local(t.Used), time.Duration(t.Timeout)); err != nil || len(t.Writes) == 0 {
		return err
	}
	rows := [][]string{{"NUMBER", "METHOD", "PATH", "NOTES"}}
	for _, w := range t.Writes {
		var notes []string
		if !w.Undoable {
			notes = append(notes, "cannot be undone")
		}
		if w.ResetRequired {
			notes = append(notes, "needs a reset of the server")
		}
		if w.Error != "" {
			notes = append(notes, w.Error)
		}
		rows = append(rows, []string{strconv.Itoa(w.Number), w.Method, w.Path, strings.Join(notes, "; ")})
	}
	return terminal.Table(a.stdout, rows)
}

func (a *app) diffTransaction(ctx context.Context, c *client.Client) error {
	changes, err := c.Changes(ctx)
	if err != nil {
		return err
	}
	if a.json {
		return a.writeJSON(api.Changes{Changes: changes})
	}
	return a.writeChanges(changes)
}

func (a *app) writeChanges(changes []api.Change) error {
	rows := [][]string{{"NUMBER", "PATH", "PROPERTY", "FROM", "TO"}}
	for _, c := range changes {
		from, err := json.Marshal(c.From)
		if err != nil {
			return err
		}
		to, err := json.Marshal(c.To)
		if err != nil {
			return err
		}
		rows = append(rows, []string{strconv.Itoa(c.Number), c.Path, c.Property, string(from), string(to)})
	}
	return terminal.Table(a.stdout, rows)
}
