// Package terminal is how ilod shows something to people and asks them: tables,
// progress lines, screens, menus, and lines that are edited. Without a terminal most
// of it is plain text, or nothing. It knows nothing of iLOs.
package terminal

import (
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"github.com/ilod/ilod/agent/plaintext"
)

// Is reports whether a reader or writer is a terminal.
func Is(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// Width is how many columns w has if it is a terminal, else 0: any number.
func Width(w io.Writer) int {
	if o, ok := w.(*Output); ok && o.Terminal {
		w = o.To
	}
	f, ok := w.(*os.File)
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
func controls(w io.Writer) bool { return Width(w) > 0 && os.Getenv("TERM") != "dumb" }

// Colours reports whether w is a terminal with colours, and NO_COLOR is not set.
func Colours(w io.Writer) bool { return controls(w) && os.Getenv("NO_COLOR") == "" }

// What makes a terminal with colours change to one, and back.
const (
	Green  = "\x1b[32m"
	Yellow = "\x1b[33m"
	Red    = "\x1b[31m"
	Plain  = "\x1b[0m"
)

// Show writes a text to w: with again, in place of the one before, or after an empty
// line where w has no such place.
func Show(w io.Writer, text string, again bool) error {
	switch {
	case again && controls(w): // over the last one, without flicker
		text = "\x1b[H" + strings.ReplaceAll(text, "\n", "\x1b[K\n") + "\x1b[J"
	case again:
		text += "\n"
	}
	_, err := io.WriteString(w, text)
	return err
}

// Output is the standard output, or on the way there. It remembers its first
// error, so that no caller can lose it, and writes nothing after it. On a terminal,
// and in JSON for programs, what does not show is escaped.
type Output struct {
	To       io.Writer // an *os.File if this is the standard output itself
	Terminal bool      // To is a terminal
	JSON     bool
	Err      error  // the first of Write
	cut      []byte // the beginning of a character, whose rest has not come
}

// NewOutput is the output to f, which may be a terminal.
func NewOutput(f *os.File) *Output { return &Output{To: f, Terminal: Is(f)} }

func (o *Output) Write(p []byte) (int, error) {
	if o.Err != nil {
		return 0, o.Err
	}
	n := len(p)
	if o.Terminal || o.JSON {
		p, o.cut = plaintext.Whole(append(o.cut, p...))
		p = []byte(plaintext.Escape(string(p)))
	}
	_, o.Err = o.To.Write(p)
	if _, last := o.To.(*os.File); last && o.Err != nil {
		o.Err = fmt.Errorf("standard output: %w", o.Err)
	}
	return n, o.Err
}
