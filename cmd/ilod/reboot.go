package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ilod/ilod/agent/schema"
	"github.com/ilod/ilod/agent/server/selection"
)

// resetType is a way to reset the server. Those of HPE have an action of their own.
type resetType struct {
	name, action, parameter string
	effect                  string // for people
}

var resetTypes = []resetType{
	{"On", "ComputerSystem.Reset", "ResetType", "turn the server on"},
	{"ForceOff", "ComputerSystem.Reset", "ResetType", "turn it off at once"},
	{"GracefulShutdown", "ComputerSystem.Reset", "ResetType", "shut it down"},
	{"ForceRestart", "ComputerSystem.Reset", "ResetType", "restart it at once (default)"},
	{"GracefulRestart", "ComputerSystem.Reset", "ResetType", "shut it down and restart it"},
	{"Nmi", "ComputerSystem.Reset", "ResetType", "interrupt it"},
	{"PushPowerButton", "ComputerSystem.Reset", "ResetType", "push the power button"},
	{"Press", "ComputerSystemExt.PowerButton", "PushType", "push the power button, HPE's way"},
	{"PressAndHold", "ComputerSystemExt.PowerButton", "PushType", "push and hold the power button"},
	{"ColdBoot", "ComputerSystemExt.SystemReset", "ResetType", "cut the power, then boot"},
}

// resetOf finds a type of reset by its name, letter case aside.
func resetOf(name string) (resetType, error) {
	names := make([]string, len(resetTypes))
	for i, t := range resetTypes {
		if strings.EqualFold(t.name, name) {
			return t, nil
		}
		names[i] = t.name
	}
	return resetType{}, &usageError{fmt.Sprintf("unknown type of reset %q", name) + schema.Suggest(name, names), "one of " + strings.Join(names, ", ")}
}

func (a *app) rebootCommand() *cobra.Command {
	long := "Reset the server or change its power state, at once:\n\n"
	for _, t := range resetTypes {
		long += fmt.Sprintf("  %-17s %s\n", t.name, t.effect)
	}
	return &cobra.Command{
		Use: "reboot [TYPE]", Short: "Reset the server, or turn it on or off", Long: strings.TrimSpace(long), Args: atMostOne("a type of reset", "see 'ilod reboot --help'"),
		RunE: func(cmd *cobra.Command, args []string) error {
			name := "ForceRestart"
			if len(args) > 0 {
				name = args[0]
			}
			if _, err := resetOf(name); err != nil {
				return err
			}
			return a.withILO(cmd.Context(), func(ctx context.Context, rt http.RoundTripper) error {
				return a.reset(ctx, rt, name)
			})
		},
	}
}

// reset resets the server.
func (a *app) reset(ctx context.Context, rt http.RoundTripper, name string) error {
	t, err := resetOf(name)
	if err != nil {
		return err
	}
	return a.act(ctx, rt, "ComputerSystem.", t)
}

// act posts an action of the one resource of a type. It is not part of a
// transaction.
func (a *app) act(ctx context.Context, rt http.RoundTripper, odataType string, t resetType) error {
	reader := &selection.Reader{Next: directly(rt)}
	found, err := reader.Find(ctx, selection.Selector{Type: odataType})
	if err != nil {
		return err
	}
	if len(found) > 1 {
		return fmt.Errorf("%w: %d of %s", errSeveral, len(found), odataType)
	}
	action, err := found[0].Action(t.action, t.parameter, t.name)
	if err != nil {
		return err
	}
	data, err := json.Marshal(action.Body)
	if err != nil {
		return err
	}
	req, err := rawRequest(http.MethodPost, action.Target, []string{transactionHeader + ":immediate"}, true)
	if err != nil {
		return err
	}
	setBody(req, data)
	_, _, err = accepted(rt, req.WithContext(ctx))
	if err == nil {
		fmt.Fprintf(a.stderr, "%s: %s\n", t.action, t.name)
	}
	return err
}
