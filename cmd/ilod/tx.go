package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ilod/ilod/agent/transaction"
)

const (
	transactionPath   = "/ilod/v1/transaction"
	transactionHeader = "Ilod-Transaction" // of a request: "immediate" for outside of the transaction
)

func (a *app) txCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "tx",
		Short: "Transactions: writes that are sent together",
		Long: `Between "tx begin" and "tx commit" the writes of a client session are checked and
kept. A commit sends them in order; if one fails, those before it are undone as
far as the iLO lets them, and the result says truthfully which. Reads do not see
what is kept. Actions cannot be undone: raw --immediate sends them at once.`,
		Example: `  ilod tx begin
  ilod raw PATCH /redfish/v1/Systems/1/ --data '{"AssetTag":"rack 7"}'
  ilod tx diff
  ilod tx commit`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	var timeout time.Duration
	begin := &cobra.Command{
		Use: "begin", Short: "Begin a transaction in the client session", Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var request any
			if cmd.Flags().Changed("timeout") {
				if timeout < time.Second {
					return &usageError{fmt.Sprintf("--timeout is %v", timeout), "give a second or more"}
				}
				request = map[string]any{"Timeout": transaction.Seconds(timeout)}
			}
			return a.withAgent(cmd.Context(), func(ctx context.Context, rt http.RoundTripper) error {
				_, body, err := a.tell(ctx, rt, http.MethodPost, transactionPath, request)
				if err != nil {
					return err
				}
				return a.printTransaction(body)
			})
		},
	}
	// It hides the global flag, which has nothing to limit here.
	begin.Flags().DurationVar(&timeout, "timeout", 0, "throw the transaction away after `TIME` without use; default: the limit transaction-timeout")

	var dryRun, needed bool
	run := &cobra.Command{
		Use: "run FILE|-", Short: "Run a whole transaction from a file",
		Long: `Run the operations of a JSON file as one transaction, in a client session of its
own:

  {"operations":[{"method":"PATCH","path":"/redfish/v1/Systems/1/","body":{"AssetTag":"rack 7"}}]}

With --needed, PATCHes and PUTs that are run again change nothing; a POST is sent
each time. What the commit changed is printed with the result, in JSON as "Changes";
the result is "unchanged" if that is nothing.`,
		Example: `  ilod tx run --dry-run operations.json
  ilod tx run operations.json
  ilod tx run --needed --json - <operations.json`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return &usageError{"run needs one file, or - for standard input", "see 'ilod tx run --help'"}
			}
			operations, err := a.readOperations(args[0])
			if err != nil {
				return err
			}
			a.session = "" // it has one of its own
			return a.withILO(cmd.Context(), func(ctx context.Context, rt http.RoundTripper) error {
				return a.runTransaction(ctx, rt, operations, needed, dryRun)
			})
		},
	}
	run.Flags().BoolVar(&needed, "needed", false, "leave out each PATCH and PUT that would change nothing, as the iLO is now")
	run.Flags().BoolVar(&dryRun, "dry-run", false, "check everything, print what would change, and send nothing")
	cmd.AddCommand(begin, run,
		a.ownCommand("status", "Print the open transaction", noArguments, func(ctx context.Context, rt http.RoundTripper, _ []string) error {
			body, err := a.ask(ctx, rt, http.MethodGet, transactionPath)
			if err != nil {
				return a.besideError(ctx, rt, err)
			}
			if err := a.printTransaction(body); err != nil {
				return err
			}
			var t transaction.Transaction
			if err := json.Unmarshal(body, &t); err != nil || t.Report == nil {
				return err
			}
			if a.json { // it is in the document
				a.acknowledge(ctx, rt, *t.Report)
				return nil
			}
			return a.showReport(ctx, rt, *t.Report)
		}),
		a.ownCommand("diff", "Print what a commit would change", noArguments, func(ctx context.Context, rt http.RoundTripper, _ []string) error {
			return a.diffTransaction(ctx, rt)
		}),
		a.ownCommand("commit", "Send what is kept", noArguments, func(ctx context.Context, rt http.RoundTripper, _ []string) error {
			return a.endTransaction(ctx, rt, "commit")
		}),
		a.ownCommand("rollback", "Throw away what is kept", noArguments, func(ctx context.Context, rt http.RoundTripper, _ []string) error {
			return a.endTransaction(ctx, rt, "rollback")
		}),
	)
	return cmd
}

// printTransaction prints the open transaction.
func (a *app) printTransaction(body []byte) error {
	if a.json {
		_, err := a.stdout.Write(append(body, '\n'))
		return err
	}
	var t transaction.Transaction
	if err := json.Unmarshal(body, &t); err != nil {
		return fmt.Errorf("the transaction: %w", err)
	}
	if _, err := fmt.Fprintf(a.stdout, "%s in client session %s, begun %s, used %s, thrown away after %v without use\n",
		oneLine(string(t.State)), oneLine(t.Session), local(t.Begun), local(t.Used), time.Duration(t.Timeout)); err != nil || len(t.Writes) == 0 {
		return err
	}
	var rows []string
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
		rows = append(rows, row(strconv.Itoa(w.Number), w.Method, w.Path, strings.Join(notes, "; ")))
	}
	return writeTable(a.stdout, "NUMBER\tMETHOD\tPATH\tNOTES", rows)
}

// stagedChange is a transaction.Change whose values are as the agent writes them.
type stagedChange struct {
	Number   int
	Path     string
	Property string
	From     json.RawMessage
	To       json.RawMessage
	Undoable bool
}

// changes are what a commit would change.
func (a *app) changes(ctx context.Context, rt http.RoundTripper) ([]stagedChange, error) {
	body, err := a.ask(ctx, rt, http.MethodGet, transactionPath+"/diff")
	if err != nil {
		return nil, err
	}
	var diff struct{ Changes []stagedChange }
	if err := json.Unmarshal(body, &diff); err != nil {
		return nil, fmt.Errorf("the changes: %w", err)
	}
	return diff.Changes, nil
}

func (a *app) diffTransaction(ctx context.Context, rt http.RoundTripper) error {
	changes, err := a.changes(ctx, rt)
	if err != nil {
		return err
	}
	if a.json {
		return json.NewEncoder(a.stdout).Encode(map[string]any{"Changes": changes})
	}
	return a.writeChanges(changes)
}

func (a *app) writeChanges(changes []stagedChange) error {
	var rows []string
	for _, c := range changes {
		rows = append(rows, row(strconv.Itoa(c.Number), c.Path, c.Property, string(c.From), string(c.To)))
	}
	return writeTable(a.stdout, "NUMBER\tPATH\tPROPERTY\tFROM\tTO", rows)
}
