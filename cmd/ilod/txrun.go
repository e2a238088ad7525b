package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ilod/ilod/agent/api"
	"github.com/ilod/ilod/agent/client"
)

func (a *app) txRunCommand() *cobra.Command {
	var dryRun, needed bool
	cmd := &cobra.Command{
		Use: "run FILE|-", Short: "Run a whole transaction from a file",
		Long: `Run the operations of a JSON file as one transaction, in a client session of its
own:

  {"operations":[{"method":"PATCH","path":"/redfish/v1/Systems/1/","body":{"AssetTag":"rack 7"}}]}

A path that does not begin with "/" begins at the active path of the client session.

With --needed, a PATCH or PUT that would change nothing is not sent; a POST is always
sent. The result lists what the commit changed, in JSON as "changes". It is
"unchanged" if nothing was.`,
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
			handle := a.session
			a.session = "" // it has one of its own
			return a.withILO(cmd.Context(), func(ctx context.Context, rt http.RoundTripper) error {
				if err := resolveAll(ctx, rt, handle, operations); err != nil {
					return err
				}
				return a.runTransaction(ctx, rt, operations, needed, dryRun)
			})
		},
	}
	cmd.Flags().BoolVar(&needed, "needed", false, "leave out each PATCH and PUT that would change nothing, as the iLO is now")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "check everything, print what would change, and send nothing")
	return cmd
}

// operation is a write in a file for "tx run".
type operation struct {
	Method string          `json:"method"`
	Path   string          `json:"path"`
	Body   json.RawMessage `json:"body"`
}

// readOperations reads and checks a file for "tx run".
func (a *app) readOperations(name string) ([]operation, error) {
	data, err := a.readText(name)
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
			err = errors.New("the document is followed by something else")
		}
	}
	if e, other := errors.AsType[*json.UnmarshalTypeError](err); other {
		err = fmt.Errorf("the JSON %s at byte %d does not belong there", e.Value, e.Offset)
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
		return fmt.Errorf("method %q is not one of DELETE, PATCH, POST, PUT", o.Method)
	}
	switch {
	case takesBody && o.Body == nil:
		return fmt.Errorf("%s needs a body", o.Method)
	case !takesBody && o.Body != nil:
		return fmt.Errorf("%s takes no body", o.Method)
	}
	_, err := parsePath(o.Path)
	return err
}

// resolveAll makes paths absolute that begin at the active path of the client session of
// the handle, or else of the default one: the transaction has another session.
func resolveAll(ctx context.Context, rt http.RoundTripper, handle string, operations []operation) error {
	if handle != "" {
		rt = asSession{rt, handle}
	}
	for i := range operations {
		o := &operations[i]
		if strings.HasPrefix(o.Path, "/") {
			continue
		}
		u, err := parsePath(o.Path)
		if err == nil {
			u, err = resolve(ctx, rt, o.Method, u)
		}
		if err != nil {
			return fmt.Errorf("operation %d: %w", i+1, err)
		}
		o.Path = u.RequestURI()
	}
	return nil
}

// runTransaction runs the operations in a client session of its own; needed leaves
// out those that would change nothing.
func (a *app) runTransaction(ctx context.Context, rt http.RoundTripper, operations []operation, needed, dryRun bool) error {
	s, handle, err := a.newSession(ctx, clientOf(rt), api.NewSession{Name: "tx run", Command: true})
	if err != nil {
		return err
	}
	c := &client.Client{Transport: rt, Handle: handle}
	defer a.endOwnSession(ctx, c, s.ID)
	if err := stageAll(ctx, c, operations); err != nil {
		return err
	}
	switch {
	case dryRun:
		if err := a.diffTransaction(ctx, c); err != nil {
			return err
		}
		_, err := c.Rollback(ctx)
		return err
	case needed:
		return a.commitNeeded(ctx, c)
	}
	return a.endTransaction(ctx, c, c.Commit)
}

// commitNeeded commits what was staged but for the operations that would change
// nothing, and prints the changes with the result.
func (a *app) commitNeeded(ctx context.Context, c *client.Client) error {
	var run api.Run
	_, err := a.end(ctx, c, func(ctx context.Context) (r api.Result, err error) {
		run, err = c.CommitNeeded(ctx)
		return run.Result, err
	})
	if err != nil {
		return err
	}
	if err := a.printRun(run); err != nil {
		return err
	}
	return whole(run.Result)
}

// printRun prints the result of a run and what it has changed.
func (a *app) printRun(run api.Run) error {
	if a.json {
		return a.writeJSON(run)
	}
	if len(run.Changes) != 0 {
		if err := a.writeChanges(run.Changes); err != nil {
			return err
		}
	}
	return a.printResult(run.Result)
}

// stageAll begins a transaction of the operations.
func stageAll(ctx context.Context, c *client.Client, operations []operation) error {
	if _, err := c.Begin(ctx, 0); err != nil {
		return err
	}
	for i, o := range operations {
		if err := stage(ctx, c, o); err != nil {
			return fmt.Errorf("operation %d: %w", i+1, err)
		}
	}
	return nil
}

// stage has a write kept for the commit.
func stage(ctx context.Context, c *client.Client, o operation) error {
	u, err := parsePath(o.Path)
	if err == nil {
		_, err = c.Stage(ctx, o.Method, u.RequestURI(), o.Body)
	}
	return err
}
