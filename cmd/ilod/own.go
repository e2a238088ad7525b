package main

import (
	"context"
	"net/http"

	"github.com/ilod/ilod/agent/redfisherror"
)

// ask sends a request without body for one of the agent's own resources.
func (a *app) ask(ctx context.Context, rt http.RoundTripper, method, path string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://ilo"+path, nil)
	if err != nil {
		return nil, err
	}
	resp, body, err := exchange(rt, req)
	if err == nil && !isSuccess(resp) {
		err = redfisherror.New(resp, body)
	}
	return body, err
}
