package terminal

import (
	"strings"
	"testing"
)

// TestShow: off a terminal a text follows the one before after an empty line, and has
// no colours.
func TestShow(t *testing.T) {
	var b strings.Builder
	for _, again := range []bool{false, true} {
		if err := Show(&b, "a\nb\n", again); err != nil {
			t.Fatal(err)
		}
	}
	if want := "a\nb\na\nb\n\n"; b.String() != want || Colours(&b) || Width(&b) != 0 {
		t.Errorf("%q, colours %t, width %d", &b, Colours(&b), Width(&b))
	}
}

// TestColumnsThatHaveNoRoomAreOnAFurtherLine, but at least one is on each.
func TestColumnsThatHaveNoRoomAreOnAFurtherLine(t *testing.T) {
	cells := [][]string{{"ID", "NAME", "USER"}, {"1", "äöü and others", "root"}, {"2"}}
	for room, want := range map[int][3]int{0: {3, 3, 3}, 24: {3, 3, 3}, 23: {2, 3, 3}, 19: {2, 2, 3}, 17: {1, 2, 3}, 1: {1, 2, 3}} {
		for from := range 3 {
			if got := fitting(cells, from, room); got != want[from] {
				t.Errorf("%d columns, from column %d: up to %d, want %d", room, from, got, want[from])
			}
		}
	}
}

// TestATableOfNothingIsNothing: a part of the server may have none of the columns.
func TestATableOfNothingIsNothing(t *testing.T) {
	var b strings.Builder
	if err := Table(&b, nil); err != nil || b.String() != "" {
		t.Errorf("%v, %q", err, b.String())
	}
}
