// Package guard keeps a panic from ending the process: what must be done at its
// end, such as the deletion of the session on the iLO, is done.
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

// Panics runs f and returns its error, or one with the stack if it panics.
func Panics(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return f()
}
