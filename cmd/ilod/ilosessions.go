package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/spf13/cobra"

	"github.com/ilod/ilod/agent/ilosession"
)

const ilosessionsPath = "/ilod/v1/ilo-sessions"

func (a *app) ilosessionsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "ilo-sessions",
		Short: "The iLO's own table of sessions",
		Args:  noArguments,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	list := &cobra.Command{
		Use: "list", Short: "Print the table", Args: noArguments,
		Long: `Print the iLO's table of sessions: whose they are, of what kind, for how long they
exist and for how long they were not used, by the iLO's clock. Those of ilod are
marked: "ours", and "current" for the one in use.`,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.withILO(cmd.Context(), a.listILOSessions) },
	}
	show := &cobra.Command{
		Use: "show ID", Short: "Print one session", Args: oneID,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withILO(cmd.Context(), func(ctx context.Context, rt http.RoundTripper) error {
				return a.oneILOSession(ctx, rt, http.MethodGet, ilosessionsPath+"/"+url.PathEscape(args[0]))
			})
		},
	}
	var dryRun bool
	terminate := &cobra.Command{
		Use: "terminate ID", Short: "End a session of another host program", Args: oneID,
		Long: `End one session on the iLO and print what it was. Only sessions opened over a host
channel can be ended, never those of people and consoles. The table is read anew
just before, and the result is verified.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			path := ilosessionsPath + "/" + url.PathEscape(args[0])
			if dryRun {
				path += "?dry-run"
			}
			return a.withILO(cmd.Context(), func(ctx context.Context, rt http.RoundTripper) error {
				return a.oneILOSession(ctx, rt, http.MethodDelete, path)
			})
		},
	}
	terminate.Flags().BoolVar(&dryRun, "dry-run", false, "check everything and end nothing")
	cmd.AddCommand(list, show, terminate)
	return cmd
}

// oneID wants one argument.
func oneID(cmd *cobra.Command, args []string) error {
	if len(args) != 1 || args[0] == "" {
		return &usageError{cmd.Name() + " needs the id of one session", "see 'ilod ilo-sessions list'"}
	}
	return nil
}

func (a *app) listILOSessions(ctx context.Context, rt http.RoundTripper) error {
	body, err := a.ask(ctx, rt, http.MethodGet, ilosessionsPath)
	if err != nil {
		return err
	}
	var list struct{ Members []ilosession.TableEntry }
	if err := json.Unmarshal(body, &list); err != nil {
		return fmt.Errorf("the iLO's sessions: %w", err)
	}
	if a.json {
		return json.NewEncoder(a.stdout).Encode(list.Members)
	}
	var rows []string
	for _, e := range list.Members {
		rows = append(rows, row(e.ID, e.UserName, e.Kind, span(e.Age), span(e.Idle), whose(e)))
	}
	return writeTable(a.stdout, "ID\tUSER\tKIND\tAGE\tIDLE\tWHOSE", rows)
}

func (a *app) oneILOSession(ctx context.Context, rt http.RoundTripper, method, path string) error {
	body, err := a.ask(ctx, rt, method, path)
	if err != nil {
		return err
	}
	if a.json {
		_, err := a.stdout.Write(append(body, '\n'))
		return err
	}
	var e ilosession.TableEntry
	if err := json.Unmarshal(body, &e); err != nil {
		return fmt.Errorf("the iLO's session: %w", err)
	}
	_, err = fmt.Fprintf(a.stdout, "id     %s\nuser   %s\nfrom   %s\nkind   %s\nlogin  %s, %s ago\nused   %s, %s ago\nwhose  %s\n",
		oneLine(e.ID), oneLine(e.UserName), oneLine(e.UserIP), oneLine(e.Kind),
		e.Login.Format(time.RFC3339), span(e.Age), e.Access.Format(time.RFC3339), span(e.Idle), whose(e))
	return err
}

// span is a duration by the iLO's clock, which need not tell it.
func span(d time.Duration) string {
	if d < 0 {
		return "?"
	}
	return d.Round(time.Second).String()
}

func whose(e ilosession.TableEntry) string {
	switch {
	case e.Current:
		return "current"
	case e.Ours:
		return "ours"
	case e.InBand:
		return "host program"
	}
	return "other"
}
