package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/ilod/ilod/agent/client"
	"github.com/ilod/ilod/cmd/ilod/agentsocket"
)

func (a *app) logoutCommand() *cobra.Command {
	var ilo bool
	cmd := &cobra.Command{
		Use: "logout", Short: "End the client session; discard its selection and staged changes", Args: noArguments,
		Long: `End the client session of the command, with its selection and its staged changes. The
agent keeps its session with the iLO for other clients. With --ilo the agent logs out
of the iLO, too, after the requests in flight. It logs in again when a request needs
it.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			err := a.withClient(cmd.Context(), func(ctx context.Context, c *client.Client) error {
				if ilo {
					if err := c.LogoutILO(ctx); err != nil {
						return err
					}
				}
				if err := c.EndSession(ctx, client.Current); err != nil {
					return err
				}
				_, err := fmt.Fprintln(a.stderr, "Logging session out.")
				return err
			})
			if errors.Is(err, agentsocket.ErrNoAgent) && a.session == "" {
				_, err = fmt.Fprintln(a.stderr, "No agent is running, so there is no session to end.")
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&ilo, "ilo", false, "have the agent log out of the iLO, which an admin may")
	return cmd
}
