package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ilod/ilod/agent/client"
	"github.com/ilod/ilod/agent/server/selection"
	"github.com/ilod/ilod/cmd/ilod/agentsocket"
)

func (a *app) selectCommand() *cobra.Command {
	var s selecting
	cmd := &cobra.Command{
		Use:   "select [TYPE]",
		Short: "Select resources for the next commands",
		Long: `Select resources for get, list, set, info and save, until another type is selected
or the client session ends. TYPE is the beginning of the name of one or more types;
with a dot at its end it is the whole name of one. If no name begins with it, it
matches anywhere in a name. TYPE can also be a path, with a JSON pointer to a part
behind "#". Without TYPE, print the selection.`,
		Example: "  ilod select ComputerSystem.\n  ilod select Drive. --filter MediaType=SSD\n  ilod select /redfish/v1/Systems/1/",
		Args:    atMostOne("a type or a path", "see 'ilod types'"),
		RunE: func(cmd *cobra.Command, args []string) error {
			s.text = strings.Join(args, "")
			if err := s.check(); err != nil {
				return err
			}
			err := a.withAgent(cmd.Context(), func(ctx context.Context, rt http.RoundTripper) error {
				found, err := s.find(ctx, a, rt)
				if err != nil {
					return err
				}
				if len(args) > 0 {
					if err := a.remember(ctx, rt, found); err != nil {
						return err
					}
				}
				if err := a.printSelection(found); err != nil {
					return err
				}
				return partly(found.Reader)
			})
			if errors.Is(err, agentsocket.ErrNoAgent) {
				return fmt.Errorf("%w, and only an agent remembers a selection: give --select to each command", err)
			}
			return err
		},
	}
	s.narrowing(cmd.Flags())
	return cmd
}

func (a *app) printSelection(s *selection.Selected) error {
	var types []string
	entries := make([]selection.Entry, len(s.Found))
	for i, x := range s.Found {
		entries[i] = selection.Entry{Path: x.Path, Type: x.Type}
		types = append(types, strings.TrimPrefix(oneLine(x.Type), "#"))
	}
	if a.json {
		_, err := a.stdout.Write([]byte(selection.JSON(struct {
			Selection string            `json:"selection"`
			Resources []selection.Entry `json:"resources"`
		}{s.String(), entries}, "")))
		return err
	}
	slices.Sort(types)
	_, err := fmt.Fprintf(a.stderr, "Selected option: %s (%d)\n", strings.Join(slices.Compact(types), ", "), len(types))
	return err
}

// remember keeps a selection in the client session.
func (a *app) remember(ctx context.Context, rt http.RoundTripper, s *selection.Selected) error {
	_, err := clientOf(rt).SetVariables(ctx, client.Current, map[string]any{"selection": s.String()})
	return err
}
