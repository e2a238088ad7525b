package selection

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/ilod/ilod/agent/plaintext"
)

// Text is a value for people, with a newline at its end: a line Name=Value for
// each property, in order of their names, and what is inside of one indented below
// it. Nothing in it can be mistaken for another line.
func Text(v any) string {
	var b strings.Builder
	write(&b, v, 0)
	return b.String()
}

func write(b *strings.Builder, v any, indent int) {
	pad := strings.Repeat(" ", indent)
	switch v := v.(type) {
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			b.WriteString(pad + plaintext.Line(name) + "=")
			if isSimple(v[name]) {
				b.WriteString(Scalar(v[name]) + "\n")
				continue
			}
			b.WriteByte('\n')
			write(b, v[name], indent+len(name)+2)
		}
	case []any:
		for i, element := range v {
			if i > 0 && !isSimple(element) {
				b.WriteByte('\n')
			}
			write(b, element, indent)
		}
	default:
		b.WriteString(pad + Scalar(v) + "\n")
	}
}

// isSimple reports what takes one line.
func isSimple(v any) bool {
	switch v := v.(type) {
	case map[string]any:
		return len(v) == 0
	case []any:
		return len(v) == 0
	}
	return true
}

// Scalar is a value in one line: a string without quotes unless it is empty, else
// JSON, but None for null, True and False, as ilorest has them.
func Scalar(v any) string {
	switch v := v.(type) {
	case nil:
		return "None"
	case bool:
		return map[bool]string{true: "True", false: "False"}[v]
	case string:
		if v == "" {
			return `""`
		}
		return plaintext.Line(v)
	}
	return strings.TrimSuffix(JSON(v, ""), "\n")
}

// JSON is a value in JSON with a newline at its end. What does not show is escaped.
func JSON(v any, indent string) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", indent)
	if err := e.Encode(v); err != nil {
		panic(fmt.Sprintf("%T does not encode: %v", v, err)) // it was made from JSON
	}
	return plaintext.Escape(b.String())
}
