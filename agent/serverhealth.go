package agent

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/ilod/ilod/agent/gateway"
	"github.com/ilod/ilod/agent/pause"
	"github.com/ilod/ilod/agent/schedule"
	"github.com/ilod/ilod/agent/server/health"
)

const (
	// healthPause is between two readings of the server's health for the metrics.
	healthPause = time.Minute
	// healthGood is how long a reading is shown after which none succeeded.
	healthGood = 5 * time.Minute
)

// healthWatch has the server's health for the metrics. A scrape never waits for
// the iLO: it gets what was read last, and has it read anew, once in healthPause
// at the most. So whoever scrapes often keeps the one session on the iLO in use,
// instead of opening others; who stops scraping lets it end.
type healthWatch struct {
	next http.RoundTripper
	log  logrus.FieldLogger
	ask  chan struct{} // holds a scrape since the last reading

	mu     sync.Mutex
	report *health.Report // nil: none
	failed bool           // the last reading
}

func newHealthWatch(next http.RoundTripper, log logrus.FieldLogger) *healthWatch {
	return &healthWatch{next: next, log: log, ask: make(chan struct{}, 1)}
}

// run reads while somebody scrapes, until ctx ends.
func (h *healthWatch) run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-h.ask:
		}
		report, err := health.Read(schedule.WithClass(ctx, schedule.Background), h.next, health.Options{StaleLog: healthGood - healthPause})
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			h.log.WithError(err).Warn("the server's health cannot be read")
		}
		h.mu.Lock()
		if h.failed = err != nil; !h.failed {
			h.report = &report
		}
		h.mu.Unlock()
		if !pause.For(ctx, healthPause) {
			return nil
		}
	}
}

// metrics answers a scrape.
func (h *healthWatch) metrics(now time.Time) []gateway.Metric {
	h.mu.Lock()
	report, failed := h.report, h.failed
	h.mu.Unlock()
	select {
	case h.ask <- struct{}{}: // for the next time
	default:
	}
	if report == nil && !failed {
		return nil // nothing was read yet
	}
	var all series
	all.set("ilod_server_report_success", "1 if the last reading of the server's health succeeded.", one[!failed])
	if report != nil && now.Sub(report.Time) < healthGood {
		all = append(all, serverMetrics(report)...)
	}
	return all
}
