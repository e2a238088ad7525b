package selection

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/ilod/ilod/agent/jsonpointer"
	"github.com/ilod/ilod/agent/schema"
)

// Assignment is the value that a property shall have.
type Assignment struct{ Property, Value string }

// ParseAssignment reads PROPERTY=VALUE. It fails with ErrAssignment.
func ParseAssignment(text string) (Assignment, error) {
	property, value, found := strings.Cut(text, "=")
	if property = strings.Trim(strings.TrimSpace(property), "/"); !found || property == "" {
		return Assignment{}, fmt.Errorf("%q: %w", text, ErrAssignment)
	}
	return Assignment{property, value}, nil
}

// pointer is the JSON pointer of a property path in the body, and the value there.
// Names have the letter case of the body; missing ones keep that of the path.
func (x *Resource) pointer(path string) (pointer string, value any) {
	names := x.shownPath(path)
	if _, own := member(x.Body, names[0]); !own && x.hasAttributes() {
		names = slices.Insert(names, 0, attributes)
	}
	value = x.Body
	for i, name := range names {
		switch v := value.(type) {
		case map[string]any:
			names[i], _ = member(v, name)
			value = v[names[i]]
		case []any:
			value = nil
			if n, err := strconv.Atoi(name); err == nil && n >= 0 && n < len(v) {
				value = v[n]
			}
		default:
			value = nil
		}
		pointer += "/" + jsonpointer.Escape(names[i])
	}
	return pointer, value
}

// change is a PATCH that makes the assignments. It reads values by the type of the
// property, and takes allowed values in any letter case. An error wraps ErrValue if the
// checker refuses the change, and also schema.ErrNoProperty if the property does not
// exist. Other errors are of reading.
func (x *Resource) change(ctx context.Context, checker *schema.Checker, assignments []Assignment) (map[string]any, error) {
	change := map[string]any{}
	for _, a := range assignments {
		pointer, now := x.pointer(a.Property)
		if strings.Contains(pointer, "/@odata.") {
			return nil, fmt.Errorf("%w: %s: %s is read-only", ErrValue, x.Path, pointer)
		}
		info, err := checker.Property(ctx, x.Path, pointer)
		if errors.Is(err, schema.ErrNoProperty) {
			return nil, fmt.Errorf("%w: %w", ErrValue, err)
		}
		if err != nil {
			return nil, err
		}
		if err := assign(change, x.Body, split(pointer), read(a.Value, info, now)); err != nil {
			return nil, fmt.Errorf("%w: %s: %w", ErrValue, a.Property, err)
		}
	}
	return change, x.check(ctx, checker, change)
}

// untilArray ends a path at the first array, which can only be written as a whole.
func (x *Resource) untilArray(names []string) []string {
	var at any = x.Body
	for i, name := range names {
		object, ok := at.(map[string]any)
		if !ok {
			return names[:i]
		}
		at = object[name]
	}
	return names
}

// violations are the reasons why the iLO would refuse a PATCH.
func (x *Resource) violations(ctx context.Context, checker *schema.Checker, change map[string]any) ([]schema.Violation, error) {
	return checker.Check(ctx, schema.Write{Method: http.MethodPatch, Path: x.Path, Body: []byte(JSON(change, "")), Current: x.Raw})
}

// check fails with ErrValue if the iLO would refuse a PATCH.
func (x *Resource) check(ctx context.Context, checker *schema.Checker, change map[string]any) error {
	violations, err := x.violations(ctx, checker, change)
	if err != nil || len(violations) == 0 {
		return err
	}
	v := violations[0]
	text := v.Text
	if len(v.Allowed) > 0 && !strings.Contains(v.Text, v.Allowed[0]) {
		text += "; allowed: " + strings.Join(v.Allowed[:min(len(v.Allowed), 20)], ", ")
	}
	return fmt.Errorf("%w: %s: %s", ErrValue, x.Path, text)
}

// writable are the properties that are not known to be read-only.
func (x *Resource) writable(ctx context.Context, checker *schema.Checker) (map[string]any, error) {
	all, err := checker.Properties(ctx, x.Path)
	if err != nil {
		return nil, err
	}
	writable := map[string]any{}
	for _, info := range all {
		names := x.untilArray(split(info.Pointer))
		_, now := x.pointer(info.Pointer)
		if info.ReadOnly || now == nil || isLink(now) || isReserved(names[0]) || slices.ContainsFunc(names, isAbout) {
			continue
		}
		if part, missing := project(x.Body, names); missing == nil {
			writable = merge(writable, part).(map[string]any)
		}
	}
	return writable, nil
}

// future is part with the values that settings will give it.
func future(part, settings map[string]any) map[string]any {
	part = maps.Clone(part)
	for name, v := range part {
		will, set := settings[name]
		inner, isObject := v.(map[string]any)
		below, alike := will.(map[string]any)
		switch {
		case isObject && alike:
			part[name] = future(inner, below)
		case set && !isObject && !alike:
			part[name] = will
		}
	}
	return part
}

// isLink reports an object without data of its own: all its names have an "@".
func isLink(v any) bool {
	object, ok := v.(map[string]any)
	for name := range object {
		ok = ok && strings.Contains(name, "@")
	}
	return ok
}

// assign puts a value at its place in a change of body.
func assign(change, body map[string]any, names []string, v any) error {
	for _, name := range names[:len(names)-1] {
		next, _ := body[name].(map[string]any)
		if _, list := body[name].([]any); list {
			return fmt.Errorf("%s is an array, which can only be set as a whole", name)
		}
		below, made := change[name].(map[string]any)
		if !made {
			below = map[string]any{}
			change[name] = below
		}
		change, body = below, next
	}
	change[names[len(names)-1]] = v
	return nil
}

// read turns typed text into a value for a property, whose value is now.
func read(text string, info schema.Info, now any) any {
	types := strings.Split(info.Type, "|")
	if info.Type == "" && now != nil {
		types = []string{typeOf(now)}
	}
	for _, allowed := range info.Allowed {
		if strings.EqualFold(allowed, text) && slices.Contains(types, "string") {
			return allowed
		}
	}
	if text == `""` {
		return ""
	}
	var v any
	d := json.NewDecoder(bytes.NewReader([]byte(text)))
	d.UseNumber()
	isJSON := d.Decode(&v) == nil && !d.More()
	if !isJSON {
		switch strings.ToLower(text) {
		case "true", "false":
			v, isJSON = strings.EqualFold(text, "true"), true
		case "none":
			isJSON = true
		}
	}
	t := typeOf(v)
	if isJSON && (slices.Contains(types, t) || t == "integer" && slices.Contains(types, "number") || types[0] == "" && t != "null") {
		return v
	}
	return text
}

// typeOf is the type of a value in JSON Schema's words.
func typeOf(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case bool:
		return "boolean"
	case string:
		return "string"
	case []any:
		return "array"
	case json.Number:
		if strings.ContainsAny(v.String(), ".eE") {
			return "number"
		}
		return "integer"
	}
	return "object"
}
