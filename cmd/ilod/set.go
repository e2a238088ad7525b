package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/spf13/cobra"

	"github.com/ilod/ilod/agent/schema"
	"github.com/ilod/ilod/agent/server/selection"
)

// errNoChanges: the iLO has nothing to be told, or has not told anything.
var errNoChanges = errors.New("no changes")

func (a *app) setCommand() *cobra.Command {
	var s selecting
	var commit bool
	var reboot string
	cmd := &cobra.Command{
		Use:   "set PROPERTY=VALUE...",
		Short: "Change properties of the selected resources, with the next commit",
		Long: `Change properties of all selected resources that have them. The change is checked,
and kept in the transaction of the client session until commit; status prints what is
kept. Without an agent nothing can be kept, and --commit must be given.

A VALUE is read as the property's type wants it; null, numbers, objects and arrays
are written as in JSON.`,
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
				found, err := s.find(ctx, a, rt)
				if err != nil {
					return err
				}
				if unread := found.cached.Unread(); len(unread) > 0 { // which would be left as it is
					return unread[0].Err
				}
				changes, err := found.changes(ctx, assignments)
				if err != nil {
					return err
				}
				if err := a.stageAll(ctx, rt, changes); err != nil {
					return err
				}
				if commit {
					return a.commitAndReboot(ctx, rt, reboot)
				}
				_, err = fmt.Fprintf(a.stderr, "%d path(s) to be modified by 'ilod commit'\n", len(changes))
				return err
			})
			if !commit && errors.Is(err, errNoAgent) {
				return fmt.Errorf("%w, and without one nothing is kept until a commit: give --commit", err)
			}
			return err
		},
	}
	s.flags(cmd.Flags())
	cmd.Flags().BoolVar(&commit, "commit", false, "commit at once, with all that is kept")
	rebootFlag(cmd.Flags(), &reboot)
	return cmd
}

// change is a PATCH of a resource.
type change struct {
	path string
	body map[string]any
	news bool // the resource is not so already
}

// changes are what makes the assignments in each resource that has the properties,
// or if none has, in each that may have them.
func (s *selected) changes(ctx context.Context, assignments []selection.Assignment) (all []change, err error) {
	if s.Pointer != "" {
		for i := range assignments {
			assignments[i].Property = s.Pointer + "/" + assignments[i].Property
		}
	}
	found := slices.DeleteFunc(slices.Clone(s.found), func(x *selection.Resource) bool {
		return slices.ContainsFunc(assignments, func(a selection.Assignment) bool { return !x.Has(a.Property) })
	})
	if len(found) == 0 {
		found = s.found
	}
	var unknown error
	for _, x := range found {
		body, err := x.Change(ctx, s.checker, assignments)
		if errors.Is(err, schema.ErrNoProperty) {
			if unknown == nil {
				unknown = err
			}
			continue
		}
		if err != nil {
			return nil, err
		}
		c, err := s.change(ctx, x, body)
		if err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	if len(all) == 0 {
		return nil, unknown
	}
	return all, nil
}

// change compares a PATCH with what it changes: of a resource with settings, these.
func (s *selected) change(ctx context.Context, x *selection.Resource, body map[string]any) (change, error) {
	if x.Settings() == "" && selection.Changes(x.Body, body) {
		return change{x.Path, body, true}, nil
	}
	now, err := s.current.Read(ctx, cmp.Or(x.Settings(), x.Path))
	if err != nil {
		return change{}, err
	}
	return change{x.Path, body, selection.Changes(now.Body, body)}, nil
}

// stageAll keeps changes in the transaction of the client session, which it begins
// if need be. Without one, what is so already is left out.
func (a *app) stageAll(ctx context.Context, rt http.RoundTripper, changes []change) error {
	_, err := a.ask(ctx, rt, http.MethodGet, transactionPath)
	begins := isMessage("NoTransaction")(err)
	if err != nil && !begins {
		return err
	}
	if begins {
		var news []change
		for _, c := range changes {
			if c.news {
				news = append(news, c)
			}
		}
		if changes = news; len(changes) == 0 {
			return fmt.Errorf("%w: all properties have these values already", errNoChanges)
		}
		if _, err := a.ask(ctx, rt, http.MethodPost, transactionPath); err != nil && !isMessage("TransactionOpen")(err) {
			return err
		}
	}
	for _, c := range changes {
		if err := a.stage(ctx, rt, operation{http.MethodPatch, c.path, []byte(selection.JSON(c.body, ""))}); err != nil {
			if begins { // an errant transaction is good for nothing
				if _, rollback := a.ask(ctx, rt, http.MethodPost, transactionPath+"/rollback"); rollback != nil {
					a.log.WithError(rollback).Warn("the transaction is left")
				}
			}
			return err
		}
	}
	return nil
}
