package agent

import (
	"fmt"
	"maps"
	"slices"
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
	var m series
	m.set("ilod_ilo_session", "1 while there is a session on the iLO.", one[session.Session != ""])
	m.count("ilod_ilo_logins_total", "Logins to the iLO.", int64(session.Logins))
	m.count("ilod_ilo_login_failures_total", "Logins to the iLO that failed.", int64(session.Refusals))
	m.count("ilod_ilo_replays_total", "Requests sent again because the iLO had ended the session.", int64(session.Replays))
	m.set("ilod_ledger_entries", "Sessions of ilod that may still be on the iLO.", float64(session.LedgerEntries))
	for _, class := range slices.Sorted(maps.Keys(classes)) {
		c := classes[class]
		m.count("ilod_ilo_requests_total", "Requests that were sent to the iLO.", c.Started, "class", class)
		m.set("ilod_ilo_requests_queued", "Requests that wait for the iLO.", float64(c.Queued), "class", class)
		m.count("ilod_ilo_requests_refused_total", "Requests refused because too many waited.", c.Refused, "class", class)
		m.add(gateway.Counter, "ilod_ilo_wait_seconds_total", "Time that requests waited for the iLO.", time.Duration(c.Waited).Seconds(), "class", class)
	}
	byResult := func(result string, n int64) {
		m.count("ilod_cache_requests_total", "Reads, by how the cache answered them.", n, "result", result)
	}
	byResult("bypass", cache.Bypassed)
	byResult("collapsed", cache.Collapsed)
	byResult("hit", cache.Hits)
	byResult("miss", cache.Misses)
	byResult("stale", cache.Stale)
	m.set("ilod_transactions_open", "Open transactions of local clients.", float64(transactions.Open))
	ended := func(result string, n int64) {
		m.count("ilod_transactions_total", "Ended transactions of local clients, by their outcome.", n, "result", result)
	}
	ended("committed", transactions.Committed)
	ended("rolled-back", transactions.RolledBack)
	ended("partly-rolled-back", transactions.PartlyRolledBack)
	ended("thrown-away", transactions.ThrownAway)
	ended("unknown", transactions.Unknown)
	m.set("ilod_cache_entries", "Answers in the cache.", float64(cache.Entries))
	m.count("ilod_cache_sweeps_total", "Comparisons of the cached tree with the iLO's.", cache.Sweeps)
	m.count("ilod_cache_invalidations_total", "Times that the whole cache became invalid.", cache.Invalidations)
	return m
}
