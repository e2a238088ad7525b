package client

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"regexp"

	"github.com/ilod/ilod/agent/api"
)

// Current names the client session of the request itself.
const Current = "current"

func sessionPath(id string) string { return sessions + "/" + url.PathEscape(id) }

// Sessions returns the client sessions of the user, an admin all.
func (c *Client) Sessions(ctx context.Context) ([]api.Session, error) {
	list, err := ask[api.Sessions](ctx, c, http.MethodGet, sessions, nil)
	return list.Members, err
}

// Session returns the client session of an id, or of Current.
func (c *Client) Session(ctx context.Context, id string) (api.Session, error) {
	return ask[api.Session](ctx, c, http.MethodGet, sessionPath(id), nil)
}

// NewSession makes a client session, and returns its handle. It fails with
// ErrSessionLimit if there is no room. Then terminate may be ids of the Error's Sessions,
// which are ended first.
func (c *Client) NewSession(ctx context.Context, what api.NewSession, terminate ...string) (s api.Session, handle string, err error) {
	path := sessions
	if len(terminate) > 0 {
		path += "?" + url.Values{"terminate": terminate}.Encode()
	}
	return c.withHandle(ctx, path, what)
}

// NewHandle makes a fresh handle of a client session of the user, by its id.
func (c *Client) NewHandle(ctx context.Context, id string) (s api.Session, handle string, err error) {
	return c.withHandle(ctx, sessionPath(id)+"/handle", nil)
}

// handleForm is the form of handles. What has another form could do harm in a header or
// a shell.
var handleForm = regexp.MustCompile(`^[A-Za-z0-9_-]+\.[0-9]+\.[A-Za-z0-9_=-]+$`)

// IsHandle tells whether s has the form of a handle.
func IsHandle(s string) bool { return handleForm.MatchString(s) }

func (c *Client) withHandle(ctx context.Context, path string, doc any) (s api.Session, handle string, err error) {
	header, text, err := c.text(ctx, http.MethodPost, path, doc)
	if err != nil {
		return s, "", err
	}
	if handle = header.Get(handleHeader); !IsHandle(handle) {
		return s, "", fmt.Errorf("POST %s: the agent's answer has no handle", path)
	}
	return s, handle, decode(text, path, &s)
}

// SetVariables changes variables of a client session, by its id or Current. The names are
// those in the JSON of api.Variables; nil sets the default.
func (c *Client) SetVariables(ctx context.Context, id string, change map[string]any) (api.Session, error) {
	return ask[api.Session](ctx, c, http.MethodPatch, sessionPath(id), change)
}

// EndSession ends a client session, by its id or Current, with its open transaction. An
// admin may end anybody's.
func (c *Client) EndSession(ctx context.Context, id string) error {
	return c.do(ctx, http.MethodDelete, sessionPath(id), nil)
}

// EndSessionsOf ends all client sessions of a user, and returns their ids.
func (c *Client) EndSessionsOf(ctx context.Context, user string) ([]string, error) {
	ended, err := ask[api.Terminated](ctx, c, http.MethodDelete, sessions+"?user="+url.QueryEscape(user), nil)
	return ended.Terminated, err
}

// SessionLog returns what has happened to sessions, the last events of the agent, oldest
// first. It is for admins.
func (c *Client) SessionLog(ctx context.Context) ([]api.SessionEvent, error) {
	log, err := ask[api.SessionLog](ctx, c, http.MethodGet, sessionLog, nil)
	return log.Members, err
}

// RotateKey makes every handle invalid, and leaves the client sessions. It is for admins.
func (c *Client) RotateKey(ctx context.Context) error {
	return c.do(ctx, http.MethodPost, sessions+"/key", nil)
}

// Limits returns the limits of client sessions, and where each comes from.
func (c *Client) Limits(ctx context.Context) (api.ShownLimits, error) {
	return ask[api.ShownLimits](ctx, c, http.MethodGet, limits, nil)
}

// SetLimits changes limits, and returns all of them. The names are those in the JSON of
// api.Limits; nil gives a limit the value of the agent's configuration again. It is for admins.
func (c *Client) SetLimits(ctx context.Context, change map[string]any) (api.ShownLimits, error) {
	return ask[api.ShownLimits](ctx, c, http.MethodPatch, limits, change)
}
