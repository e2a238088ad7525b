package gateway

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/ilod/ilod/agent/api"
	"github.com/ilod/ilod/agent/ilopath"
	"github.com/ilod/ilod/agent/ilosession"
	"github.com/ilod/ilod/agent/schedule"
)

// Cache is what the gateway needs of the cached tree. Each function must be
// there and safe for concurrent use.
type Cache struct {
	// Stats returns what GET shows; it must encode as a JSON object.
	Stats func() any
	// Clear forgets everything.
	Clear func() error
	// Warm reads the whole tree. progress is called in order, from one goroutine
	// at a time, and not after Warm has returned.
	Warm func(ctx context.Context, what api.Warm, progress func(api.Warming)) error
}

// ILOSessions is the iLO's own session table; *ilosession.Keeper has it.
type ILOSessions interface {
	Table(context.Context) ([]api.ILOSession, error)
	Terminate(context.Context, string, ilosession.TerminateOptions) (api.ILOSession, error)
	Logout(context.Context) error
}

const ownPath = "/ilod/v1"

// get answers a GET, HEAD or OPTIONS of one of the agent's own resources.
func (g *Gateway) get(w http.ResponseWriter, c *call, resource func() (any, *failure)) *failure {
	if len(c.URL.RawQuery) > 0 {
		return &failure{status: http.StatusBadRequest, key: "QueryNotSupported"}
	}
	if c.Method == http.MethodOptions {
		g.reply(w, http.StatusNoContent, nil)
		return nil
	}
	v, bad := resource()
	if bad != nil {
		return bad
	}
	g.reply(w, http.StatusOK, v)
	return nil
}

// absent reports that the agent has no resource like that at a canonical path.
func (g *Gateway) absent(path string) bool {
	for name, there := range map[string]bool{
		"status": g.o.Status != nil, "stop": g.o.Stop != nil, "health": g.o.Health != nil,
		"transaction": g.o.Transactions != nil, "cache": g.o.Cache != nil, "ilo-sessions": g.o.ILOSessions != nil,
		"session-log": g.o.Audit != nil,
	} {
		if !there && ilopath.Within(path, ownPath+"/"+name) {
			return true
		}
	}
	return false
}

func showIndex(g *Gateway, w http.ResponseWriter, c *call) *failure {
	return g.get(w, c, func() (any, *failure) {
		index := map[string]any{"@odata.id": ownPath, "Id": "ilod", "Name": "ilod"}
		for _, name := range []string{"Status", "Metrics", "Health", "Sessions", "Limits", "Transaction", "Cache", "ILO-Sessions", "Session-Log"} {
			if path := ownPath + "/" + strings.ToLower(name); !g.absent(path) {
				index[name] = map[string]string{"@odata.id": path}
			}
		}
		return index, nil
	})
}

func showStatus(g *Gateway, w http.ResponseWriter, c *call) *failure {
	return g.get(w, c, func() (any, *failure) { return g.o.Status(c.Context()), nil })
}

// stopAgent has the agent end, for where it cannot be sent a signal.
func stopAgent(g *Gateway, w http.ResponseWriter, c *call) *failure {
	if c.URL.RawQuery != "" {
		return &failure{status: http.StatusBadRequest, key: "QueryNotSupported"}
	}
	g.o.Stop(c.who.name)
	g.reply(w, http.StatusNoContent, nil)
	return nil
}

func showCache(g *Gateway, w http.ResponseWriter, c *call) *failure {
	return g.get(w, c, func() (any, *failure) { return g.o.Cache.Stats(), nil })
}

func clearCache(g *Gateway, w http.ResponseWriter, c *call) *failure {
	if err := g.o.Cache.Clear(); err != nil {
		return g.explain(c, err)
	}
	g.log.WithField("by", c.who.name).Info("cache cleared")
	g.reply(w, http.StatusNoContent, nil)
	return nil
}

