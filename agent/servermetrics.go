package agent

import (
	"github.com/ilod/ilod/agent/gateway"
	"github.com/ilod/ilod/agent/server/health"
)

func boolean(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// gauges are metrics, in the order in which a scrape has them.
type gauges []*gauge

// gauge is a metric to which samples are added.
type gauge struct {
	gateway.Metric
	names []string // of the labels
}

func (g *gauges) add(name, help string, labels ...string) *gauge {
	one := &gauge{gateway.Metric{Name: name, Help: help, Type: gateway.Gauge}, labels}
	*g = append(*g, one)
	return one
}

// metrics are those that have samples.
func (g gauges) metrics() (all []gateway.Metric) {
	for _, one := range g {
		if len(one.Samples) > 0 {
			all = append(all, one.Metric)
		}
	}
	return all
}

// set adds a sample with the values of the labels.
func (g *gauge) set(value float64, labels ...string) {
	s := gateway.Sample{Value: value}
	for i, name := range g.names {
		s.Labels = append(s.Labels, gateway.Label{Name: name, Value: labels[i]})
	}
	g.Samples = append(g.Samples, s)
}

// maybe adds a sample if there is a value.
func (g *gauge) maybe(value *float64, labels ...string) {
	if value != nil {
		g.set(*value, labels...)
	}
}

// judge adds a sample if the iLO reports a state.
func (g *gauge) judge(s health.State, labels ...string) {
	if s != health.NotReported {
		g.set(float64(s.Severity()), labels...)
	}
}

// states explains the samples of judge.
const states = ": 0 OK, 1 Warning, 2 Critical, 3 unknown"

// serverMetrics are the series of a report; those without a sample are left out.
// Names, labels and units are stable: dashboards and alerts depend on them.
func serverMetrics(r *health.Report) []gateway.Metric {
	var g gauges
	g.report(r)
	g.system(r)
	g.parts(r)
	g.computing(r)
	g.drives(r)
	g.cooling(r)
	g.power(r)
	lastEntry := g.add("ilod_log_last_critical_timestamp_seconds", "Time of the last critical entry of the Integrated Management Log, in Unix time.")
	if len(r.Log) > 0 && !r.Log[0].Time.IsZero() {
		lastEntry.set(float64(r.Log[0].Time.Unix()))
	}
	return g.metrics()
}

// report is about the report itself.
func (g *gauges) report(r *health.Report) {
	g.add("ilod_server_report_timestamp_seconds", "When the server's health was read, in Unix time.").set(float64(r.Time.Unix()))
	g.add("ilod_server_report_age_seconds", "Age of the oldest datum when the server's health was read.").set(float64(r.Age))
	g.add("ilod_server_report_problems", "Resources that could not be read for the server's health.").set(float64(len(r.Problems)))
}

// system is the server, and the firmware and licences that it has.
func (g *gauges) system(r *health.Report) {
	if s := r.System; s != (health.System{}) {
		g.add("ilod_server_info", "The server.", "manufacturer", "model", "sku", "serial", "host").set(1, s.Manufacturer, s.Model, s.SKU, s.SerialNumber, s.HostName)
		if s.PowerState != "" {
			g.add("ilod_server_power_on", "1 while the server is switched on.").set(boolean(s.PowerState == "On"))
		}
	}
	firmware := g.add("ilod_firmware_info", "Versions of the firmware.", "component", "version")
	for _, f := range r.Firmware {
		firmware.set(1, f.Name, f.Version)
	}
	license := g.add("ilod_ilo_license_info", "Licences of the iLO.", "license", "type", "expires")
	for _, l := range r.Licenses {
		license.set(1, l.Name, l.Type, l.Expires)
	}
}

// parts are the state of the server as a whole and of its parts.
func (g *gauges) parts(r *health.Report) {
	state := g.add("ilod_server_health", "Health of the parts, and of the server as a whole"+states+". What the iLO does not report has no sample.", "component")
	count := g.add("ilod_server_components", "Components of a part.", "component")
	bad := g.add("ilod_server_components_unhealthy", "Components of a part that are not OK.", "component")
	state.judge(r.State, "server")
	for _, p := range r.Parts {
		state.judge(p.State, p.Name)
		if p.Count > 0 || p.State != health.Unknown { // else they could not be read: the number is not 0
			count.set(float64(p.Count), p.Name)
			bad.set(float64(len(p.Unhealthy)), p.Name)
		}
	}
}

// computing is processors and memory.
func (g *gauges) computing(r *health.Report) {
	processor := g.add("ilod_processor_health", "Health of the processors"+states+".", "processor", "model")
	for _, p := range r.Processors {
		processor.judge(p.State, p.Name, p.Model)
	}
	memory := g.add("ilod_memory_health", "Health of the memory modules"+states+".", "module")
	size := g.add("ilod_memory_module_bytes", "Capacity of the memory modules.", "module")
	for _, m := range r.Memory {
		memory.judge(m.State, m.Name)
		if m.CapacityMiB > 0 {
			size.set(float64(m.CapacityMiB)*(1<<20), m.Name)
		}
	}
}

func (g *gauges) drives(r *health.Report) {
	drive := g.add("ilod_drive_health", "Health of the physical drives"+states+".", "drive", "model")
	size := g.add("ilod_drive_bytes", "Capacity of the physical drives.", "drive")
	life := g.add("ilod_drive_life_left_percent", "What solid-state drives have left of their endurance.", "drive")
	for _, d := range r.Drives {
		drive.judge(d.State, d.Name, d.Model)
		if d.CapacityBytes > 0 {
			size.set(float64(d.CapacityBytes), d.Name)
		}
		life.maybe(d.LifeLeftPercent, d.Name)
	}
}

// cooling is fans and temperatures.
func (g *gauges) cooling(r *health.Report) {
	fan := g.add("ilod_fan_health", "Health of the fans"+states+".", "fan", "chassis")
	percent := g.add("ilod_fan_percent", "Speed of the fans, in percent of their fastest.", "fan", "chassis")
	rpm := g.add("ilod_fan_rpm", "Speed of the fans, in revolutions per minute.", "fan", "chassis")
	for _, f := range r.Fans {
		fan.judge(f.State, f.Name, f.Chassis)
		percent.maybe(f.Percent, f.Name, f.Chassis)
		rpm.maybe(f.RPM, f.Name, f.Chassis)
	}
	celsius := g.add("ilod_temperature_celsius", "Temperatures.", "sensor", "chassis")
	caution := g.add("ilod_temperature_caution_celsius", "Temperatures from which on the iLO warns.", "sensor", "chassis")
	critical := g.add("ilod_temperature_critical_celsius", "Temperatures that are critical.", "sensor", "chassis")
	fatal := g.add("ilod_temperature_fatal_celsius", "Temperatures beyond the critical ones, at which the server may be switched off.", "sensor", "chassis")
	for _, t := range r.Temperatures {
		celsius.set(t.Celsius, t.Name, t.Chassis)
		caution.maybe(t.Caution, t.Name, t.Chassis)
		critical.maybe(t.Critical, t.Name, t.Chassis)
		fatal.maybe(t.Fatal, t.Name, t.Chassis)
	}
}

// power is power supplies, and what the chassis take.
func (g *gauges) power(r *health.Report) {
	supply := g.add("ilod_psu_health", "Health of the power supplies"+states+".", "psu", "chassis")
	output := g.add("ilod_psu_watts", "What the power supplies give.", "psu", "chassis")
	capacity := g.add("ilod_psu_capacity_watts", "What the power supplies can give.", "psu", "chassis")
	for _, p := range r.PowerSupplies {
		supply.judge(p.State, p.Name, p.Chassis)
		output.maybe(p.Watts, p.Name, p.Chassis)
		capacity.maybe(p.CapacityWatts, p.Name, p.Chassis)
	}
	taken := g.add("ilod_power_watts", "What a chassis takes.", "chassis")
	most := g.add("ilod_power_capacity_watts", "What a chassis can take.", "chassis")
	for _, p := range r.Power {
		taken.set(p.Watts, p.Chassis)
		most.maybe(p.CapacityWatts, p.Chassis)
	}
}
