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

// localURL is ilorest's for the iLO of this host.
const localURL = "blobstore://."

func (a *app) loginCommand() *cobra.Command {
	var ilo bool
	s := selecting{reading: reading{maxAge: -1}}
	cmd := &cobra.Command{
		Use: "login", Short: "Make sure that a client session exists",
		Long: `Make sure that a client session with the agent exists. Other commands do this by
themselves; scripts for ilorest begin with it. With --ilo the agent also logs in to
the iLO, as it otherwise does when a request needs it. Without an agent, check
whether the iLO lets this host in.`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 && (len(args) > 1 || args[0] != localURL) {
				return &usageError{"login: ilod knows the iLO of this host alone", "leave the address out, or use ilorest for iLOs of other hosts"}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := s.check(); err != nil {
				return err
			}
			err := a.withAgent(cmd.Context(), func(ctx context.Context, rt http.RoundTripper) error {
				if ilo {
					if _, err := clientOf(rt).ILOSessions(ctx); err != nil {
						return err
					}
				}
				if s.text != "" {
					found, err := s.find(ctx, a, rt)
					if err != nil {
						return err
					}
					if err := a.remember(ctx, rt, found); err != nil {
						return err
					}
				}
				session, err := clientOf(rt).Session(ctx, client.Current)
				if err != nil {
					return err
				}
				if a.json {
					return a.writeJSON(session)
				}
				_, err = fmt.Fprintf(a.stderr, "client session %s of %s\n", oneLine(session.ID), oneLine(session.User))
				return err
			})
			if !errors.Is(err, agentsocket.ErrNoAgent) || ilo || s.text != "" {
				return err
			}
			return a.withILO(cmd.Context(), func(ctx context.Context, rt http.RoundTripper) error {
				if _, err := currently(rt).Read(ctx, "/redfish/v1/Systems/"); err != nil {
					return err
				}
				_, err := fmt.Fprintln(a.stderr, "The iLO lets this host in. No agent is running: each command logs in by itself, and nothing is remembered.")
				return err
			})
		},
	}
	cmd.Flags().StringVar(&s.text, "select", "", "select `TYPE` (also --selector)")
	cmd.Flags().BoolVar(&ilo, "ilo", false, "have the agent log in to the iLO")
	return cmd
}
