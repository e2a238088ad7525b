package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/spf13/cobra"

	"github.com/ilod/ilod/agent/client"
	"github.com/ilod/ilod/agent/server/selection"
	"github.com/ilod/ilod/cmd/ilod/agentsocket"
)

// errNoChanges: there is nothing to change, or nothing has changed.
var errNoChanges = errors.New("no changes")

func (a *app) setCommand() *cobra.Command {
	var s selecting
	var commit bool
	var reboot string
	cmd := &cobra.Command{
		Use:   "set PROPERTY=VALUE...",
		Short: "Stage changes of properties; commit sends them",
		Long: `Change properties of all selected resources that have them. The change is checked,
and staged in the transaction of the client session until commit; status prints what
is staged. Without an agent nothing can be staged: give --commit.

The property's type decides how VALUE is read. Write null, numbers, objects and
arrays as in JSON.`,
		Example: "  ilod set AssetTag='rack 7' --select ComputerSystem. --commit\n  ilod set Boot/BootSourceOverrideTarget=Pxe Boot/BootSourceOverrideEnabled=Once",
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return &usageError{"set needs at least one PROPERTY=VALUE", "see 'ilod set --help'"}
			}
			assignments := make([]selection.Assignment, len(args))
			for i, arg := range args {
				var err error
				if assignments[i], err = selection.ParseAssignment(arg); err != nil {
					return err
				}
			}
			if err := checkReboot(reboot, commit); err != nil {
				return err
			}
			if err := s.check(); err != nil {
				return err
			}
			with := a.withILO
			if !commit {
				with = a.withAgent
			}
			err := with(cmd.Context(), func(ctx context.Context, rt http.RoundTripper) error {
				staged, err := a.set(ctx, rt, &s, assignments)
				if err != nil {
					return err
				}
				if commit {
					return a.commitAndReboot(ctx, rt, reboot)
				}
				_, err = fmt.Fprintf(a.stderr, "%d path(s) to be modified by 'ilod commit'\n", staged)
				return err
			})
			if !commit && errors.Is(err, agentsocket.ErrNoAgent) {
				return fmt.Errorf("%w, and only an agent keeps changes until a commit: give --commit", err)
			}
			return err
		},
	}
	s.flags(cmd.Flags())
	cmd.Flags().BoolVar(&commit, "commit", false, "commit at once, with all that is kept")
	rebootFlag(cmd.Flags(), &reboot)
	return cmd
}

// set plans the assignments in the selected resources, and keeps the changes. It
// returns the number of resources in the plan.
func (a *app) set(ctx context.Context, rt http.RoundTripper, s *selecting, assignments []selection.Assignment) (staged int, err error) {
	found, err := s.find(ctx, a, rt)
	if err != nil {
		return 0, err
	}
	patches, err := found.Plan(ctx, assignments)
	if err != nil {
		return 0, err
	}
	return len(patches), a.keep(ctx, rt, patches)
}

// keep has changes kept in the transaction of the client session. Without one it
// begins one, and leaves out what is not needed.
func (a *app) keep(ctx context.Context, rt http.RoundTripper, patches []selection.Patch) error {
	c := clientOf(rt)
	_, err := c.Transaction(ctx)
	begins := errors.Is(err, client.ErrNoTransaction)
	if err != nil && !begins {
		return err
	}
	if begins {
		patches = slices.DeleteFunc(slices.Clone(patches), func(p selection.Patch) bool { return !p.Needed })
		if len(patches) == 0 {
			return fmt.Errorf("%w: all properties have these values already", errNoChanges)
		}
		if _, err := c.Begin(ctx, 0); err != nil && !errors.Is(err, client.ErrTransactionOpen) {
			return err
		}
	}
	for _, operation := range operations(patches) {
		if err := stage(ctx, c, operation); err != nil {
			if begins { // an errant transaction is good for nothing
				if _, rollback := c.Rollback(ctx); rollback != nil {
					a.log.WithError(rollback).Warn("the transaction could not be rolled back")
				}
			}
			return err
		}
	}
	return nil
}

// operations are the writes of a plan.
func operations(patches []selection.Patch) []operation {
	all := make([]operation, len(patches))
	for i, p := range patches {
		all[i] = operation{http.MethodPatch, p.Path, []byte(selection.JSON(p.Body, ""))}
	}
	return all
}
