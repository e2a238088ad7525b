package jsonpointer_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/ilod/ilod/agent/jsonpointer"
)

// The examples of RFC 6901 §5, and "~1", which must not become a slash.
func TestNamesAreEscapedAsTheRFCSays(t *testing.T) {
	for name, part := range map[string]string{"a/b": "a~1b", "m~n": "m~0n", "c%d": "c%d", " ": " ", "": "", "~1": "~01"} {
		if got := jsonpointer.Escape(name); got != part {
			t.Errorf("%q: %q, want %q", name, got, part)
		}
		if got := jsonpointer.Unescape(part); got != name {
			t.Errorf("%q: %q, want %q", part, got, name)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.StringOf(rapid.SampledFrom([]rune("~/01a"))).Draw(t, "name")
		if part := jsonpointer.Escape(name); strings.Contains(part, "/") || jsonpointer.Unescape(part) != name {
			t.Errorf("%q: %q", name, part)
		}
	})
}
