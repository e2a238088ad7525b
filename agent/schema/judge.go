package schema

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/ilod/ilod/agent/ilopath"
)

const (
	maxVisits  = 10_000 // of values in one body, with each schema in question
	maxChoices = 4      // of schemas that lead to choices again
)

// judge goes through a body.
type judge struct {
	ctx    context.Context
	c      *Checker
	method string

	top      map[string]present // properties that the resource has; nil if not known
	registry map[string]*node   // of its attributes; nil if it has none

	visits     int
	err        error
	violations []Violation
}

// place is where in the body the judge is.
type place struct {
	pointer string
	name    string  // of the property
	node    *node   // what the schema says of it
	current present // what there is now
	listed  bool    // among the writeable properties, so that it is not read-only
	choices int     // of schemas for this value that led to another choice
	// others are what there is now in the other elements of an array; nil if the
	// place is in none.
	others func() []present
}

// property is the place of a property, now current, in an object.
func (at place) property(name string, current present) place {
	below := place{pointer: at.pointer + "/" + escape(name), name: name, current: current}
	if at.others != nil {
		below.others = func() (all []present) {
			for _, o := range at.others() {
				if v := o.members()[name]; v != nil {
					all = append(all, v)
				}
			}
			return all
		}
	}
	return below
}

// element is the place of an element in an array, which has current elements.
func (at place) element(i int, current []present) place {
	below := place{pointer: fmt.Sprintf("%s/%d", at.pointer, i), name: at.name, listed: at.listed, others: func() []present { return current }}
	if i < len(current) {
		below.current = current[i]
	}
	return below
}

// now is all that there is now at the place.
func (at place) now() (all []present) {
	if at.current != nil {
		all = append(all, at.current)
	}
	if at.others != nil {
		all = append(all, at.others()...)
	}
	return all
}

func (j *judge) report(at place, key, why string, v any, allowed []string) {
	args := []string{at.name}
	if strings.HasPrefix(key, "PropertyValue") {
		args = []string{shown(at.name, v), at.name}
		if key == "PropertyValueFormatError" {
			args[0] = hidden // whatever it is called, it may be a password
		}
	}
	j.violations = append(j.violations, Violation{Key: key, Args: args, Pointer: at.pointer, Text: at.pointer + " " + why, Allowed: allowed})
}

// object judges the properties of an object.
func (j *judge) object(at place, body map[string]any) {
	o := j.inside(at)
	for _, name := range slices.Sorted(maps.Keys(body)) {
		if strings.Contains(name, "@") {
			continue // annotations are for the iLO
		}
		v := body[name]
		below, known := j.property(o, name)
		_, container := v.(map[string]any)
		elsewhere := j.elsewhere(o, name)
		switch {
		// Not all that a new resource can be given is a property of it, and HPE's
		// examples call parameters of actions otherwise than its schemas.
		case j.method != http.MethodPost && (elsewhere != "" || !known && o.node.closed) && len(below.now()) == 0:
			if elsewhere == "" {
				elsewhere = Suggest(name, slices.Sorted(maps.Keys(o.node.properties)))
			}
			j.report(below, "PropertyUnknown", "is no property here"+elsewhere, v, nil)
		case j.method == http.MethodPatch && o.writeable != nil && !below.listed && !container:
			j.report(below, "PropertyNotWritable", "is read-only; writeable here: "+strings.Join(o.writeable, ", "), v, nil)
		default:
			j.value(below, v)
		}
	}
}

// inner is a place with an object, and what is known of its properties.
type inner struct {
	place
	members   map[string]present
	writeable []string // nil if it is not said which properties are
}

func (j *judge) inside(at place) inner {
	o := inner{place: at, members: at.current.members()}
	if n := j.own(at.node, o.members); n != nil {
		o.node = n
	}
	if o.node == nil {
		o.node = &node{}
	}
	o.writeable = o.members["@Redfish.WriteableProperties"].strings()
	if slices.Contains(o.writeable, "*") {
		o.writeable = nil
	}
	return o
}

// property is the place of a property, with its schema and what annotations
// beside it say, which goes first. known is false if the schema does not have it.
func (j *judge) property(o inner, name string) (below place, known bool) {
	below = o.place.property(name, o.members[name])
	below.node, known = o.node.property(name)
	below.node = j.resolve(below.node)
	below.listed = slices.Contains(o.writeable, name)
	values := o.members[name+"@Redfish.AllowableValues"].strings()
	spans := parseSpans(o.members[name+"@Redfish.AllowableNumbers"].strings())
	pattern := compile(o.members[name+"@Redfish.AllowablePattern"].text())
	if len(values) == 0 && spans == nil && pattern == nil {
		return below, known
	}
	n := below.node.copy()
	target := n
	if n.kinds == array || below.current.kind() == array {
		target = j.resolve(n.items).copy()
		n.items = target
	}
	if len(values) > 0 {
		target.allowed = values
	}
	if spans != nil {
		target.spans = spans
	}
	if pattern != nil {
		target.pattern = pattern
	}
	below.node = n
	return below, known
}

// own is the schema of the type that an object itself gives, if that of its parent
// does not say what is in it.
func (j *judge) own(n *node, current map[string]present) *node {
	if n != nil && (n.properties != nil || n.patterns != nil) {
		return nil
	}
	typ := current["@odata.type"].text()
	if typ == "" {
		return nil
	}
	d, err := j.c.schema(j.ctx, typ)
	if err != nil {
		j.err = err
	}
	if d == nil {
		return nil
	}
	return j.resolve(d.root)
}

