package client

import (
	"context"
	"net/http"
	"net/url"

	"github.com/ilod/ilod/agent/api"
	"github.com/ilod/ilod/agent/server/health"
)

// ILOSessions returns the iLO's own table of sessions.
func (c *Client) ILOSessions(ctx context.Context) ([]api.ILOSession, error) {
	list, err := ask[api.ILOSessions](ctx, c, http.MethodGet, iloSessions, nil)
	return list.Members, err
}

// ILOSession returns one session of the iLO's table.
func (c *Client) ILOSession(ctx context.Context, id string) (api.ILOSession, error) {
	return ask[api.ILOSession](ctx, c, http.MethodGet, iloSessions+"/"+url.PathEscape(id), nil)
}

// Terminate says how TerminateILOSession goes about it.
type Terminate struct {
	DryRun bool // check everything and end nothing
	// Login has the agent log in then, in the same step, if it has no session. If it
	// cannot, that is the error, and the session has ended all the same.
	Login bool
}

// TerminateILOSession ends a session of another program of this host on the iLO, and
// returns what it was. It is for admins.
func (c *Client) TerminateILOSession(ctx context.Context, id string, how Terminate) (api.ILOSession, error) {
	path := iloSessions + "/" + url.PathEscape(id)
	query := url.Values{}
	if how.DryRun {
		query.Set("dry-run", "true")
	}
	if how.Login {
		query.Set("login", "true")
	}
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	return ask[api.ILOSession](ctx, c, http.MethodDelete, path, nil)
}

// LogoutILO ends the agent's own session on the iLO, until a request needs another. It is
// for admins.
func (c *Client) LogoutILO(ctx context.Context) error {
	return c.do(ctx, http.MethodDelete, iloSessions+"/"+Current, nil)
}

// Health returns the state of the server, from the cached tree.
func (c *Client) Health(ctx context.Context) (*health.Report, error) {
	return ask[*health.Report](ctx, c, http.MethodGet, root+"/health", nil)
}
