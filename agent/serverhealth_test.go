package agent

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/ilod/ilod/agent/gateway"
	"github.com/ilod/ilod/agent/server/health"
	"github.com/ilod/ilod/chif/chiftest/redfish"
	"github.com/ilod/ilod/chif/chiftest/tree"
)

// treeService is a simulated iLO without a channel.
type treeService struct {
	http.Handler
	requests atomic.Int64
	fail     error
}

func (s *treeService) RoundTrip(r *http.Request) (*http.Response, error) {
	s.requests.Add(1)
	if s.fail != nil {
		return nil, s.fail
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	resp := w.Result()
	resp.Request = r
	return resp, nil
}

func serveTree(tb testing.TB, tr *tree.Tree) *treeService {
	tb.Helper()
	generation, _ := tr.Generation()
	s, err := redfish.New(redfish.Options{Tree: tr, Generation: min(generation, 6), Frozen: true, AllowSessionless: true})
	if err != nil {
		tb.Fatal(err)
	}
	return &treeService{Handler: s}
}

var (
	metricName = regexp.MustCompile(`^ilod(_[a-z]+)+$`)
	// quantities may be at the end of a name, beside the units of these metrics.
	quantities = []string{"celsius", "watts", "bytes", "percent", "rpm", "seconds", "health", "info", "components", "unhealthy", "on", "success", "problems"}
)

// checkMetrics has metrics obey Prometheus's conventions, with no series twice.
// It returns the series by name and labels.
func checkMetrics(tb testing.TB, all []gateway.Metric) map[string]float64 {
	tb.Helper()
	series, families := map[string]float64{}, map[string]bool{}
	for _, m := range all {
		if !metricName.MatchString(m.Name) || families[m.Name] || m.Help == "" || len(m.Samples) == 0 || len(m.Samples) > 300 {
			tb.Errorf("metric %s: %d samples, help %q", m.Name, len(m.Samples), m.Help)
		}
		families[m.Name] = true
		if end := m.Name[strings.LastIndexByte(m.Name, '_')+1:]; !slices.Contains(quantities, end) {
			tb.Errorf("%s has no unit", m.Name)
		}
		for _, s := range m.Samples {
			id := m.Name
			for i, l := range s.Labels {
				id += "," + l.Name + "=" + strconv.Quote(l.Value)
				if l.Name != m.Samples[0].Labels[i].Name || len(s.Labels) != len(m.Samples[0].Labels) {
					tb.Errorf("labels of %s: %v and %v", m.Name, s.Labels, m.Samples[0].Labels)
				}
			}
			if _, twice := series[id]; twice {
				tb.Errorf("twice: %s", id)
			}
			series[id] = s.Value
		}
	}
	return series
}

// useless are resources of which a report has nothing.
var useless = regexp.MustCompile(`/(JsonSchemas|SchemaStore|Registries|RegistryStore|TelemetryService)(/|$)|/Entries/`)

// realReports are those of real servers.
func realReports(tb testing.TB) map[string]health.Report {
	tb.Helper()
	files, err := filepath.Glob(filepath.Join(tree.Testdata(tb), "trees", "*.jsonl.gz"))
	if err != nil || len(files) != 4 {
		tb.Fatalf("%d trees: %v", len(files), err)
	}
	all := map[string]health.Report{}
	for _, file := range files {
		tr, err := tree.Load(file)
		if err != nil {
			tb.Fatal(err)
		}
		useful := slices.DeleteFunc(slices.Clone(tr.Resources()), func(r tree.Resource) bool { return useless.MatchString(r.URI) })
		if tr, err = tree.New(useful); err != nil {
			tb.Fatal(err)
		}
		if all[filepath.Base(file)], err = health.Read(tb.Context(), serveTree(tb, tr), health.Options{}); err != nil {
			tb.Fatal(err)
		}
	}
	return all
}

func TestServerMetrics(t *testing.T) {
	reports := realReports(t)
	for name, r := range reports {
		series := checkMetrics(t, serverMetrics(&r))
		t.Logf("%s: %d series", name, len(series))
		if len(series) > 400 {
			t.Errorf("%s: %d series", name, len(series))
		}
	}
	r := reports["ilo5-3.11-dl360-gen10plus.jsonl.gz"]
	series := checkMetrics(t, serverMetrics(&r))
	for id, want := range map[string]float64{
		`ilod_server_health,component="server"`:                                                                                        0,
		`ilod_server_health,component="fans"`:                                                                                          0,
		`ilod_server_components,component="temperatures"`:                                                                              38,
		`ilod_temperature_celsius,sensor="20-HD Max",chassis="1"`:                                                                      40,
		`ilod_temperature_critical_celsius,sensor="20-HD Max",chassis="1"`:                                                             60,
		`ilod_temperature_caution_celsius,sensor="29.1-LOM Card-CORE",chassis="1"`:                                                     110,
		`ilod_fan_percent,fan="Fan 7",chassis="1"`:                                                                                     26,
		`ilod_psu_watts,psu="Power supply 2",chassis="1"`:                                                                              75,
		`ilod_psu_capacity_watts,psu="Power supply 2",chassis="1"`:                                                                     800,
		`ilod_power_watts,chassis="1"`:                                                                                                 150,
		`ilod_drive_health,drive="Slot=12:Port=2I:Box=1:Bay=1",model="MK000480GWSSC"`:                                                  0,
		`ilod_drive_life_left_percent,drive="Slot=12:Port=2I:Box=1:Bay=1"`:                                                             99,
		`ilod_memory_module_bytes,module="PROC 1 DIMM 1"`:                                                                              16 << 30,
		`ilod_firmware_info,component="ilo",version="iLO 5 v3.11"`:                                                                     1,
		`ilod_ilo_license_info,license="iLO Advanced limited-distribution test",type="Internal",expires="Activated until 31 Jan 2026"`: 1,
		`ilod_log_last_critical_timestamp_seconds`:                                                                                     float64(time.Date(2025, 5, 29, 6, 35, 55, 0, time.UTC).Unix()),
	} {
		if got, there := series[id]; !there || got != want {
			t.Errorf("%s: %v, want %v", id, got, want)
		}
	}
	if _, there := series[`ilod_temperature_critical_celsius,sensor="29.1-LOM Card-CORE",chassis="1"`]; there {
		t.Error("a threshold that the sensor does not have")
	}
}

// TestUnhealthyMetrics: what is not reported has no sample, what could not be read
// is 3.
func TestUnhealthyMetrics(t *testing.T) {
	r := health.Report{State: health.Critical, Parts: []health.Part{
		{Name: "fans", State: health.Critical, Count: 2, Unhealthy: make([]health.Component, 1)}, {Name: "memory", State: health.Unknown}, {Name: "network"},
	}}
	series := checkMetrics(t, serverMetrics(&r))
	for id, want := range map[string]float64{
		`ilod_server_health,component="server"`: 2, `ilod_server_health,component="fans"`: 2, `ilod_server_health,component="memory"`: 3,
		`ilod_server_components_unhealthy,component="fans"`: 1, `ilod_server_components,component="network"`: 0,
	} {
		if got, there := series[id]; !there || got != want {
			t.Errorf("%s: %v, want %v", id, got, want)
		}
	}
	if _, there := series[`ilod_server_health,component="network"`]; there {
		t.Error("the network's health is told though it is not known")
	}
}

// TestDashboard: each metric that the dashboard and its README name exists.
func TestDashboard(t *testing.T) {
	rpm := 9000.0
	made := health.Report{Fans: []health.Fan{{RPM: &rpm}}}
	exists := map[string]bool{"ilod_server_report_success": true}
	for _, r := range realReports(t) {
		for _, m := range serverMetrics(&r) {
			exists[m.Name] = true
		}
	}
	for _, m := range serverMetrics(&made) {
		exists[m.Name] = true
	}
	for name, least := range map[string]int{"ilod.json": 15, "README.md": 25} {
		text, err := os.ReadFile(filepath.Join("../packaging/grafana", name))
		if err != nil {
			t.Fatal(err)
		}
		if name == "ilod.json" && !json.Valid(text) {
			t.Error("the dashboard is not JSON")
		}
		used := map[string]bool{}
		for _, m := range regexp.MustCompile(`\bilod_[a-z_]+`).FindAllString(string(text), -1) {
			if used[m] = true; !exists[m] {
				t.Errorf("%s: there is no metric %s", name, m)
			}
		}
		if len(used) < least {
			t.Errorf("%s names %d metrics", name, len(used))
		}
		if name == "ilod.json" {
			continue
		}
		for m := range exists {
			if !used[m] {
				t.Errorf("%s does not name %s", name, m)
			}
		}
	}
}

// TestHealthWatch scrapes for an hour: a scrape is answered at once, the iLO is
// asked once a minute at most and not at all without scrapes, and what is old is
// not shown.
func TestHealthWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := logrus.New()
		log.SetOutput(io.Discard)
		s := serveTree(t, tree.Generate(tree.GenerateOptions{}))
		w := newHealthWatch(s, log)
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- w.run(ctx) }()
		scrape := func() map[string]float64 {
			all := checkMetrics(t, w.metrics(time.Now()))
			synctest.Wait()
			return all
		}
		synctest.Wait()
		if n := s.requests.Load(); n != 0 {
			t.Errorf("%d requests before the first scrape", n)
		}
		if first := scrape(); len(first) != 0 {
			t.Errorf("the first scrape has %d series", len(first))
		}
		one := s.requests.Load()
		for range 4 * 60 {
			time.Sleep(15 * time.Second)
			if m := scrape(); m["ilod_server_report_success"] != 1 || m[`ilod_power_watts,chassis="1"`] != 181 {
				t.Fatalf("%v", m)
			}
		}
		if n := s.requests.Load(); n > 61*one {
			t.Errorf("%d requests in an hour, %d for one reading", n, one)
		}
		time.Sleep(2 * healthPause)
		idle := s.requests.Load()
		time.Sleep(time.Hour)
		if n := s.requests.Load(); n != idle {
			t.Errorf("%d requests without a scrape", n-idle)
		}
		if m := scrape(); len(m) != 1 { // of an hour ago; it is read anew now
			t.Errorf("an old report is shown: %v", m)
		}
		if m := scrape(); m["ilod_server_report_success"] != 1 || len(m) < 50 {
			t.Errorf("after a pause: %v", m)
		}
		time.Sleep(healthPause)
		synctest.Wait()
		s.fail = errors.New("no answer")
		scrape()
		time.Sleep(healthPause)
		synctest.Wait()
		if m := scrape(); m["ilod_server_report_success"] != 0 || len(m) < 50 {
			t.Errorf("the first failure: %v", m)
		}
		time.Sleep(healthGood)
		if m := scrape(); m["ilod_server_report_success"] != 0 || len(m) != 1 {
			t.Errorf("a failure for long: %v", m)
		}
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// TestHealthResource asks a running agent: one session for all.
func TestHealthResource(t *testing.T) {
	h := newHost(t, redfish.Options{})
	r := h.run(t, h.options(t))
	var report health.Report
	if status, body, err := r.get("/ilod/v1/health"); err != nil || status != http.StatusOK || json.Unmarshal([]byte(body), &report) != nil || report.State != health.OK {
		t.Errorf("%d, %v: %s", status, err, body)
	}
	if status, body, err := r.get("/ilod/v1/metrics"); err != nil || status != http.StatusOK || strings.Contains(body, "ilod_server_health{") {
		t.Errorf("the first scrape: %d, %v", status, err)
	}
	for {
		_, body, err := r.get("/ilod/v1/metrics")
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(body, "\nilod_server_health{component=\"server\"} 0\n") && strings.Contains(body, "\nilod_power_watts{chassis=\"1\"} 181\n") {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	r.stop()
	if err := <-r.result; err != nil {
		t.Error(err)
	}
	if s := h.Stats(); s.Logins != 1 || s.Sessions != 0 {
		t.Errorf("%d logins, %d sessions left", s.Logins, s.Sessions)
	}
}

// TestNoMetricIsInvented puts another JSON type in the place of every number of a
// real server: metrics of readings and sizes are absent, and not 0.
func TestNoMetricIsInvented(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(tree.Testdata(t), "trees", "*.jsonl.gz"))
	if err != nil || len(files) != 4 {
		t.Fatalf("%d trees: %v", len(files), err)
	}
	number := regexp.MustCompile(`("(Reading\w*|Capacity\w*|Last\w*Watts|Power\w*Watts|Upper\w*|SpeedRPM|\w+LifeLeftPercent|SSDEndurance\w+|SizeMB)": ?)-?[0-9.]+`)
	for _, file := range files {
		tr, err := tree.Load(file)
		if err != nil {
			t.Fatal(err)
		}
		resources := slices.DeleteFunc(slices.Clone(tr.Resources()), func(r tree.Resource) bool { return useless.MatchString(r.URI) })
		for i := range resources {
			resources[i].Body = number.ReplaceAll(resources[i].Body, []byte(`$1"N/A"`))
		}
		if tr, err = tree.New(resources); err != nil {
			t.Fatal(err)
		}
		r, err := health.Read(t.Context(), serveTree(t, tr), health.Options{})
		if err != nil {
			t.Fatal(err)
		}
		for id := range checkMetrics(t, serverMetrics(&r)) {
			if name, _, _ := strings.Cut(id, ","); regexp.MustCompile("_(celsius|percent|rpm|watts|bytes)$").MatchString(name) {
				t.Errorf("%s: %s", filepath.Base(file), id)
			}
		}
	}
	// Components that could not be read are not none.
	series := checkMetrics(t, serverMetrics(&health.Report{Parts: []health.Part{{Name: "memory", State: health.Unknown}, {Name: "fans", State: health.Unknown, Count: 2}, {Name: "network"}}}))
	for id, want := range map[string]bool{
		`ilod_server_components,component="memory"`: false, `ilod_server_components_unhealthy,component="memory"`: false,
		`ilod_server_components,component="fans"`: true, `ilod_server_components,component="network"`: true,
	} {
		if _, there := series[id]; there != want {
			t.Errorf("%s is there: %t", id, there)
		}
	}
}
