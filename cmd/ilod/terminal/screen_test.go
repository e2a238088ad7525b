package terminal

import (
	"strings"
	"testing"
)

// TestScreen cuts lines to the width, writes the first mention of a word in its colour,
// and follows the one before where it cannot take its place.
func TestScreen(t *testing.T) {
	s := Screen{Width: 10, Colours: true}
	s.Line("OK and OK  ", "OK", Green)
	s.Line("0123456789", "", "")
	s.Line("01234é\n6789x", "", "")
	want := "\x1b[32mOK\x1b[0m and OK\n0123456789\n01234é 67…\n"
	if s.String() != want {
		t.Errorf("%q, want %q", s.String(), want)
	}
	for again, end := range map[bool]string{false: "", true: "\n"} {
		var b strings.Builder
		if err := s.Show(&b, again); err != nil || b.String() != want+end {
			t.Errorf("%q, %v", &b, err)
		}
	}
	plain := Screen{}
	plain.Line("0123456789 Critical", "Critical", Red)
	if got := plain.String(); got != "0123456789 Critical\n" {
		t.Errorf("%q", got)
	}
}
