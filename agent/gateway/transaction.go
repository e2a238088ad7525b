package gateway

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/ilod/ilod/agent/api"
	"github.com/ilod/ilod/agent/clients"
	"github.com/ilod/ilod/agent/schedule"
	"github.com/ilod/ilod/agent/transaction"
)

const transactionPath = ownPath + "/transaction"

// inSession refuses requests that run in no client session.
func inSession(handle handler) handler {
	return func(g *Gateway, w http.ResponseWriter, c *call) *failure {
		if c.lease == nil {
			return g.explain(c, clients.ErrForceSessions)
		}
		return handle(g, w, c)
	}
}

func beginTransaction(g *Gateway, w http.ResponseWriter, c *call) *failure {
	var q api.Begin
	if bad := settings(g, w, c, &q, q); bad != nil {
		return bad
	}
	if err := c.lease.MayBegin(); err != nil {
		return g.explain(c, err)
	}
	t, err := g.o.Transactions.Begin(c.session.ID, time.Duration(cmp.Or(q.Timeout, c.session.TransactionTimeout)))
	if err != nil {
		return g.explain(c, err)
	}
	w.Header().Set("Location", transactionPath)
	g.reply(w, http.StatusCreated, t)
	return nil
}

func showTransaction(g *Gateway, w http.ResponseWriter, c *call) *failure {
	return g.get(w, c, func() (any, *failure) {
		t, err := g.o.Transactions.Status(c.session.ID)
		if err != nil {
			f := g.explain(c, err)
			f.result = t.Report
			return nil, f
		}
		return t, nil
	})
}

// acknowledgeReport ends a report that has come to the client.
func acknowledgeReport(g *Gateway, w http.ResponseWriter, c *call) *failure {
	if err := g.o.Transactions.Acknowledge(c.session.ID, lastSegment(c)); err != nil {
		return g.explain(c, err)
	}
	g.reply(w, http.StatusNoContent, nil)
	return nil
}

func showChanges(g *Gateway, w http.ResponseWriter, c *call) *failure {
	return g.get(w, c, func() (any, *failure) {
		changes, err := g.o.Transactions.Diff(tag(c, schedule.Interactive), c.session.ID)
		if err != nil {
			return nil, g.below(c, err)
		}
		return api.Changes{Changes: append([]api.Change{}, changes...)}, nil
	})
}

// commitTransaction commits all that is staged, or with the query "needed" what changes
// something.
func commitTransaction(g *Gateway, w http.ResponseWriter, c *call) *failure {
	switch c.URL.RawQuery {
	case "":
		return g.finish(w, c, func(ctx context.Context) (any, api.Result, error) {
			result, err := g.o.Transactions.Commit(ctx, c.session.ID)
			return result, result, err
		})
	case "needed":
		return g.finish(w, c, func(ctx context.Context) (any, api.Result, error) {
			run, err := g.o.Transactions.CommitNeeded(ctx, c.session.ID)
			return run, run.Result, err
		})
	}
	return &failure{status: http.StatusBadRequest, key: "QueryNotSupported", text: "The only query is needed, without a value."}
}

func rollbackTransaction(g *Gateway, w http.ResponseWriter, c *call) *failure {
	return g.finish(w, c, func(context.Context) (any, api.Result, error) {
		result, err := g.o.Transactions.Rollback(c.session.ID)
		return result, result, err
	})
}

// finish ends a transaction and answers with a document about what became of it, or with
// the result beside a failure.
func (g *Gateway) finish(w http.ResponseWriter, c *call, end func(context.Context) (any, api.Result, error)) *failure {
	if c.lease == nil {
		return g.explain(c, clients.ErrForceSessions)
	}
	_, release, bad := g.readBody(w, c, maxSettings) // it says nothing
	if bad != nil {
		return bad
	}
	release()
	doc, result, err := end(tag(c, schedule.Write))
	if err == nil {
		g.reply(w, http.StatusOK, doc)
		return nil
	}
	f := g.explain(c, err)
	if errors.Is(err, transaction.ErrErrant) {
		f.result = &result
	}
	return f
}
