package schema

import (
	"encoding/json"
	"fmt"
)

// parseRegistry reads an attribute registry: what the attributes of the BIOS may
// be. A registry with no attributes is an error.
//
// What depends on other attributes is left to the BIOS, which looks at all that
// are pending together. GrayOut does not keep an attribute from being written
// (DSP0268).
func parseRegistry(body []byte) (map[string]*node, error) {
	var raw struct {
		RegistryEntries struct {
			Attributes   []attribute
			Dependencies []struct {
				Dependency struct{ MapToAttribute, MapToProperty string }
			}
		}
	}
	if err := json.Unmarshal(body, &raw); err != nil {
		return nil, fmt.Errorf("%w: %w", errDocument, err)
	}
	if len(raw.RegistryEntries.Attributes) == 0 {
		return nil, fmt.Errorf("%w: no attributes", errDocument)
	}
	all := make(map[string]*node, len(raw.RegistryEntries.Attributes))
	for _, a := range raw.RegistryEntries.Attributes {
		all[a.AttributeName] = a.node()
	}
	for _, d := range raw.RegistryEntries.Dependencies {
		if n := all[d.Dependency.MapToAttribute]; n != nil && d.Dependency.MapToProperty == "ReadOnly" {
			n.readOnly = nil // that depends
		}
	}
	return all, nil
}

// attribute is an entry of an attribute registry.
type attribute struct {
	AttributeName, Type, HelpText, WarningText string
	ReadOnly                                   *bool
	DefaultValue                               json.RawMessage
	ValueExpression                            any
	LowerBound, UpperBound                     json.Number
	MinLength, MaxLength                       json.Number
	Value                                      []struct{ ValueName any }
}

func (a *attribute) node() *node {
	n := &node{rule: rule{readOnly: a.ReadOnly, help: a.HelpText}}
	if a.WarningText != "" {
		n.help += " Warning: " + a.WarningText
	}
	if a.DefaultValue != nil {
		n.fallback = asText(present(a.DefaultValue).value())
	}
	switch a.Type {
	case "Enumeration":
		for _, v := range a.Value {
			s, ok := v.ValueName.(string)
			if !ok {
				n.allowed = nil
				break
			}
			n.allowed = append(n.allowed, s)
		}
		if n.allowed != nil {
			n.kinds = text
		}
	case "String", "Password":
		n.kinds = text | null
		n.length = newSpan(a.MinLength, a.MaxLength)
		n.pattern = compile(a.ValueExpression)
	case "Integer":
		n.kinds = integer
		if s := newSpan(a.LowerBound, a.UpperBound); s != nil {
			n.spans = []span{*s}
		}
	case "Boolean":
		n.kinds = boolean
	}
	return n
}
