package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ilod/ilod/agent/api"
	"github.com/ilod/ilod/agent/client"
	"github.com/ilod/ilod/cmd/ilod/terminal"
)

func (a *app) cacheCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "cache",
		Short: "Fill, show or clear the cache",
		Args:  noArguments,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	for _, sub := range []struct {
		use, short string
		run        func(context.Context, *client.Client) error
	}{
		{"status", "Show what is in the cache", a.cacheStatus},
		{"clear", "Forget all cached answers", func(ctx context.Context, c *client.Client) error { return c.ClearCache(ctx) }},
	} {
		cmd.AddCommand(&cobra.Command{
			Use: sub.use, Short: sub.short, Args: noArguments,
			RunE: func(cmd *cobra.Command, _ []string) error {
				return a.withILO(cmd.Context(), func(ctx context.Context, rt http.RoundTripper) error { return sub.run(ctx, clientOf(rt)) })
			},
		})
	}
	cmd.AddCommand(a.warmCommand())
	return cmd
}

func (a *app) warmCommand() *cobra.Command {
	var what api.Warm
	cmd := &cobra.Command{
		Use:   "warm",
		Short: "Read the whole tree into the cache",
		Long: `Read every resource of the tree once, so that 'ilod get --offline' has an answer for
each of them. Sessions are never kept.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withILO(cmd.Context(), func(ctx context.Context, rt http.RoundTripper) error { return a.warmCache(ctx, clientOf(rt), what) })
		},
	}
	cmd.Flags().BoolVar(&what.Logs, "logs", false, "read each log entry by itself, too")
	cmd.Flags().BoolVar(&what.Schemas, "schemas", false, "read schemas and registries, too")
	return cmd
}

// warmCache shows on a terminal how far it is.
func (a *app) warmCache(ctx context.Context, c *client.Client, what api.Warm) error {
	progress := terminal.NewProgress(a.stderr)
	p, err := c.WarmCache(ctx, what, progress.Show)
	progress.End()
	if err != nil {
		return err
	}
	if a.json {
		return a.writeJSON(p)
	}
	refused := ""
	if p.Refused > 0 {
		refused = fmt.Sprintf(", of which the iLO refused %d", p.Refused)
	}
	_, err = fmt.Fprintf(a.stdout, "%d of %d resources%s\n", p.Done, p.Total, refused)
	return err
}

func (a *app) cacheStatus(ctx context.Context, c *client.Client) error {
	state, err := c.Cache(ctx)
	if err != nil {
		return err
	}
	if a.json {
		return a.writeJSON(state)
	}
	text, err := json.Marshal(state)
	if err != nil {
		return err
	}
	var fields any
	numbers := json.NewDecoder(bytes.NewReader(text))
	numbers.UseNumber()
	if err := numbers.Decode(&fields); err != nil {
		return err
	}
	_, err = io.WriteString(a.stdout, flat("", fields))
	return err
}

// flat writes a JSON document as lines of names and values.
func flat(name string, v any) string {
	fields, ok := v.(map[string]any)
	if !ok {
		return fmt.Sprintf("%-20s %v\n", name, v)
	}
	var b strings.Builder
	for _, field := range slices.Sorted(maps.Keys(fields)) {
		b.WriteString(flat(strings.TrimPrefix(name+"."+field, "."), fields[field]))
	}
	return b.String()
}
