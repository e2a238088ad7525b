package schema_test

import (
	"strings"
	"testing"

	"github.com/ilod/ilod/agent/schema"
)

// TestSuggest suggests a name with up to a third of its letters wrong, the nearest
// one, and of those as near the first.
func TestSuggest(t *testing.T) {
	for _, c := range []struct {
		name  string
		names string
		want  string
	}{
		{"xyBoot", "Boot", "Boot"},
		{"xyzBoot", "Boot", ""},
		{"Bootxy", "Boot", "Boot"},
		{"Bootxyz", "Boot", ""},
		{"Bo", "Boot", ""},
		{"Boo", "Boot", "Boot"},
		{"BOOT", "boot", "boot"},
		{"Baxt", "Boot", ""},
		{"Bxot", "Boot Bxot", "Bxot"},
		{"AssetTga", "AssetTag AssetTagX", "AssetTag"},
		{"aab", "abb aab2 aac", "abb"},
		{"", "a", ""},
		{"a", "", ""},
		{strings.Repeat("x", 128), strings.Repeat("x", 127), strings.Repeat("x", 127)},
		{strings.Repeat("x", 129), strings.Repeat("x", 128), ""},
		{strings.Repeat("x", 128), strings.Repeat("x", 129), ""},
	} {
		want := ""
		if c.want != "" {
			want = ` (did you mean "` + c.want + `"?)`
		}
		if got := schema.Suggest(c.name, strings.Fields(c.names)); got != want {
			t.Errorf("%s of %s:%s, want%s", c.name, c.names, got, want)
		}
	}
}
