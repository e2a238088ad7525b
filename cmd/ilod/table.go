package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"unicode/utf8"

	"golang.org/x/term"
)

// width is how many columns w has if it is a terminal, else 0: any number.
func width(w io.Writer) int {
	f, ok := w.(*os.File)
	if o, is := w.(*output); is && o.terminal {
		f, ok = o.file, true
	}
	if !ok {
		return 0
	}
	raw, err := f.SyscallConn() // Fd would make reading from it uninterruptible
	if err != nil {
		return 0
	}
	columns := 0
	err = raw.Control(func(fd uintptr) {
		if !term.IsTerminal(int(fd)) {
			return
		}
		if columns, _, _ = term.GetSize(int(fd)); columns <= 0 {
			columns = 80 // a serial line does not know
		}
	})
	if err != nil {
		return 0
	}
	return columns
}

// controls tells whether w is a terminal that understands escape sequences.
func controls(w io.Writer) bool { return width(w) > 0 && os.Getenv("TERM") != "dumb" }

// tableIndent is before the columns of a table that have no room on the first line.
const tableIndent = "    "

// writeTable aligns the cells of rows, which tabs separate. Columns for which a
// terminal has no room go on a further line of each row.
func writeTable(w io.Writer, header string, rows []string) error {
	cells := [][]string{strings.Split(header, "\t")}
	for _, r := range rows {
		row := strings.Split(r, "\t")
		for i := range row {
			row[i] = oneLine(row[i])
		}
		cells = append(cells, row)
	}
	lines := make([]string, len(cells))
	room := width(w)
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

// folded breaks a line that has more than width columns between words, or in a word
// that is too long; what follows is indented.
func folded(line string, width, indent int) string {
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
	return strings.TrimRight(string(text[:at]), " ") + "\n" + folded(strings.Repeat(" ", indent)+rest, width, indent)
}
