package guard

import (
	"errors"
	"testing"
)

// What was panicked with is in the error, also an error and nothing.
func TestPanicKeepsItsValue(t *testing.T) {
	boom := errors.New("boom")
	for _, value := range []any{boom, 7, "text"} {
		e, ok := errors.AsType[*PanicError](Panics(func() error { panic(value) }))
		if !ok || e.Value != value || len(e.Stack) == 0 {
			t.Errorf("%v: %+v", value, e)
		}
	}
	if _, ok := errors.AsType[*PanicError](Panics(func() error { panic(nil) })); !ok {
		t.Error("a panic with nothing is none")
	}
	if err := Panics(func() error { return boom }); err != boom {
		t.Error(err)
	}
}
