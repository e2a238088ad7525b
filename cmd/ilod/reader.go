package main

import (
	"context"
	"errors"
	"net/http"

	"github.com/spf13/cobra"

	"github.com/ilod/ilod/agent/clients"
	"github.com/ilod/ilod/agent/server/selection"
)

// directly reads resources as they are, whatever the variables of the client session.
func directly(rt http.RoundTripper, cacheControl ...string) withHeader {
	header := http.Header{clients.RecursiveHeader: {"false"}, clients.ReturnedPathHeader: {"full"}}
	if len(cacheControl) > 0 {
		header["Cache-Control"] = cacheControl
	}
	return withHeader{rt, header}
}

// currently reads what the iLO has now.
func currently(rt http.RoundTripper) *selection.Reader {
	return &selection.Reader{Next: directly(rt, "no-cache")}
}

// cached reads what the cache has, however old.
func cached(rt http.RoundTripper) *selection.Reader {
	return &selection.Reader{Next: directly(rt, "only-if-cached, max-stale")}
}

// reader reads what is as old as it may be.
func (s *selecting) reader(rt http.RoundTripper) (*selection.Reader, error) {
	header, err := s.header()
	return &selection.Reader{Next: directly(rt, header["Cache-Control"]...)}, err
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

// outputForm has errors and arrays in JSON if the client session is set so.
type outputForm struct {
	http.RoundTripper
	a *app
}

func (o outputForm) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := o.RoundTripper.RoundTrip(req)
	if err == nil && resp.Header.Get(clients.OutputHeader) == "json" {
		o.a.json = true
	}
	return resp, err
}
