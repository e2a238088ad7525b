package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/ilod/ilod/agent/api"
	"github.com/ilod/ilod/agent/client"
	"github.com/ilod/ilod/chif"
	"github.com/ilod/ilod/cmd/ilod/terminal"
)

// endTransaction commits or rolls back, and prints the result.
func (a *app) endTransaction(ctx context.Context, c *client.Client, end func(context.Context) (api.Result, error)) error {
	r, err := a.end(ctx, c, end)
	if err != nil {
		return err
	}
	if err := a.printResult(r); err != nil {
		return err
	}
	return whole(r)
}

// end commits or rolls back. Of a commit that was not one it prints the result.
func (a *app) end(ctx context.Context, c *client.Client, end func(context.Context) (api.Result, error)) (api.Result, error) {
	watched := a.watchCommit(ctx, c)
	r, err := end(ctx)
	if report := watched(); report != nil {
		if err := a.showReport(ctx, c, *report); err != nil {
			return r, err
		}
	}
	if err != nil {
		return r, a.besideError(ctx, c, err)
	}
	return r, nil
}

// watchCommit shows on a terminal how far a commit is, until the function is called
// that it returns. That returns the report on an earlier commit, if one came along.
func (a *app) watchCommit(ctx context.Context, c *client.Client) func() *api.Result {
	var report *api.Result
	stop := terminal.NewProgress(a.stderr).Watch(ctx, func(ctx context.Context) (int, int) {
		t, err := c.Transaction(ctx)
		if err != nil {
			return 0, 0
		}
		report = cmp.Or(report, t.Report)
		return t.Sent, len(t.Writes)
	})
	return func() *api.Result {
		stop()
		return report
	}
}

// besideError prints the result that stands beside an error, and returns that.
func (a *app) besideError(ctx context.Context, c *client.Client, err error) error {
	refused, ok := errors.AsType[*client.Error](err)
	if !ok || refused.Result == nil {
		return err
	}
	if printing := a.showReport(ctx, c, *refused.Result); printing != nil {
		return printing
	}
	if refused.Result.Result == api.Unknown {
		return fmt.Errorf("%w: %w", chif.ErrOutcomeUnknown, err)
	}
	return err
}

// showReport prints a result. If it is a report that waits for somebody to be told,
// the agent keeps it until then.
func (a *app) showReport(ctx context.Context, c *client.Client, r api.Result) error {
	if err := a.printResult(r); err != nil {
		return err
	}
	a.acknowledge(ctx, c, r)
	return nil
}

// acknowledge tells the agent that the user was told.
func (a *app) acknowledge(ctx context.Context, c *client.Client, r api.Result) {
	if r.ID == "" {
		return
	}
	if err := c.Acknowledge(ctx, r.ID); err != nil {
		a.log.WithError(err).Warn("the agent will report this commit again")
	}
}

func (a *app) printResult(r api.Result) error {
	if a.json {
		return a.writeJSON(r)
	}
	text := string(r.Result)
	if r.Recovered {
		text += ", after a crash"
	}
	if r.Reset.Any() {
		text += "; " + r.Reset.String() + " must be reset for the change to take effect"
	}
	if _, err := fmt.Fprintln(a.stdout, oneLine(text)); err != nil || len(r.Writes) == 0 {
		return err
	}
	writes := [][]string{{"NUMBER", "METHOD", "PATH", "OUTCOME", "STATUS", "ERROR"}}
	properties := [][]string{{"NUMBER", "PROPERTY", "STATE"}}
	for _, w := range r.Writes {
		status := ""
		if w.Status != 0 {
			status = strconv.Itoa(w.Status)
		}
		writes = append(writes, []string{strconv.Itoa(w.Number), w.Method, w.Path, withTask(string(w.Outcome), w), status, noteOf(w)})
		for _, p := range w.Properties {
			if p.State != api.PropertyApplied {
				properties = append(properties, []string{strconv.Itoa(w.Number), p.Property, withTask(string(p.State), w)})
			}
		}
	}
	if err := terminal.Table(a.stdout, writes); err != nil || len(properties) == 1 {
		return err
	}
	return terminal.Table(a.stdout, properties)
}

// withTask names the iLO's task behind what is accepted.
func withTask(what string, w api.Done) string {
	if what == string(api.Accepted) && w.Task != "" {
		return what + " (task " + w.Task + ")"
	}
	return what
}

// noteOf is what there is to be said of a write.
func noteOf(w api.Done) string {
	if w.Error == "" && w.Unguarded {
		return "sent without If-Match: the iLO refuses the ETag that it shows"
	}
	return w.Error
}

// errAccepted is a commit whose end is not known, because the iLO still works at it.
var errAccepted = errors.New("the iLO has accepted the writes; their effect does not show yet")

// whole fails with errAccepted if the iLO is not done.
func whole(r api.Result) error {
	if r.Result == api.InProgress {
		return errAccepted
	}
	return nil
}
