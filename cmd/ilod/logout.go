package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/spf13/cobra"

	"github.com/ilod/ilod/agent/client"
	"github.com/ilod/ilod/cmd/ilod/agentsocket"
)

func (a *app) logoutCommand() *cobra.Command {
	var ilo, forget bool
	cmd := &cobra.Command{
		Use: "logout", Short: "End the client session; discard its selection and staged changes", Args: noArguments,
		Long: `End the client session of the command, with its selection and its staged changes. The
agent keeps its session with the iLO for other clients. With --ilo the agent logs out
of the iLO, too, after the requests in flight. It logs in again when a request needs
it. The cached tree stays, for it serves all users; with --cache it is forgotten.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			err := a.withClient(cmd.Context(), func(ctx context.Context, c *client.Client) error {
				if forget {
					if err := c.ClearCache(ctx); err != nil {
						return err
					}
				}
				if ilo {
					if err := c.LogoutILO(ctx); err != nil {
						return err
					}
				}
				if err := c.EndSession(ctx, client.Current); err != nil {
					return err
				}
				said := "Logging session out."
				if !forget {
					said += " The cached tree stays; --cache forgets it."
				}
				_, err := fmt.Fprintln(a.stderr, said)
				return err
			})
			if errors.Is(err, agentsocket.ErrNoAgent) && a.session == "" {
				if _, err = fmt.Fprintln(a.stderr, "No agent is running, so there is no session to end."); forget && err == nil {
					err = a.withILO(cmd.Context(), func(ctx context.Context, rt http.RoundTripper) error { return clientOf(rt).ClearCache(ctx) })
				}
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&ilo, "ilo", false, "have the agent log out of the iLO, which an admin may")
	cmd.Flags().BoolVar(&forget, "cache", false, "forget the cached tree, too; with an agent an admin may")
	return cmd
}
