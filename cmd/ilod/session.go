package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ilod/ilod/agent/api"
	"github.com/ilod/ilod/agent/client"
	"github.com/ilod/ilod/cmd/ilod/terminal"
)

// tokenHeader has the handle of a request's client session.
const tokenHeader = "X-Auth-Token"

func (a *app) sessionCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "session",
		Short: "Make, list and end client sessions",
		Long: `Client sessions are the agent's, and cost the iLO nothing. Each has variables of
its own and may have an open transaction. Every command runs in the session whose
handle is in --session or ILOD_SESSION, else in the default one of the user. A
handle is a secret.`,
		Example: `  eval "$(ilod session new --shell)"
  ilod session set active-path /redfish/v1/Systems/1/
  ilod get ./Bios/`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.sessionNewCommand(), a.sessionUseCommand(), a.sessionSetCommand(),
		a.agentOnly("list", "Print your client sessions; for an admin, all", noArguments, func(ctx context.Context, c *client.Client, _ []string) error {
			return a.listSessions(ctx, c)
		}),
		a.agentOnly("show [ID]", "Print a client session", atMost(oneSession), func(ctx context.Context, c *client.Client, args []string) error {
			s, err := c.Session(ctx, sessionID(args))
			if err != nil {
				return err
			}
			return a.printSession(s)
		}),
		a.agentOnly("end [ID]", "End one of your client sessions", atMost(oneSession), endSession),
		a.agentOnly("terminate ID", "End a client session of any user", oneSession, endSession),
		a.agentOnly("terminate-user NAME", "End all client sessions of a user", oneUser, a.endSessionsOf),
		a.agentOnly("rotate-key", "Make all handles invalid; keep the client sessions", noArguments, func(ctx context.Context, c *client.Client, _ []string) error {
			return c.RotateKey(ctx)
		}),
		a.agentOnly("log", "Print what has happened to sessions lately (admins only)", noArguments, a.sessionLog),
	)
	return cmd
}

func (a *app) sessionNewCommand() *cobra.Command {
	var name string
	var terminate []string
	var shell bool
	cmd := &cobra.Command{
		Use: "new", Short: "Make a client session and print its handle", Args: noArguments,
		Long: `Make a client session and print its handle. If there is no room for another one,
a user at a terminal may choose which to end, where the limits say "ask". With
--terminate the sessions of those ids are ended in the same step, as many as it
takes: your own, or any as an admin. If they do not make enough room, nothing changes.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			a.session = "" // which may have expired
			return a.withClient(cmd.Context(), func(ctx context.Context, c *client.Client) error {
				s, handle, err := a.newSession(ctx, c, api.NewSession{Name: name}, terminate...)
				if err != nil {
					return err
				}
				return a.printHandle(s, handle, shell)
			})
		},
	}
	cmd.Flags().StringVar(&name, "name", "", "a `NAME` for people")
	cmd.Flags().StringArrayVar(&terminate, "terminate", nil, "end the session `ID` if there is no room; may be given several times")
	shellFlag(cmd, &shell)
	return cmd
}

func (a *app) sessionUseCommand() *cobra.Command {
	var shell bool
	cmd := &cobra.Command{
		Use: "use ID", Short: "Print a new handle for one of your client sessions", Args: oneSession,
		RunE: func(cmd *cobra.Command, args []string) error {
			a.session = ""
			return a.withClient(cmd.Context(), func(ctx context.Context, c *client.Client) error {
				s, handle, err := c.NewHandle(ctx, args[0])
				if err != nil {
					return err
				}
				return a.printHandle(s, handle, shell)
			})
		},
	}
	shellFlag(cmd, &shell)
	return cmd
}

func shellFlag(cmd *cobra.Command, shell *bool) {
	cmd.Flags().BoolVar(shell, "shell", false, "print a line for a shell's eval, which exports ILOD_SESSION")
}

func (a *app) sessionSetCommand() *cobra.Command {
	var reset bool
	cmd := &cobra.Command{
		Use: "set VARIABLE VALUE", Short: "Set a variable of the client session",
		Long: `Set a variable of the client session:

  active-path    what ./ and ../ at the beginning of a path stand for
  recursive      on or off: a get covers everything below its path, too
  returned-path  full, relative or leaf: the form of paths in answers
  output         text, json or raw: what get prints
  selection      what get, list, set and others work on, as select sets it: a type,
                 such as ComputerSystem., or a path
  transaction-timeout
                 how long a transaction that is begun from now on may be unused;
                 0: as long as the limits say

VARIABLE=VALUE is the same as VARIABLE VALUE.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			change, err := variable(args, reset)
			if err != nil {
				return err
			}
			return a.withClient(cmd.Context(), func(ctx context.Context, c *client.Client) error {
				s, err := c.SetVariables(ctx, client.Current, change)
				if err != nil {
					return err
				}
				return a.printSession(s)
			})
		},
	}
	cmd.Flags().BoolVar(&reset, "default", false, "set the default, instead of VALUE")
	return cmd
}

