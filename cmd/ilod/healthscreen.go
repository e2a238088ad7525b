package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ilod/ilod/agent/server/health"
	"github.com/ilod/ilod/cmd/ilod/terminal"
)

// screen writes a report for people.
type screen struct {
	width   int // of a line; 0: any
	colours bool
	text    strings.Builder
}

// maxProblems limits how many unread resources are named.
const maxProblems = 5

// render writes a report: 80 columns and 24 lines if all is well.
func (s *screen) render(r *health.Report) string {
	age := "all of it fresh"
	if r.Age > 0 {
		age = fmt.Sprintf("the oldest value %s older", time.Duration(r.Age)*time.Second)
	}
	s.line("", "%s", join(", ", r.System.Model, r.System.SerialNumber, r.System.HostName))
	s.line(r.State, "%s, read at %s, %s", r.State, r.Time.Local().Format(time.DateTime+" MST"), age)
	s.line("", "")
	for _, p := range r.Parts {
		s.row(p.Name, p.State, p.Count, detail(p.Name, r))
		for _, c := range p.Unhealthy {
			s.line(c.State, "%15s %-12s %3s  %s", "", c.State, "", join(": ", c.Name, c.Reason))
		}
	}
	s.line("", "")
	var firmware, licenses []string
	for _, f := range r.Firmware {
		firmware = append(firmware, strings.NewReplacer("ilo", "iLO", "bios", "BIOS").Replace(f.Name)+" "+strings.TrimPrefix(f.Version, "iLO "))
	}
	for _, l := range r.Licenses {
		licenses = append(licenses, join(", ", l.Name, l.Type, l.Expires))
	}
	s.line("", "%-15s %s", "firmware", orNothing(firmware))
	s.line("", "%-15s %s", "licence", orNothing(licenses))
	s.line("", "%-15s %s", "critical events", events(r))
	for _, e := range r.Log {
		when := "at an unknown time"
		if !e.Time.IsZero() {
			when = e.Time.Local().Format("2006-01-02 15:04 MST")
		}
		s.line("", "  %s  %s", when, e.Message)
	}
	for i, p := range r.Problems {
		if i == maxProblems {
			s.line("", "  and %d others", len(r.Problems)-i)
			break
		}
		if i == 0 {
			s.line("", "not read")
		}
		s.line("", "  %s: %s", p.Path, p.Error)
	}
	return s.text.String()
}

// events says whether there are critical events, or why nobody knows.
func events(r *health.Report) string {
	switch {
	case len(r.Log) > 0:
		return "the last of the log"
	case r.Log != nil:
		return "none in the log"
	case slices.ContainsFunc(r.Problems, func(p health.Problem) bool { return p.Part == "log" }):
		return "the log could not be read"
	}
	return "not reported"
}

// detail is a short text about a part.
func detail(part string, r *health.Report) string {
	switch part {
	case "system":
		power := ""
		if r.System.PowerState != "" {
			power = "power " + r.System.PowerState
		}
		return join(", ", power, r.System.PostState)
	case "processors":
		return r.System.Processor
	case "memory":
		if r.System.MemoryGiB > 0 {
			return fmt.Sprintf("%d GiB", r.System.MemoryGiB)
		}
	case "storage":
		return drives(r.Drives)
	case "fans":
		return speeds(r.Fans)
	case "temperatures":
		return temperatures(r.Temperatures)
	case "power":
		var all []string
		for _, p := range r.Power {
			text := fmt.Sprintf("%g W", p.Watts)
			if p.CapacityWatts != nil {
				text += fmt.Sprintf(" of %g W", *p.CapacityWatts)
			}
			all = append(all, text)
		}
		return strings.Join(all, ", ")
	}
	return ""
}

// drives is the number of drives, with the sum of their sizes if all are known.
func drives(all []health.Drive) string {
	if len(all) == 0 {
		return ""
	}
	text, bytes := fmt.Sprintf("%d drives", len(all)), 0.0
	for _, d := range all {
		if d.CapacityBytes == 0 {
			return text
		}
		bytes += float64(d.CapacityBytes)
	}
	return fmt.Sprintf("%s, %.1f TB", text, bytes/1e12)
}

// speeds is the range of the fans' speeds.
func speeds(fans []health.Fan) string {
	var percent []float64
	for _, f := range fans {
		if f.Percent != nil {
			percent = append(percent, *f.Percent)
		}
	}
	if len(percent) == 0 {
		return ""
	}
	low, high := slices.Min(percent), slices.Max(percent)
	if low == high {
		return fmt.Sprintf("%g %%", low)
	}
	return fmt.Sprintf("%g to %g %%", low, high)
}

// temperatures names the sensor that is closest to its limit.
func temperatures(all []health.Temperature) string {
	var closest *health.Temperature
	for i, t := range all {
		if t.Margin != nil && (closest == nil || *t.Margin < *closest.Margin) {
			closest = &all[i]
		}
	}
	if closest == nil {
		return ""
	}
	return fmt.Sprintf("nearest to a limit: %g of %g °C, %s", closest.Celsius, closest.Celsius+*closest.Margin, closest.Name)
}

// row writes a part.
func (s *screen) row(name string, state health.State, count int, detail string) {
	n := ""
	if count > 1 {
		n = fmt.Sprint(count)
	}
	s.line(state, "%-15s %-12s %3s  %s", name, cmp.Or(string(state), "not reported"), n, detail)
}

// line writes one line, cut to the width. The first mention of the state has its
// colour.
func (s *screen) line(state health.State, format string, args ...any) {
	text := []rune(strings.TrimRight(oneLine(fmt.Sprintf(format, args...)), " "))
	if s.width > 0 && len(text) > s.width {
		text = append(text[:s.width-1], '…')
	}
	line := string(text)
	if colour := map[health.State]string{health.OK: terminal.Green, health.Unknown: terminal.Yellow, health.Warning: terminal.Yellow, health.Critical: terminal.Red}[state]; s.colours && colour != "" {
		line = strings.Replace(line, string(state), colour+string(state)+terminal.Plain, 1)
	}
	s.text.WriteString(line + "\n")
}

// join joins the parts, without empty ones.
func join(separator string, parts ...string) string {
	return strings.Join(slices.DeleteFunc(parts, func(p string) bool { return p == "" }), separator)
}

// orNothing joins the list, or says that it is empty.
func orNothing(list []string) string {
	return cmp.Or(strings.Join(list, ", "), "not reported")
}
