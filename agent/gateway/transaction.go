package gateway

import (
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

// transactions returns them if there are any, and the request runs in a client
// session.
func (g *Gateway) transactions(c *call) (*transaction.Manager, *failure) {
	switch {
	case g.o.Transactions == nil:
		return nil, missing(c.URL.Path)
	case c.lease == nil:
		return nil, g.explain(c, clients.ErrForceSessions)
	}
	return g.o.Transactions, nil
}

func beginTransaction(g *Gateway, w http.ResponseWriter, c *call) *failure {
	all, bad := g.transactions(c)
	if bad != nil {
		return bad
	}
	var q api.Begin
	if bad := settings(g, w, c, &q, q); bad != nil {
		return bad
	}
	t, err := all.Begin(c.session.ID, time.Duration(q.Timeout))
	if err != nil {
		return g.explain(c, err)
	}
	w.Header().Set("Location", transactionPath)
	g.reply(w, http.StatusCreated, t)
	return nil
}

func showTransaction(g *Gateway, w http.ResponseWriter, c *call) *failure {
	all, bad := g.transactions(c)
	if bad != nil {
		return bad
	}
	return g.get(w, c, func() (any, *failure) {
		t, err := all.Status(c.session.ID)
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
	all, bad := g.transactions(c)
	if bad != nil {
		return bad
	}
	if err := all.Acknowledge(c.session.ID, lastSegment(c)); err != nil {
		return g.explain(c, err)
	}
	g.reply(w, http.StatusNoContent, nil)
	return nil
}

func showChanges(g *Gateway, w http.ResponseWriter, c *call) *failure {
	all, bad := g.transactions(c)
	if bad != nil {
		return bad
	}
	return g.get(w, c, func() (any, *failure) {
		changes, err := all.Diff(tag(c, schedule.Interactive), c.session.ID)
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
		return g.finish(w, c, func(all *transaction.Manager, ctx context.Context) (any, api.Result, error) {
			result, err := all.Commit(ctx, c.session.ID)
			return result, result, err
		})
	case "needed":
		return g.finish(w, c, func(all *transaction.Manager, ctx context.Context) (any, api.Result, error) {
			run, err := all.CommitNeeded(ctx, c.session.ID)
			return run, run.Result, err
		})
	}
	return &failure{status: http.StatusBadRequest, key: "QueryNotSupported", text: "The only query is needed, without a value."}
}

func rollbackTransaction(g *Gateway, w http.ResponseWriter, c *call) *failure {
	return g.finish(w, c, func(all *transaction.Manager, _ context.Context) (any, api.Result, error) {
		result, err := all.Rollback(c.session.ID)
		return result, result, err
	})
}

// finish ends a transaction and answers with a document about what became of it, or with
// the result beside a failure.
func (g *Gateway) finish(w http.ResponseWriter, c *call, end func(*transaction.Manager, context.Context) (any, api.Result, error)) *failure {
	all, bad := g.transactions(c)
	if bad != nil {
		return bad
	}
	_, release, bad := g.readBody(w, c, maxSettings) // it says nothing
	if bad != nil {
		return bad
	}
	release()
	doc, result, err := end(all, tag(c, schedule.Write))
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
