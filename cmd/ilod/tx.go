package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ilod/ilod/agent/transaction"
	"github.com/ilod/ilod/chif"
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
				return a.besideError(err)
			}
			return a.printTransaction(body)
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

// endTransaction commits or rolls back, and prints the result.
func (a *app) endTransaction(ctx context.Context, rt http.RoundTripper, how string) error {
	r, err := a.end(ctx, rt, how)
	if err != nil {
		return err
	}
	return a.printResult(r)
}

// end commits or rolls back. Of a commit that was not one it prints the result.
func (a *app) end(ctx context.Context, rt http.RoundTripper, how string) (r transaction.Result, err error) {
	watched := a.watchCommit(ctx, rt)
	_, body, err := a.tell(ctx, rt, http.MethodPost, transactionPath+"/"+how, nil)
	if report := watched(); report != nil {
		if err := a.printResult(*report); err != nil {
			return r, err
		}
	}
	if err != nil {
		return r, a.besideError(err)
	}
	if err := json.Unmarshal(body, &r); err != nil {
		return r, fmt.Errorf("the transaction's result: %w", err)
	}
	return r, nil
}

// watchCommit shows on a terminal how far a commit is, until the function is called
// that it returns. That returns the report on an earlier commit, if one came along.
func (a *app) watchCommit(ctx context.Context, rt http.RoundTripper) func() *transaction.Result {
	var report *transaction.Result
	stop := newProgress(a.stderr).watch(ctx, func(ctx context.Context) (int, int) {
		var t transaction.Transaction
		if body, err := a.ask(ctx, rt, http.MethodGet, transactionPath); err != nil || json.Unmarshal(body, &t) != nil {
			return 0, 0
		}
		report = cmp.Or(report, t.Report)
		return t.Sent, len(t.Writes)
	})
	return func() *transaction.Result {
		stop()
		return report
	}
}

// besideError prints the result that stands beside an error, and returns that.
func (a *app) besideError(err error) error {
	var r transaction.Result
	if refused, ok := errors.AsType[*refusal](err); !ok || refused.beside(&r) != nil || r.Result == "" {
		return err
	}
	if printing := a.printResult(r); printing != nil {
		return printing
	}
	if r.Result == transaction.Unknown {
		return fmt.Errorf("%w: %w", chif.ErrOutcomeUnknown, err)
	}
	return err
}

func (a *app) printResult(r transaction.Result) error {
	if a.json {
		return json.NewEncoder(a.stdout).Encode(r)
	}
	text := string(r.Result)
	if r.Recovered {
		text += ", after a crash"
	}
	if r.ResetRequired {
		text += "; the server must be reset to make it effective"
	}
	if _, err := fmt.Fprintln(a.stdout, oneLine(text)); err != nil || len(r.Writes) == 0 {
		return err
	}
	var rows []string
	for _, w := range r.Writes {
		status := ""
		if w.Status != 0 {
			status = strconv.Itoa(w.Status)
		}
		rows = append(rows, row(strconv.Itoa(w.Number), w.Method, w.Path, string(w.Outcome), status, w.Error))
	}
	return writeTable(a.stdout, "NUMBER\tMETHOD\tPATH\tOUTCOME\tSTATUS\tERROR", rows)
}

// operation is a write in a file for "tx run".
type operation struct {
	Method string          `json:"method"`
	Path   string          `json:"path"`
	Body   json.RawMessage `json:"body"`
}

// readOperations reads and checks a file for "tx run".
func (a *app) readOperations(name string) ([]operation, error) {
	data, err := a.readFile(name)
	if err != nil {
		return nil, &usageError{err.Error(), ""}
	}
	var file struct {
		Operations []operation `json:"operations"`
	}
	strict := json.NewDecoder(bytes.NewReader(data))
	strict.DisallowUnknownFields()
	if err = strict.Decode(&file); err == nil {
		if _, more := strict.Token(); more != io.EOF {
			err = errors.New("there is something after the document")
		}
	}
	if e, other := errors.AsType[*json.UnmarshalTypeError](err); other {
		err = fmt.Errorf("the JSON %s at byte %d is not what belongs there", e.Value, e.Offset)
	}
	if err != nil {
		return nil, &usageError{fmt.Sprintf("%s: %v", name, err), "see 'ilod tx run --help'"}
	}
	for i := range file.Operations {
		if err := file.Operations[i].check(); err != nil {
			return nil, &usageError{fmt.Sprintf("%s: operation %d: %v", name, i+1, err), "see 'ilod tx run --help'"}
		}
	}
	return file.Operations, nil
}

