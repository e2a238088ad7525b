package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ilod/ilod/agent/server/selection"
)

func (a *app) resultsCommand() *cobra.Command {
	return readerCommand(a, "results", "Print how the last reset of the server applied settings", (*selection.Reader).Results, a.printResults)
}

func (a *app) printResults(results []selection.Applied) error {
	if len(results) == 0 {
		return fmt.Errorf("%w: the server reported none at its last reset", errNoChanges)
	}
	if a.json {
		return a.printJSON(results)
	}
	for _, r := range results {
		fmt.Fprintf(a.stdout, "%s (%s)\n", oneLine(strings.TrimPrefix(r.Type, "#")), oneLine(join(", ", r.Path, r.Time)))
		for _, m := range r.Messages {
			fmt.Fprintf(a.stdout, "\t%s\n", oneLine(m.String()))
		}
	}
	return nil
}
