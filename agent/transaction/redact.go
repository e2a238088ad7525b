package transaction

import "github.com/ilod/ilod/agent/secret"

// hidden stands for a secret.
const hidden = "******"

// redact is a copy of a value without its secrets; found tells whether there
// were any.
func redact(v any) (shown any, found bool) {
	switch v := v.(type) {
	case map[string]any:
		o := make(map[string]any, len(v))
		for name, inner := range v {
			var in bool
			if o[name], in = redact(inner); secret.Value(name, inner) {
				o[name], in = hidden, true
			}
			found = found || in
		}
		return o, found
	case []any:
		list := make([]any, len(v))
		for i, inner := range v {
			var in bool
			list[i], in = redact(inner)
			found = found || in
		}
		return list, found
	}
	return v, false
}

// redactLeaf is redact for a property with a name of its own.
func redactLeaf(pointer string, v any) (shown any, found bool) {
	if way := names(pointer); secret.Value(way[len(way)-1], v) {
		return hidden, true
	}
	return redact(v)
}
