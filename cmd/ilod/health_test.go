package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/ilod/ilod/agent/server/health"
	"github.com/ilod/ilod/cmd/ilod/terminal"
)

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestFailedReportLeavesStateUnknown: the exit code of a watch is that of its last
// report, and a report that could not be made is no report of a healthy server.
func TestFailedReportLeavesStateUnknown(t *testing.T) {
	var said bytes.Buffer
	h := &healthView{app: newApp(os.Stdin, os.Stdout, &said), timeout: time.Hour, state: health.Unknown}
	h.stdout = &terminal.Output{To: io.Discard}
	ctx, cancel := context.WithCancel(t.Context())
	calls := 0
	err := h.show(ctx, roundTripper(func(r *http.Request) (*http.Response, error) {
		switch calls++; calls {
		case 1:
			return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(`{"state":"OK"}`))}, nil
		case 2:
			if h.state != health.OK {
				t.Errorf("after a good report: %v", h.state)
			}
		case 3:
			cancel()
		}
		return nil, errors.New("the iLO is away")
	}), time.Nanosecond)
	if err != nil || h.state != health.Unknown || calls != 3 || !strings.Contains(said.String(), "the iLO is away") {
		t.Errorf("%v, state %v after %d reports: %s", err, h.state, calls, &said)
	}
}
