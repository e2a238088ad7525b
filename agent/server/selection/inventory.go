package selection

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/ilod/ilod/agent/ilopath"
)

// section is one kind of component in an inventory.
type section struct {
	name, odataType string
	below           string   // part of the paths of its resources
	array           string   // property that has the components; empty: each resource is one
	properties      []string // of a component
}

var sections = []section{
	{"system", "ComputerSystem.", "", "", []string{"Manufacturer", "Model", "SerialNumber", "SKU", "AssetTag", "HostName", "PowerState", "BiosVersion",
		"ProcessorSummary/Count", "ProcessorSummary/Model", "MemorySummary/TotalSystemMemoryGiB", "Status/Health"}},
	{"ilo", "Manager.", "", "", []string{"Model", "FirmwareVersion", "Status/Health"}},
	{"processors", "Processor.", "", "", []string{"Id", "Model", "TotalCores", "TotalThreads", "MaxSpeedMHz", "Status/State", "Status/Health"}},
	{"memory", "Memory.", "", "", []string{"DeviceLocator", "Manufacturer", "PartNumber", "CapacityMiB", "OperatingSpeedMhz", "Status/State", "Status/Health"}},
	{"power", "Power.", "", "PowerSupplies", []string{"MemberId", "Model", "SerialNumber", "FirmwareVersion", "PowerCapacityWatts", "LastPowerOutputWatts", "Status/State", "Status/Health"}},
	{"thermals", "Thermal.", "", "Temperatures", []string{"Name", "ReadingCelsius", "UpperThresholdCritical", "Status/State", "Status/Health"}},
	{"fans", "Thermal.", "", "Fans", []string{"Name", "Reading", "ReadingUnits", "Status/State", "Status/Health"}},
	{"firmware", "SoftwareInventory.", "/firmwareinventory/", "", []string{"Name", "Version"}},
	{"software", "SoftwareInventory.", "/softwareinventory/", "", []string{"Name", "Version"}},
}

// Sections are the names of all sections of an inventory.
func Sections() []string {
	names := make([]string, len(sections))
	for i, s := range sections {
		names[i] = s.name
	}
	return names
}

// Section is a part of an inventory.
type Section struct {
	Name       string
	Columns    []string         // property paths
	Components []map[string]any // values by column; a component need not have all of them
}

// Inventory reads the sections with these names. It lists absent components only if
// absent is true. It leaves out empty sections, and what cannot be read; Unread names
// that. It fails if the directory cannot be read, or nothing else can.
func (r *Reader) Inventory(ctx context.Context, names []string, absent bool) (all []Section, err error) {
	if _, err := r.Entries(ctx); err != nil {
		return nil, err
	}
	var failed error
	for _, s := range sections {
		if !slices.Contains(names, s.name) {
			continue
		}
		found, err := r.Find(ctx, Selector{Type: s.odataType})
		if err != nil && ctx.Err() != nil {
			return nil, err
		}
		if err != nil && !errors.Is(err, ErrNoType) {
			failed = err
		}
		part := Section{s.name, s.properties, nil}
		for _, x := range found {
			if !strings.Contains(ilopath.Canonical(x.Path)+"/", s.below) {
				continue
			}
			for _, component := range s.components(x) {
				if row := s.row(component); len(row) > 0 && (absent || row["Status/State"] != "Absent") {
					part.Components = append(part.Components, row)
				}
			}
		}
		if part.Components != nil {
			all = append(all, part)
		}
	}
	if len(all) == 0 {
		return nil, failed
	}
	return all, nil
}

func (s *section) components(x *Resource) []any {
	if s.array == "" {
		return []any{x.Body}
	}
	list, _ := x.Body[s.array].([]any)
	return list
}

func (s *section) row(component any) map[string]any {
	row := map[string]any{}
	for _, path := range s.properties {
		if part, missing := project(component, split(path)); missing == nil {
			for _, v := range leaves(part, strings.Count(path, "/")+1) {
				if v != nil {
					row[path] = v
				}
			}
		}
	}
	return row
}
