package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ilod/ilod/agent/server/health"
)

func (a *app) healthCommand() *cobra.Command {
	var reading reading
	var watch time.Duration
	var exitCode bool
	cmd := &cobra.Command{
		Use:   "health",
		Short: "Say how the server is",
		Long: `Print the state of the server on one screen, from the cached tree: each part with
its state, what is not well by name, temperatures with the sensor closest to its
limit, firmware and licence of the iLO, and the last critical entries of the
Integrated Management Log. The worst state is that of the whole; entries of the
log do not count, and network links that are down only if the iLO's own state of
the server counts them. Data of the cache are as old as the second line says at most;
--fresh asks the iLO. With --json all figures are printed, one line for a report.

With --watch a report is made every 5 seconds, or as often as it says: in place
on a terminal, one after the other elsewhere, until a signal ends it, which is no
error. Without agent this holds the iLO for all that time: other commands wait.

Times are those of this host's time zone. What could not be read is named, and its
part is Unknown; if nothing could be read there is no report.

The exit code is 0 when a report was made. With --exit-code it is, as monitoring
plugins have it, that of the last report: 0 OK, 1 Warning, 2 Critical, 3 unknown
or no report. Colours are for terminals, and not with NO_COLOR.`,
		Example: "  ilod health\n  ilod health --watch=10s\n  ilod health --exit-code --json",
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if cmd.Flags().Changed("watch") && watch < time.Second {
				return &usageError{fmt.Sprintf("--watch is %v", watch), "give at least 1s"}
			}
			header, err := reading.header()
			if err != nil {
				return err
			}
			h := &healthView{app: a, timeout: time.Duration(a.config.Timeout), state: health.Unknown}
			if watch > 0 { // each report has the time limit, not all of them
				a.config.Timeout = math.MaxInt64
			}
			err = a.withILO(cmd.Context(), func(ctx context.Context, rt http.RoundTripper) error {
				return h.show(ctx, withHeader{rt, header}, watch)
			})
			if exitCode {
				return h.exit(err)
			}
			return err
		},
	}
	reading.flags(cmd.Flags())
	cmd.Flags().DurationVar(&watch, "watch", 0, "make a report every `INTERVAL`, 5s if none is given")
	cmd.Flags().Lookup("watch").DefValue = ""
	cmd.Flags().Lookup("watch").NoOptDefVal = "5s"
	cmd.Flags().BoolVar(&exitCode, "exit-code", false, "let the exit code be the server's state")
	return cmd
}

// healthView shows reports.
type healthView struct {
	*app
	timeout time.Duration // of one report
	state   health.State  // of the last report
}

// exit reports an error, and makes the exit code that of the state.
func (h *healthView) exit(err error) error {
	if _, reported := err.(reportedError); err != nil && !reported {
		h.report(err)
	}
	if err != nil {
		h.state = health.Unknown
	}
	if code := h.state.Severity(); code != 0 {
		return reportedError{code}
	}
	return nil
}

// show makes one report, or one in each interval until ctx ends.
func (h *healthView) show(ctx context.Context, rt http.RoundTripper, every time.Duration) error {
	for {
		err := h.once(ctx, rt, every > 0)
		switch {
		case every <= 0 || h.stdout.err != nil:
			return err
		case ctx.Err() != nil:
			return nil
		case err != nil:
			h.report(err)
			h.state = health.Unknown
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(every):
		}
	}
}

func (h *healthView) once(ctx context.Context, rt http.RoundTripper, again bool) error {
	ctx, cancel := context.WithTimeoutCause(ctx, h.timeout, errOverdue)
	defer cancel()
	r, err := clientOf(rt).Health(ctx)
	if err != nil {
		return err
	}
	h.state = r.State
	if h.json {
		return h.writeJSON(r)
	}
	inPlace := controls(h.stdout)
	s := screen{width: width(h.stdout), colours: inPlace && os.Getenv("NO_COLOR") == ""}
	text := s.render(r)
	switch {
	case again && inPlace: // over the last one, without flicker
		text = "\x1b[H" + strings.ReplaceAll(text, "\n", "\x1b[K\n") + "\x1b[J"
	case again:
		text += "\n"
	}
	_, err = io.WriteString(h.stdout, text)
	return err
}
