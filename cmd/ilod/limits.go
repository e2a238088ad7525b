package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ilod/ilod/agent/api"
	"github.com/ilod/ilod/agent/client"
)

// limits are the limits of client sessions: their names on the command line and
// in JSON, how to read a value and how to show it.
var limits = []struct {
	name, property string
	read           func(string) (any, error)
	show           func(api.Limits) any
}{
	{"max-sessions", "maxSessions", readCount, func(l api.Limits) any { return l.MaxSessions }},
	{"max-sessions-per-user", "maxSessionsPerUser", readCount, func(l api.Limits) any { return l.MaxSessionsPerUser }},
	{"inactivity-timeout", "inactivityTimeout", readSeconds, func(l api.Limits) any { return time.Duration(l.InactivityTimeout) }},
	{"lifetime", "lifetime", readSeconds, func(l api.Limits) any { return time.Duration(l.Lifetime) }},
	{"transaction-timeout", "transactionTimeout", readSeconds, func(l api.Limits) any { return time.Duration(l.TransactionTimeout) }},
	{"force-sessions", "forceSessions", readSwitch, func(l api.Limits) any { return showSwitch(l.ForceSessions) }},
	{"when-full", "whenFull", readPolicy, func(l api.Limits) any { return l.WhenFull }},
	{"strict-json", "strictJSON", readSwitch, func(l api.Limits) any { return showSwitch(l.StrictJSON) }},
}

func (a *app) limitsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "limits",
		Short: "Print or set the limits of client sessions and writes",
		Args:  noArguments,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	set := &cobra.Command{
		Use: "set NAME=VALUE...", Short: "Set limits (admins only); they survive a restart of the agent",
		Long: `Set limits of client sessions:

  max-sessions           how many there may be; 0: any number
  max-sessions-per-user  how many of one user; 0: any number
  inactivity-timeout     how long one may be unused; 0: each lasts one request,
                         but that of a command such as batch until it ends
  lifetime               how long one may exist; 0: for ever
  transaction-timeout    how long an open transaction may be unused
  force-sessions         on: requests without a handle are refused
  when-full              reject, oldest-idle or ask: what to do at a maximum
  strict-json            off: writes go to the iLO even if their JSON is ambiguous

Those not named keep their value, and follow the configuration if they did.
'ilod limits reset NAME' gives a limit back to the configuration.`,
		Example: "  ilod limits set max-sessions-per-user=8 inactivity-timeout=1h when-full=ask",
		RunE: func(cmd *cobra.Command, args []string) error {
			change, err := limitsChange(args)
			if err != nil {
				return err
			}
			return a.withClient(cmd.Context(), func(ctx context.Context, c *client.Client) error {
				l, err := c.SetLimits(ctx, change)
				if err != nil {
					return err
				}
				return a.printLimits(l)
			})
		},
	}
	cmd.AddCommand(set, a.limitsResetCommand(), a.agentOnly("show", "Print the limits, and where each comes from", noArguments, func(ctx context.Context, c *client.Client, _ []string) error {
		l, err := c.Limits(ctx)
		if err != nil {
			return err
		}
		return a.printLimits(l)
	}))
	return cmd
}

func (a *app) limitsResetCommand() *cobra.Command {
	reset := a.agentOnly("reset NAME...", "Give limits back to the configuration (admins only)", someLimits, func(ctx context.Context, c *client.Client, args []string) error {
		change, err := limitsReset(args)
		if err != nil {
			return err
		}
		l, err := c.SetLimits(ctx, change)
		if err != nil {
			return err
		}
		return a.printLimits(l)
	})
	reset.Long = `Give limits back to the configuration. Each has the value there from now on, also
when that changes and the agent starts again.`
	reset.Example = "  ilod limits reset max-sessions when-full"
	return reset
}

// printLimits prints the limits as "limits set" takes them, and where they come from.
func (a *app) printLimits(l api.ShownLimits) error {
	if a.json {
		return a.writeJSON(l)
	}
	for _, limit := range limits {
		if _, err := fmt.Fprintf(a.stdout, "%s=%v  # %s\n", limit.name, limit.show(l.Limits), l.From[limit.property]); err != nil {
			return err
		}
	}
	return nil
}

// someLimits wants names of limits.
func someLimits(_ *cobra.Command, args []string) error {
	_, err := limitsReset(args)
	return err
}

// limitsReset makes a change of the limits that gives the named ones back to the
// configuration.
func limitsReset(args []string) (map[string]any, error) {
	if len(args) == 0 {
		return nil, &usageError{"reset needs at least one NAME", limitsHint()}
	}
	change := map[string]any{}
	for _, name := range args {
		known := false
		for _, limit := range limits {
			if limit.name == name {
				change[limit.property], known = nil, true
			}
		}
		if !known {
			return nil, &usageError{fmt.Sprintf("unknown limit %q", name), limitsHint()}
		}
	}
	return change, nil
}

// limitsHint lists the limits.
func limitsHint() string {
	var names []string
	for _, limit := range limits {
		names = append(names, limit.name)
	}
	return "one of " + strings.Join(names, ", ")
}

// limitsChange makes a change of the limits from NAME=VALUE arguments.
func limitsChange(args []string) (map[string]any, error) {
	hint := limitsHint()
	if len(args) == 0 {
		return nil, &usageError{"set needs at least one NAME=VALUE", hint}
	}
	change := map[string]any{}
arguments:
	for _, arg := range args {
		name, value, _ := strings.Cut(arg, "=")
		for _, limit := range limits {
			if limit.name != name {
				continue
			}
			v, err := limit.read(value)
			if err != nil {
				return nil, &usageError{fmt.Sprintf("%s: %v", name, err), "see 'ilod limits set --help'"}
			}
			change[limit.property] = v
			continue arguments
		}
		return nil, &usageError{fmt.Sprintf("unknown limit %q", name), hint}
	}
	return change, nil
}

func readCount(s string) (any, error) {
	n, err := strconv.ParseUint(s, 10, 31)
	if err != nil {
		return nil, fmt.Errorf("%q is not a number from 0 up", s)
	}
	return n, nil
}

func readSeconds(s string) (any, error) {
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 || d%time.Second != 0 {
		return nil, fmt.Errorf("%q is not a duration of whole seconds, such as 30m, or 0", s)
	}
	return int64(d / time.Second), nil
}

func readPolicy(s string) (any, error) {
	switch p := api.Policy(s); p {
	case api.Reject, api.OldestIdle, api.Ask:
		return p, nil
	}
	return nil, fmt.Errorf("%q is not one of reject, oldest-idle, ask", s)
}

// readSwitch reads on or off.
func readSwitch(s string) (any, error) {
	if s != showSwitch(true) && s != showSwitch(false) {
		return nil, fmt.Errorf("%q is neither on nor off", s)
	}
	return s == showSwitch(true), nil
}

func showSwitch(on bool) string {
	if on {
		return "on"
	}
	return "off"
}
