package main

import (
	"fmt"
	"os"

	"golang.org/x/term"
)

// output is the standard output. It remembers its first error, so that no
// caller can lose it, and writes nothing after it.
type output struct {
	file     *os.File
	terminal bool
	err      error
}

func newOutput(f *os.File) *output {
	return &output{file: f, terminal: term.IsTerminal(int(f.Fd()))}
}

func (o *output) Write(p []byte) (int, error) {
	if o.err != nil {
		return 0, o.err
	}
	n, err := o.file.Write(p)
	if err != nil {
		o.err = fmt.Errorf("standard output: %w", err)
	}
	return n, o.err
}
