package health

import "fmt"

// thermal reads the fans and sensors of a chassis. Its names are unique within
// the server.
type thermal struct {
	*reader
	id      string // of the chassis
	fans    names
	sensors names
}

type fan struct {
	Name, FanName, ReadingUnits, Units string
	Reading, CurrentReading            number
	Status                             status
}

type temperature struct {
	Name                                                                   string
	ReadingCelsius, CurrentReading                                         number
	UpperThresholdNonCritical, UpperThresholdCritical, UpperThresholdFatal number
	Status                                                                 status
}

// classic reads a Thermal resource, with HPE's older names beside the standard's.
func (t *thermal) classic(link string) {
	var body struct {
		Fans         []fan
		Temperatures []temperature
		Redundancy   []redundancy
	}
	if !t.read("fans", link, &body) {
		t.mu.Lock()
		t.unknown("temperatures")
		t.mu.Unlock()
		return
	}
	for i, f := range body.Fans[:min(len(body.Fans), maxMembers)] {
		reading := either(f.Reading, f.CurrentReading).v
		x := Fan{Percent: reading}
		if first(f.ReadingUnits, f.Units) == "RPM" {
			x = Fan{RPM: reading}
		}
		t.fan(x, first(f.Name, f.FanName, fmt.Sprint("Fan ", i+1)), fmt.Sprintf("%s#Fans/%d", link, i), f.Status)
	}
	for i, s := range body.Temperatures[:min(len(body.Temperatures), maxMembers)] {
		s.ReadingCelsius = either(s.ReadingCelsius, s.CurrentReading)
		t.temperature(fmt.Sprintf("%s#Temperatures/%d", link, i), s)
	}
	t.redundant("fans", link, body.Redundancy)
}

// subsystem reads ThermalSubsystem and Sensors, which take the place of Thermal.
func (t *thermal) subsystem(link, sensors ref) {
	if link.ID != "" {
		var body struct {
			Fans          ref
			FanRedundancy []redundancy
		}
		if t.read("fans", link.ID, &body) {
			for _, member := range t.members("fans", body.Fans) {
				var f struct {
					Name         string
					SpeedPercent struct{ Reading, SpeedRPM number }
					Status       status
				}
				if t.read("fans", member, &f) {
					t.fan(Fan{Percent: f.SpeedPercent.Reading.v, RPM: f.SpeedPercent.SpeedRPM.v}, first(f.Name, last(member)), member, f.Status)
				}
			}
			t.redundant("fans", link.ID, body.FanRedundancy)
		}
	}
	for _, member := range t.members("temperatures", sensors) {
		type threshold struct{ Reading number }
		var s struct {
			Name, ReadingType, ReadingUnits string
			Reading                         number
			Thresholds                      struct{ UpperCaution, UpperCritical, UpperFatal threshold }
			Status                          status
		}
		if !t.read("temperatures", member, &s) || first(s.ReadingType, "Temperature") != "Temperature" || first(s.ReadingUnits, "Cel") != "Cel" {
			continue
		}
		t.temperature(member, temperature{
			Name: s.Name, ReadingCelsius: s.Reading, Status: s.Status, UpperThresholdNonCritical: s.Thresholds.UpperCaution.Reading,
			UpperThresholdCritical: s.Thresholds.UpperCritical.Reading, UpperThresholdFatal: s.Thresholds.UpperFatal.Reading,
		})
	}
}

func (t *thermal) fan(f Fan, name, path string, s status) {
	if s.absent() {
		return
	}
	f.Component, f.Chassis = s.component(t.fans.unique(name), path), t.id
	t.add("fans", f.Component)
	t.report.Fans = append(t.report.Fans, f)
}

// temperature takes a sensor that has a reading or is not well. For an empty place that
// could be measured an iLO gives the threshold -1 and the reading 0.
func (t *thermal) temperature(path string, s temperature) {
	now, critical := s.ReadingCelsius.v, s.UpperThresholdCritical.v
	if s.Status.absent() || now != nil && *now == 0 && critical != nil && *critical < 0 {
		return
	}
	if now == nil {
		if c := s.Status.component(first(s.Name, last(path)), path); !c.State.healthy() {
			c.Name = t.sensors.unique(c.Name)
			t.add("temperatures", c)
		}
		return
	}
	x := Temperature{
		Component: s.Status.component(t.sensors.unique(first(s.Name, last(path))), path), Chassis: t.id, Celsius: *now,
		Caution: threshold(s.UpperThresholdNonCritical), Critical: threshold(s.UpperThresholdCritical), Fatal: threshold(s.UpperThresholdFatal),
	}
	for _, limit := range []struct {
		at    *float64
		state State
		name  string
	}{{x.Fatal, Critical, "fatal"}, {x.Critical, Critical, "critical"}, {x.Caution, Warning, "caution"}} {
		if limit.at == nil {
			continue
		}
		margin := *limit.at - x.Celsius
		if x.Margin == nil || margin < *x.Margin {
			x.Margin = &margin
		}
		if margin <= 0 {
			x.because(limit.state, fmt.Sprintf("%g °C, %s at %g °C", x.Celsius, limit.name, *limit.at))
		}
	}
	t.add("temperatures", x.Component)
	t.report.Temperatures = append(t.report.Temperatures, x)
}

// threshold is the number, or nil if it stands for none: 0, -1 and 65535 do.
func threshold(n number) *float64 {
	if n.v != nil && (*n.v <= 0 || *n.v >= 65535) {
		return nil
	}
	return n.v
}
