// Package terminal is how ilod shows something to people and asks them: tables,
// progress lines, screens, menus, and lines that are edited. Without a terminal most
// of it is plain text, or nothing. It knows nothing of iLOs.
package terminal

import (
	"errors"
	"io"
	"os"

	"golang.org/x/term"
)

// ErrNone: there is no terminal, and so nobody to be asked.
var ErrNone = errors.New("no terminal")

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