// warmCache has the whole tree read and reports on it as it goes, in
// application/x-ndjson: a line each time that the numbers change. It ends with the
// client, so that ^C stops it.
func warmCache(g *Gateway, w http.ResponseWriter, c *call) *failure {
	if !g.warming.TryLock() {
		return &failure{status: http.StatusConflict, key: "ResourceInUse", text: "The cache is being warmed already."}
	}
	defer g.warming.Unlock()
	var what api.Warm
	if bad := settings(g, w, c, &what, api.Warm{}); bad != nil {
		return bad
	}
	h := w.Header()
	h.Set("OData-Version", "4.0")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Type", "application/x-ndjson")
	limitWriting(w)
	w.WriteHeader(http.StatusOK)
	lines, flush := json.NewEncoder(w), http.NewResponseController(w)
	var last api.Warming
	report := func(p api.Warming) {
		limitWriting(w)
		_ = lines.Encode(p) // a client that is gone ends the context
		_ = flush.Flush()
	}
	report(last)
	err := g.o.Cache.Warm(c.Context(), what, func(now api.Warming) {
		if now.Done != last.Done || now.Total != last.Total {
			last = now
			report(now)
		}
	})
	if last.Finished = err == nil; err != nil {
		last.Error = encode(g.explain(c, err).body().Error)
	}
	report(last)
	return nil
}

func listILOSessions(g *Gateway, w http.ResponseWriter, c *call) *failure {
	return g.get(w, c, func() (any, *failure) {
		table, bad := g.table(c)
		if table == nil {
			table = []api.ILOSession{}
		}
		return api.ILOSessions{Path: ownPath + "/ilo-sessions", Members: table, Count: len(table)}, bad
	})
}

func showILOSession(g *Gateway, w http.ResponseWriter, c *call) *failure {
	return g.get(w, c, func() (any, *failure) {
		table, bad := g.table(c)
		i := slices.IndexFunc(table, func(e api.ILOSession) bool { return strings.EqualFold(e.ID, lastSegment(c)) })
		switch {
		case bad != nil:
			return nil, bad
		case i < 0:
			return nil, missing(c.URL.Path)
		}
		return table[i], nil
	})
}

func (g *Gateway) table(c *call) ([]api.ILOSession, *failure) {
	table, err := g.o.ILOSessions.Table(tag(c, schedule.Interactive))
	if err != nil {
		return nil, g.below(c, err)
	}
	return table, nil
}

// terminateILOSession ends a session of the iLO and answers with what it was.
func terminateILOSession(g *Gateway, w http.ResponseWriter, c *call) *failure {
	options, ok := terminateOptions(c.URL.RawQuery)
	if !ok { // a parameter misspelt must not turn a trial into the real thing
		return &failure{status: http.StatusBadRequest, key: "QueryNotSupported", text: "The query parameters are dry-run and login, with true, false or nothing."}
	}
	e, err := g.o.ILOSessions.Terminate(c.asked(tag(c, schedule.Interactive)), lastSegment(c), options)
	if err != nil {
		return g.below(c, err)
	}
	g.reply(w, http.StatusOK, e)
	return nil
}

// logoutILO ends the agent's own session of the iLO, until somebody needs another.
func logoutILO(g *Gateway, w http.ResponseWriter, c *call) *failure {
	if c.URL.RawQuery != "" {
		return &failure{status: http.StatusBadRequest, key: "QueryNotSupported"}
	}
	if err := g.o.ILOSessions.Logout(c.asked(c.Context())); err != nil {
		return g.below(c, err)
	}
	g.reply(w, http.StatusNoContent, nil)
	return nil
}

// below explains an error of a room below, unless nobody waits for it any more.
func (g *Gateway) below(c *call, err error) *failure {
	if c.Context().Err() != nil {
		panic(http.ErrAbortHandler)
	}
	return g.explain(c, err)
}

// terminateOptions reads the query of a termination. With login the agent logs in
// before anybody else takes the room.
func terminateOptions(query string) (o ilosession.TerminateOptions, ok bool) {
	values, err := url.ParseQuery(query)
	if err != nil {
		return o, false
	}
	for name, list := range values {
		option := map[string]*bool{"dry-run": &o.DryRun, "login": &o.Login}[name]
		if option == nil || len(list) != 1 {
			return o, false
		}
		switch list[0] {
		case "", "true":
			*option = true
		case "false":
		default:
			return o, false
		}
	}
	return o, true
}

// lastSegment is the last segment of the path, decoded.
func lastSegment(c *call) string {
	path := strings.TrimRight(c.URL.Path, "/")
	return path[strings.LastIndexByte(path, '/')+1:]
}
