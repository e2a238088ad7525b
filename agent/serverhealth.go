package agent

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/ilod/ilod/agent/gateway"
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
		if !wait(ctx, healthPause) {
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
	success := gauge("ilod_server_report_success", "1 if the last reading of the server's health succeeded.")
	success.set(boolean(!failed))
	all := []gateway.Metric{success.Metric}
	if report != nil && now.Sub(report.Time) < healthGood {
		all = append(all, serverMetrics(report)...)
	}
	return all
}

func boolean(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// family is a metric to which samples are added.
type family struct {
	gateway.Metric
	names []string // of the labels
}

func gauge(name, help string, labels ...string) *family {
	return &family{gateway.Metric{Name: name, Help: help, Type: gateway.Gauge}, labels}
}

// set adds a sample with the values of the labels.
func (f *family) set(value float64, labels ...string) {
	s := gateway.Sample{Value: value}
	for i, name := range f.names {
		s.Labels = append(s.Labels, gateway.Label{Name: name, Value: labels[i]})
	}
	f.Samples = append(f.Samples, s)
}

// maybe is set for a value that need not be there.
func (f *family) maybe(value *float64, labels ...string) {
	if value != nil {
		f.set(*value, labels...)
	}
}

// serverMetrics are the series of a report; those without a sample are left out.
// Names, labels and units are stable: dashboards and alerts depend on them.
func serverMetrics(r *health.Report) []gateway.Metric {
	const states = ": 0 OK, 1 Warning, 2 Critical, 3 unknown"
	var (
		made     = gauge("ilod_server_report_timestamp_seconds", "When the server's health was read, in Unix time.")
		oldest   = gauge("ilod_server_report_age_seconds", "Age of the oldest datum when the server's health was read.")
		problems = gauge("ilod_server_report_problems", "Resources that could not be read for the server's health.")
		info     = gauge("ilod_server_info", "The server.", "manufacturer", "model", "sku", "serial", "host")
		on       = gauge("ilod_server_power_on", "1 while the server is switched on.")
		firmware = gauge("ilod_firmware_info", "Versions of the firmware.", "component", "version")
		license  = gauge("ilod_ilo_license_info", "Licences of the iLO.", "license", "type", "expires")
		state    = gauge("ilod_server_health", "Health of the parts, and of the server as a whole"+states+". What the iLO does not report has no sample.", "component")
		count    = gauge("ilod_server_components", "Components of a part.", "component")
		bad      = gauge("ilod_server_components_unhealthy", "Components of a part that are not OK.", "component")

		processor  = gauge("ilod_processor_health", "Health of the processors"+states+".", "processor", "model")
		memory     = gauge("ilod_memory_health", "Health of the memory modules"+states+".", "module")
		memorySize = gauge("ilod_memory_module_bytes", "Capacity of the memory modules.", "module")
		drive      = gauge("ilod_drive_health", "Health of the physical drives"+states+".", "drive", "model")
		driveSize  = gauge("ilod_drive_bytes", "Capacity of the physical drives.", "drive")
		driveLife  = gauge("ilod_drive_life_left_percent", "What solid-state drives have left of their endurance.", "drive")
		fan        = gauge("ilod_fan_health", "Health of the fans"+states+".", "fan", "chassis")
		percent    = gauge("ilod_fan_percent", "Speed of the fans, in percent of their fastest.", "fan", "chassis")
		rpm        = gauge("ilod_fan_rpm", "Speed of the fans, in revolutions per minute.", "fan", "chassis")
		celsius    = gauge("ilod_temperature_celsius", "Temperatures.", "sensor", "chassis")
		caution    = gauge("ilod_temperature_caution_celsius", "Temperatures from which on the iLO warns.", "sensor", "chassis")
		critical   = gauge("ilod_temperature_critical_celsius", "Temperatures that are critical.", "sensor", "chassis")
		fatal      = gauge("ilod_temperature_fatal_celsius", "Temperatures beyond the critical ones, at which the server may be switched off.", "sensor", "chassis")
		supply     = gauge("ilod_psu_health", "Health of the power supplies"+states+".", "psu", "chassis")
		output     = gauge("ilod_psu_watts", "What the power supplies give.", "psu", "chassis")
		supplyMax  = gauge("ilod_psu_capacity_watts", "What the power supplies can give.", "psu", "chassis")
		power      = gauge("ilod_power_watts", "What a chassis takes.", "chassis")
		powerMax   = gauge("ilod_power_capacity_watts", "What a chassis can take.", "chassis")
		lastEntry  = gauge("ilod_log_last_critical_timestamp_seconds", "Time of the last critical entry of the Integrated Management Log, in Unix time.")
	)
	judge := func(f *family, s health.State, labels ...string) {
		if s != health.NotReported {
			f.set(float64(s.Severity()), labels...)
		}
	}
	made.set(float64(r.Time.Unix()))
	oldest.set(float64(r.Age))
	problems.set(float64(len(r.Problems)))
	s := r.System
	if s != (health.System{}) {
		info.set(1, s.Manufacturer, s.Model, s.SKU, s.SerialNumber, s.HostName)
		if s.PowerState != "" {
			on.set(boolean(s.PowerState == "On"))
		}
	}
	for _, f := range r.Firmware {
		firmware.set(1, f.Name, f.Version)
	}
	for _, l := range r.Licenses {
		license.set(1, l.Name, l.Type, l.Expires)
	}
	judge(state, r.State, "server")
	for _, p := range r.Parts {
		judge(state, p.State, p.Name)
		if p.Count > 0 || p.State != health.Unknown { // else they could not be read, and are not none
			count.set(float64(p.Count), p.Name)
			bad.set(float64(len(p.Unhealthy)), p.Name)
		}
	}
	for _, p := range r.Processors {
		judge(processor, p.State, p.Name, p.Model)
	}
	for _, m := range r.Memory {
		judge(memory, m.State, m.Name)
		if m.CapacityMiB > 0 {
			memorySize.set(float64(m.CapacityMiB)*(1<<20), m.Name)
		}
	}
	for _, d := range r.Drives {
		judge(drive, d.State, d.Name, d.Model)
		if d.CapacityBytes > 0 {
			driveSize.set(float64(d.CapacityBytes), d.Name)
		}
		driveLife.maybe(d.LifeLeftPercent, d.Name)
	}
	for _, f := range r.Fans {
		judge(fan, f.State, f.Name, f.Chassis)
		percent.maybe(f.Percent, f.Name, f.Chassis)
		rpm.maybe(f.RPM, f.Name, f.Chassis)
	}
	for _, t := range r.Temperatures {
		celsius.set(t.Celsius, t.Name, t.Chassis)
		caution.maybe(t.Caution, t.Name, t.Chassis)
		critical.maybe(t.Critical, t.Name, t.Chassis)
		fatal.maybe(t.Fatal, t.Name, t.Chassis)
	}
	for _, p := range r.PowerSupplies {
		judge(supply, p.State, p.Name, p.Chassis)
		output.maybe(p.Watts, p.Name, p.Chassis)
		supplyMax.maybe(p.CapacityWatts, p.Name, p.Chassis)
	}
	for _, p := range r.Power {
		power.set(p.Watts, p.Chassis)
		powerMax.maybe(p.CapacityWatts, p.Chassis)
	}
	if len(r.Log) > 0 && !r.Log[0].Time.IsZero() {
		lastEntry.set(float64(r.Log[0].Time.Unix()))
	}
	var all []gateway.Metric
	for _, f := range []*family{
		made, oldest, problems, info, on, firmware, license, state, count, bad, processor, memory, memorySize, drive, driveSize, driveLife,
		fan, percent, rpm, celsius, caution, critical, fatal, supply, output, supplyMax, power, powerMax, lastEntry,
	} {
		if len(f.Samples) > 0 {
			all = append(all, f.Metric)
		}
	}
	return all
}
