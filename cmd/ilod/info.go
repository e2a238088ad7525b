package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ilod/ilod/agent/schema"
	"github.com/ilod/ilod/agent/server/selection"
)

func (a *app) infoCommand() *cobra.Command {
	var s selecting
	cmd := &cobra.Command{
		Use: "info [PROPERTY...]", Short: "Explain properties: type, allowed values, help",
		Long: `Print what the iLO's schemas and registries say about properties of the selected
resources: type, whether read-only, allowed values, and a help text. Without PROPERTY,
print the names of all.`,
		Example: "  ilod info BootMode --select Bios.\n  ilod info --select Bios.",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withSelected(cmd, &s, args, func(ctx context.Context, found *selection.Selected) error {
				paths := found.Below(args)
				if len(paths) == 0 {
					return a.printNames(found)
				}
				return a.printInfo(ctx, found, paths)
			})
		},
	}
	s.flags(cmd.Flags())
	return cmd
}

// printNames prints which properties the resources have.
func (a *app) printNames(s *selection.Selected) error {
	var names []string
	for _, x := range s.Found {
		names = slices.AppendSeq(names, maps.Keys(selection.WithoutReserved(x.Shown())))
	}
	slices.Sort(names)
	return a.printList(slices.Compact(names))
}

// printInfo describes each property, of the first resource that has it.
func (a *app) printInfo(ctx context.Context, s *selection.Selected, paths []string) error {
	all, err := s.Describe(ctx, paths)
	if err != nil {
		return err
	}
	if a.json {
		var v any = all
		if len(all) == 1 {
			v = all[0]
		}
		return a.printJSON(v)
	}
	for i, info := range all {
		if i > 0 {
			fmt.Fprintln(a.stdout)
		}
		a.printDescription(info)
	}
	return nil
}

func (a *app) printDescription(info schema.Info) {
	access := "writable"
	if info.ReadOnly {
		access = "read-only"
	}
	fmt.Fprintln(a.stdout, oneLine(strings.TrimPrefix(info.Pointer, "/")))
	for _, line := range [][2]string{
		{"Type", info.Type}, {"Access", access}, {"Possible values", strings.Join(info.Allowed, ", ")}, {"Default", info.Default},
		{"Least", info.Min}, {"Most", info.Max}, {"Help", info.Help},
	} {
		if line[1] != "" {
			fmt.Fprintf(a.stdout, "  %s: %s\n", line[0], oneLine(line[1]))
		}
	}
}
