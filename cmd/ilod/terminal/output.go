package terminal

import (
	"fmt"
	"io"
	"os"

	"github.com/ilod/ilod/agent/plaintext"
)

// Output is the standard output, or on the way there. It remembers its first
// error, so that no caller can lose it, and writes nothing after it. On a terminal,
// and in JSON for programs, what does not show is escaped.
type Output struct {
	To       io.Writer // an *os.File if this is the standard output itself
	Terminal bool      // To is a terminal
	JSON     bool
	cut      []byte // the beginning of a character, whose rest has not come
	err      error
}

// NewOutput is the output to f, which may be a terminal.
func NewOutput(f *os.File) *Output { return &Output{To: f, Terminal: Is(f)} }

// Err is the first error of Write.
func (o *Output) Err() error { return o.err }

func (o *Output) Write(p []byte) (int, error) {
	if o.err != nil {
		return 0, o.err
	}
	n := len(p)
	if o.Terminal || o.JSON {
		p, o.cut = plaintext.Whole(append(o.cut, p...))
		p = []byte(plaintext.Escape(string(p)))
	}
	_, o.err = o.To.Write(p)
	if _, last := o.To.(*os.File); last && o.err != nil {
		o.err = fmt.Errorf("standard output: %w", o.err)
	}
	return n, o.err
}
