package selection

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/ilod/ilod/agent/equal"
	"github.com/ilod/ilod/agent/jsonpointer"
	"github.com/ilod/ilod/agent/redfisherror"
)

// Difference is a property whose value in the settings differs from the value now.
type Difference struct {
	Property string `json:"property"` // JSON pointer without its first slash
	Current  any    `json:"current"`
	Pending  any    `json:"pending"`
}

// Differences are the properties that a resource and its settings have with different
// values. Properties about the resource itself do not count.
func Differences(current, settings map[string]any) []Difference {
	return differences(nil, "", WithoutReserved(current), settings)
}

func differences(all []Difference, at string, current, pending any) []Difference {
	was, isObject := current.(map[string]any)
	will, alike := pending.(map[string]any)
	if isObject && alike {
		for _, name := range slices.Sorted(maps.Keys(will)) {
			if v, both := was[name]; both && !strings.Contains(name, "@") {
				all = differences(all, at+"/"+jsonpointer.Escape(name), v, will[name])
			}
		}
		return all
	}
	if !equal.Same(current, pending) {
		all = append(all, Difference{strings.TrimPrefix(at, "/"), current, pending})
	}
	return all
}

// Pending are settings that take effect with the next reset of the server.
type Pending struct {
	Path        string       `json:"path"` // of the resource that will change
	Type        string       `json:"type"` // of it
	Differences []Difference `json:"differences"`
}

// Pending reads all resources with settings, and compares them. It leaves out what
// cannot be read, and Unread names it. If nothing can be read it fails.
func (r *Reader) Pending(ctx context.Context) (all []Pending, err error) {
	err = r.eachWithSettings(ctx, func(x *Resource) error {
		d, err := r.Waiting(ctx, x, nil)
		if d != nil {
			all = append(all, Pending{x.Path, x.Type, d})
		}
		return err
	})
	return all, err
}

// Waiting are the differences between a resource and its settings, if it has some:
// those at or below the property paths, or all if there are no paths.
func (r *Reader) Waiting(ctx context.Context, x *Resource, paths []string) ([]Difference, error) {
	if x.Settings() == "" {
		return nil, nil
	}
	will, err := r.Read(ctx, x.Settings())
	if err != nil {
		return nil, err
	}
	all := Differences(x.Shown(), will.Shown())
	return slices.DeleteFunc(all, func(d Difference) bool {
		at, _ := x.pointer(d.Property)
		return len(paths) > 0 && !slices.ContainsFunc(paths, func(path string) bool {
			pointer, _ := x.pointer(path)
			return strings.HasPrefix(at+"/", pointer+"/")
		})
	}), nil
}

// Applied is what became of a resource's settings at the last reset of the server.
type Applied struct {
	Path     string                 `json:"path"` // of the resource
	Type     string                 `json:"type"` // of it
	Time     string                 `json:"time"` // in the iLO's words; empty if it gives none
	Messages []redfisherror.Message `json:"messages"`
}

// Results reads from all resources with settings what became of these. It leaves out
// what cannot be read, and Unread names it. If nothing can be read it fails.
func (r *Reader) Results(ctx context.Context) (all []Applied, err error) {
	err = r.eachWithSettings(ctx, func(x *Resource) error {
		var body struct {
			Settings json.RawMessage `json:"@Redfish.Settings"`
			Result   json.RawMessage `json:"SettingsResult"` // up to iLO 4
		}
		_ = json.Unmarshal(x.Raw, &body) // Read has parsed it
		for _, raw := range []json.RawMessage{body.Settings, body.Result} {
			var told struct{ Time string }
			_ = json.Unmarshal(raw, &told)
			if messages := redfisherror.Parse(raw); len(messages) > 0 {
				all = append(all, Applied{x.Path, x.Type, told.Time, messages})
				break // an iLO 4 has the same in both
			}
		}
		return nil
	})
	return all, err
}
