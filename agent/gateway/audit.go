package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"slices"

	"github.com/ilod/ilod/agent/api"
	"github.com/ilod/ilod/agent/clients"
	"github.com/ilod/ilod/agent/ilosession"
)

const sessionLogPath = ownPath + "/session-log"

// audit tells what the caller has done.
func (g *Gateway) audit(c *call, e api.SessionEvent) {
	e.By, e.From = c.who.name, c.who.asOwner().From()
	g.o.Audit.Add(e)
}

// auditUse tells of a request whose handle is not good.
func (g *Gateway) auditUse(c *call, handle string, err error) {
	e := api.SessionEvent{Event: api.SessionRefused, Why: err.Error()}
	if errors.Is(err, clients.ErrExpired) || errors.Is(err, clients.ErrTerminated) {
		e.Event = api.SessionUsedLate
	}
	if clients.IsHandle(handle) && !errors.Is(err, clients.ErrHandle) { // else the id is the client's word
		e.Session = clients.SessionOf(handle)
	}
	g.audit(c, e)
}

// auditLimits tells which limits have changed.
func (g *Gateway) auditLimits(c *call, before, after any) {
	var old, now map[string]json.RawMessage
	_ = json.Unmarshal(encode(before), &old) // they are objects
	_ = json.Unmarshal(encode(after), &now)
	for _, name := range slices.Sorted(maps.Keys(now)) {
		if string(old[name]) != string(now[name]) {
			g.audit(c, api.SessionEvent{Event: api.LimitSet, Limit: name, Old: string(old[name]), New: string(now[name])})
		}
	}
}

// auditLogin tells of a login of the TLS listener that was refused. The name is not told:
// it could be a password.
func (g *Gateway) auditLogin(c *call) {
	g.audit(c, api.SessionEvent{Event: api.SessionRefused, Why: "the name or the password of an account is wrong"})
}

// asked is a context for what the caller wants of the iLO's sessions.
func (c *call) asked(ctx context.Context) context.Context {
	return ilosession.AskedBy(ctx, c.who.name, c.who.asOwner().From())
}

func showSessionLog(g *Gateway, w http.ResponseWriter, c *call) *failure {
	return g.get(w, c, func() (any, *failure) {
		events := g.o.Audit.Events()
		return api.SessionLog{Path: sessionLogPath, Members: events, Count: len(events)}, nil
	})
}
