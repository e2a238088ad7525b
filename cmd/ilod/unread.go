package main

import (
	"encoding/json"
	"fmt"

	"github.com/ilod/ilod/agent/server/selection"
)

// partlyError ends a command that could not read all of its resources, but did the
// rest.
type partlyError struct{ unread []selection.Unread }

func (e *partlyError) Error() string {
	if len(e.unread) == 1 {
		return "1 resource could not be read, the rest is complete"
	}
	return fmt.Sprintf("%d resources could not be read, the rest is complete", len(e.unread))
}

// partly is the error for a reader that left resources out; nil if it left out none.
func partly(reader *selection.Reader) error {
	if all := reader.Unread(); len(all) > 0 {
		return &partlyError{all}
	}
	return nil
}

// lines are the unread resources, for people.
func (e *partlyError) lines() (all []string) {
	for _, u := range e.unread {
		all = append(all, oneLine(redact(fmt.Sprintf("not read: %s: %v", u.Path, u.Err))))
	}
	return all
}

// json are the unread resources, for programs.
func (e *partlyError) json() json.RawMessage {
	type unread struct {
		Path  string `json:"path"`
		Error string `json:"error"`
	}
	var all []unread
	for _, u := range e.unread {
		all = append(all, unread{u.Path, oneLine(redact(u.Err.Error()))})
	}
	return json.RawMessage(selection.JSON(all, ""))
}
