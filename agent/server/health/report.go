package health

import "time"

// Report is the state of a server. Its JSON form is stable: fields may be added,
// and what an iLO does not report is left out or null.
type Report struct {
	// State is the worst of all parts and of the iLO's own summary of the server. Entries
	// of the log do not count: most are about the past. If there is such a summary, a
	// Warning of the network does not count either: the iLO itself ignores links that are
	// down.
	State State `json:"state"`
	// Time is when the report was made.
	Time time.Time `json:"time"`
	// Age is the age of the oldest datum in the report, in seconds.
	Age int `json:"age"`
	// Oldest is the resource with that datum; empty if everything is new.
	Oldest string `json:"oldest,omitempty"`

	System   System     `json:"system"`
	Firmware []Firmware `json:"firmware"` // of the iLO and of the BIOS
	Licenses []License  `json:"licenses"` // of the iLO
	// Parts are those of PartNames, the worst first.
	Parts []Part `json:"parts"`

	Processors    []Processor   `json:"processors"`
	Memory        []Module      `json:"memory"`
	Drives        []Drive       `json:"drives"`
	Fans          []Fan         `json:"fans"`
	Temperatures  []Temperature `json:"temperatures"`
	PowerSupplies []PowerSupply `json:"powerSupplies"`
	Power         []Power       `json:"power"` // one for each chassis that measures it
	// Log are the last critical entries of the Integrated Management Log, the newest first,
	// at most LogEntries. It is null if the log could not be read, and empty if it has
	// none.
	Log []LogEntry `json:"log"`
	// Problems are the resources that could not be read.
	Problems []Problem `json:"problems"`
}

// PartNames are the parts of a server, in the order that a report has if all are well.
var PartNames = []string{"system", "processors", "memory", "storage", "fans", "temperatures", "power", "network", "ilo"}

// Part is one kind of components, or what the iLO says of all of them together.
type Part struct {
	Name  string `json:"name"` // one of PartNames
	State State  `json:"state"`
	Count int    `json:"count"` // of components that the iLO lists
	// Unhealthy are the components whose state is reported and not OK, the worst first.
	Unhealthy []Component `json:"unhealthy,omitempty"`
}

// Component is one thing that can fail.
type Component struct {
	Name   string `json:"name"` // unique among those of its kind
	State  State  `json:"state"`
	Reason string `json:"reason,omitempty"` // why it is not OK, if that is known
	Path   string `json:"path"`             // of its resource
}

// because makes the component at least as bad as state, and says why.
func (c *Component) because(state State, reason string) {
	c.State = worse(c.State, state)
	if c.Reason == "" {
		c.Reason = reason
	}
}

// System is the server itself.
type System struct {
	Manufacturer string `json:"manufacturer,omitempty"`
	Model        string `json:"model,omitempty"`
	SKU          string `json:"sku,omitempty"`
	SerialNumber string `json:"serialNumber,omitempty"`
	HostName     string `json:"hostName,omitempty"`
	PowerState   string `json:"powerState,omitempty"` // On, Off, PoweringOn, …
	PostState    string `json:"postState,omitempty"`  // FinishedPost, InPost, …
	Processor    string `json:"processor,omitempty"`  // model of the processors
	MemoryGiB    int    `json:"memoryGiB,omitempty"`
}

// Firmware is a firmware of the server, with its version.
type Firmware struct {
	Name    string `json:"name"` // ilo or bios
	Version string `json:"version"`
}

// License is a licence of the iLO, without its key.
type License struct {
	Name    string `json:"name"`
	Type    string `json:"type,omitempty"`    // Perpetual, Evaluation, …
	Expires string `json:"expires,omitempty"` // in the iLO's words
}

// Processor is a processor or an accelerator.
type Processor struct {
	Component
	Model string `json:"model,omitempty"`
}

// Module is a memory module.
type Module struct {
	Component
	CapacityMiB int64 `json:"capacityMiB,omitempty"`
}

// Drive is a physical drive.
type Drive struct {
	Component
	Model         string `json:"model,omitempty"`
	SerialNumber  string `json:"serialNumber,omitempty"`
	CapacityBytes int64  `json:"capacityBytes,omitempty"`
	// LifeLeftPercent is what a solid-state drive has left of its endurance.
	LifeLeftPercent *float64 `json:"lifeLeftPercent,omitempty"`
}

// Fan is a fan with its speed, in the unit that the iLO has.
type Fan struct {
	Component
	Chassis string   `json:"chassis"`
	Percent *float64 `json:"percent,omitempty"`
	RPM     *float64 `json:"rpm,omitempty"`
}

// Temperature is a sensor with a reading, and with its thresholds, in degrees Celsius.
type Temperature struct {
	Component
	Chassis  string   `json:"chassis"`
	Celsius  float64  `json:"celsius"`
	Caution  *float64 `json:"caution,omitempty"`
	Critical *float64 `json:"critical,omitempty"`
	Fatal    *float64 `json:"fatal,omitempty"`
	// Margin is how far it is below the lowest of the thresholds.
	Margin *float64 `json:"margin,omitempty"`
}

// PowerSupply is a power supply.
type PowerSupply struct {
	Component
	Chassis       string   `json:"chassis"`
	Watts         *float64 `json:"watts,omitempty"` // what it gives
	CapacityWatts *float64 `json:"capacityWatts,omitempty"`
}

// Power is what a chassis takes.
type Power struct {
	Chassis       string   `json:"chassis"`
	Watts         float64  `json:"watts"`
	CapacityWatts *float64 `json:"capacityWatts,omitempty"`
}

// LogEntry is an entry of the log.
type LogEntry struct {
	Time    time.Time `json:"time"` // when it happened last; zero if the iLO did not know
	Message string    `json:"message"`
	Count   int       `json:"count,omitempty"` // how often it happened
}

// Problem is a resource that could not be read.
type Problem struct {
	Part  string `json:"part"` // one of PartNames, or firmware, license, log
	Path  string `json:"path"`
	Error string `json:"error"`

	err error
}
