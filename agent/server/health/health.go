// Package health makes one report of a server's state from its Redfish tree.
//
// It follows links and assumes no names of members, so it works for every generation
// of iLO. Each part fails alone: the report lists what could not be read and calls
// that part Unknown, and still shows the others.
package health

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"
)

// Options are for Read. The zero value works.
type Options struct {
	// Header is sent with each request; its Cache-Control says how old answers
	// may be.
	Header http.Header
	// StaleLog is how stale a log may be. If the iLO cannot filter entries, the log is the
	// largest answer of all.
	StaleLog    time.Duration
	MaxRequests int              // 1024 when 0
	Now         func() time.Time // nil: time.Now
}

// ErrNothing: the service has no system, no manager and no chassis.
var ErrNothing = errors.New("the service describes no server")

// Read makes a report. rt is any way to the iLO: the cache, the agent's socket, the iLO
// itself. It decides how old answers may be. An ordinary server takes about a hundred
// requests, several at a time.
//
// It fails only if the service root cannot be read, if the tree has no server or
// nothing of it can be read, or if ctx ends.
func Read(ctx context.Context, rt http.RoundTripper, o Options) (Report, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	r := &reader{ctx: ctx, rt: rt, header: http.Header{}, left: cmp.Or(o.MaxRequests, 1024), staleLog: o.StaleLog, parts: map[string]*Part{}}
	if o.Header != nil {
		r.header = o.Header
	}
	for _, name := range PartNames {
		r.parts[name] = &Part{Name: name}
	}
	r.report.Time = o.Now().UTC().Truncate(time.Second)
	var root struct{ Systems, Managers, Chassis ref }
	if err := r.get("/redfish/v1/", "", &root); err != nil {
		return Report{}, err
	}
	if root.Systems.ID == "" && root.Managers.ID == "" && root.Chassis.ID == "" {
		return Report{}, ErrNothing
	}
	var rollup State
	var wg sync.WaitGroup
	r.side(&wg, "system", root.Systems, func() {
		for _, link := range r.members("system", root.Systems) {
			rollup = worse(rollup, r.system(link))
		}
	})
	r.side(&wg, "ilo", root.Managers, func() {
		for _, link := range r.members("ilo", root.Managers) {
			r.manager(link)
		}
	})
	r.side(&wg, "system", root.Chassis, func() {
		fans, temperatures, supplies := names{}, names{}, names{}
		for _, link := range r.members("system", root.Chassis) {
			r.chassis(link, fans, temperatures, supplies)
		}
	})
	wg.Wait()
	if ctx.Err() != nil {
		return Report{}, context.Cause(ctx)
	}
	if r.nothing() {
		first := slices.MinFunc(r.report.Problems, byPath)
		return Report{}, fmt.Errorf("nothing of the server can be read: %w", first.err)
	}
	return r.finish(rollup), nil
}

// nothing reports that nothing could be read.
func (r *reader) nothing() bool {
	for _, p := range r.parts {
		if p.Count > 0 {
			return false
		}
	}
	return len(r.report.Problems) > 0
}

func byPath(a, b Problem) int { return cmp.Compare(a.Path, b.Path) }

// finish judges the whole, and sorts the report: the worst first.
func (r *reader) finish(rollup State) Report {
	worst := func(a, b State) int { return slices.Index(states, b) - slices.Index(states, a) }
	report := &r.report
	report.State = rollup
	for _, s := range r.summaries { // they count only if they are worse than the components
		if p := r.parts[s.part]; worse(p.State, s.State) != p.State {
			r.judge(s.part, s.Component)
		}
	}
	for _, name := range PartNames {
		p := *r.parts[name]
		slices.SortStableFunc(p.Unhealthy, func(a, b Component) int { return worst(a.State, b.State) })
		if name == "network" && p.State == Warning && rollup.healthy() && rollup != NotReported {
			// A link that is down causes this. The iLO does not count it in its state of the
			// server.
			for i := range p.Unhealthy {
				p.Unhealthy[i].Reason += ", not in its state of the server"
			}
		} else {
			report.State = worse(report.State, p.State)
		}
		report.Parts = append(report.Parts, p)
	}
	if report.State == NotReported {
		report.State = Unknown
	}
	slices.SortStableFunc(report.Parts, func(a, b Part) int { return worst(a.State, b.State) })
	slices.SortFunc(report.Firmware, func(a, b Firmware) int { return cmp.Compare(b.Name, a.Name) })
	slices.SortFunc(report.Problems, byPath)
	return *report
}
