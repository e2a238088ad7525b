package schema

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
)

// node is a JSON Schema, as far as it says what values are allowed. A nil *node
// says nothing.
type node struct {
	rule
	ref          string    // another schema in its place
	document     *document // for which ref is relative
	alternatives []*node   // anyOf, oneOf
	properties   map[string]*node
	patterns     []patternNode
	closed       bool // has no other properties
	items        *node
	required     []string // in a POST that creates a resource
}

type patternNode struct {
	name *regexp.Regexp
	node *node
}

// document is a file of JSON Schema.
type document struct {
	root        *node
	definitions map[string]*node
	actions     map[string]*node
}

// parseDocument reads a file of JSON Schema. What it does not understand in it,
// it takes for what allows everything: the files of real iLOs have types named
// "enum" and "Boolean", and lists of values that are references.
func parseDocument(body []byte) (*document, error) {
	raw, ok := present(body).value().(map[string]any)
	if !ok {
		return nil, fmt.Errorf("%w: no schema", errDocument)
	}
	d := &document{}
	d.root = d.node(raw)
	d.definitions = d.nodes(raw["definitions"])
	actions, _ := raw["actions"].(map[string]any)
	d.actions = d.nodes(actions["actions"])
	return d, nil
}

func (d *document) nodes(v any) map[string]*node {
	raw, _ := v.(map[string]any)
	if raw == nil {
		return nil
	}
	all := make(map[string]*node, len(raw))
	for name, v := range raw {
		all[name] = d.node(v)
	}
	return all
}

func (d *document) node(v any) *node {
	raw, ok := v.(map[string]any)
	if !ok {
		return nil
	}
	n := &node{document: d, properties: d.nodes(raw["properties"]), closed: raw["additionalProperties"] == false}
	n.ref, _ = raw["$ref"].(string)
	n.help, _ = raw["description"].(string)
	if long, ok := raw["longDescription"].(string); ok && n.help == "" {
		n.help = long
	}
	if b, ok := raw["readonly"].(bool); ok {
		n.readOnly = &b
	} else if b, ok := raw["readOnly"].(bool); ok {
		n.readOnly = &b
	}
	if v, ok := raw["default"]; ok {
		n.fallback = asText(v)
	}
	n.kinds = kindsOf(raw["type"])
	n.allow(raw["enum"])
	if s := newSpan(first(raw, "minimum", "min"), first(raw, "maximum", "max")); s != nil && raw["exclusiveMinimum"] == nil && raw["exclusiveMaximum"] == nil {
		n.spans = []span{*s}
	}
	n.length = newSpan(raw["minLength"], raw["maxLength"])
	n.pattern = compile(raw["pattern"])
	if items, ok := raw["items"].(map[string]any); ok {
		n.items = d.node(items)
	}
	for _, keyword := range []string{"anyOf", "oneOf"} {
		list, _ := raw[keyword].([]any)
		for _, v := range list {
			n.alternatives = append(n.alternatives, d.node(v))
		}
	}
	byPattern := d.nodes(raw["patternProperties"])
	for _, p := range slices.Sorted(maps.Keys(byPattern)) {
		re := compile(p)
		n.patterns = append(n.patterns, patternNode{re, byPattern[p]})
		n.closed = n.closed && re != nil
	}
	n.closed = n.closed && n.properties != nil && n.alternatives == nil && raw["allOf"] == nil
	n.required = names(raw["requiredOnCreate"])
	return n
}

func first(raw map[string]any, names ...string) any {
	for _, name := range names {
		if v, ok := raw[name]; ok {
			return v
		}
	}
	return nil
}

func names(v any) (list []string) {
	raw, _ := v.([]any)
	for _, v := range raw {
		if s, ok := v.(string); ok {
			list = append(list, s)
		}
	}
	return list
}

// kindsOf reads the keyword "type"; 0 if it is missing, or has a name that is not
// known.
func kindsOf(v any) (all kind) {
	list, ok := v.([]any)
	if !ok {
		list = []any{v}
	}
	for _, v := range list {
		name, ok := v.(string)
		if v == nil && len(list) > 1 {
			name, ok = "null", true // ["string", null]
		}
		k := kindOf(name)
		if !ok || k == 0 {
			return 0
		}
		all |= k
	}
	return all
}

// allow reads the keyword "enum". A list with something that is no scalar counts
// as none.
func (n *node) allow(v any) {
	list, _ := v.([]any)
	var allowed []string
	for _, v := range list {
		switch v.(type) {
		case nil:
			if n.kinds != 0 {
				n.kinds |= null
			}
		case string, bool, json.Number:
			allowed = append(allowed, asText(v))
		default:
			return
		}
	}
	n.allowed = allowed
}

// property is the schema of a property, nil if it says nothing. known is false if
// the schema does not have such a property.
func (n *node) property(name string) (p *node, known bool) {
	if n == nil {
		return nil, false
	}
	if p, ok := n.properties[name]; ok {
		return p, true
	}
	for _, p := range n.patterns {
		if p.name != nil && p.name.MatchString(name) {
			return p.node, true
		}
	}
	return nil, false
}

// copy is one that may be changed.
func (n *node) copy() *node {
	if n == nil {
		return &node{}
	}
	return new(*n)
}

// over is the node that another one refers to, with what the other one says of
// its own.
func (n *node) over(target *node) *node {
	merged := target.copy()
	if n.readOnly != nil {
		merged.readOnly = n.readOnly
	}
	if n.help != "" {
		merged.help = n.help
	}
	return merged
}
