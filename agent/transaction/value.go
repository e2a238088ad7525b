package transaction

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/ilod/ilod/agent/jsonpointer"
)

// decode reads a JSON value as the iLO sends it. That nothing follows it, exchange
// has made sure.
func decode(data []byte) (v any, err error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	err = d.Decode(&v)
	return v, err
}

// merge is what a PATCH makes of a value (DSP0266, modification of objects and
// arrays): in an array an object changes the element at its place, null removes
// it, and what the change has no place for is dropped.
func merge(before, change any) any {
	switch change := change.(type) {
	case map[string]any:
		b, _ := before.(map[string]any)
		after := maps.Clone(b)
		if after == nil {
			after = map[string]any{}
		}
		for name, v := range change {
			after[name] = merge(b[name], v)
		}
		return after
	case []any:
		b, _ := before.([]any)
		after := []any{}
		for i, v := range change {
			if i < len(b) && v != nil {
				v = merge(b[i], v)
			}
			if v != nil {
				after = append(after, v)
			}
		}
		return after
	}
	return change
}

// eachLeaf visits the properties that a change is about, in order: the smallest
// that there are before it, with their values after it. An array is one.
func eachLeaf(before, change any, pointer string, visit func(pointer string, to any)) {
	c, both := change.(map[string]any)
	b, ok := before.(map[string]any)
	if !ok || !both {
		visit(pointer, merge(before, change))
		return
	}
	for _, name := range slices.Sorted(maps.Keys(c)) {
		eachLeaf(b[name], c[name], pointer+"/"+jsonpointer.Escape(name), visit)
	}
}

// names are those on the way that a pointer leads.
func names(pointer string) []string {
	all := strings.Split(pointer, "/")[1:]
	for i := range all {
		all[i] = jsonpointer.Unescape(all[i])
	}
	return all
}

// at is the property that a pointer leads to, nil if it is not there.
func at(v any, pointer string) any {
	for _, name := range names(pointer) {
		o, _ := v.(map[string]any)
		v = o[name]
	}
	return v
}

// put sets a property and makes the objects on the way.
func put(o map[string]any, pointer string, v any) {
	way := names(pointer)
	for _, name := range way[:len(way)-1] {
		inner, ok := o[name].(map[string]any)
		if !ok {
			inner = map[string]any{}
			o[name] = inner
		}
		o = inner
	}
	o[way[len(way)-1]] = v
}

// restoring is the change that makes a former value of the present one. There
// is none for an array that had a null in it, which would remove its element.
func restoring(former, present any) (change any, ok bool) {
	switch former := former.(type) {
	case map[string]any:
		now, _ := present.(map[string]any)
		o := map[string]any{}
		for name := range now {
			o[name] = nil
		}
		for name, v := range former {
			if o[name], ok = restoring(v, now[name]); !ok {
				return nil, false
			}
		}
		return o, true
	case []any:
		now, _ := present.([]any)
		list := make([]any, len(former))
		for i, v := range former {
			var old any
			if i < len(now) {
				old = now[i]
			}
			if list[i], ok = restoring(v, old); !ok || v == nil {
				return nil, false
			}
		}
		return list, true
	}
	return former, true
}
