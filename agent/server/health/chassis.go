package health

import (
	"cmp"
	"fmt"
)

// chassis reads the cooling, power and sensors of one chassis.
func (r *reader) chassis(link string, fans, sensors, supplies names) {
	type ext struct {
		SmartStorageBattery []struct {
			ProductName string
			Index       number
			Status      status
		}
	}
	var c struct {
		Status                                                    status
		Thermal, Power, ThermalSubsystem, PowerSubsystem, Sensors ref
		Oem                                                       oem[ext]
	}
	if !r.read("system", link, &c) {
		return
	}
	for i, b := range c.Oem.get().SmartStorageBattery {
		if !b.Status.absent() {
			r.add("storage", b.Status.component(fmt.Sprintf("%s %d", first(b.ProductName, "battery"), cmp.Or(b.Index.whole(), int64(i+1))), link))
		}
	}
	r.summarise("system", c.Status.component("chassis "+last(link), link))
	t := thermal{r, last(link), fans, sensors}
	if c.Thermal.ID != "" {
		t.classic(c.Thermal.ID)
	} else {
		t.subsystem(c.ThermalSubsystem, c.Sensors)
	}
	p := power{r, last(link), supplies}
	if c.Power.ID != "" {
		p.classic(c.Power.ID)
	} else if c.PowerSubsystem.ID != "" {
		p.subsystem(c.PowerSubsystem.ID)
	}
}
