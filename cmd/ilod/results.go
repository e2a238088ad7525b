package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ilod/ilod/agent/server/selection"
)

func (a *app) resultsCommand() *cobra.Command {
	return a.readerCommand("results", "Print what became of BIOS and other settings at the last reset of the server",
		func(ctx context.Context, reader *selection.Reader) error {
			results, err := reader.Results(ctx)
			if err != nil {
				return err
			}
			return a.printResults(results)
		})
}

func (a *app) printResults(results []selection.Applied) error {
	if len(results) == 0 {
		return fmt.Errorf("%w: the server tells of none at its last reset", errNoChanges)
	}
	if a.json {
		_, err := a.stdout.Write([]byte(selection.JSON(results, "  ")))
		return err
	}
	for _, r := range results {
		if _, err := fmt.Fprintf(a.stdout, "%s (%s)\n", oneLine(strings.TrimPrefix(r.Type, "#")), oneLine(join(", ", r.Path, r.Time))); err != nil {
			return err
		}
		for _, m := range r.Messages {
			if _, err := fmt.Fprintf(a.stdout, "\t%s\n", oneLine(m.String())); err != nil {
				return err
			}
		}
	}
	return nil
}
