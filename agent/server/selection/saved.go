package selection

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/ilod/ilod/agent/equal"
	"github.com/ilod/ilod/agent/schema"
)

// ErrSaved: a file is not what Save writes.
var ErrSaved = errors.New("it is not a list of settings by type and path")

// Saved are the settings of a resource in a file.
type Saved struct {
	Type, Path string
	Settings   map[string]any
}

// comments is the member of the list with notes for people.
const comments = "Comments"

// clock is writable, but nobody wants an old time back.
const clock = "DateTime"

// Save is a file with settings, in ilorest's form, and with comments in front.
func Save(note map[string]any, all []Saved) []byte {
	list := []any{map[string]any{comments: note}}
	for _, s := range all {
		delete(s.Settings, clock)
		list = append(list, map[string]any{s.Type: map[string]any{s.Path: s.Settings}})
	}
	return []byte(JSON(list, "  "))
}

// Origin is the note for Save: which server this is, and which resources could not be
// read. It leaves out what the server does not say. It fails only if ctx has ended.
func (r *Reader) Origin(ctx context.Context, unread []Unread) (note map[string]any, err error) {
	note = map[string]any{}
	systems, err := r.Find(ctx, Selector{Type: "ComputerSystem."})
	if err != nil && ctx.Err() != nil {
		return nil, err
	}
	for _, x := range systems {
		for _, name := range []string{"Manufacturer", "Model", "SerialNumber", "BiosVersion"} {
			if v, ok := x.Body[name].(string); ok && note[name] == nil {
				note[name] = v
			}
		}
	}
	var missing []string
	for _, u := range unread {
		missing = append(missing, u.Path)
	}
	if missing != nil {
		note["NotRead"] = missing
	}
	return note, nil
}

// Load reads a file that Save or ilorest has written. It fails with ErrSaved.
func Load(file []byte) (all []Saved, err error) {
	d := json.NewDecoder(bytes.NewReader(file))
	d.UseNumber()
	var list []map[string]any
	if err := d.Decode(&list); err != nil {
		if e, other := errors.AsType[*json.UnmarshalTypeError](err); other {
			return nil, fmt.Errorf("%w: there is a JSON %s at byte %d, but a list of objects is expected", ErrSaved, e.Value, e.Offset)
		}
		return nil, fmt.Errorf("%w: %w", ErrSaved, err)
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, fmt.Errorf("%w: the list is followed by something else", ErrSaved)
	}
	for _, item := range list {
		for _, odataType := range slices.Sorted(maps.Keys(item)) {
			if odataType == comments {
				continue
			}
			paths, isObject := item[odataType].(map[string]any)
			if !isObject {
				return nil, fmt.Errorf("%w: %s: there is a JSON %s, but settings by path are expected", ErrSaved, odataType, typeOf(item[odataType]))
			}
			for _, path := range slices.Sorted(maps.Keys(paths)) {
				settings, isObject := paths[path].(map[string]any)
				if !strings.HasPrefix(path, "/") || !isObject {
					return nil, fmt.Errorf("%w: %s: %q is not a path with settings", ErrSaved, odataType, path)
				}
				all = append(all, Saved{odataType, path, settings})
			}
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%w: there are no settings in it", ErrSaved)
	}
	return all, nil
}

// restore returns the PATCH that gives a resource its saved settings, and the JSON
// pointers of settings that differ but cannot be written. now is the resource that
// takes the changes, and need not have all properties. The error wraps ErrValue, or is
// one of reading.
func (x *Resource) restore(ctx context.Context, checker *schema.Checker, now *Resource, s Saved) (change map[string]any, left []string, err error) {
	if !strings.EqualFold(Name(s.Type), Name(x.Type)) {
		return nil, nil, fmt.Errorf("%w: %s is a %s here, not a %s", ErrValue, x.Path, Name(x.Type), Name(s.Type))
	}
	will := overlay(x.Body, now.Body)
	change = minimal(will, s.Settings)
	maps.DeleteFunc(change, func(name string, _ any) bool { return name == clock || isReserved(name) })
	for len(change) > 0 {
		violations, err := x.violations(ctx, checker, change)
		if err != nil || len(violations) == 0 {
			return change, left, err
		}
		before := len(left)
		for _, v := range violations {
			if v.Key != "PropertyNotWritable" && v.Key != "PropertyUnknown" {
				return nil, nil, fmt.Errorf("%w: %s: %s", ErrValue, x.Path, cmp.Or(v.Text, v.Key))
			}
			if rest, removed := without(change, split(v.Pointer)); removed { // else it went with its parent
				left = append(left, v.Pointer)
				change, _ = rest.(map[string]any)
			}
		}
		if len(left) == before {
			return nil, nil, fmt.Errorf("%w: %s: %s", ErrValue, x.Path, cmp.Or(violations[0].Text, violations[0].Key))
		}
		change = minimal(will, change)
	}
	return nil, left, nil
}

// overlay is body with the values of over, where over has some.
func overlay(body, over map[string]any) map[string]any {
	both := maps.Clone(body)
	for name, v := range over {
		inner, isObject := v.(map[string]any)
		below, alike := both[name].(map[string]any)
		if isObject && alike {
			v = overlay(below, inner)
		}
		both[name] = v
	}
	return both
}

// isAbout reports properties that describe a resource or its settings, at any depth.
func isAbout(name string) bool {
	return name == "Actions" || name == "Links" || name == "SettingsObject"
}

// minimal is the part of a change that body does not have yet, without properties that
// describe resources.
func minimal(body, change map[string]any) map[string]any {
	rest := map[string]any{}
	for name, v := range change {
		if strings.Contains(name, "@") || isAbout(name) || isLink(v) {
			continue
		}
		object, isObject := v.(map[string]any)
		inner, wasObject := body[name].(map[string]any)
		if isObject && wasObject {
			if below := minimal(inner, object); len(below) > 0 {
				rest[name] = below
			}
		} else if !equal.Asked(body, map[string]any{name: v}) {
			rest[name] = v
		}
	}
	return rest
}

// without removes the value at a path from a change, and the objects that are empty
// then. rest is nil if nothing is left. An element of an array stays in its place as an
// empty object, which means "do not change" (DSP0266). If that element is not an object
// the whole array goes, since a shorter one would mean something else.
func without(change any, path []string) (rest any, removed bool) {
	switch v := change.(type) {
	case map[string]any:
		inner, there := v[path[0]]
		if there && len(path) > 1 {
			inner, there = without(inner, path[1:])
		} else {
			inner = nil
		}
		if !there {
			return v, false
		}
		v = maps.Clone(v)
		if v[path[0]] = inner; inner == nil {
			delete(v, path[0])
		}
		if len(v) > 0 {
			return v, true
		}
		return nil, true
	case []any:
		i, err := strconv.Atoi(path[0])
		if err != nil || i < 0 || i >= len(v) {
			return v, false
		}
		if len(path) == 1 {
			return nil, true
		}
		inner, there := without(v[i], path[1:])
		if !there {
			return v, false
		}
		v = slices.Clone(v)
		if v[i] = inner; inner == nil {
			v[i] = map[string]any{}
		}
		if slices.ContainsFunc(v, func(e any) bool { object, is := e.(map[string]any); return !is || len(object) > 0 }) {
			return v, true
		}
		return nil, true
	}
	return change, false
}
