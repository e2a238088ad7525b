package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ilod/ilod/agent/clients"
)

const (
	sessionsPath = "/ilod/v1/sessions"
	current      = "current"
	tokenHeader  = "X-Auth-Token"
)

func (a *app) sessionCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "session",
		Short: "Client sessions with the agent",
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
	var name string
	var shell bool
	create := &cobra.Command{
		Use: "new", Short: "Make a client session and print its handle", Args: noArguments,
		Long: `Make a client session and print its handle. If there is no room for another one,
a user at a terminal may choose which to end, where the limits say "ask".`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			a.session = "" // which may have expired
			return a.withAgent(cmd.Context(), func(ctx context.Context, rt http.RoundTripper) error {
				s, handle, err := a.newSession(ctx, rt, name)
				if err != nil {
					return err
				}
				return a.printHandle(s, handle, shell)
			})
		},
	}
	create.Flags().StringVar(&name, "name", "", "a `NAME` for people")
	use := &cobra.Command{
		Use: "use ID", Short: "Print a fresh handle of a client session of yours", Args: oneSession,
		RunE: func(cmd *cobra.Command, args []string) error {
			a.session = ""
			return a.withAgent(cmd.Context(), func(ctx context.Context, rt http.RoundTripper) error {
				s, handle, err := a.sessionWithHandle(ctx, rt, sessionPath(args)+"/handle", nil)
				if err != nil {
					return err
				}
				return a.printHandle(s, handle, shell)
			})
		},
	}
	for _, c := range []*cobra.Command{create, use} {
		c.Flags().BoolVar(&shell, "shell", false, "print a line for a shell's eval, which exports ILOD_SESSION")
	}
	var reset bool
	set := &cobra.Command{
		Use: "set VARIABLE VALUE", Short: "Set a variable of the client session",
		Long: `Set a variable of the client session:

  active-path    what ./ and ../ at the beginning of a path stand for
  recursive      on or off: a get covers everything below its path, too
  returned-path  full, relative or leaf: the form of paths in answers
  output         text, json or raw: what get prints
  selection      what get, list, set and others work on, as select sets it: a type,
                 such as ComputerSystem., or a path`,
		RunE: func(cmd *cobra.Command, args []string) error {
			change, err := variable(args, reset)
			if err != nil {
				return err
			}
			return a.withAgent(cmd.Context(), func(ctx context.Context, rt http.RoundTripper) error {
				_, body, err := a.tell(ctx, rt, http.MethodPatch, sessionPath(nil), change)
				if err != nil {
					return err
				}
				return a.printSession(body)
			})
		},
	}
	set.Flags().BoolVar(&reset, "default", false, "instead of VALUE: back to the default")
	cmd.AddCommand(create, use, set,
		a.ownCommand("list", "Print the client sessions: yours, or for an admin all", noArguments, func(ctx context.Context, rt http.RoundTripper, _ []string) error {
			return a.listSessions(ctx, rt)
		}),
		a.ownCommand("show [ID]", "Print a client session, or the one in use", atMostOneSession, func(ctx context.Context, rt http.RoundTripper, args []string) error {
			body, err := a.ask(ctx, rt, http.MethodGet, sessionPath(args))
			if err != nil {
				return err
			}
			return a.printSession(body)
		}),
		a.ownCommand("end [ID]", "End a client session of yours, or the one in use", atMostOneSession, a.endSession),
		a.ownCommand("terminate ID", "End anybody's client session", oneSession, a.endSession),
		a.ownCommand("terminate-user NAME", "End all client sessions of a user", oneUser, a.endSessionsOf),
		a.ownCommand("rotate-key", "Make every handle invalid, and leave the client sessions", noArguments, func(ctx context.Context, rt http.RoundTripper, _ []string) error {
			_, err := a.ask(ctx, rt, http.MethodPost, sessionsPath+"/key")
			return err
		}),
	)
	return cmd
}

// ownCommand makes a command without flags that talks to the agent alone.
func (a *app) ownCommand(use, short string, args cobra.PositionalArgs, f func(context.Context, http.RoundTripper, []string) error) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short, Args: args,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withAgent(cmd.Context(), func(ctx context.Context, rt http.RoundTripper) error { return f(ctx, rt, args) })
		},
	}
}

func oneSession(cmd *cobra.Command, args []string) error {
	if len(args) != 1 || args[0] == "" {
		return &usageError{cmd.Name() + " needs the id of one client session", "see 'ilod session list'"}
	}
	return nil
}

func atMostOneSession(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return oneSession(cmd, args)
}

func oneUser(cmd *cobra.Command, args []string) error {
	if len(args) != 1 || args[0] == "" {
		return &usageError{cmd.Name() + " needs the name of one user", "see 'ilod session list'"}
	}
	return nil
}

// sessionPath is where the agent has the client session of the argument, or of
// the request itself.
func sessionPath(args []string) string {
	id := current
	if len(args) > 0 {
		id = args[0]
	}
	return sessionsPath + "/" + url.PathEscape(id)
}

// newSession makes a client session, if need be in the place of another one.
func (a *app) newSession(ctx context.Context, rt http.RoundTripper, name string) (clients.Session, string, error) {
	var request any
	if name != "" {
		request = map[string]string{"Name": name}
	}
	s, handle, err := a.sessionWithHandle(ctx, rt, sessionsPath, request)
	if err == nil {
		return s, handle, nil
	}
	id, err := a.victim(ctx, err)
	if err != nil {
		return s, "", err
	}
	if s, handle, err = a.sessionWithHandle(ctx, rt, sessionsPath+"?terminate="+url.QueryEscape(id), request); err != nil {
		err = notEnded(id, err)
	}
	return s, handle, err
}

