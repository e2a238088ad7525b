// Package guard turns a panic into an error. So the process does not die, and still
// does its last duties, such as deleting the session on the iLO.
package guard

import (
	"fmt"
	"runtime/debug"
)

// Do runs f and says of what its error is. A panic in it becomes an error, too.
func Do(what string, f func() error) error {
	if err := Panics(f); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// Panics runs f and returns its error, or a *PanicError if it panics.
func Panics(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &PanicError{p, debug.Stack()}
		}
	}()
	return f()
}

// PanicError is a panic.
type PanicError struct {
	Value any
	Stack []byte
}

// Error is what was panicked with, and the stack.
func (e *PanicError) Error() string { return fmt.Sprintf("panic: %v\n%s", e.Value, e.Stack) }
