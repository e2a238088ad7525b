package main

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/spf13/pflag"
)

// errNotCached: --offline, and the cache has nothing.
var errNotCached = errors.New("not in the cache")

// reading is how old an answer may be.
type reading struct {
	fresh, offline bool
	maxAge         time.Duration
}

func (r *reading) flags(flags *pflag.FlagSet) {
	flags.BoolVar(&r.fresh, "fresh", false, "ask the iLO, whatever the cache has")
	flags.BoolVar(&r.offline, "offline", false, "do not ask the iLO; take what the cache has, however old")
	flags.DurationVar(&r.maxAge, "max-age", -1, "ask the iLO if the cache's answer is older than `AGE`")
	flags.Lookup("max-age").DefValue = ""
}

// header says it in HTTP (RFC 9111 §5.2.1).
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

// withHeader adds header fields to each request. Of an answer that only the cache
// may give it makes errNotCached if that has none.
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
