package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/ilod/ilod/agent/clients"
	"github.com/ilod/ilod/agent/server/selection"
)

// errNotCached: with --offline, the cache has no answer.
var errNotCached = errors.New("not in the cache")

// reading are the flags that say how old an answer may be.
type reading struct {
	fresh, offline bool
	maxAge         time.Duration
}

func (r *reading) flags(flags *pflag.FlagSet) {
	flags.BoolVar(&r.fresh, "fresh", false, "ask the iLO, not the cache")
	flags.BoolVar(&r.offline, "offline", false, "ask only the cache, however old its answer is")
	flags.DurationVar(&r.maxAge, "max-age", -1, "ask the iLO if the cache's answer is older than `AGE`")
	flags.Lookup("max-age").DefValue = ""
}

// header is the same as a header of requests (RFC 9111 §5.2.1).
func (r *reading) header() (http.Header, error) {
	aged := r.maxAge != -1
	if aged && r.maxAge < 0 {
		return nil, &usageError{fmt.Sprintf("--max-age is %v", r.maxAge), "give 0 or more"}
	}
	value := ""
	switch {
	case r.fresh && (r.offline || aged), r.offline && aged:
		return nil, &usageError{"--fresh, --offline and --max-age exclude each other", "give one of them"}
	case r.fresh:
		value = "no-cache"
	case r.offline:
		value = "only-if-cached, max-stale"
	case aged:
		value = fmt.Sprintf("max-age=%d", r.maxAge/time.Second)
	default:
		return http.Header{}, nil
	}
	return http.Header{"Cache-Control": {value}}, nil
}

// withHeader adds header fields to each request. If a request is for the cache alone,
// and the cache has no answer, it fails with errNotCached.
type withHeader struct {
	http.RoundTripper
	header http.Header
}

func (w withHeader) RoundTrip(req *http.Request) (*http.Response, error) {
	for name, values := range w.header {
		req.Header[name] = values
	}
	resp, err := w.RoundTripper.RoundTrip(req)
	if err == nil && resp.StatusCode == http.StatusGatewayTimeout && resp.Header.Get("Cache-Status") == "ilod; detail=only-if-cached" {
		_ = resp.Body.Close()
		return nil, fmt.Errorf("%s %s: %w", req.Method, req.URL.RequestURI(), errNotCached)
	}
	return resp, err
}

// directly reads resources as they are: the variables of the client session have no
// effect.
func directly(rt http.RoundTripper, cacheControl ...string) withHeader {
	header := http.Header{clients.RecursiveHeader: {"false"}, clients.ReturnedPathHeader: {"full"}}
	if len(cacheControl) > 0 {
		header["Cache-Control"] = cacheControl
	}
	return withHeader{rt, header}
}

// currently reads from the iLO, not from the cache.
func currently(rt http.RoundTripper) *selection.Reader {
	return &selection.Reader{Next: directly(rt, "no-cache")}
}

// reader reads answers that are no older than the flags allow.
func (r *reading) reader(rt http.RoundTripper) (*selection.Reader, error) {
	header, err := r.header()
	return &selection.Reader{Next: directly(rt, header["Cache-Control"]...)}, err
}

// readerCommand makes a command without arguments that reads something and prints it.
func readerCommand[T any](a *app, use, short string, read func(*selection.Reader, context.Context) (T, error), print func(T) error) *cobra.Command {
	var age reading
	cmd := &cobra.Command{
		Use: use, Short: short, Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if _, err := age.header(); err != nil {
				return err
			}
			return a.withILO(cmd.Context(), func(ctx context.Context, rt http.RoundTripper) error {
				reader, err := age.reader(rt)
				if err != nil {
					return err
				}
				end := a.showProgress(reader)
				found, err := read(reader, ctx)
				end()
				if err == nil {
					err = print(found)
				}
				if err != nil && (len(reader.Unread()) == 0 || !errors.Is(err, errNoChanges)) {
					return err
				}
				return partly(reader)
			})
		},
	}
	age.flags(cmd.Flags())
	return cmd
}
