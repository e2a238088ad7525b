package schema

import (
	"encoding/json"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/ilod/ilod/agent/secret"
)

// kind is a type of JSON; kinds are or-ed.
type kind uint8

const (
	null kind = 1 << iota
	boolean
	integer
	number // with integers
	text
	array
	object
)

var kindNames = []string{"null", "boolean", "integer", "number", "string", "array", "object"}

// kindOf reads a name in JSON Schema; 0 if it is none.
func kindOf(name string) kind {
	i := slices.Index(kindNames, strings.ToLower(name))
	if i < 0 {
		return 0
	}
	return 1 << i
}

// String has all names, null last, with "|" between them.
func (k kind) String() string {
	var names []string
	for i, name := range kindNames[1:] {
		if k&(2<<i) != 0 {
			names = append(names, name)
		}
	}
	if k&null != 0 {
		names = append(names, "null")
	}
	return strings.Join(names, "|")
}

// kindOfValue is the narrowest kind of a value of package json.
func kindOfValue(v any) kind {
	switch v := v.(type) {
	case nil:
		return null
	case bool:
		return boolean
	case string:
		return text
	case []any:
		return array
	case map[string]any:
		return object
	case json.Number:
		if f, err := v.Float64(); err == nil && f == math.Trunc(f) {
			return integer
		}
	}
	return number
}

// span is a range of numbers, both ends included.
type span struct{ min, max float64 }

// rule is what is allowed for one value. The zero value allows everything.
type rule struct {
	kinds    kind     // 0: any
	allowed  []string // as text; nil: any
	spans    []span   // nil: any
	length   *span    // of a string in characters; nil: any
	pattern  *regexp.Regexp
	readOnly *bool // nil: not known
	fallback string
	help     string
}

// breach is the key of the message about the first part of the rule that a value
// breaks, "" if it keeps all.
func (r *rule) breach(v any) string {
	k := kindOfValue(v)
	if r.kinds != 0 && r.kinds&k == 0 && (k != integer || r.kinds&number == 0) {
		return "PropertyValueTypeError"
	}
	switch v := v.(type) {
	case bool:
		if r.allowed != nil && !slices.Contains(r.allowed, strconv.FormatBool(v)) {
			return "PropertyValueNotInList"
		}
	case json.Number:
		f, err := v.Float64()
		within := func(s span) bool { return s.min <= f && f <= s.max }
		same := func(a string) bool { n, e := strconv.ParseFloat(a, 64); return e == nil && n == f }
		switch {
		case r.allowed != nil && !slices.ContainsFunc(r.allowed, same):
			return "PropertyValueNotInList"
		case r.spans != nil && (err != nil || !slices.ContainsFunc(r.spans, within)):
			return "PropertyValueOutOfRange"
		}
	case string:
		n := float64(utf8.RuneCountInString(v))
		switch {
		case r.allowed != nil && !slices.Contains(r.allowed, v):
			return "PropertyValueNotInList"
		case v == r.fallback:
		case r.length != nil && (n < r.length.min || n > r.length.max),
			// An empty string that is not too short stands for no value.
			r.pattern != nil && (v != "" || r.length != nil && r.length.min > 0) && !r.pattern.MatchString(v):
			return "PropertyValueFormatError"
		}
	}
	return ""
}

// demand tells what the part of the rule with this key asks of a property.
func (r *rule) demand(name, key string, v any) string {
	switch key {
	case "PropertyValueTypeError":
		return fmt.Sprintf("must be of type %v, not %v", r.kinds, kindOfValue(v))
	case "PropertyValueOutOfRange":
		all := make([]string, len(r.spans))
		for i, s := range r.spans {
			all[i] = s.String()
		}
		return "must be " + strings.Join(all, ", or ")
	case "PropertyValueFormatError":
		if s, n := r.length, float64(utf8.RuneCountInString(v.(string))); s != nil && (n < s.min || n > s.max) {
			return "must have a length that is " + s.String()
		}
		return fmt.Sprintf("must match %v", r.pattern)
	}
	var list []string
	more := ""
	for i, allowed := range r.allowed {
		if i == 24 {
			more = fmt.Sprintf(" and %d more", len(r.allowed)-i)
			break
		}
		list = append(list, short(allowed))
	}
	value := shown(name, v)
	if _, ok := v.(string); ok && value != hidden {
		value = strconv.Quote(value) + Suggest(value, r.allowed)
	}
	return fmt.Sprintf("cannot be %s; allowed: %s%s", value, strings.Join(list, ", "), more)
}

func (s span) String() string {
	low, high := s.bounds()
	switch {
	case low == high && low != "":
		return low
	case high == "":
		return "at least " + low
	case low == "":
		return "at most " + high
	}
	return "from " + low + " to " + high
}

// bounds are "" where there is none.
func (s span) bounds() (low, high string) {
	format := func(f float64) string {
		if math.IsInf(f, 0) {
			return ""
		}
		return strconv.FormatFloat(f, 'f', -1, 64)
	}
	return format(s.min), format(s.max)
}

// newSpan makes a span of bounds that may be missing, nil if both are.
func newSpan(low, high any) *span {
	bound := func(v any, none float64) (float64, bool) {
		n, _ := v.(json.Number)
		f, err := n.Float64()
		if err != nil {
			return none, false
		}
		return f, true
	}
	l, haveLow := bound(low, math.Inf(-1))
	h, haveHigh := bound(high, math.Inf(1))
	if !haveLow && !haveHigh || l > h {
		return nil
	}
	return &span{l, h}
}

// maxPattern bounds a pattern in bytes.
const maxPattern = 16 << 10

// compile makes a pattern of JSON Schema, which is searched for; nil if it is
// none, or one that only ECMAScript understands.
func compile(v any) *regexp.Regexp {
	s, ok := v.(string)
	if !ok || s == "" || len(s) > maxPattern {
		return nil
	}
	re, err := regexp.Compile(s)
	if err != nil {
		return nil
	}
	return re
}

// asText is a scalar as it stands in lists of allowed values.
func asText(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	b, _ := json.Marshal(v) // came from JSON
	return string(b)
}

// hidden stands for a value that is better not shown.
const hidden = "..."

// shown is the value of a property as a message has it.
func shown(name string, v any) string {
	k := kindOfValue(v)
	switch {
	case secret.Property(name):
		return hidden
	case k&(array|object) != 0:
		return k.String()
	}
	return short(asText(v))
}
