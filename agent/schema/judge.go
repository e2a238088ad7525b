package schema

import (
	"cmp"
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
	maxVisits     = 10_000 // of values in one body, with each schema in question
	maxChoices    = 4      // of schemas that lead to choices again
	maxViolations = 50     // that are told of one body
)

// judge goes through a body.
type judge struct {
	life   context.Context // of the judgement
	c      *Checker
	method string

	top        map[string]present // properties that the resource has; nil if not known
	attributes map[string]present // those in Attributes
	registry   map[string]*node   // of its attributes; nil if it has none

	visits   int
	err      error
	findings []finding // at most maxViolations
}

// finding is a violation whose text is made only if it is told: of the schemas in
// question all but one are tried in vain.
type finding struct {
	at      place
	key     string
	v       any
	allowed []string
	why     func() string
}

// enough reports that nothing more is to be looked at.
func (j *judge) enough() bool {
	return len(j.findings) >= maxViolations || j.visits > maxVisits || j.err != nil || j.life.Err() != nil
}

// violations are the findings, told.
func (j *judge) violations() (all []Violation) {
	for _, f := range j.findings {
		name := short(f.at.name)
		args := []string{name}
		if strings.HasPrefix(f.key, "PropertyValue") {
			args = []string{shown(f.at.name, f.v), name}
			if f.key == "PropertyValueFormatError" {
				args[0] = hidden // whatever it is called, it may be a password
			}
		}
		pointer := f.at.trail.shown()
		all = append(all, Violation{Key: f.key, Args: args, Pointer: pointer, Text: pointer + " " + f.why(), Allowed: f.allowed})
	}
	if n := len(all); n == maxViolations {
		all[n-1].Text += "; further faults are not listed"
	}
	return all
}

// place is where in the body the judge is.
type place struct {
	trail   *trail
	name    string  // of the property
	node    *node   // what the schema says of it
	current present // what there is now
	listed  bool    // among the writeable properties, so that it is not read-only
	choices int     // of schemas for this value that led to another choice
	others  *crowd  // what there is now in the elements of an array; nil if the place is in none
}

// property is the place of a property, now current, in an object.
func (at place) property(name string, current present) place {
	return place{trail: at.trail.property(name), name: name, current: current, others: at.others.property(name)}
}

// element is the place of an element in an array, which has current elements.
func (at place) element(i int, current *crowd) place {
	below := place{trail: at.trail.element(i), name: at.name, listed: at.listed, others: current}
	if i < len(current.list) {
		below.current = current.list[i]
	}
	return below
}

// empty reports a place where there is nothing now.
func (at place) empty() bool {
	return at.current == nil && (at.others == nil || len(at.others.list) == 0)
}

// now reports whether such holds for a present value at the place.
func (at place) now(such func(present) bool) bool {
	return at.current != nil && such(at.current) || at.others != nil && slices.ContainsFunc(at.others.list, such)
}

func (j *judge) report(at place, key string, v any, allowed []string, why func() string) {
	if len(j.findings) < maxViolations {
		j.findings = append(j.findings, finding{at, key, v, allowed, why})
	}
}

// because is a reason that is known already.
func because(why string) func() string { return func() string { return why } }

// object judges the properties of an object.
func (j *judge) object(at place, body map[string]any) {
	o := j.inside(at)
	for _, name := range slices.Sorted(maps.Keys(body)) {
		if j.enough() {
			return
		}
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
		case j.method != http.MethodPost && (elsewhere != "" || !known && o.node.closed) && below.empty():
			j.report(below, "PropertyUnknown", v, nil, func() string {
				return "is not a property here" + cmp.Or(elsewhere, Suggest(name, slices.Sorted(maps.Keys(o.node.properties))))
			})
		case j.method == http.MethodPatch && o.writeable != nil && !below.listed && !container:
			j.report(below, "PropertyNotWritable", v, nil, func() string { return "is read-only; writeable here: " + strings.Join(o.writeable, ", ") })
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
	d, err := j.c.schema(j.life, typ)
	if err != nil {
		j.err = err
	}
	if d == nil {
		return nil
	}
	return j.resolve(d.root)
}

func (j *judge) resolve(n *node) *node {
	n, err := j.c.resolve(j.life, n)
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
	if j.visits++; j.enough() {
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
		j.report(at, "PropertyNotWritable", v, nil, because("is read-only"))
		return
	}
	// A rule that the present value breaks is not the one that the iLO goes by.
	if key := n.breach(v); key != "" {
		broken := func(p present) bool {
			j.visits++
			return n.breach(p.scalar()) == key
		}
		if !at.now(broken) {
			j.report(at, key, v, n.allowed, func() string { return n.demand(at.name, key, v) })
		}
		return
	}
	if n.kinds == 0 && at.current != nil && v != nil {
		// Without a schema, this much is certain: what has parts stays such.
		const parts = array | object
		if was, is := at.current.kind(), kindOfValue(v); was != null && was != is && (was|is)&parts != 0 {
			j.report(at, "PropertyValueTypeError", v, nil, because(fmt.Sprintf("must be of type %v, not %v", was, is)))
			return
		}
	}
	switch v := v.(type) {
	case map[string]any:
		j.object(at, v)
	case []any:
		now := &crowd{list: at.current.elements()}
		for i, v := range v {
			if j.enough() {
				return
			}
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
		one := &judge{life: j.life, c: j.c, method: j.method, top: j.top, attributes: j.attributes, registry: j.registry, visits: j.visits}
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
		if least == nil || len(one.findings) < len(least.findings) || merged.node.kinds&kindOfValue(v) != 0 {
			least = one
		}
		if len(one.findings) == 0 || j.err != nil {
			return
		}
	}
	if least != nil {
		j.findings = append(j.findings, least.findings[:min(len(least.findings), maxViolations-len(j.findings))]...)
	}
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
			j.report(below, "CreateFailedMissingReqProperties", nil, nil, because("is missing: it is required to create a resource"))
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
