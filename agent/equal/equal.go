// Package equal says when a value of an iLO is the value that somebody asked for. It
// is the only definition: set, load, tx run --needed and the result of a commit use it.
package equal

import (
	"encoding/json"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// Asked reports whether a present value, which came from JSON as asked did, is
// what a PATCH asks for, so that sending it would change nothing:
//
//   - of an object, each property that is asked for; null asks for an empty one;
//   - a list without the elements that an iLO fills it up with: empty strings,
//     zero addresses, null, and objects of such; null in what is asked removes
//     its element;
//   - a number or an IP address in any spelling.
func Asked(present, asked any) bool {
	switch asked := asked.(type) {
	case nil:
		return blank(present)
	case map[string]any:
		now, ok := present.(map[string]any)
		if !ok && present != nil {
			return false
		}
		for name, v := range asked {
			if !Asked(now[name], v) {
				return false
			}
		}
		return true
	case []any:
		now, ok := present.([]any)
		return ok && (slices.EqualFunc(trim(now), trim(asked), inPlace) ||
			list(now, slices.DeleteFunc(slices.Clone(asked), func(v any) bool { return v == nil })))
	}
	return Same(present, asked)
}

// inPlace is Asked for an element that keeps its place, where null is none.
func inPlace(present, asked any) bool {
	if asked == nil {
		return Same(present, nil)
	}
	return Asked(present, asked)
}

// list is Asked for lists. An iLO keeps IPv4 and IPv6 addresses in places of
// their own, so zero addresses can stand between them.
func list(now, asked []any) bool {
	if each(trim(now), trim(asked)) {
		return true
	}
	return !slices.ContainsFunc(asked, isZero) && each(slices.DeleteFunc(slices.Clone(now), isZero), asked)
}

func each(now, asked []any) bool {
	return slices.EqualFunc(now, asked, Asked)
}

// trim is a list without what it is filled up with.
func trim(all []any) []any {
	for len(all) > 0 && blank(all[len(all)-1]) {
		all = all[:len(all)-1]
	}
	return all
}

// blank reports a value that stands for none. A number and a truth value never do.
func blank(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case string:
		return v == "" || isZero(v)
	case map[string]any:
		for _, inner := range v {
			if !blank(inner) {
				return false
			}
		}
		return true
	case []any:
		return !slices.ContainsFunc(v, func(inner any) bool { return !blank(inner) })
	}
	return false
}

// isZero reports the address that stands for none.
func isZero(v any) bool {
	s, _ := v.(string)
	a, _ := netip.ParseAddr(s) // else it is no address, which is none of these
	return a.IsUnspecified()
}

// Same reports whether two values that came from JSON mean the same.
func Same(a, b any) bool { return Canonical(a) == Canonical(b) }

// Canonical is the same text for values that mean the same: numbers and IP
// addresses of any spelling, names in any order, a property that is null or not
// there at all, and lists whatever they are filled up with.
func Canonical(v any) string { return string(appendCanonical(nil, v)) }

func appendCanonical(b []byte, v any) []byte {
	switch v := v.(type) {
	case bool:
		return strconv.AppendBool(b, v)
	case string:
		if a, err := netip.ParseAddr(v); err == nil {
			v = a.String()
		}
		return strconv.AppendQuote(b, v)
	case json.Number:
		return appendNumber(b, v.String())
	case float64:
		return strconv.AppendFloat(b, v, 'f', -1, 64)
	case []any:
		b = append(b, '[')
		for _, e := range trim(v) {
			b = append(appendCanonical(b, e), ',')
		}
		return append(b, ']')
	case map[string]any:
		start := len(b)
		for _, name := range slices.Sorted(maps.Keys(v)) {
			if value := Canonical(v[name]); value != "null" {
				b = append(append(strconv.AppendQuote(append(b, ','), name), ':'), value...)
			}
		}
		if len(b) > start {
			b[start] = '{'
			return append(b, '}')
		}
	}
	return append(b, "null"...)
}

// appendNumber keeps whole numbers exact, however long they are.
func appendNumber(b []byte, n string) []byte {
	whole, fraction, _ := strings.Cut(n, ".")
	if !strings.ContainsAny(n, "eE") && strings.Trim(fraction, "0") == "" {
		if whole == "-0" {
			whole = "0"
		}
		return append(b, whole...)
	}
	f, err := strconv.ParseFloat(n, 64)
	if err != nil {
		return append(b, n...)
	}
	return strconv.AppendFloat(b, f, 'f', -1, 64)
}
