package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ilod/ilod/agent/gateway"
	"github.com/ilod/ilod/agent/redfisherror"
)

const cachePath = "/ilod/v1/cache"

func (a *app) cacheCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "cache",
		Short: "The cached tree",
		Args:  noArguments,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	for _, sub := range []struct {
		use, short string
		run        func(context.Context, http.RoundTripper) error
	}{
		{"warm", "Read the whole tree into the cache", a.warmCache},
		{"status", "Say what the cache has", a.cacheStatus},
		{"clear", "Forget everything", func(ctx context.Context, rt http.RoundTripper) error {
			_, err := a.ask(ctx, rt, http.MethodDelete, cachePath)
			return err
		}},
	} {
		cmd.AddCommand(&cobra.Command{
			Use: sub.use, Short: sub.short, Args: noArguments,
			RunE: func(cmd *cobra.Command, _ []string) error { return a.withILO(cmd.Context(), sub.run) },
		})
	}
	return cmd
}

// warmCache shows on a terminal how far it is.
func (a *app) warmCache(ctx context.Context, rt http.RoundTripper) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://ilo"+cachePath, nil)
	if err != nil {
		return err
	}
	resp, err := rt.RoundTrip(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if !isSuccess(resp) {
		return redfisherror.FromResponse(resp)
	}
	var p gateway.WarmProgress
	lines, progress := json.NewDecoder(resp.Body), newProgress(a.stderr)
	for !p.Finished && p.Error == nil {
		if err := lines.Decode(&p); err != nil {
			progress.end()
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return fmt.Errorf("warm the cache: %w", errors.Join(context.Cause(ctx), err))
		}
		progress.show(p.Done, p.Total)
	}
	progress.end()
	if p.Error != nil {
		return redfisherror.New(&http.Response{StatusCode: http.StatusBadGateway, Request: req}, []byte(`{"error":`+string(p.Error)+`}`))
	}
	if a.json {
		return json.NewEncoder(a.stdout).Encode(p)
	}
	_, err = fmt.Fprintf(a.stdout, "%d of %d resources\n", p.Done, p.Total)
	return err
}

func (a *app) cacheStatus(ctx context.Context, rt http.RoundTripper) error {
	body, err := a.ask(ctx, rt, http.MethodGet, cachePath)
	if err != nil {
		return err
	}
	if a.json {
		_, err := a.stdout.Write(append(body, '\n'))
		return err
	}
	var state any
	numbers := json.NewDecoder(bytes.NewReader(body))
	numbers.UseNumber()
	if err := numbers.Decode(&state); err != nil {
		return fmt.Errorf("the cache's state: %w", err)
	}
	_, err = io.WriteString(a.stdout, flat("", state))
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
