package schema

import (
	"fmt"
	"strings"
)

// Suggest asks for the nearest of the names, such as " (did you mean \"Boot\"?)"; it
// is empty if none is near.
func Suggest(name string, names []string) string {
	if near := nearest(name, names); near != "" {
		return fmt.Sprintf(" (did you mean %q?)", near)
	}
	return ""
}

// maxName bounds names that are compared, in bytes.
const maxName = 128

// nearest is the name with the fewest letters to add, drop or change, letter case
// aside; "" if that are more than a third of them.
func nearest(name string, names []string) (best string) {
	if len(name) > maxName {
		return ""
	}
	least := len(name)/3 + 1
	for _, n := range names {
		if len(n) > maxName {
			continue
		}
		if d := distance(strings.ToLower(name), strings.ToLower(n)); d < least {
			best, least = n, d
		}
	}
	return best
}

// distance is that of Levenshtein, in bytes.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j+1]+1, row[j]+1)
		}
	}
	return row[len(b)]
}
