package main

import (
	"slices"

	"github.com/spf13/cobra"

	"github.com/ilod/ilod/agent/server/selection"
)

func (a *app) typesCommand() *cobra.Command {
	var full bool
	cmd := readerCommand(a, "types", "Print the types that can be selected", (*selection.Reader).Entries, func(entries []selection.Entry) error {
		types := make([]string, len(entries))
		for i, e := range entries {
			if types[i] = e.Type; !full {
				types[i] = selection.Name(e.Type)
			}
		}
		slices.Sort(types)
		return a.printList(slices.Compact(types))
	})
	cmd.Flags().BoolVar(&full, "fulltypes", false, "with version numbers")
	return cmd
}