// handleForm is the form of handles. What has another form is neither sent nor
// handed to a shell.
var handleForm = regexp.MustCompile(`^[A-Za-z0-9_-]+\.[0-9]+\.[A-Za-z0-9_=-]+$`)

// sessionWithHandle asks for a session that comes with a handle.
func (a *app) sessionWithHandle(ctx context.Context, rt http.RoundTripper, path string, request any) (s clients.Session, handle string, err error) {
	resp, body, err := a.tell(ctx, rt, http.MethodPost, path, request)
	if err != nil {
		return s, "", err
	}
	if handle = resp.Header.Get(tokenHeader); !handleForm.MatchString(handle) {
		return s, "", fmt.Errorf("POST %s: the agent's answer has no handle", path)
	}
	if err := json.Unmarshal(body, &s); err != nil {
		return s, "", fmt.Errorf("the client session: %w", err)
	}
	return s, handle, nil
}

// printHandle prints a handle on stdout and what it is of on stderr.
func (a *app) printHandle(s clients.Session, handle string, shell bool) error {
	if a.json {
		return json.NewEncoder(a.stdout).Encode(struct {
			Handle  string
			Session clients.Session
		}{handle, s})
	}
	fmt.Fprintf(a.stderr, "client session %s of %s\n", oneLine(s.ID), oneLine(s.User))
	if shell {
		handle = "export ILOD_SESSION=" + handle
	}
	_, err := fmt.Fprintln(a.stdout, handle)
	return err
}

func (a *app) listSessions(ctx context.Context, rt http.RoundTripper) error {
	body, err := a.ask(ctx, rt, http.MethodGet, sessionsPath)
	if err != nil {
		return err
	}
	var list struct{ Members []clients.Session }
	if err := json.Unmarshal(body, &list); err != nil {
		return fmt.Errorf("the client sessions: %w", err)
	}
	if a.json {
		return json.NewEncoder(a.stdout).Encode(list.Members)
	}
	var rows []string
	for _, s := range list.Members {
		rows = append(rows, row(s.ID, s.Name, s.User, maker(s), local(s.Created), local(s.Used), strconv.FormatUint(s.Requests, 10), s.Holds, which(s)))
	}
	return writeTable(a.stdout, "ID\tNAME\tUSER\tPROCESS\tSTART\tUSED\tREQUESTS\tHOLDS\tWHICH", rows)
}

// maker is the process that made a session.
func maker(s clients.Session) string {
	if s.Process.ID == 0 {
		return ""
	}
	return fmt.Sprintf("%s (%d)", s.Process.Name, s.Process.ID)
}

func which(s clients.Session) string {
	var words []string
	if s.Current {
		words = append(words, current)
	}
	if s.Default {
		words = append(words, "default")
	}
	return strings.Join(words, ", ")
}

// printSession prints one session.
func (a *app) printSession(body []byte) error {
	if a.json {
		_, err := a.stdout.Write(append(body, '\n'))
		return err
	}
	var s clients.Session
	if err := json.Unmarshal(body, &s); err != nil {
		return fmt.Errorf("the client session: %w", err)
	}
	return writeTable(a.stdout, row("id", s.ID), []string{
		row("name", s.Name), row("user", s.User), row("process", maker(s)), row("which", which(s)),
		row("version", fmt.Sprint(s.Version)), row("start", s.Created.Format(time.RFC3339)), row("used", s.Used.Format(time.RFC3339)),
		row("requests", fmt.Sprintf("%d, %d under way", s.Requests, s.InUse)), row("holds", s.Holds),
		row("active-path", s.ActivePath), row("recursive", showSwitch(s.Recursive)), row("returned-path", s.ReturnedPath),
		row("output", s.Output), row("selection", s.Selection),
	})
}

func (a *app) endSession(ctx context.Context, rt http.RoundTripper, args []string) error {
	_, err := a.ask(ctx, rt, http.MethodDelete, sessionPath(args))
	return err
}

func (a *app) endSessionsOf(ctx context.Context, rt http.RoundTripper, args []string) error {
	body, err := a.ask(ctx, rt, http.MethodDelete, sessionsPath+"?user="+url.QueryEscape(args[0]))
	if err != nil {
		return err
	}
	var ended struct{ Terminated []string }
	if err := json.Unmarshal(body, &ended); err != nil {
		return fmt.Errorf("the ended client sessions: %w", err)
	}
	if a.json {
		return json.NewEncoder(a.stdout).Encode(ended)
	}
	for _, id := range ended.Terminated {
		if _, err := fmt.Fprintln(a.stdout, oneLine(id)); err != nil {
			return err
		}
	}
	return nil
}

// variables are those of a client session, by their names on the command line.
var variables = []struct{ name, property string }{
	{"active-path", "ActivePath"}, {"recursive", "Recursive"}, {"returned-path", "ReturnedPath"}, {"output", "Output"}, {"selection", "Selection"},
}

// variable makes a change of a variable from the arguments of "session set".
func variable(args []string, reset bool) (map[string]any, error) {
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
		case v.name != "recursive":
			return map[string]any{v.property: args[1]}, nil
		}
		on, err := readSwitch(args[1])
		if err != nil {
			return nil, &usageError{fmt.Sprintf("%s: %v", v.name, err), "see 'ilod session set --help'"}
		}
		return map[string]any{v.property: on}, nil
	}
	return nil, &usageError{"set needs a variable and its value", "one of " + strings.Join(names, ", ")}
}
