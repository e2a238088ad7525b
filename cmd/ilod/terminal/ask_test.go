package terminal

import (
	"fmt"
	"io"
	"strings"
	"testing"
)

// TestCompletion goes on as far as there is one way, and then shows the ways.
func TestCompletion(t *testing.T) {
	many := make([]string, 62)
	for i := range many {
		many[i] = fmt.Sprintf("a%02d", i)
	}
	for _, c := range []struct {
		line, last string
		ways       []string
		whole      bool
		want, show string
	}{
		{"get x", "x", nil, true, "get x", ""},
		{"vers", "vers", []string{"version"}, true, "version ", ""},
		{"get /re", "/re", []string{"/redfish/"}, false, "get /redfish/", ""},
		{"s", "s", []string{"session", "select"}, true, "se", ""},
		{"se", "se", []string{"session", "select"}, true, "se", "session  select\n"},
		{"get ", "", many, true, "get a", ""},
		{"get a", "a", many, true, "get a", strings.Join(many[:60], "  ") + "  … 2 more\n"},
	} {
		var shown strings.Builder
		complete := Completer(func(string) (string, []string, bool) { return c.last, c.ways, c.whole })
		if got := complete.goOn(&shown, c.line); got != c.want || shown.String() != c.show {
			t.Errorf("%q: %q and %q, want %q and %q", c.line, got, &shown, c.want, c.show)
		}
	}
}

// TestCtrlCThrowsALineAway: the keys of the editor that do it come in its place, whole
// even if little is read at a time.
func TestCtrlCThrowsALineAway(t *testing.T) {
	pressed := &keys{Reader: strings.NewReader("ab\x03c")}
	got, err := io.ReadAll(io.MultiReader(io.LimitReader(pressed, 3), pressed))
	if want := "ab\x05\x15\rc"; string(got) != want || err != nil {
		t.Errorf("%q, %v, want %q", got, err, want)
	}
}

// TestHistory has no empty and no repeated lines, and forgets the oldest.
func TestHistory(t *testing.T) {
	h := new(history)
	for _, line := range []string{"a", "", "a", "b", "a"} {
		h.Add(line)
	}
	if h.Len() != 3 || h.At(0) != "a" || h.At(1) != "b" {
		t.Errorf("%q", h.lines)
	}
	for i := range maxHistory {
		h.Add(fmt.Sprint(i))
	}
	if h.Len() != maxHistory || h.At(maxHistory-1) != "0" {
		t.Errorf("%d lines, the oldest %q", h.Len(), h.At(h.Len()-1))
	}
}

// TestFold breaks lines between words, and words that are too long.
func TestFold(t *testing.T) {
	for line, want := range map[string]string{
		"short":           "short",
		"one two three":   "one two\n  three",
		"one two3 four":   "one two3\n  four",
		"overlonger word": "overlong\n  er\n  word",
		"äöü äöü äöü":     "äöü äöü\n  äöü",
	} {
		if got := Fold(line, 8, 2); got != want {
			t.Errorf("%q: %q, want %q", line, got, want)
		}
	}
	if got := Fold("one two three", 0, 2); got != "one two three" {
		t.Errorf("without a width: %q", got)
	}
}

// TestNumbersAreSoManyDifferentOnes of the table, or a single 0.
func TestNumbersAreSoManyDifferentOnes(t *testing.T) {
	for _, c := range []struct {
		line string
		n    int
		want string // "no": it is asked again
	}{
		{"1", 1, "[0]"}, {" 4 ", 1, "[3]"}, {"0", 1, "[]"}, {"0", 3, "[]"}, {"5", 1, "no"}, {"", 1, "no"}, {"one", 1, "no"}, {"-1", 1, "no"}, {"1 2", 1, "no"},
		{"1 3", 2, "[0 2]"}, {"3,1", 2, "[2 0]"}, {"3, 1\r", 2, "[2 0]"}, {"1", 2, "no"}, {"1 1", 2, "no"}, {"1 0", 2, "no"}, {"0 0", 2, "no"}, {"1 2 3", 2, "no"}, {"1 x", 2, "no"},
	} {
		got := "no"
		if chosen, ok := numbers(c.line, c.n, 4); ok {
			got = fmt.Sprint(chosen)
		}
		if got != c.want {
			t.Errorf("%q of %d: %s, want %s", c.line, c.n, got, c.want)
		}
	}
}
