package main

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/ilod/ilod/agent/server/health"
	"github.com/ilod/ilod/cmd/ilod/agentsocket"
	"github.com/ilod/ilod/cmd/ilod/terminal"
)

func (a *app) healthCommand() *cobra.Command {
	var reading reading
	var watch time.Duration
	var exitCode bool
	cmd := &cobra.Command{
		Use:   "health",
		Short: "Show the state of the server",
		Long: `Print the state of the server on one screen, from the cached tree: the state of each
part, the names of parts that are not OK, the sensor closest to its limit, firmware
and licence of the iLO, and the last critical entries of the Integrated Management
Log. The server's state is that of its worst part. Entries of the log do not count.
Network links that are down count only if the iLO counts them in its own state of
the server. The second line says how old the oldest value is; --fresh asks the iLO.
With --json each report is one line with all figures.

--watch repeats the report every 5 seconds, or at the interval that you give, until
a signal ends it; that is not an error. A terminal shows it in place. Without an
agent, --watch keeps the iLO for itself all the time, and other commands wait.

Times are in this host's time zone. Health names what it could not read, and shows
that part as Unknown. If it could read nothing, there is no report.

The exit code is 0 if a report was made. With --exit-code it follows monitoring
plugins and tells the state in the last report: 0 OK, 1 Warning, 2 Critical, 3
unknown or no report. Only terminals get colours, and none if NO_COLOR is set.`,
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
	cmd.Flags().BoolVar(&exitCode, "exit-code", false, "make the exit code report the server's state")
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
		case every <= 0 || h.stdout.Err != nil:
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
	ctx, cancel := context.WithTimeoutCause(ctx, h.timeout, agentsocket.ErrOverdue)
	defer cancel()
	r, err := clientOf(rt).Health(ctx)
	if err != nil {
		return err
	}
	h.state = r.State
	if h.json {
		return h.writeJSON(r)
	}
	s := screen{width: terminal.Width(h.stdout), colours: terminal.Colours(h.stdout)}
	return terminal.Show(h.stdout, s.render(r), again)
}
