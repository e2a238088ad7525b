package main

import (
	"context"
	"slices"

	"github.com/spf13/cobra"

	"github.com/ilod/ilod/agent/server/selection"
)

func (a *app) typesCommand() *cobra.Command {
	var full bool
	cmd := a.readerCommand("types", "Print the types that can be selected", func(ctx context.Context, reader *selection.Reader) error {
		entries, err := reader.Entries(ctx)
		if err != nil {
			return err
		}
		types := make([]string, len(entries))
		for i, e := range entries {
			if types[i] = e.Type; !full {
				types[i] = selection.Name(e.Type)
			}
		}
		slices.Sort(types)
		return a.printList(slices.Compact(types))
	})
	cmd.Flags().BoolVar(&full, "fulltypes", false, "with what tells the version")
	return cmd
}
