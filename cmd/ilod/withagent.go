package main

import (
	"context"
	"fmt"
	"net/http"

	"github.com/spf13/cobra"

	"github.com/ilod/ilod/agent/client"
	"github.com/ilod/ilod/cmd/ilod/agentsocket"
)

func (a *app) noAgent() error {
	return fmt.Errorf("%w: no process listens on %s", agentsocket.ErrNoAgent, a.config.SocketPath())
}

// withAgent runs f with the agent and nothing else, or with what is held.
func (a *app) withAgent(ctx context.Context, f func(context.Context, http.RoundTripper) error) error {
	return a.bounded(ctx, func(ctx context.Context) error {
		if a.held != nil {
			return f(ctx, a.held)
		}
		agent, err := a.dialAgent(ctx)
		if err != nil {
			return err
		}
		if agent == nil {
			return a.noAgent()
		}
		defer agent.Close()
		return f(ctx, a.inSession(agent))
	})
}

// withClient is withAgent for the agent's own resources.
func (a *app) withClient(ctx context.Context, f func(context.Context, *client.Client) error) error {
	return a.withAgent(ctx, func(ctx context.Context, rt http.RoundTripper) error { return f(ctx, clientOf(rt)) })
}

// clientOf asks those behind rt about their own resources: an agent, or the rooms of this
// process.
func clientOf(rt http.RoundTripper) *client.Client { return &client.Client{Transport: rt} }

// agentOnly makes a command without flags that talks to the agent alone.
func (a *app) agentOnly(use, short string, args cobra.PositionalArgs, f func(context.Context, *client.Client, []string) error) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short, Args: args,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withClient(cmd.Context(), func(ctx context.Context, c *client.Client) error { return f(ctx, c, args) })
		},
	}
}
