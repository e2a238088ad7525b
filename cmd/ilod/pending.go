package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ilod/ilod/agent/server/selection"
)

func (a *app) pendingCommand() *cobra.Command {
	return readerCommand(a, "pending", "Print settings that wait for the next reset of the server", (*selection.Reader).Pending, a.printPending)
}

func (a *app) printPending(pending []selection.Pending) error {
	if len(pending) == 0 {
		return fmt.Errorf("%w are pending", errNoChanges)
	}
	if a.json {
		return a.printJSON(pending)
	}
	for _, p := range pending {
		fmt.Fprintf(a.stdout, "%s (%s)\n", oneLine(strings.TrimPrefix(p.Type, "#")), oneLine(p.Path))
		for _, d := range p.Differences {
			fmt.Fprintf(a.stdout, "\t%s: Current=%s Pending=%s\n", oneLine(d.Property), selection.Scalar(d.Current), selection.Scalar(d.Pending))
		}
	}
	return nil
}
