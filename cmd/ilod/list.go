package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/ilod/ilod/agent/server/selection"
)

func (a *app) listCommand() *cobra.Command {
	var s selecting
	cmd := &cobra.Command{
		Use: "list [PROPERTY...]", Short: "Print properties of the selected resources, also Id, Links and @odata.type",
		Long: `Print properties of the selected resources as get does. Without PROPERTY print all of
them, with reserved ones such as @odata.type, Id and Links.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withSelected(cmd, &s, args, func(ctx context.Context, found *selection.Selected) error {
				return a.printProperties(ctx, found, args, true)
			})
		},
	}
	s.flags(cmd.Flags())
	return cmd
}

// printProperties prints some properties of the resources, or all of them.
func (a *app) printProperties(ctx context.Context, s *selection.Selected, paths []string, reserved bool) error {
	paths = s.Below(paths)
	a.noteWaiting(ctx, s, paths)
	if len(paths) > 0 {
		parts, missing := selection.Project(s.Found, paths)
		if len(parts) == 0 && len(missing) == 1 {
			return missing[0]
		}
		for _, err := range missing {
			fmt.Fprintf(a.stderr, "left out: %s\n", oneLine(err.Error()))
		}
		if len(parts) == 0 {
			return fmt.Errorf("%w as any of these", selection.ErrNoProperty)
		}
		return a.printObjects(parts, s.Reader)
	}
	parts := make([]map[string]any, len(s.Found))
	for i, x := range s.Found {
		if parts[i] = x.Shown(); !reserved {
			parts[i] = selection.WithoutReserved(parts[i])
		}
	}
	return a.printObjects(parts, s.Reader)
}

// noteWaiting says which of the properties wait for a reset of the server, and so
// are not what was last set.
func (a *app) noteWaiting(ctx context.Context, s *selection.Selected, paths []string) {
	for _, x := range s.Found {
		waiting, err := s.Reader.Waiting(ctx, x, paths)
		if err != nil { // it is a note, and no more
			a.log.WithError(err).Info("the settings that wait for a reset could not be read")
		}
		for _, d := range waiting {
			fmt.Fprintf(a.stderr, "waits for a reset of the server: %s=%s\n", oneLine(d.Property), selection.Scalar(d.Pending))
		}
	}
}

// printObjects prints one object, or several apart from each other; as JSON, with a
// null for each that could not be read.
func (a *app) printObjects(objects []map[string]any, reader *selection.Reader) error {
	if a.json {
		objects = append(objects, make([]map[string]any, len(reader.Unread()))...)
		if len(objects) == 1 {
			return a.printJSON(objects[0])
		}
		return a.printJSON(objects)
	}
	for i, o := range objects {
		if i > 0 {
			fmt.Fprintln(a.stdout)
		}
		fmt.Fprint(a.stdout, selection.Text(o))
	}
	return nil
}

// printList prints one text to a line, or an array of them.
func (a *app) printList(list []string) error {
	if a.json {
		return a.writeJSON(list)
	}
	for _, item := range list {
		fmt.Fprintln(a.stdout, oneLine(item))
	}
	return nil
}
