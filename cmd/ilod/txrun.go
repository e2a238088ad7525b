package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/ilod/ilod/agent/transaction"
)

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
	if err := a.printRun(changes, result); err != nil {
		return err
	}
	return whole(result)
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