var (
	oneSession = oneArgument("id of one client session", "ilod session list")
	oneUser    = oneArgument("name of one user", "ilod session list")
)

// sessionID is the id in the arguments, or that of the session in use.
func sessionID(args []string) string {
	if len(args) == 0 {
		return client.Current
	}
	return args[0]
}

// newSession makes a client session, if need be in the place of others: of those that
// terminate names, or else of those that the user chooses.
func (a *app) newSession(ctx context.Context, c *client.Client, what api.NewSession, terminate ...string) (s api.Session, handle string, err error) {
	s, handle, err = c.NewSession(ctx, what, terminate...)
	ids := terminate
	if err != nil && len(terminate) == 0 {
		if ids, err = a.victims(ctx, err); err != nil {
			return s, "", err
		}
		s, handle, err = c.NewSession(ctx, what, ids...)
	}
	switch {
	case err != nil && len(ids) > 0 && errors.Is(err, client.ErrSessionLimit):
		return s, "", notEnded(ids, err)
	case err != nil:
		return s, "", err
	}
	for _, id := range ids {
		a.sayEnded(ctx, &client.Client{Transport: c.Transport, Handle: handle}, id)
	}
	return s, handle, nil
}

// sayEnded says what became of a session that was to make room.
func (a *app) sayEnded(ctx context.Context, c *client.Client, id string) {
	said := "goes on: there is room without its end"
	if _, err := c.Session(ctx, id); err != nil {
		said = "has ended"
		if e, ok := errors.AsType[*client.Error](err); !ok || e.Answer.Status != http.StatusNotFound {
			said = "may have ended: " + err.Error()
		}
	}
	fmt.Fprintf(a.stderr, "client session %s %s\n", oneLine(id), oneLine(said))
}

// newHandle is what a command prints that makes a handle.
type newHandle struct {
	Handle  string      `json:"handle"`
	Session api.Session `json:"session"`
}

// printHandle prints a handle on stdout and what it is of on stderr.
func (a *app) printHandle(s api.Session, handle string, shell bool) error {
	if a.json {
		return a.writeJSON(newHandle{handle, s})
	}
	fmt.Fprintf(a.stderr, "client session %s of %s\n", oneLine(s.ID), oneLine(s.User))
	if shell {
		handle = "export ILOD_SESSION=" + handle
	}
	_, err := fmt.Fprintln(a.stdout, handle)
	return err
}

func (a *app) listSessions(ctx context.Context, c *client.Client) error {
	list, err := c.Sessions(ctx)
	if err != nil {
		return err
	}
	if a.json {
		return a.writeJSON(list)
	}
	rows := [][]string{{"ID", "NAME", "USER", "FROM", "KIND", "AGENT", "START", "USED", "EXPIRES", "REQUESTS", "HOLDS", "WHICH"}}
	for _, s := range list {
		rows = append(rows, []string{s.ID, s.Name, s.User, from(s), kind(s), s.Agent, local(s.Created), local(s.Used), local(s.Expires), strconv.FormatUint(s.Requests, 10), s.Holds, which(s)})
	}
	return terminal.Table(a.stdout, rows)
}

