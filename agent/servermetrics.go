package agent

import (
	"github.com/ilod/ilod/agent/gateway"
	"github.com/ilod/ilod/agent/server/health"
)

// one is the value of a metric that is true or false.
var one = map[bool]float64{true: 1}

// series are metrics, in the order of their first samples.
type series []gateway.Metric

// set adds a sample of a gauge, count one of a counter.
func (g *series) set(name, help string, value float64, labels ...string) {
	g.add(gateway.Gauge, name, help, value, labels...)
}

func (g *series) count(name, help string, n int64, labels ...string) {
	g.add(gateway.Counter, name, help, float64(n), labels...)
}

// add adds a sample of a metric. labels are the name and the value of each.
func (g *series) add(kind gateway.MetricType, name, help string, value float64, labels ...string) {
	s := gateway.Sample{Value: value}
	for i := 0; i < len(labels); i += 2 {
		s.Labels = append(s.Labels, gateway.Label{Name: labels[i], Value: labels[i+1]})
	}
	for i := range *g {
		if m := &(*g)[i]; m.Name == name {
			m.Samples = append(m.Samples, s)
			return
		}
	}
	*g = append(*g, gateway.Metric{Name: name, Help: help, Type: kind, Samples: []gateway.Sample{s}})
}

// maybe adds a sample if there is a value.
func (g *series) maybe(name, help string, value *float64, labels ...string) {
	if value != nil {
		g.set(name, help, *value, labels...)
	}
}

// states explains the samples of judge.
const states = ": 0 OK, 1 Warning, 2 Critical, 3 unknown."

// judge adds a sample if the iLO reports a state.
func (g *series) judge(name, help string, s health.State, labels ...string) {
	if s != health.NotReported {
		g.set(name, help, float64(s.Severity()), labels...)
	}
}

// serverMetrics are the series of a report; those without a sample are left out.
// Names, labels and units are stable: dashboards and alerts depend on them.
func serverMetrics(r *health.Report) []gateway.Metric {
	var g series
	g.set("ilod_server_report_timestamp_seconds", "When the server's health was read, in Unix time.", float64(r.Time.Unix()))
	g.set("ilod_server_report_age_seconds", "Age of the oldest datum when the server's health was read.", float64(r.Age))
	g.set("ilod_server_report_problems", "Resources that could not be read for the server's health.", float64(len(r.Problems)))
	g.system(r)
	g.parts(r)
	g.computing(r)
	g.cooling(r)
	g.power(r)
	if len(r.Log) > 0 && !r.Log[0].Time.IsZero() {
		g.set("ilod_log_last_critical_timestamp_seconds", "Time of the last critical entry of the Integrated Management Log, in Unix time.", float64(r.Log[0].Time.Unix()))
	}
	return g
}

// system is the server, and the firmware and licences that it has.
func (g *series) system(r *health.Report) {
	if s := r.System; s != (health.System{}) {
		g.set("ilod_server_info", "The server.", 1, "manufacturer", s.Manufacturer, "model", s.Model, "sku", s.SKU, "serial", s.SerialNumber, "host", s.HostName)
		if s.PowerState != "" {
			g.set("ilod_server_power_on", "1 while the server is switched on.", one[s.PowerState == "On"])
		}
	}
	for _, f := range r.Firmware {
		g.set("ilod_firmware_info", "Versions of the firmware.", 1, "component", f.Name, "version", f.Version)
	}
	for _, l := range r.Licenses {
		g.set("ilod_ilo_license_info", "Licences of the iLO.", 1, "license", l.Name, "type", l.Type, "expires", l.Expires)
	}
}

// parts are the state of the server as a whole and of its parts.
func (g *series) parts(r *health.Report) {
	for _, p := range append([]health.Part{{Name: "server", State: r.State}}, r.Parts...) {
		g.judge("ilod_server_health", "Health of the parts, and of the server as a whole"+states+" What the iLO does not report has no sample.", p.State, "component", p.Name)
	}
	for _, p := range r.Parts {
		if p.Count > 0 || p.State != health.Unknown { // else they could not be read: the number is not 0
			g.set("ilod_server_components", "Components of a part.", float64(p.Count), "component", p.Name)
			g.set("ilod_server_components_unhealthy", "Components of a part that are not OK.", float64(len(p.Unhealthy)), "component", p.Name)
		}
	}
}

// computing is processors, memory and drives.
func (g *series) computing(r *health.Report) {
	for _, p := range r.Processors {
		g.judge("ilod_processor_health", "Health of the processors"+states, p.State, "processor", p.Name, "model", p.Model)
	}
	for _, m := range r.Memory {
		g.judge("ilod_memory_health", "Health of the memory modules"+states, m.State, "module", m.Name)
		if m.CapacityMiB > 0 {
			g.set("ilod_memory_module_bytes", "Capacity of the memory modules.", float64(m.CapacityMiB)*(1<<20), "module", m.Name)
		}
	}
	for _, d := range r.Drives {
		g.judge("ilod_drive_health", "Health of the physical drives"+states, d.State, "drive", d.Name, "model", d.Model)
		if d.CapacityBytes > 0 {
			g.set("ilod_drive_bytes", "Capacity of the physical drives.", float64(d.CapacityBytes), "drive", d.Name)
		}
		g.maybe("ilod_drive_life_left_percent", "Remaining endurance of the solid-state drives.", d.LifeLeftPercent, "drive", d.Name)
	}
}

// cooling is fans and temperatures.
func (g *series) cooling(r *health.Report) {
	for _, f := range r.Fans {
		g.judge("ilod_fan_health", "Health of the fans"+states, f.State, "fan", f.Name, "chassis", f.Chassis)
		g.maybe("ilod_fan_percent", "Speed of the fans, in percent of their fastest.", f.Percent, "fan", f.Name, "chassis", f.Chassis)
		g.maybe("ilod_fan_rpm", "Speed of the fans, in revolutions per minute.", f.RPM, "fan", f.Name, "chassis", f.Chassis)
	}
	for _, t := range r.Temperatures {
		labels := []string{"sensor", t.Name, "chassis", t.Chassis}
		g.set("ilod_temperature_celsius", "Temperatures.", t.Celsius, labels...)
		g.maybe("ilod_temperature_caution_celsius", "Temperatures at which the iLO warns.", t.Caution, labels...)
		g.maybe("ilod_temperature_critical_celsius", "Temperatures that are critical.", t.Critical, labels...)
		g.maybe("ilod_temperature_fatal_celsius", "Temperatures beyond the critical ones, at which the server may be switched off.", t.Fatal, labels...)
	}
}

// power is power supplies, and what the chassis take.
func (g *series) power(r *health.Report) {
	for _, p := range r.PowerSupplies {
		labels := []string{"psu", p.Name, "chassis", p.Chassis}
		g.judge("ilod_psu_health", "Health of the power supplies"+states, p.State, labels...)
		g.maybe("ilod_psu_watts", "Output of the power supplies.", p.Watts, labels...)
		g.maybe("ilod_psu_capacity_watts", "Largest possible output of the power supplies.", p.CapacityWatts, labels...)
	}
	for _, p := range r.Power {
		g.set("ilod_power_watts", "Power that a chassis consumes.", p.Watts, "chassis", p.Chassis)
		g.maybe("ilod_power_capacity_watts", "Largest power that a chassis can consume.", p.CapacityWatts, "chassis", p.Chassis)
	}
}
