package terminal

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"unicode/utf8"

	"github.com/ilod/ilod/agent/plaintext"
)

// tableIndent is before the columns of a table that have no room on the first line.
const tableIndent = "    "

// Table aligns the cells of rows, of which the first has all columns. Columns for
// which a terminal has no room go on a further line of each row. No rows are no lines.
func Table(w io.Writer, rows [][]string) error {
	if len(rows) == 0 {
		return nil
	}
	cells := make([][]string, len(rows))
	for i, row := range rows {
		for _, cell := range row {
			cells[i] = append(cells[i], plaintext.Line(cell))
		}
	}
	lines := make([]string, len(cells))
	room := Width(w)
	for from, to := 0, 0; from < len(cells[0]); from = to {
		indent := ""
		if from > 0 {
			indent = tableIndent
		}
		to = fitting(cells, from, room-len(indent))
		var b strings.Builder
		t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
		for _, row := range cells {
			fmt.Fprintln(t, strings.Join(row[min(from, len(row)):min(to, len(row))], "\t"))
		}
		_ = t.Flush() // a Builder takes all
		i := 0
		for line := range strings.Lines(b.String()) {
			if from == 0 || strings.TrimSpace(line) != "" {
				lines[i] += indent + line
			}
			i++
		}
	}
	_, err := io.WriteString(w, strings.Join(lines, ""))
	return err
}

// fitting says up to which column those beginning with from, at least one, have
// room side by side.
func fitting(cells [][]string, from, room int) int {
	if room <= 0 {
		return len(cells[0])
	}
	used := 0
	for to := from; to < len(cells[0]); to++ {
		widest := 0
		for _, row := range cells {
			if to < len(row) {
				widest = max(widest, utf8.RuneCountInString(row[to]))
			}
		}
		if used += widest; used > room && to > from {
			return to
		}
		used += 2
	}
	return len(cells[0])
}

// Fold breaks a line that has more than width columns between words, or in a word
// that is too long; what follows is indented.
func Fold(line string, width, indent int) string {
	text := []rune(line)
	if width <= indent || len(text) <= width {
		return line
	}
	at := width
	for i := width; i > indent; i-- {
		if text[i] == ' ' {
			at = i
			break
		}
	}
	rest := strings.TrimLeft(string(text[at:]), " ")
	return strings.TrimRight(string(text[:at]), " ") + "\n" + Fold(strings.Repeat(" ", indent)+rest, width, indent)
}
