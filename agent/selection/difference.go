package selection

import (
	"context"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// Changes reports whether a PATCH would make a body another one.
func Changes(body, change map[string]any) bool {
	for name, v := range change {
		had, there := body[name]
		object, isObject := v.(map[string]any)
		inner, wasObject := had.(map[string]any)
		switch {
		case isObject && wasObject:
			if Changes(inner, object) {
				return true
			}
		case !there || !reflect.DeepEqual(had, v):
			return true
		}
	}
	return false
}

// Difference is a property that has a value now and another in a resource's
// settings.
type Difference struct {
	Property         string // JSON pointer without its first slash
	Current, Pending any
}

// Differences are what a resource's settings would change of it. What is about the
// resource does not count, nor does what only one of them has.
func Differences(current, settings map[string]any) []Difference {
	var all []Difference
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		if strings.Contains(name, "@") || isReserved(name) {
			continue
		}
		all = differences(all, escaper.Replace(name), current[name], settings[name])
	}
	return all
}

func differences(all []Difference, at string, current, pending any) []Difference {
	was, isObject := current.(map[string]any)
	will, alike := pending.(map[string]any)
	if isObject && alike {
		for _, name := range slices.Sorted(maps.Keys(will)) {
			if v, both := was[name]; both && !strings.Contains(name, "@") {
				all = differences(all, at+"/"+escaper.Replace(name), v, will[name])
			}
		}
		return all
	}
	if current != nil && !reflect.DeepEqual(current, pending) {
		all = append(all, Difference{at, current, pending})
	}
	return all
}

// Pending are settings that take effect with the next reset of the server.
type Pending struct {
	Path, Type  string // of the resource that will change
	Differences []Difference
}

// Pending reads all resources that have settings, and compares.
func (r *Reader) Pending(ctx context.Context) (all []Pending, err error) {
	entries, err := r.Entries(ctx)
	if err != nil {
		return nil, err
	}
	owners := map[string]Entry{}
	for _, e := range entries {
		owners[key(e.Path)] = e
	}
	for _, e := range entries {
		base, isSettings := strings.CutSuffix(key(e.Path), "/settings")
		owner, owned := owners[base]
		if !isSettings || !owned {
			continue
		}
		current, err := r.Read(ctx, owner.Path)
		if err != nil {
			return nil, err
		}
		settings, err := r.Read(ctx, e.Path)
		if err != nil {
			return nil, err
		}
		if d := Differences(current.Shown(), settings.Shown()); d != nil {
			all = append(all, Pending{current.Path, current.Type, d})
		}
	}
	return all, nil
}
