package main

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/ilod/ilod/agent/api"
	"github.com/ilod/ilod/agent/client"
	"github.com/ilod/ilod/cmd/ilod/terminal"
)

func (a *app) ilosessionsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "ilo-sessions",
		Short: "Print and end sessions of the iLO",
		Args:  noArguments,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	list := &cobra.Command{
		Use: "list", Short: "Print all sessions of the iLO", Args: noArguments,
		Long: `Print the iLO's table of sessions: the owner of each, its kind, its age and its idle
time, when it was used last (AccessTime) and when it ends if nobody uses it any more
(UserExpires), by the iLO's clock. Sessions of ilod are marked "ours", and the one in
use "current".`,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.withILO(cmd.Context(), a.listILOSessions) },
	}
	show := &cobra.Command{
		Use: "show ID", Short: "Print one session of the iLO", Args: oneID,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withILO(cmd.Context(), func(ctx context.Context, rt http.RoundTripper) error {
				e, err := clientOf(rt).ILOSession(ctx, args[0])
				if err != nil {
					return err
				}
				return a.printILOSession(e)
			})
		},
	}
	var how client.Terminate
	terminate := &cobra.Command{
		Use: "terminate ID", Short: "End a session of another host program", Args: oneID,
		Long: `End one session on the iLO and print it. Only sessions that were opened over a host
channel can be ended, never those of people and consoles. The command reads the table
again just before, and checks the result. With --login ilod logs in at once, so that
nobody else takes the room.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if how.DryRun && how.Login {
				return &usageError{"--dry-run and --login exclude each other", "see 'ilod ilo-sessions terminate --help'"}
			}
			return a.withILO(cmd.Context(), func(ctx context.Context, rt http.RoundTripper) error {
				e, err := clientOf(rt).TerminateILOSession(ctx, args[0], how)
				if err != nil {
					return err
				}
				return a.printILOSession(e)
			})
		},
	}
	terminate.Flags().BoolVar(&how.DryRun, "dry-run", false, "check everything, but end nothing")
	terminate.Flags().BoolVar(&how.Login, "login", false, "log in to the iLO in the same step, if ilod has no session there")
	cmd.AddCommand(list, show, terminate)
	return cmd
}

var oneID = oneArgument("id of one session", "ilod ilo-sessions list")

func (a *app) listILOSessions(ctx context.Context, rt http.RoundTripper) error {
	table, err := clientOf(rt).ILOSessions(ctx)
	if err != nil {
		return err
	}
	if a.json {
		return a.writeJSON(table)
	}
	rows := [][]string{{"ID", "USER", "KIND", "AGE", "IDLE", "USED", "EXPIRES", "WHOSE"}}
	for _, e := range table {
		rows = append(rows, []string{e.ID, e.UserName, e.Kind, span(e.Age), span(e.Idle), iloTime(e.Access), iloTime(e.Expires), e.Whose()})
	}
	return terminal.Table(a.stdout, rows)
}

func (a *app) printILOSession(e api.ILOSession) error {
	if a.json {
		return a.writeJSON(e)
	}
	_, err := fmt.Fprintf(a.stdout, "id       %s\nuser     %s\nfrom     %s\nkind     %s\nlogin    %s, %s ago\nused     %s, %s ago\nexpires  %s\nwhose    %s\n",
		oneLine(e.ID), oneLine(e.UserName), oneLine(e.UserIP), oneLine(e.Kind),
		iloTime(e.Login), span(e.Age), iloTime(e.Access), span(e.Idle), iloTime(e.Expires), e.Whose())
	return err
}

// iloTime is a time by the iLO's clock. A session without an idle timeout never
// expires, and an iLO may hide the other times.
func iloTime(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Format(time.RFC3339)
}

// span is a duration by the iLO's clock, which need not tell it.
func span(s api.Seconds) string {
	d := time.Duration(s)
	if d < 0 {
		return "?"
	}
	return d.Round(time.Second).String()
}
