package health

import (
	"cmp"
	"fmt"
)

// power reads the power supplies of a chassis. Their names are unique within the
// server.
type power struct {
	*reader
	id    string // of the chassis
	names names
}

// redundancy is a group of components that can take each other's place.
type redundancy struct {
	Name   string
	Status status
}

type bay struct {
	BayNumber         number
	PowerSupplyStatus struct{ State string }
}

type supply struct {
	LastPowerOutputWatts, PowerOutputWatts number
	PowerCapacityWatts                     number
	Metrics                                ref
	Status                                 status
	Oem                                    oem[bay]
}

// classic reads a Power resource.
func (p *power) classic(link string) {
	var body struct {
		PowerControl []struct {
			PowerConsumedWatts, PowerCapacityWatts number
		}
		PowerSupplies []supply
		Redundancy    []redundancy
	}
	if !p.read("power", link, &body) {
		return
	}
	for _, c := range body.PowerControl[:min(len(body.PowerControl), 1)] { // others are shares of the first
		p.consumption(c.PowerConsumedWatts, c.PowerCapacityWatts)
	}
	for i, s := range body.PowerSupplies[:min(len(body.PowerSupplies), maxMembers)] {
		p.supply(fmt.Sprintf("%s#PowerSupplies/%d", link, i), i, s)
	}
	p.redundant("power", link, body.Redundancy)
}

// subsystem reads PowerSubsystem, which takes the place of Power.
func (p *power) subsystem(link string) {
	var body struct {
		CapacityWatts         number
		PowerSupplies         ref
		PowerSupplyRedundancy []redundancy
	}
	if !p.read("power", link, &body) {
		return
	}
	total, measured, missing := 0.0, false, false
	for i, member := range p.members("power", body.PowerSupplies) {
		var s supply
		if !p.read("power", member, &s) {
			missing = true
			continue
		}
		var metrics struct{ InputPowerWatts, OutputPowerWatts struct{ Reading number } }
		if s.Metrics.ID != "" && p.read("power", s.Metrics.ID, &metrics) {
			s.LastPowerOutputWatts = metrics.OutputPowerWatts.Reading
		}
		if w := either(metrics.InputPowerWatts.Reading, metrics.OutputPowerWatts.Reading); w.v != nil {
			total, measured = total+*w.v, true
		} else if !s.Status.absent() {
			missing = true
		}
		p.supply(member, i, s)
	}
	if measured && !missing { // else the sum would be too small
		p.consumption(number{&total}, body.CapacityWatts)
	}
	p.redundant("power", link, body.PowerSupplyRedundancy)
}

func (p *power) consumption(watts, capacity number) {
	if watts.v != nil {
		p.report.Power = append(p.report.Power, Power{p.id, *watts.v, capacity.v})
	}
}

// supply takes one power supply, the i-th from 0. An iLO calls all of them alike.
func (p *power) supply(path string, i int, s supply) {
	if s.Status.absent() {
		return
	}
	oem := s.Oem.get()
	name := fmt.Sprint("Power supply ", cmp.Or(oem.BayNumber.whole(), int64(i+1)))
	x := PowerSupply{
		Component: s.Status.component(p.names.unique(name), path), Chassis: p.id,
		Watts: either(s.LastPowerOutputWatts, s.PowerOutputWatts).v, CapacityWatts: s.PowerCapacityWatts.v,
	}
	if !x.State.healthy() && oem.PowerSupplyStatus.State != "" {
		x.Reason = oem.PowerSupplyStatus.State
	}
	p.add("power", x.Component)
	p.report.PowerSupplies = append(p.report.PowerSupplies, x)
}

// redundant judges groups of components.
func (r *reader) redundant(part, link string, groups []redundancy) {
	for i, g := range groups {
		c := g.Status.component(first(g.Name, fmt.Sprint("redundancy group ", i+1)), link)
		c.Reason = first(c.Reason, "redundancy lost")
		r.summarise(part, c)
	}
}
