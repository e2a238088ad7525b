package main

import (
	"context"
	"net/http"
)

// terminate has the agent end in order. Windows has no signal for that, so it is
// asked.
func (a *app) terminate(ctx context.Context, _ int) error {
	return a.withAgent(ctx, func(ctx context.Context, rt http.RoundTripper) error {
		_, err := a.ask(ctx, rt, http.MethodPost, "/ilod/v1/stop")
		return err
	})
}
