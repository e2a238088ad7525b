package clients

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/ilod/ilod/agent/api"
)

// Limits are the present ones. It takes no lock.
func (r *Registry) Limits() api.Limits { return *r.limits.Load() }

// ShownLimits are the present limits, and where each comes from.
func (r *Registry) ShownLimits() api.ShownLimits {
	r.disk.Lock()
	defer r.disk.Unlock()
	out := api.ShownLimits{Limits: r.Limits(), From: map[string]api.Origin{}}
	initial, configured := properties(DefaultLimits()), properties(r.o.Limits)
	for name := range configured {
		switch {
		case r.set[name]:
			out.From[name] = api.FromAdmin
		case string(configured[name]) != string(initial[name]):
			out.From[name] = api.FromConfiguration
		default:
			out.From[name] = api.FromDefault
		}
	}
	return out
}

// SetLimits sets the named limits, by their names in JSON, to what change makes of
// them, and keeps them across restarts. Those named with false have the value of the
// configuration again. change gets the limits with these values in place. Others keep
// their value, and follow the configuration if they did. It returns the limits before
// and after. It fails with what change returns, ErrVariable, or if the limits cannot be
// kept; all stays as it was then.
func (r *Registry) SetLimits(named map[string]bool, change func(*api.Limits) error) (before, after api.Limits, err error) {
	if before, after, err = r.setLimits(named, change); err == nil {
		r.locked(func(time.Time) {}) // what has expired with them goes
	}
	return before, after, err
}

func (r *Registry) setLimits(named map[string]bool, change func(*api.Limits) error) (before, after api.Limits, err error) {
	r.disk.Lock()
	defer r.disk.Unlock()
	before = r.Limits()
	set := maps.Clone(r.set)
	for name, is := range named {
		set[name] = is
	}
	maps.DeleteFunc(set, func(_ string, is bool) bool { return !is })
	after = r.o.Limits
	if err := json.Unmarshal(only(before, r.set, named), &after); err != nil {
		return before, before, err
	}
	if err := change(&after); err != nil {
		return before, before, err
	}
	if err := checkLimits(&after); err != nil {
		return before, before, err
	}
	if r.journal != nil {
		if err := r.journal.replace(limitsFile, append(only(after, set, nil), '\n'), true); err != nil {
			return before, before, fmt.Errorf("limits of client sessions: %w", err)
		}
	}
	r.set = set
	r.limits.Store(&after)
	return before, after, nil
}

// restoreLimits takes over the limits that were set before.
func (r *Registry) restoreLimits(text []byte) error {
	var kept map[string]json.RawMessage
	l := r.o.Limits
	if err := json.Unmarshal(text, &kept); err != nil {
		return err
	}
	if err := json.Unmarshal(text, &l); err != nil {
		return err
	}
	if err := checkLimits(&l); err != nil {
		return err
	}
	for name := range properties(l) {
		for as := range kept { // earlier versions began the names with a capital letter
			if strings.EqualFold(as, name) {
				r.set[name] = true
			}
		}
	}
	r.limits.Store(&l)
	return nil
}

// only is the JSON of the limits in set that are not given back to the configuration.
func only(l api.Limits, set, named map[string]bool) []byte {
	all := properties(l)
	maps.DeleteFunc(all, func(name string, _ json.RawMessage) bool {
		is, changed := named[name]
		return !set[name] || changed && !is
	})
	text, _ := json.Marshal(all) // numbers and words always encode
	return text
}

// properties are the limits by their names in JSON.
func properties(l api.Limits) (all map[string]json.RawMessage) {
	text, _ := json.Marshal(l)     // numbers and words always encode
	_ = json.Unmarshal(text, &all) // an object
	return all
}
