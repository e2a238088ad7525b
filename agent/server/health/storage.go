package health

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// storage reads Storage and, on older servers, SmartStorage. Both may list the same
// controller and drives.
func (r *reader) storage(standard, smart ref) {
	s := inventory{reader: r, used: names{}, seen: map[string]bool{}}
	for _, link := range r.members("storage", standard) {
		s.unit(link)
	}
	var root struct {
		Links struct{ ArrayControllers, HostBusAdapters ref }
	}
	if smart.ID == "" || !r.read("storage", smart.ID, &root) {
		return
	}
	for _, collection := range []ref{root.Links.ArrayControllers, root.Links.HostBusAdapters} {
		for _, link := range r.members("storage", collection) {
			s.array(link)
		}
	}
}

// inventory is the storage that was read so far.
type inventory struct {
	*reader
	used names
	seen map[string]bool // serial numbers
}

// again reports a serial number that it has seen before.
func (s *inventory) again(serial string) bool {
	serial = first(serial)
	before := s.seen[serial]
	s.seen[serial] = serial != ""
	return before
}

type controller struct {
	Name, Model, SerialNumber string
	Status                    status
}

func (s *inventory) controller(link string, c controller) {
	if !c.Status.absent() && !s.again(c.SerialNumber) {
		s.add("storage", c.Status.component(s.used.unique(first(c.Model, c.Name, "controller")), link))
	}
}

// unit reads a member of Storage.
func (s *inventory) unit(link string) {
	var unit struct {
		Name                 string
		Status               status
		StorageControllers   []controller
		Controllers, Volumes ref
		Drives               []ref
	}
	if !s.read("storage", link, &unit) {
		return
	}
	for _, c := range unit.StorageControllers {
		s.controller(link, c)
	}
	for _, member := range s.members("storage", unit.Controllers) {
		var c controller
		if s.read("storage", member, &c) {
			s.controller(member, c)
		}
	}
	s.volumes(unit.Volumes)
	for _, d := range unit.Drives[:min(len(unit.Drives), maxMembers)] {
		s.drive(d.ID)
	}
	unit.Status.Health = string(worse(known(unit.Status.Health), known(unit.Status.HealthRollup)))
	s.summarise("storage", unit.Status.component(first(unit.Name, last(link)), link))
}

// array reads a controller below SmartStorage.
func (s *inventory) array(link string) {
	var c struct {
		controller
		Links struct{ PhysicalDrives, LogicalDrives ref }
	}
	if !s.read("storage", link, &c) {
		return
	}
	s.controller(link, c.controller)
	s.volumes(c.Links.LogicalDrives)
	for _, d := range s.members("storage", c.Links.PhysicalDrives) {
		s.drive(d)
	}
}

func (s *inventory) volumes(collection ref) {
	for _, link := range s.members("storage", collection) {
		var v struct {
			DisplayName, LogicalDriveName, Name string
			LogicalDriveStatusReasons           []string
			Status                              status
		}
		if s.read("storage", link, &v) && !v.Status.absent() {
			c := v.Status.component(s.used.unique("volume "+first(v.DisplayName, v.LogicalDriveName, v.Name, last(link))), link)
			if !c.State.healthy() {
				c.because(c.State, reasons(v.LogicalDriveStatusReasons))
			}
			s.add("storage", c)
		}
	}
}

func (s *inventory) drive(link string) {
	var d struct {
		Name, Model, SerialNumber                                        string
		CapacityBytes, CapacityMiB                                       number
		FailurePredicted                                                 bool
		PredictedMediaLifeLeftPercent, SSDEnduranceUtilizationPercentage number
		Location                                                         json.RawMessage // a string, or a list in the standard
		PhysicalLocation                                                 struct{ PartLocation struct{ ServiceLabel string } }
		DiskDriveStatusReasons                                           []string
		Status                                                           status
	}
	if !s.read("storage", link, &d) || d.Status.absent() || s.again(d.SerialNumber) {
		return
	}
	var location string
	_ = json.Unmarshal(d.Location, &location) // a list repeats what stands elsewhere
	name := first(d.PhysicalLocation.PartLocation.ServiceLabel, location)
	if name == "" {
		name = fmt.Sprintf("%s %s", first(d.Name, "drive"), last(link))
	}
	c := d.Status.component(s.used.unique(name), link)
	if !c.State.healthy() {
		c.because(c.State, reasons(d.DiskDriveStatusReasons))
	}
	if d.FailurePredicted || slices.Contains(d.DiskDriveStatusReasons, "PredictiveFail") {
		c.Reason = ""
		c.because(Warning, "failure predicted")
	}
	life := d.PredictedMediaLifeLeftPercent.v
	if used := d.SSDEnduranceUtilizationPercentage.v; life == nil && used != nil {
		left := max(0, 100-*used)
		life = &left
	}
	s.add("storage", c)
	s.report.Drives = append(s.report.Drives, Drive{
		Component: c, Model: first(d.Model), SerialNumber: first(d.SerialNumber),
		CapacityBytes: bytes(d.CapacityBytes, d.CapacityMiB), LifeLeftPercent: life,
	})
}

// reasons joins HPE's reasons, without those that mean that all is well.
func reasons(words []string) string {
	return strings.Join(slices.DeleteFunc(slices.Clone(words), func(w string) bool { return w == "None" || w == "Ok" }), ", ")
}
