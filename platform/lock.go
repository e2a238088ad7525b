package platform

import (
	"errors"
	"fmt"
	"os"
)

// ErrLocked: another process holds the instance lock. The error is a
// *LockedError that says which.
var ErrLocked = errors.New("another ilod is at work")

// LockedError is the ErrLocked of one file or directory.
type LockedError struct {
	Of  string // the file or directory whose lock is held
	PID int    // the process that holds it; 0 if it does not tell
	Err error  // why waiting ended: the error of a context
}

func (e *LockedError) Error() string {
	holder := ""
	if e.PID != 0 {
		holder = fmt.Sprintf(" (process %d)", e.PID)
	}
	return fmt.Sprintf("%v%s: it holds the lock of %s", ErrLocked, holder, e.Of)
}

// Is makes errors.Is(err, ErrLocked) true.
func (e *LockedError) Is(target error) bool { return target == ErrLocked }

// Unwrap returns why waiting ended.
func (e *LockedError) Unwrap() error { return e.Err }

// Lock is the instance lock: of the processes that want it, one has it at a time.
// The system drops it when the process ends, however it ends.
type Lock struct{ files []*os.File }
