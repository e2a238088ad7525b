package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/ilod/ilod/agent/client"
	"github.com/ilod/ilod/agent/plaintext"
	"github.com/ilod/ilod/cmd/ilod/terminal"
)

// usageError is a mistake in the command line or the environment.
type usageError struct{ text, hint string }

func (e *usageError) Error() string { return e.text }

// reportedError ends the program with a code after its errors were reported.
type reportedError struct{ code int }

func (e reportedError) Error() string { return fmt.Sprintf("exit status %d", e.code) }

// report says what went wrong on stderr, as one line and one with the remedy,
// or as JSON, with the sessions that could make room and the resources that could
// not be read, if any is known. It returns
// the exit code.
func (a *app) report(err error) int {
	row, hint := classify(err)
	text := oneLine(redact(a.place + err.Error()))
	candidates, full := candidatesOf(err)
	part, incomplete := errors.AsType[*partlyError](err)
	// A mistake in the flags can hide the --json behind it.
	if a.json || slices.Contains(os.Args, "--json") || slices.Contains(os.Args, "-j") {
		var doc struct {
			Error struct {
				Code    int    `json:"code"`
				Name    string `json:"name"`
				Message string `json:"message"`
				Hint    string `json:"hint,omitempty"`

				Candidates any             `json:"candidates,omitempty"`
				MustEnd    int             `json:"mustEnd,omitempty"` // how many of them, or of those of others
				Ask        []string        `json:"ask,omitempty"`     // who may end them, if the user may not
				Unread     json.RawMessage `json:"unread,omitempty"`
			} `json:"error"`
		}
		doc.Error.Code, doc.Error.Name, doc.Error.Message, doc.Error.Hint = row.code, row.name, text, hint
		if full {
			doc.Error.Candidates = candidates.sessions
		}
		if refused, ok := errors.AsType[*client.Error](err); ok {
			doc.Error.MustEnd, doc.Error.Ask = refused.MustEnd, refused.Ask
		}
		if incomplete {
			doc.Error.Unread = part.json()
		}
		_ = json.NewEncoder(a.stderr).Encode(doc)
		return row.code
	}
	if incomplete {
		for _, line := range part.lines() {
			fmt.Fprintln(a.stderr, line)
		}
	}
	fmt.Fprintln(a.stderr, "ilod: "+text)
	if full {
		_ = terminal.Table(a.stderr, candidates.rows)
	}
	if hint != "" {
		fmt.Fprintln(a.stderr, "hint: "+hint)
	}
	return row.code
}

// oneLine replaces what an iLO could use to write other lines than its own.
func oneLine(s string) string { return plaintext.Line(s) }
