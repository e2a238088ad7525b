package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/ilod/ilod/agent/client"
)

// errCommit: a commit failed and changed nothing.
var errCommit = errors.New("commit")

func (a *app) commitCommand() *cobra.Command {
	var reboot string
	cmd := &cobra.Command{
		Use: "commit", Short: "Send the staged changes", Args: noArguments,
		Long: `Send the staged writes of the client session, as tx commit does: either all of them
are applied, or those that were are undone as far as the iLO allows.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkReboot(reboot, true); err != nil {
				return err
			}
			return a.withAgent(cmd.Context(), func(ctx context.Context, rt http.RoundTripper) error {
				return a.commitAndReboot(ctx, rt, reboot)
			})
		},
	}
	rebootFlag(cmd.Flags(), &reboot)
	return cmd
}

func rebootFlag(flags *pflag.FlagSet, reboot *string) {
	flags.StringVar(reboot, "reboot", "", "reset the server after the commit, with a `TYPE` of the command reboot")
}

// checkReboot finds a type of reset that cannot be meant.
func checkReboot(reboot string, commit bool) error {
	if reboot == "" {
		return nil
	}
	if !commit {
		return &usageError{"--reboot is for after a commit", "add --commit"}
	}
	_, err := resetOf(reboot)
	return err
}

// commitAndReboot commits, and if that is done resets the server, if a type of
// reset is given.
func (a *app) commitAndReboot(ctx context.Context, rt http.RoundTripper, reboot string) error {
	c := clientOf(rt)
	err := a.endTransaction(ctx, c, c.Commit)
	switch {
	case errors.Is(err, client.ErrNoTransaction):
		return fmt.Errorf("%w: there is nothing to commit", errNoChanges)
	case errors.Is(err, client.ErrRolledBack):
		return fmt.Errorf("%w: %w", errCommit, err)
	case err != nil || reboot == "":
		return err
	}
	return a.reset(ctx, rt, reboot)
}