// from is where a session was used from last: a process, or an address.
func from(s api.Session) string {
	switch p := s.Process; {
	case p.ID == 0:
		return s.Address
	case p.Ended:
		return fmt.Sprintf("%s (%d), ended", p.Name, p.ID)
	default:
		return fmt.Sprintf("%s (%d)", p.Name, p.ID)
	}
}

// kind is how a session was made, for people.
func kind(s api.Session) string {
	switch s.Kind {
	case api.KindTLS:
		return "TLS"
	case api.KindRedfish:
		return "Redfish login"
	}
	return s.Kind
}

func which(s api.Session) string {
	var words []string
	if s.Current {
		words = append(words, "current")
	}
	if s.Default {
		words = append(words, "default")
	}
	return strings.Join(words, ", ")
}

// printSession prints one session.
func (a *app) printSession(s api.Session) error {
	if a.json {
		return a.writeJSON(s)
	}
	return terminal.Table(a.stdout, [][]string{
		{"id", s.ID}, {"name", s.Name}, {"user", s.User}, {"from", from(s)}, {"kind", kind(s)}, {"agent", s.Agent}, {"which", which(s)},
		{"version", fmt.Sprint(s.Version)}, {"start", s.Created.Format(time.RFC3339)}, {"used", s.Used.Format(time.RFC3339)},
		{"expires", s.Expires.Format(time.RFC3339)},
		{"requests", fmt.Sprintf("%d, %d under way", s.Requests, s.InUse)}, {"holds", s.Holds},
		{"active-path", s.ActivePath}, {"recursive", showSwitch(s.Recursive)}, {"returned-path", s.ReturnedPath},
		{"output", s.Output}, {"selection", s.Selection}, {"transaction-timeout", showTimeout(s.TransactionTimeout)},
	})
}

func endSession(ctx context.Context, c *client.Client, args []string) error {
	return c.EndSession(ctx, sessionID(args))
}

func (a *app) endSessionsOf(ctx context.Context, c *client.Client, args []string) error {
	ended, err := c.EndSessionsOf(ctx, args[0])
	if err != nil {
		return err
	}
	if a.json {
		return a.writeJSON(api.Terminated{Terminated: ended})
	}
	fmt.Fprintf(a.stderr, "%s of %s ended\n", counted(len(ended), "client session"), oneLine(args[0]))
	for _, id := range ended {
		if _, err := fmt.Fprintln(a.stdout, oneLine(id)); err != nil {
			return err
		}
	}
	return nil
}

// counted is a number of things, for people.
func counted(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// variables are those of a client session, by their names on the command line.
var variables = []struct{ name, property string }{
	{"active-path", "activePath"}, {"recursive", "recursive"}, {"returned-path", "returnedPath"}, {"output", "output"}, {"selection", "selection"},
	{"transaction-timeout", "transactionTimeout"},
}

// showTimeout shows a timeout that may be that of the limits.
func showTimeout(d api.Seconds) string {
	if d == 0 {
		return "as the limits say"
	}
	return time.Duration(d).String()
}

// variable makes a change of a variable from the arguments of "session set".
func variable(args []string, reset bool) (map[string]any, error) {
	if len(args) == 1 {
		if name, value, found := strings.Cut(args[0], "="); found {
			args = []string{name, value}
		}
	}
	var names []string
	for _, v := range variables {
		names = append(names, v.name)
		if len(args) == 0 || args[0] != v.name {
			continue
		}
		switch {
		case len(args) == 1 && reset:
			return map[string]any{v.property: nil}, nil
		case len(args) != 2 || reset:
			return nil, &usageError{"set " + v.name + " needs one value, or --default", "see 'ilod session set --help'"}
		}
		value, err := readVariable(v.name, args[1])
		if err != nil {
			return nil, &usageError{fmt.Sprintf("%s: %v", v.name, err), "see 'ilod session set --help'"}
		}
		return map[string]any{v.property: value}, nil
	}
	return nil, &usageError{"set needs a variable and its value", "one of " + strings.Join(names, ", ")}
}

// readVariable reads the value of a variable.
func readVariable(name, value string) (any, error) {
	switch name {
	case "recursive":
		return readSwitch(value)
	case "transaction-timeout":
		return readSeconds(value)
	}
	return value, nil
}
