package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"github.com/ilod/ilod/agent/transaction"
	"github.com/ilod/ilod/chif"
)

// endTransaction commits or rolls back, and prints the result.
func (a *app) endTransaction(ctx context.Context, rt http.RoundTripper, how string) error {
	r, err := a.end(ctx, rt, how)
	if err != nil {
		return err
	}
	if err := a.printResult(r); err != nil {
		return err
	}
	return whole(r)
}

// end commits or rolls back. Of a commit that was not one it prints the result.
func (a *app) end(ctx context.Context, rt http.RoundTripper, how string) (r transaction.Result, err error) {
	watched := a.watchCommit(ctx, rt)
	_, body, err := a.tell(ctx, rt, http.MethodPost, transactionPath+"/"+how, nil)
	if report := watched(); report != nil {
		if err := a.showReport(ctx, rt, *report); err != nil {
			return r, err
		}
	}
	if err != nil {
		return r, a.besideError(ctx, rt, err)
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
func (a *app) besideError(ctx context.Context, rt http.RoundTripper, err error) error {
	var r transaction.Result
	if refused, ok := errors.AsType[*refusal](err); !ok || refused.beside(&r) != nil || r.Result == "" {
		return err
	}
	if printing := a.showReport(ctx, rt, r); printing != nil {
		return printing
	}
	if r.Result == transaction.Unknown {
		return fmt.Errorf("%w: %w", chif.ErrOutcomeUnknown, err)
	}
	return err
}

// showReport prints a result. If it is a report that waits for somebody to be told,
// the agent keeps it until then.
func (a *app) showReport(ctx context.Context, rt http.RoundTripper, r transaction.Result) error {
	if err := a.printResult(r); err != nil {
		return err
	}
	a.acknowledge(ctx, rt, r)
	return nil
}

// acknowledge tells the agent that the user was told.
func (a *app) acknowledge(ctx context.Context, rt http.RoundTripper, r transaction.Result) {
	if r.ID == "" {
		return
	}
	if _, err := a.ask(ctx, rt, http.MethodDelete, transactionPath+"/reports/"+url.PathEscape(r.ID)); err != nil {
		a.log.WithError(err).Warn("the agent will report the commit once more")
	}
}

func (a *app) printResult(r transaction.Result) error {
	if a.json {
		return json.NewEncoder(a.stdout).Encode(r)
	}
	text := string(r.Result)
	if r.Recovered {
		text += ", after a crash"
	}
	if r.Reset.Any() {
		text += "; " + r.Reset.String() + " must be reset to make it effective"
	}
	if _, err := fmt.Fprintln(a.stdout, oneLine(text)); err != nil || len(r.Writes) == 0 {
		return err
	}
	var writes, properties []string
	for _, w := range r.Writes {
		status := ""
		if w.Status != 0 {
			status = strconv.Itoa(w.Status)
		}
		writes = append(writes, row(strconv.Itoa(w.Number), w.Method, w.Path, withTask(string(w.Outcome), w), status, noteOf(w)))
		for _, p := range w.Properties {
			if p.State != transaction.PropertyApplied {
				properties = append(properties, row(strconv.Itoa(w.Number), p.Property, withTask(string(p.State), w)))
			}
		}
	}
	if err := writeTable(a.stdout, "NUMBER\tMETHOD\tPATH\tOUTCOME\tSTATUS\tERROR", writes); err != nil || len(properties) == 0 {
		return err
	}
	return writeTable(a.stdout, "NUMBER\tPROPERTY\tSTATE", properties)
}

// withTask names the iLO's task behind what is accepted.
func withTask(what string, w transaction.Done) string {
	if what == string(transaction.Accepted) && w.Task != "" {
		return what + " (task " + w.Task + ")"
	}
	return what
}

// noteOf is what there is to be said of a write.
func noteOf(w transaction.Done) string {
	if w.Error == "" && w.Unguarded {
		return "sent without If-Match: the iLO refuses the ETag that it shows"
	}
	return w.Error
}

// errAccepted is a commit whose end is not known, because the iLO still works at it.
var errAccepted = errors.New("the iLO has accepted the writes, and what it has made of them does not show yet")

// whole fails with errAccepted if the iLO is not done.
func whole(r transaction.Result) error {
	if r.Result == transaction.InProgress {
		return errAccepted
	}
	return nil
}