func (o *operation) check() error {
	o.Method = strings.ToUpper(o.Method)
	takesBody := methods[o.Method]
	if !takesBody && o.Method != http.MethodDelete {
		return fmt.Errorf("method %q is none of DELETE, PATCH, POST, PUT", o.Method)
	}
	switch {
	case takesBody && o.Body == nil:
		return fmt.Errorf("%s needs a body", o.Method)
	case !takesBody && o.Body != nil:
		return fmt.Errorf("%s takes no body", o.Method)
	}
	if isRelative(o.Path) { // to what would be a matter of another client session
		return fmt.Errorf("path %q does not begin with /", o.Path)
	}
	_, err := parsePath(o.Path)
	return err
}

// runTransaction runs the operations in a client session of its own; needed leaves
// out those that would change nothing.
func (a *app) runTransaction(ctx context.Context, rt http.RoundTripper, operations []operation, needed, dryRun bool) error {
	s, handle, err := a.newSession(ctx, rt, "tx run")
	if err != nil {
		return err
	}
	rt = withHeader{rt, http.Header{tokenHeader: {handle}}}
	defer a.endOwnSession(ctx, rt, s.ID)
	if err := a.stageOperations(ctx, rt, operations); err != nil {
		return err
	}
	switch {
	case dryRun:
		if err := a.diffTransaction(ctx, rt); err != nil {
			return err
		}
		return a.rollback(ctx, rt)
	case needed:
		return a.commitNeeded(ctx, rt, operations)
	}
	return a.endTransaction(ctx, rt, "commit")
}

// commitNeeded commits what was staged but for the operations that would change
// nothing, and prints the changes with the result.
func (a *app) commitNeeded(ctx context.Context, rt http.RoundTripper, operations []operation) error {
	changes, err := a.changes(ctx, rt)
	if err != nil {
		return err
	}
	var left []operation
	for i, o := range operations {
		if slices.ContainsFunc(changes, func(c stagedChange) bool { return c.Number == i+1 }) {
			left = append(left, o)
		}
	}
	if len(left) == 0 {
		if err := a.rollback(ctx, rt); err != nil {
			return err
		}
		return a.printRun(changes, transaction.Result{Result: "unchanged", Writes: []transaction.Done{}})
	}
	if len(left) < len(operations) {
		if err := a.rollback(ctx, rt); err != nil {
			return err
		}
		if err := a.stageOperations(ctx, rt, left); err != nil {
			return err
		}
		if changes, err = a.changes(ctx, rt); err != nil {
			return err
		}
	}
	result, err := a.end(ctx, rt, "commit")
	if err != nil {
		return err
	}
	return a.printRun(changes, result)
}

// printRun prints the result of a run and what it has changed.
func (a *app) printRun(changes []stagedChange, r transaction.Result) error {
	if a.json {
		return json.NewEncoder(a.stdout).Encode(struct {
			Changes []stagedChange
			transaction.Result
		}{changes, r})
	}
	if len(changes) != 0 {
		if err := a.writeChanges(changes); err != nil {
			return err
		}
	}
	return a.printResult(r)
}

// rollback throws away what is staged.
func (a *app) rollback(ctx context.Context, rt http.RoundTripper) error {
	_, err := a.ask(ctx, rt, http.MethodPost, transactionPath+"/rollback")
	return err
}

// stageOperations begins a transaction of the operations.
func (a *app) stageOperations(ctx context.Context, rt http.RoundTripper, operations []operation) error {
	if _, err := a.ask(ctx, rt, http.MethodPost, transactionPath); err != nil {
		return err
	}
	for i, o := range operations {
		if err := a.stage(ctx, rt, o); err != nil {
			return fmt.Errorf("operation %d: %w", i+1, err)
		}
	}
	return nil
}

// stage has a write kept for the commit.
func (a *app) stage(ctx context.Context, rt http.RoundTripper, o operation) error {
	req, err := rawRequest(o.Method, o.Path, nil, o.Body != nil)
	if err != nil {
		return err
	}
	if o.Body != nil {
		setBody(req, o.Body)
	}
	resp, body, err := exchange(rt, req.WithContext(ctx))
	switch {
	case err != nil:
		return err
	case !isSuccess(resp):
		return newRefusal(resp, body)
	case staged(resp, body) == 0:
		return fmt.Errorf("%s %s: %d: it was sent at once, and the transaction is without it", o.Method, o.Path, resp.StatusCode)
	}
	return nil
}

// staged is the number of the write that an answer says is kept, 0 if it says
// nothing like it.
func staged(resp *http.Response, body []byte) int {
	var doc struct {
		Staged      int
		Transaction string
	}
	if resp.StatusCode != http.StatusAccepted || json.Unmarshal(body, &doc) != nil || doc.Transaction != transactionPath {
		return 0
	}
	return doc.Staged
}
