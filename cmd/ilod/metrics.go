package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/ilod/ilod/agent/client"
	"github.com/ilod/ilod/platform/ownedfile"
)

// agentUp is the series of a textfile that tells whether the others are there.
const agentUp = "# HELP ilod_agent_up 1 if the agent answered when the textfile was written.\n# TYPE ilod_agent_up gauge\nilod_agent_up "

func (a *app) metricsCommand() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "metrics",
		Short: "Print the agent's metrics for Prometheus",
		Long: `Print the metrics of the agent and of the server's health in Prometheus's text
format. This never waits for the iLO: it prints what was read last, and the agent
reads that again within a minute. The first call prints nothing of the server yet.

With --textfile the metrics go into a file for a node exporter, which sees either the
old file or the new one. If the agent does not answer, the file holds only
"ilod_agent_up 0", and the exit code says why.`,
		Example: "  ilod agent metrics\n  ilod agent metrics --textfile /var/lib/prometheus/node-exporter/ilod.prom",
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if file != "" && filepath.Ext(file) != ".prom" {
				return &usageError{"--textfile is " + file, "node exporters read only files that end in .prom"}
			}
			var text []byte
			err := a.withClient(cmd.Context(), func(ctx context.Context, c *client.Client) (err error) {
				text, err = c.Metrics(ctx)
				return err
			})
			switch {
			case file == "" && err == nil:
				_, err = a.stdout.Write(text)
				return err
			case file == "":
				return err
			case err != nil:
				return errors.Join(err, writeTextfile(file, []byte(agentUp+"0\n")))
			}
			return writeTextfile(file, append(text, agentUp+"1\n"...))
		},
	}
	cmd.Flags().StringVar(&file, "textfile", "", "write them into `FILE`, whose name ends in .prom, for a node exporter")
	return cmd
}

// writeTextfile replaces a file for the eyes of everybody.
func writeTextfile(name string, text []byte) error {
	if err := ownedfile.Replace(name, text, 0o644, false); err != nil {
		return fmt.Errorf("%w: %w", errFile, err)
	}
	return nil
}
