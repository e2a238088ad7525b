package health

import (
	"cmp"
	"strings"
	"sync"
)

// summaries are the iLO's own judgements of parts, in Oem.Hpe.AggregateHealthStatus.
type summaries struct {
	BiosOrHardwareHealth, Fans, Memory, Network, PowerSupplies, Processors, SmartStorageBattery, Storage, Temperatures struct{ Status status }
	FanRedundancy, PowerSupplyRedundancy                                                                               string
}

type systemExt struct {
	PostState string
	Bios      struct {
		Current struct{ VersionString string }
	}
	AggregateHealthStatus summaries
	Links                 struct{ SmartStorage, Memory ref }
}

// system reads one system and its parts. It returns the iLO's judgement of the whole.
func (r *reader) system(link string) (rollup State) {
	var s struct {
		Manufacturer, Model, SKU, SerialNumber, HostName, PowerState, BiosVersion string
		Status                                                                    status
		MemorySummary                                                             struct{ TotalSystemMemoryGiB number }
		ProcessorSummary                                                          struct{ Model string }
		Processors, Memory, Storage, LogServices                                  ref
		Oem                                                                       oem[systemExt]
	}
	if !r.read("system", link, &s) {
		return NotReported
	}
	ext := s.Oem.get()
	if r.report.System == (System{}) {
		r.report.System = System{
			Manufacturer: s.Manufacturer, Model: s.Model, SKU: s.SKU, SerialNumber: s.SerialNumber, HostName: s.HostName,
			PowerState: s.PowerState, PostState: ext.PostState, Processor: strings.TrimSpace(s.ProcessorSummary.Model),
			MemoryGiB: int(s.MemorySummary.TotalSystemMemoryGiB.whole()),
		}
	}
	r.firmware("bios", first(s.BiosVersion, ext.Bios.Current.VersionString))
	r.add("system", s.Status.component(first(s.Model, last(link)), link))
	if ext.Links.Memory.ID != "" && s.Memory.ID == "" {
		s.Memory = ext.Links.Memory
	}
	var wg sync.WaitGroup
	r.side(&wg, "processors", s.Processors, func() { r.processors(s.Processors) })
	r.side(&wg, "memory", s.Memory, func() { r.memory(s.Memory) })
	r.side(&wg, "storage", s.Storage, func() { r.storage(s.Storage, ext.Links.SmartStorage) })
	r.side(&wg, "log", s.LogServices, func() { r.log(s.LogServices) })
	wg.Wait()

	h := &ext.AggregateHealthStatus
	for _, it := range []struct {
		part, name string
		status     status
	}{
		{"system", "BIOS or hardware", h.BiosOrHardwareHealth.Status},
		{"processors", "processors", h.Processors.Status},
		{"memory", "memory", h.Memory.Status},
		{"storage", "storage", h.Storage.Status},
		{"storage", "Smart Storage battery", h.SmartStorageBattery.Status},
		{"fans", "fans", h.Fans.Status},
		{"temperatures", "temperatures", h.Temperatures.Status},
		{"power", "power supplies", h.PowerSupplies.Status},
		{"network", "network", h.Network.Status},
	} {
		c := it.status.component(it.name, link)
		c.Reason = first(c.Reason, "in the iLO's summary")
		r.summarise(it.part, c)
	}
	for part, redundancy := range map[string]string{"fans": h.FanRedundancy, "power": h.PowerSupplyRedundancy} {
		if redundancy == "FailedRedundant" {
			r.summarise(part, Component{Name: "redundancy", State: Warning, Reason: "lost", Path: link})
		}
	}
	return worse(known(s.Status.Health), known(s.Status.HealthRollup))
}

func (r *reader) firmware(name, version string) {
	if version != "" {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.report.Firmware = append(r.report.Firmware, Firmware{name, version})
	}
}

func (r *reader) processors(collection ref) {
	used := names{}
	for _, link := range r.members("processors", collection) {
		var p struct {
			Socket, Name, Model string
			Status              status
		}
		if !r.read("processors", link, &p) || p.Status.absent() {
			continue
		}
		c := p.Status.component(used.unique(first(p.Socket, p.Name, last(link))), link)
		r.add("processors", c)
		r.report.Processors = append(r.report.Processors, Processor{c, strings.TrimSpace(p.Model)})
	}
}

// dimmStates are the states of HPE's DIMMStatus. An iLO 4 gives no other state of a
// module.
var dimmStates = map[string]State{
	"GoodInUse": OK, "GoodPartiallyInUse": OK, "PresentSpare": OK,
	"Degraded": Warning, "ExpectedButMissing": Warning, "DoesNotMatch": Warning, "NotSupported": Warning,
	"ConfigurationError": Warning, "MapOutConfiguration": Warning, "MapOutError": Warning,
}

func (r *reader) memory(collection ref) {
	type ext struct{ DIMMStatus string }
	used := names{}
	for _, link := range r.members("memory", collection) {
		var m struct {
			DeviceLocator, SocketLocator, Name string
			CapacityMiB, SizeMB                number
			DIMMStatus                         string // here on an iLO 4
			Status                             status
			Oem                                oem[ext]
		}
		if !r.read("memory", link, &m) {
			continue
		}
		dimm := first(m.Oem.get().DIMMStatus, m.DIMMStatus)
		if dimm == "NotPresent" || m.Status.absent() && dimmStates[dimm].healthy() {
			continue
		}
		c := m.Status.component(used.unique(first(m.DeviceLocator, m.SocketLocator, m.Name, last(link))), link)
		c.State = worse(c.State, dimmStates[dimm])
		if !c.State.healthy() {
			c.because(c.State, dimm)
		}
		r.add("memory", c)
		r.report.Memory = append(r.report.Memory, Module{c, cmp.Or(m.CapacityMiB.whole(), m.SizeMB.whole())})
	}
}
