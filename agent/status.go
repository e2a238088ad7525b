package agent

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/ilod/ilod/agent/api"
	"github.com/ilod/ilod/agent/gateway"
)

// statusLine is the status for people, whom the service manager shows it.
func statusLine(s api.Status) string {
	ilo := "no iLO session"
	switch {
	case s.Session.Session != "":
		ilo = "iLO session since " + s.Session.Since.Local().Format(time.DateTime)
	case s.Session.LastError != "":
		ilo += " (last error: " + s.Session.LastError + ")"
	}
	return fmt.Sprintf("%s; client sessions: %d, open transactions: %d, cached answers: %d", ilo, s.Clients.Sessions, s.Transactions.Open, s.Cache.Entries)
}

// metrics are those of the rooms behind the gateway.
func metrics(session api.ILOStatus, classes api.ScheduleStats, cache api.CacheStats, transactions api.TransactionStats) []gateway.Metric {
	one := func(name, help string, kind gateway.MetricType, value float64) gateway.Metric {
		return gateway.Metric{Name: name, Help: help, Type: kind, Samples: []gateway.Sample{{Value: value}}}
	}
	byClass := func(name, help string, kind gateway.MetricType, value func(api.ClassStats) float64) gateway.Metric {
		m := gateway.Metric{Name: name, Help: help, Type: kind}
		for _, class := range slices.Sorted(maps.Keys(classes)) {
			m.Samples = append(m.Samples, gateway.Sample{Labels: []gateway.Label{{Name: "class", Value: class}}, Value: value(classes[class])})
		}
		return m
	}
	byResult := gateway.Metric{Name: "ilod_cache_requests_total", Help: "Reads, by how the cache answered them.", Type: gateway.Counter}
	for result, n := range map[string]int64{
		"hit": cache.Hits, "miss": cache.Misses, "stale": cache.Stale, "collapsed": cache.Collapsed, "bypass": cache.Bypassed,
	} {
		byResult.Samples = append(byResult.Samples, gateway.Sample{Labels: []gateway.Label{{Name: "result", Value: result}}, Value: float64(n)})
	}
	slices.SortFunc(byResult.Samples, func(a, b gateway.Sample) int { return strings.Compare(a.Labels[0].Value, b.Labels[0].Value) })
	ended := gateway.Metric{Name: "ilod_transactions_total", Help: "Ended transactions of local clients, by their outcome.", Type: gateway.Counter}
	for _, of := range []struct {
		result string
		n      int64
	}{
		{"committed", transactions.Committed}, {"rolled-back", transactions.RolledBack}, {"partly-rolled-back", transactions.PartlyRolledBack},
		{"thrown-away", transactions.ThrownAway}, {"unknown", transactions.Unknown},
	} {
		ended.Samples = append(ended.Samples, gateway.Sample{Labels: []gateway.Label{{Name: "result", Value: of.result}}, Value: float64(of.n)})
	}
	present := 0.0
	if session.Session != "" {
		present = 1
	}
	return []gateway.Metric{
		one("ilod_ilo_session", "1 while there is a session on the iLO.", gateway.Gauge, present),
		one("ilod_ilo_logins_total", "Logins to the iLO.", gateway.Counter, float64(session.Logins)),
		one("ilod_ilo_login_failures_total", "Logins to the iLO that failed.", gateway.Counter, float64(session.Refusals)),
		one("ilod_ilo_replays_total", "Requests sent again because the iLO had ended the session.", gateway.Counter, float64(session.Replays)),
		one("ilod_ledger_entries", "Sessions of ilod that may still be on the iLO.", gateway.Gauge, float64(session.LedgerEntries)),
		byClass("ilod_ilo_requests_total", "Requests that were sent to the iLO.", gateway.Counter, func(c api.ClassStats) float64 { return float64(c.Started) }),
		byClass("ilod_ilo_requests_queued", "Requests that wait for the iLO.", gateway.Gauge, func(c api.ClassStats) float64 { return float64(c.Queued) }),
		byClass("ilod_ilo_requests_refused_total", "Requests refused because too many waited.", gateway.Counter, func(c api.ClassStats) float64 { return float64(c.Refused) }),
		byClass("ilod_ilo_wait_seconds_total", "Time that requests waited for the iLO.", gateway.Counter, func(c api.ClassStats) float64 { return time.Duration(c.Waited).Seconds() }),
		byResult,
		one("ilod_transactions_open", "Open transactions of local clients.", gateway.Gauge, float64(transactions.Open)),
		ended,
		one("ilod_cache_entries", "Answers in the cache.", gateway.Gauge, float64(cache.Entries)),
		one("ilod_cache_sweeps_total", "Comparisons of the cached tree with the iLO's.", gateway.Counter, float64(cache.Sweeps)),
		one("ilod_cache_invalidations_total", "Times that the whole cache became invalid.", gateway.Counter, float64(cache.Invalidations)),
	}
}
