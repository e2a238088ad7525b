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

// Text is a value for people: a line Name=Value for each property, sorted by name. The
// content of an object or array stands below its name, indented. No value can look like
// another line. It ends with a newline.
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

// isSimple reports a value that fits one line.
func isSimple(v any) bool {
	switch v := v.(type) {
	case map[string]any:
		return len(v) == 0
	case []any:
		return len(v) == 0
	}
	return true
}

// Scalar is a value in one line, as ilorest prints it: strings without quotes unless
// empty, None for null, True and False; else JSON.
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

// JSON is a value in JSON. It ends with a newline, and invisible characters are
// escaped.
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