func (j *judge) resolve(n *node) *node {
	n, err := j.c.resolve(j.ctx, n)
	if err != nil {
		j.err = err
	}
	return n
}

// parseSpans reads Redfish.AllowableNumbers: "5", "1:16", ":100". Steps are left
// to the iLO. nil if one of them is not understood.
func parseSpans(list []string) (spans []span) {
	for _, s := range list {
		low, high, ranged := strings.Cut(s, ":")
		high, _, _ = strings.Cut(high, ":")
		if !ranged {
			high = low
		}
		one := newSpan(json.Number(low), json.Number(high))
		if one == nil {
			return nil
		}
		spans = append(spans, *one)
	}
	return spans
}

// value judges the value of a property.
func (j *judge) value(at place, v any) {
	if j.visits++; j.visits > maxVisits || j.err != nil || j.ctx.Err() != nil {
		return
	}
	n := at.node
	if n == nil {
		n = &node{}
	}
	if n.alternatives != nil {
		if at.choices++; at.choices <= maxChoices {
			j.alternatives(at, v)
		}
		return
	}
	items := j.resolve(n.items)
	_, isObject := v.(map[string]any)
	_, isArray := v.([]any)
	if j.method == http.MethodPatch && n.readOnly != nil && *n.readOnly && !at.listed &&
		!(isObject && (n.properties != nil || n.patterns != nil)) && !(isArray && items != nil && items.properties != nil) {
		j.report(at, "PropertyNotWritable", "is read-only", v, nil)
		return
	}
	// A rule that the present value breaks is not the one that the iLO goes by.
	if key := n.breach(v); key != "" {
		if !slices.ContainsFunc(at.now(), func(p present) bool { return n.breach(p.value()) == key }) {
			j.report(at, key, n.demand(at.name, key, v), v, n.allowed)
		}
		return
	}
	if n.kinds == 0 && at.current != nil && v != nil {
		// Without a schema, this much is certain: what has parts stays such.
		const parts = array | object
		if was, is := at.current.kind(), kindOfValue(v); was != null && was != is && (was|is)&parts != 0 {
			j.report(at, "PropertyValueTypeError", fmt.Sprintf("must be of type %v, not %v", was, is), v, nil)
			return
		}
	}
	switch v := v.(type) {
	case map[string]any:
		j.object(at, v)
	case []any:
		now := at.current.elements()
		for i, v := range v {
			if o, ok := v.(map[string]any); v == nil || ok && len(o) == 0 {
				continue // drops or keeps an element (DSP0266)
			}
			below := at.element(i, now)
			below.node = items
			j.value(below, v)
		}
	}
}

// alternatives judges a value for which there are several schemas, by that which
// has least against it.
func (j *judge) alternatives(at place, v any) {
	var least *judge
	for _, n := range at.node.alternatives {
		if n == nil {
			return
		}
		one := &judge{ctx: j.ctx, c: j.c, method: j.method, top: j.top, registry: j.registry, visits: j.visits}
		merged := at
		if merged.node = one.resolve(n); merged.node == nil {
			j.err = one.err
			return
		}
		if at.node.readOnly != nil {
			merged.node = at.node.over(merged.node)
		}
		one.value(merged, v)
		j.visits, j.err = one.visits, one.err
		if least == nil || len(one.violations) < len(least.violations) || merged.node.kinds&kindOfValue(v) != 0 {
			least = one
		}
		if len(one.violations) == 0 || j.err != nil {
			return
		}
	}
	j.violations = append(j.violations, least.violations...)
}

// required reports what must be given to a new resource, and is not: by its
// schema, and by the capabilities of its collection.
func (j *judge) required(at place, body map[string]any) {
	needed := map[string]bool{}
	if at.node != nil {
		for _, name := range at.node.required {
			needed[name] = true
		}
	}
	current := at.current.members()
	for annotation, v := range current {
		if name, ok := strings.CutSuffix(annotation, "@Redfish.RequiredOnCreate"); ok && v.value() == true {
			needed[name] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(needed)) {
		below := at.property(name, current[name])
		v, given := body[name]
		if !given {
			j.report(below, "CreateFailedMissingReqProperties", "is missing: it is required to create a resource", nil, nil)
		} else if o, ok := v.(map[string]any); ok {
			j.required(below, o)
		}
	}
}

// action judges the parameters of an action by what the resource, and the schema
// of the resource, say of it.
func (j *judge) action(path string, resource present, d *document, body map[string]any) {
	name, description := findAction(resource.members()["Actions"], path)
	at := place{node: &node{}, current: description}
	if d != nil && d.actions[name] != nil {
		at.node = d.actions[name]
	}
	j.object(at, body)
}

// findAction finds the description of an action by its target.
func findAction(actions present, target string) (name string, description present) {
	all := actions.members()
	for name, v := range all["Oem"].members() {
		if v.kind() == object && !strings.HasPrefix(name, "#") { // Oem.Hpe
			maps.Copy(all, v.members())
		} else {
			all[name] = v
		}
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if ilopath.Canonical(all[name].members()["target"].text()) == ilopath.Canonical(target) {
			return strings.TrimPrefix(name, "#"), all[name]
		}
	}
	return "", nil
}
