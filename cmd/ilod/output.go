package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"

	"golang.org/x/term"

	"github.com/ilod/ilod/agent/clients"
	"github.com/ilod/ilod/agent/plaintext"
	"github.com/ilod/ilod/agent/server/selection"
)

// output is the standard output, or on the way there. It remembers its first
// error, so that no caller can lose it, and writes nothing after it. On a terminal,
// and in JSON for programs, what does not show is escaped.
type output struct {
	w        io.Writer
	file     *os.File
	terminal bool
	json     bool
	cut      []byte // the beginning of a character, whose rest has not come
	err      error
}

func newOutput(f *os.File) *output {
	return &output{w: f, file: f, terminal: term.IsTerminal(int(f.Fd()))}
}

func (o *output) Write(p []byte) (int, error) {
	if o.err != nil {
		return 0, o.err
	}
	n := len(p)
	if o.terminal || o.json {
		p, o.cut = plaintext.Whole(append(o.cut, p...))
		p = []byte(plaintext.Escape(string(p)))
	}
	_, err := o.w.Write(p)
	if o.err = err; err != nil && o.w == o.file {
		o.err = fmt.Errorf("standard output: %w", err)
	}
	return n, o.err
}

// outputForm has errors and arrays in JSON if the client session is set so.
type outputForm struct {
	http.RoundTripper
	a *app
}

func (o outputForm) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := o.RoundTripper.RoundTrip(req)
	if err == nil && resp.Header.Get(clients.OutputHeader) == "json" {
		o.a.json = true
	}
	return resp, err
}

// printJSON prints a value in JSON, indented for people.
func (a *app) printJSON(v any) error {
	_, err := io.WriteString(a.stdout, selection.JSON(v, "  "))
	return err
}

// writeJSON prints a document on one line.
func (a *app) writeJSON(v any) error { return json.NewEncoder(a.stdout).Encode(v) }
