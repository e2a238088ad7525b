package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/ilod/ilod/agent/api"
)

// Get reads any resource that the agent serves, also the iLO's, and returns the answer's
// headers and its body.
func (c *Client) Get(ctx context.Context, path string) (http.Header, []byte, error) {
	return c.text(ctx, http.MethodGet, path, nil)
}

// Status says how the agent is doing. It sends nothing to the iLO.
func (c *Client) Status(ctx context.Context) (api.Status, error) {
	return ask[api.Status](ctx, c, http.MethodGet, root+"/status", nil)
}

// Metrics returns the agent's metrics, in Prometheus's text format.
func (c *Client) Metrics(ctx context.Context) ([]byte, error) {
	_, text, err := c.Get(ctx, root+"/metrics")
	return text, err
}

// Stop has the agent end. It returns before that has happened. It is for admins.
func (c *Client) Stop(ctx context.Context) error {
	return c.do(ctx, http.MethodPost, root+"/stop", nil)
}

// Cache says what the cached tree has.
func (c *Client) Cache(ctx context.Context) (api.Cache, error) {
	return ask[api.Cache](ctx, c, http.MethodGet, cache, nil)
}

// ClearCache forgets the cached tree. It is for admins.
func (c *Client) ClearCache(ctx context.Context) error {
	return c.do(ctx, http.MethodDelete, cache, nil)
}

// WarmCache reads the whole tree into the cache. It calls progress, unless that is nil,
// each time that the numbers of resources change; the last ones are returned. The agent
// stops when ctx ends.
func (c *Client) WarmCache(ctx context.Context, what api.Warm, progress func(done, total int)) (p api.Warming, err error) {
	body, err := json.Marshal(what)
	if err != nil {
		return p, err
	}
	resp, err := c.send(ctx, http.MethodPost, cache, body)
	if err != nil {
		return p, err
	}
	defer resp.Body.Close()
	for lines := json.NewDecoder(resp.Body); !p.Finished && p.Error == nil; {
		if err := lines.Decode(&p); err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return p, fmt.Errorf("warm the cache: %w", errors.Join(context.Cause(ctx), err))
		}
		if progress != nil {
			progress(p.Done, p.Total)
		}
	}
	if p.Error != nil {
		failed := &http.Response{StatusCode: http.StatusBadGateway, Request: resp.Request}
		return p, NewError(failed, []byte(`{"error":`+string(p.Error)+`}`))
	}
	return p, nil
}
