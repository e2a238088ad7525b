package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/spf13/cobra"

	"github.com/ilod/ilod/agent/client"
	"github.com/ilod/ilod/agent/schema"
	"github.com/ilod/ilod/agent/server/selection"
)

func (a *app) loadCommand() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use: "load", Short: "Apply the settings in a file that save wrote", Args: noArguments,
		Long: `Give resources the settings in a file of save, or of ilorest, as one transaction in a
client session of its own. Settings that are in effect already, or will be with the
next reset of the server, are not sent. Load leaves out and names what cannot be
written, and resources that cannot be read; for those the exit code is 104 if all
else is done.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			data, err := a.readDocument(file)
			if err != nil {
				return err
			}
			all, err := selection.Load(data)
			if err != nil {
				return fmt.Errorf("%w: %s: %w", errFileForm, file, err)
			}
			a.session = "" // it has one of its own
			return a.withILO(cmd.Context(), func(ctx context.Context, rt http.RoundTripper) error {
				reader := currently(rt)
				operations, err := a.restore(ctx, rt, reader, all)
				switch {
				case err != nil:
					return err
				case len(operations) == 0: // which is what was wanted
					_, err = fmt.Fprintln(a.stderr, "No differences found from current configuration.")
				default:
					err = a.runTransaction(ctx, rt, operations, false, false)
				}
				if errors.Is(err, client.ErrRolledBack) {
					err = fmt.Errorf("%w: %w", errCommit, err)
				}
				return cmp.Or(err, partly(reader))
			})
		},
	}
	cmd.Flags().StringVarP(&file, "filename", "f", savedFile, "read `FILE`, - for standard input")
	return cmd
}

// restore plans the writes that are needed, and says what is left out.
func (a *app) restore(ctx context.Context, rt http.RoundTripper, reader *selection.Reader, all []selection.Saved) ([]operation, error) {
	end := a.showProgress(reader)
	patches, left, err := reader.Restore(ctx, schema.NewChecker(directly(rt)), all)
	end()
	for _, l := range left {
		fmt.Fprintf(a.stderr, "left out: %s %s cannot be written\n", oneLine(l.Path), oneLine(l.Pointer))
	}
	return operations(patches), err
}
