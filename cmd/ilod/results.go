package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
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

// readerCommand is a command without arguments that reads resources.
func (a *app) readerCommand(use, short string, f func(context.Context, *selection.Reader) error) *cobra.Command {
	var s selecting
	cmd := &cobra.Command{
		Use: use, Short: short, Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := s.check(); err != nil {
				return err
			}
			return a.withILO(cmd.Context(), func(ctx context.Context, rt http.RoundTripper) error {
				reader, err := s.reader(rt)
				if err != nil {
					return err
				}
				progress := newProgress(a.stderr)
				defer progress.end()
				reader.Progress = progress.show
				if err := f(ctx, reader); err != nil && (len(reader.Unread()) == 0 || !errors.Is(err, errNoChanges)) {
					return err
				}
				return partly(reader)
			})
		},
	}
	s.reading.flags(cmd.Flags())
	return cmd
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
