package gateway

import (
	"bytes"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
)

// Metric is a metric family of Prometheus.
type Metric struct {
	Name    string // in base units, counters with the suffix _total
	Help    string
	Type    MetricType
	Samples []Sample
}

// MetricType is the type of a Metric.
type MetricType string

const (
	Counter MetricType = "counter" // only grows, and begins anew with the agent
	Gauge   MetricType = "gauge"
)

// Sample is one value of a Metric.
type Sample struct {
	Labels []Label // the same names in each sample of a metric
	Value  float64
}

// Label is one dimension of a sample.
type Label struct{ Name, Value string }

// counters count what the gateway does.
type counters struct {
	inFlight atomic.Int64
	requests [len(countedMethods)][6]atomic.Int64 // by first digit of the status; 0: no answer
}

// countedMethods are the methods with a counter; the last one is for all others.
var countedMethods = [...]string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "other"}

func (c *counters) count(method string, status int) {
	m := 0
	for m < len(countedMethods)-1 && countedMethods[m] != method {
		m++
	}
	c.requests[m][status/100].Add(1)
}

// metrics are the gateway's own.
func (g *Gateway) metrics() []Metric {
	requests := Metric{Name: "ilod_gateway_requests_total", Help: "Requests of local clients, by method and class of the answer's status; none is a client that left.", Type: Counter}
	for m, method := range countedMethods {
		for class := range g.counts.requests[m] {
			if n := g.counts.requests[m][class].Load(); n > 0 {
				code := "none"
				if class > 0 {
					code = strconv.Itoa(class) + "xx"
				}
				requests.Samples = append(requests.Samples, Sample{[]Label{{"method", method}, {"code", code}}, float64(n)})
			}
		}
	}
	sessions := g.clients.Stats()
	return []Metric{
		requests,
		{"ilod_gateway_requests_in_flight", "Requests of local clients that have no answer yet.", Gauge, []Sample{{nil, float64(g.counts.inFlight.Load())}}},
		{"ilod_gateway_body_bytes", "Bodies of requests and answers in memory, in bytes.", Gauge, []Sample{{nil, float64(g.budget.Held())}}},
		{"ilod_client_sessions", "Sessions of local clients with the agent.", Gauge, []Sample{
			{[]Label{{"kind", "default"}}, float64(sessions.Defaults)}, {[]Label{{"kind", "explicit"}}, float64(sessions.Sessions - sessions.Defaults)},
		}},
		{"ilod_client_sessions_created_total", "Sessions of local clients made since the start.", Counter, []Sample{{nil, float64(sessions.Created)}}},
		{"ilod_client_sessions_expired_total", "Sessions of local clients that a timeout has ended.", Counter, []Sample{{nil, float64(sessions.Expired)}}},
		{"ilod_client_sessions_terminated_total", "Sessions of local clients that somebody has ended, or that made room for another.", Counter, []Sample{{nil, float64(sessions.Terminated)}}},
		{"ilod_client_sessions_refused_total", "Sessions of local clients that were not made because of a limit.", Counter, []Sample{{nil, float64(sessions.Refused)}}},
		{"ilod_client_handles_forged_total", "Requests with a forged or damaged handle.", Counter, []Sample{{nil, float64(sessions.Forged)}}},
	}
}

// showMetrics answers in Prometheus's text exposition format, version 0.0.4.
func showMetrics(g *Gateway, w http.ResponseWriter, c *call) *failure {
	if c.Method == http.MethodOptions {
		g.reply(w, http.StatusNoContent, nil)
		return nil
	}
	all := g.metrics()
	if g.o.Metrics != nil {
		all = append(all, g.o.Metrics()...)
	}
	var b bytes.Buffer
	for _, m := range all {
		m.write(&b)
	}
	h := w.Header()
	h.Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(b.Len()))
	h.Set("Cache-Control", "no-store")
	limitWriting(w)
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(b.Bytes())
	return nil
}

var (
	helpEscaper  = strings.NewReplacer(`\`, `\\`, "\n", `\n`)
	labelEscaper = strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)
)

// write appends the metric with its comments.
func (m *Metric) write(b *bytes.Buffer) {
	b.WriteString("# HELP " + m.Name + " " + helpEscaper.Replace(m.Help) + "\n")
	b.WriteString("# TYPE " + m.Name + " " + string(m.Type) + "\n")
	for _, s := range m.Samples {
		b.WriteString(m.Name)
		for i, l := range s.Labels {
			b.WriteByte("{,"[min(i, 1)])
			b.WriteString(l.Name + `="` + labelEscaper.Replace(l.Value) + `"`)
		}
		if len(s.Labels) > 0 {
			b.WriteByte('}')
		}
		b.WriteString(" " + strconv.FormatFloat(s.Value, 'g', -1, 64) + "\n")
	}
}
