package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ilod/ilod/agent/server/selection"
)

func (a *app) pendingCommand() *cobra.Command {
	return a.readerCommand("pending", "Print BIOS and other settings that take effect with the next reset of the server",
		func(ctx context.Context, reader *selection.Reader) error {
			pending, err := reader.Pending(ctx)
			if err != nil {
				return err
			}
			return a.printPending(pending)
		})
}

func (a *app) printPending(pending []selection.Pending) error {
	if len(pending) == 0 {
		return fmt.Errorf("%w are pending", errNoChanges)
	}
	if a.json {
		_, err := a.stdout.Write([]byte(selection.JSON(pending, "  ")))
		return err
	}
	for _, p := range pending {
		if _, err := fmt.Fprintf(a.stdout, "%s (%s)\n", oneLine(strings.TrimPrefix(p.Type, "#")), oneLine(p.Path)); err != nil {
			return err
		}
		for _, d := range p.Differences {
			if _, err := fmt.Fprintf(a.stdout, "\t%s: Current=%s Pending=%s\n", oneLine(d.Property), selection.Scalar(d.Current), selection.Scalar(d.Pending)); err != nil {
				return err
			}
		}
	}
	return nil
}
