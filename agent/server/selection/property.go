package selection

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/ilod/ilod/agent/jsonpointer"
	"github.com/ilod/ilod/agent/schema"
)

// split returns the names in a property path such as "Oem/Hpe/PostState": a JSON
// pointer without its first slash.
func split(path string) []string {
	names := strings.Split(strings.Trim(path, "/"), "/")
	for i := range names {
		names[i] = jsonpointer.Unescape(names[i])
	}
	return names
}

// attributes is the property with the settings of a resource with an attribute
// registry. Property paths may leave it out.
const attributes = "Attributes"

func (x *Resource) hasAttributes() bool {
	_, registered := x.Body["AttributeRegistry"]
	_, has := x.Body[attributes].(map[string]any)
	return registered && has
}

// Shown is the body for people: its attributes stand among its properties.
func (x *Resource) Shown() map[string]any { return x.show(x.Body) }

// show is Shown for a part of the body.
func (x *Resource) show(part map[string]any) map[string]any {
	inner, has := part[attributes].(map[string]any)
	if !has || !x.hasAttributes() {
		return part
	}
	shown := maps.Clone(part)
	delete(shown, attributes)
	for name, v := range inner {
		if _, taken := shown[name]; !taken {
			shown[name] = v
		}
	}
	return shown
}

// shownPath is a property path as Shown has it.
func (x *Resource) shownPath(path string) []string {
	names := split(path)
	if x.hasAttributes() && len(names) > 1 && strings.EqualFold(names[0], attributes) {
		names = names[1:]
	}
	return names
}

// reserved are the properties about the resource itself, not about the thing that it
// describes.
var reserved = []string{
	"actions", "attributeregistry", "availableactions", "context", "description", "etag", "extref", "id", "links", "modified", "name", "settingsresult", "type",
}

func isReserved(name string) bool {
	return strings.HasPrefix(name, "@odata.") || slices.Contains(reserved, strings.ToLower(name))
}

// WithoutReserved leaves out the properties that every resource has.
func WithoutReserved(body map[string]any) map[string]any {
	body = maps.Clone(body)
	maps.DeleteFunc(body, func(name string, _ any) bool { return isReserved(name) })
	return body
}

// Project takes properties out of each resource. Paths such as "Oem/Hpe/PostState" name
// them, in any letter case. A path leads into each element of an array, or by a number
// into one. Resources with none of the properties are left out. missing has an
// ErrNoProperty for each path that no resource has.
func Project(found []*Resource, paths []string) (parts []map[string]any, missing []error) {
	all := make([]map[string]any, len(found))
	for _, path := range paths {
		var first error
		has := false
		for i, x := range found {
			part, lack := project(x.Shown(), x.shownPath(path))
			if lack != nil {
				first = cmp.Or(first, x.lacks(path, lack))
				continue
			}
			has = true
			if all[i] == nil {
				all[i] = map[string]any{}
			}
			all[i] = merge(all[i], part).(map[string]any)
		}
		if !has {
			missing = append(missing, first)
		}
	}
	return slices.DeleteFunc(all, func(part map[string]any) bool { return part == nil }), missing
}

// values are what a property path leads to.
func (x *Resource) values(path string) ([]any, error) {
	part, missing := project(x.Shown(), x.shownPath(path))
	if missing != nil {
		return nil, x.lacks(path, missing)
	}
	return leaves(part, len(x.shownPath(path))), nil
}

// Part is what a JSON pointer (RFC 6901) leads to in a body. It fails with
// ErrNoProperty.
func Part(body []byte, pointer string) (json.RawMessage, error) {
	part := json.RawMessage(body)
	for name := range strings.SplitSeq(strings.TrimPrefix(pointer, "/"), "/") {
		name = jsonpointer.Unescape(name)
		var object map[string]json.RawMessage
		var array []json.RawMessage
		switch i, err := strconv.Atoi(name); {
		case json.Unmarshal(part, &object) == nil:
			part = object[name]
		case json.Unmarshal(part, &array) == nil && err == nil && i >= 0 && i < len(array):
			part = array[i]
		default:
			part = nil
		}
		if part == nil {
			return nil, fmt.Errorf("%w %s%s", ErrNoProperty, pointer, schema.Suggest(name, slices.Collect(maps.Keys(object))))
		}
	}
	return part, nil
}

// lack is a missing name, and the names in its place.
type lack struct {
	name  string
	names []string
}

func (x *Resource) lacks(path string, l *lack) error {
	return fmt.Errorf("%w: %s has no %s%s", ErrNoProperty, x.Path, path, schema.Suggest(l.name, l.names))
}

// project is the part of a value at a path.
func project(v any, path []string) (any, *lack) {
	if len(path) == 0 {
		return v, nil
	}
	switch v := v.(type) {
	case map[string]any:
		name, found := member(v, path[0])
		if !found {
			return nil, &lack{path[0], slices.Sorted(maps.Keys(v))}
		}
		part, missing := project(v[name], path[1:])
		return map[string]any{name: part}, missing
	case []any:
		if i, err := strconv.Atoi(path[0]); err == nil && i >= 0 && i < len(v) {
			part, missing := project(v[i], path[1:])
			return []any{part}, missing
		}
		var parts []any
		var first *lack
		found := false
		for _, element := range v {
			part, missing := project(element, path)
			if missing != nil {
				part, first = map[string]any{}, missing // keeps the place, for merge
			}
			found = found || missing == nil
			parts = append(parts, part)
		}
		if found {
			return parts, nil
		}
		if first != nil {
			return nil, first
		}
	}
	return nil, &lack{name: path[0]}
}

// member finds a property: by its exact name, else in any letter case.
func member(object map[string]any, name string) (string, bool) {
	if _, exact := object[name]; exact {
		return name, true
	}
	for _, n := range slices.Sorted(maps.Keys(object)) {
		if strings.EqualFold(n, name) {
			return n, true
		}
	}
	return name, false
}

// merge joins two projections of the same value.
func merge(a, b any) any {
	switch b := b.(type) {
	case map[string]any:
		if a, ok := a.(map[string]any); ok {
			both := maps.Clone(a)
			for name, v := range b {
				if had, ok := both[name]; ok {
					v = merge(had, v)
				}
				both[name] = v
			}
			return both
		}
	case []any:
		if a, ok := a.([]any); ok && len(a) == len(b) {
			both := make([]any, len(a))
			for i := range a {
				both[i] = merge(a[i], b[i])
			}
			return both
		}
	}
	return b
}

// leaves are the values that many names deep in a projection.
func leaves(v any, depth int) (all []any) {
	switch v := v.(type) {
	case map[string]any:
		if depth > 0 {
			for _, part := range v {
				all = append(all, leaves(part, depth-1)...)
			}
			return all
		}
	case []any:
		for _, part := range v {
			all = append(all, leaves(part, depth)...)
		}
		return all
	}
	if depth > 0 {
		return nil
	}
	return []any{v}
}
