package schema

import (
	"context"
	"fmt"
	"maps"
	"math"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// maxVisits bounds the work for one write: schemas may refer to themselves.
const maxVisits = 100_000

// judge goes through a body.
type judge struct {
	ctx    context.Context
	c      *Checker
	method string

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
}

func (j *judge) report(at place, key, why string, v any, allowed []string) {
	args := []string{at.name}
	if strings.HasPrefix(key, "PropertyValue") {
		args = []string{asText(v), at.name}
		switch {
		case key == "PropertyValueFormatError" || secret(at.name):
			args[0] = "..." // may be a password
		case kindOfValue(v)&(array|object) != 0:
			args[0] = kindOfValue(v).String()
		}
	}
	j.violations = append(j.violations, Violation{Key: key, Args: args, Pointer: at.pointer, Text: at.pointer + " " + why, Allowed: allowed})
}

var secrets = regexp.MustCompile(`(?i)pass|secret|key|token|credential|community`)

// secret reports whether the value of a property is better not shown.
func secret(name string) bool { return secrets.MatchString(name) }

// object judges the properties of an object.
func (j *judge) object(at place, body map[string]any) {
	current := at.current.members()
	n := at.node
	if d := j.own(n, current); d != nil {
		n = d
	}
	writeable := current["@Redfish.WriteableProperties"].strings()
	for _, name := range slices.Sorted(maps.Keys(body)) {
		if strings.Contains(name, "@") {
			continue // annotations are for the iLO
		}
		v := body[name]
		p, known := n.property(name)
		below := place{at.pointer + "/" + escape(name), name, p, current[name], slices.Contains(writeable, name)}
		switch {
		case known || n == nil || !n.closed || below.current != nil:
		case j.method == http.MethodPost && nearest(name, missing(n, body)) == "":
			// Not all that a new resource can be given is a property of it.
		default:
			j.report(below, "PropertyUnknown", "is no property here"+suggest(name, slices.Collect(maps.Keys(n.properties))), v, nil)
			continue
		}
		_, container := v.(map[string]any)
		if j.method == http.MethodPatch && writeable != nil && !below.listed && !container && !slices.Contains(writeable, "*") {
			j.report(below, "PropertyNotWritable", "is read-only; writeable here: "+strings.Join(writeable, ", "), v, nil)
			continue
		}
		j.value(j.annotated(below, current), v)
	}
}

// missing are the properties of a schema that a body does not have.
func missing(n *node, body map[string]any) (names []string) {
	for name := range n.properties {
		if _, ok := body[name]; !ok {
			names = append(names, name)
		}
	}
	return names
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

// annotated resolves the schema of a property, and adds what annotations beside
// it say, which goes first.
func (j *judge) annotated(at place, siblings map[string]present) place {
	at.node = j.resolve(at.node)
	values := siblings[at.name+"@Redfish.AllowableValues"].strings()
	numbers := siblings[at.name+"@Redfish.AllowableNumbers"].strings()
	pattern := compile(siblings[at.name+"@Redfish.AllowablePattern"].value())
	if values == nil && numbers == nil && pattern == nil {
		return at
	}
	n := &node{}
	if at.node != nil {
		n = new(*at.node)
	}
	target := n
	if at.current.elements() != nil || n.kinds == array {
		target = &node{}
		if items := j.resolve(n.items); items != nil {
			target = new(*items)
		}
		n.items = target
	}
	if values != nil {
		target.allowed = values
	}
	if spans := parseSpans(numbers); spans != nil {
		target.spans = spans
	}
	if pattern != nil {
		target.pattern = pattern
	}
	at.node = n
	return at
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
		bound := func(s string, none float64) float64 {
			if f, err := strconv.ParseFloat(s, 64); err == nil || s != "" {
				return f
			}
			return none
		}
		spans = append(spans, span{bound(low, math.Inf(-1)), bound(high, math.Inf(1))})
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
		j.alternatives(at, v)
		return
	}
	items := j.resolve(n.items)
	_, isObject := v.(map[string]any)
	_, isArray := v.([]any)
	if j.method == http.MethodPatch && n.readOnly != nil && *n.readOnly && !at.listed &&
		!(isObject && n.properties != nil) && !(isArray && items != nil && items.properties != nil) {
		j.report(at, "PropertyNotWritable", "is read-only", v, nil)
		return
	}
	// A rule that the present value breaks is not the one that the iLO goes by.
	if key := n.breach(v); key != "" {
		if at.current == nil || n.breach(at.current.value()) != key {
			j.report(at, key, n.demand(key, v), v, n.allowed)
		}
		return
	}
	if n.kinds == 0 && at.current != nil && v != nil {
		// Without a schema, this much is certain: what has parts stays such.
		const parts = array | object
		if was, is := kindOfValue(at.current.value()), kindOfValue(v); was != null && was != is && (was|is)&parts != 0 {
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
			below := place{fmt.Sprintf("%s/%d", at.pointer, i), at.name, items, nil, at.listed}
			if len(now) > 0 {
				below.current = now[min(i, len(now)-1)] // a new one is much like the last
			}
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
		one := &judge{ctx: j.ctx, c: j.c, method: j.method, visits: j.visits}
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

// attributes judges what is written to the attributes that a registry describes.
func (j *judge) attributes(at place, registry map[string]*node, v any) {
	body, ok := v.(map[string]any)
	if !ok {
		j.report(at, "PropertyValueTypeError", "must be of type object, not "+kindOfValue(v).String(), v, nil)
		return
	}
	j.object(place{at.pointer, at.name, &node{properties: registry, closed: true}, at.current, false}, body)
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
		below := place{pointer: at.pointer + "/" + escape(name), name: name, current: current[name]}
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
	for name, a := range actions.members() {
		m := a.members()
		if same(m["target"].text(), target) {
			return strings.TrimPrefix(name, "#"), a
		}
		if !strings.HasPrefix(name, "#") { // Oem and what is in it
			if name, d := findAction(a, target); d != nil {
				return name, d
			}
		}
	}
	return "", nil
}

// same reports whether two paths are of one resource (ilo-behaviour §5).
func same(a, b string) bool {
	return strings.EqualFold(strings.TrimSuffix(a, "/"), strings.TrimSuffix(b, "/"))
}
