package platform

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/ilod/ilod/platform/ownedfile"
)

const (
	// lockPoll is how often a lock that is held is tried again: flock(2) cannot
	// be told to give up.
	lockPoll = 20 * time.Millisecond
	// lockFile is the lock in the runtime directory, and tells who holds it.
	lockFile = "lock"
)

// ErrLocked: another process holds the instance lock. The error is a
// *LockedError that says which.
var ErrLocked = errors.New("another ilod is at work")

// LockedError is the ErrLocked of one file or directory.
type LockedError struct {
	Of      string // the file or directory whose lock is held
	PID     int    // the process that holds it; 0 if nobody tells. Never this one
	Command string // what it was started as, such as "ilod agent"; empty if nobody tells
	Err     error  // why waiting ended: the error of a context
}

func (e *LockedError) Error() string {
	return fmt.Sprintf("%v: %s holds the lock of %s", ErrLocked, e.Holder(), e.Of)
}

// Holder names the process that holds the lock, as far as it is known.
func (e *LockedError) Holder() string {
	switch {
	case e.PID == 0:
		return "a process that is not known"
	case e.Command == "":
		return fmt.Sprintf("process %d", e.PID)
	}
	return fmt.Sprintf("'%s' (process %d)", e.Command, e.PID)
}

func (e *LockedError) Is(target error) bool { return target == ErrLocked }

// Unwrap returns why waiting ended.
func (e *LockedError) Unwrap() error { return e.Err }

// Lock is the instance lock: of the processes that want it, one has it at a time.
// The system drops it when the process ends, however it ends.
type Lock struct{ files []*os.File }

// AcquireLock takes the instance lock of both directories: of a file in runtime,
// and of the directory state: on Linux of that itself, which works on a read-only
// file system, too.
// An empty state is left out. Each is made if it does not exist. It waits for
// another holder until ctx ends, and then fails with a *LockedError. One
// directory that cannot be used is no error, but one of somebody else is
// (ErrNotOurs), and so is something that was put into the place of the lock
// (ownedfile.ErrPlanted).
func AcquireLock(ctx context.Context, runtime, state string) (*Lock, error) {
	l := &Lock{}
	holder, unusable := openLockFile(runtime)
	if errors.Is(unusable, ownedfile.ErrPlanted) {
		return nil, fmt.Errorf("instance lock: %w", unusable)
	}
	if unusable == nil {
		if err := l.take(ctx, holder, holder.Name()); err != nil {
			return nil, err
		}
	}
	if state != "" {
		dir, err := openState(state)
		if err == nil {
			err = l.take(ctx, dir, filepath.Join(runtime, lockFile))
		}
		if errors.Is(err, ErrLocked) {
			return nil, err
		}
		unusable = errors.Join(unusable, err)
	}
	if holder != nil && len(l.files) > 0 && l.files[0] == holder {
		// Only for the text of LockedError, so that a full disk does not matter.
		_ = holder.Truncate(0)
		_, _ = holder.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	}
	if len(l.files) == 0 || errors.Is(unusable, ErrNotOurs) {
		return nil, errors.Join(fmt.Errorf("instance lock: %w", unusable), l.Release())
	}
	return l, nil
}

func openLockFile(dir string) (*os.File, error) {
	if err := makeDirectory(dir); err != nil {
		return nil, err
	}
	return ownedfile.OpenOrCreate(filepath.Join(dir, lockFile), 0o600)
}

// take locks a file and adds it. If that fails nothing stays locked.
func (l *Lock) take(ctx context.Context, file *os.File, teller string) error {
	l.files = append(l.files, file)
	for {
		locked, err := tryLock(file)
		if locked {
			return nil
		}
		if err != nil {
			return errors.Join(fmt.Errorf("instance lock of %s: %w", file.Name(), err), l.Release())
		}
		timer := time.NewTimer(lockPoll)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return errors.Join(newLockedError(file, teller, context.Cause(ctx)), l.Release())
		}
	}
}

// newLockedError finds out who holds the lock of a file: the kernel knows, if it
// tells; else the file teller says it, unless that is about this process, which has
// taken the lock of teller and waits for another one.
func newLockedError(file *os.File, teller string, why error) *LockedError {
	pid := lockHolder(file)
	if pid == 0 {
		content, _ := ownedfile.ReadFile(teller)
		pid, _ = strconv.Atoi(strings.TrimSpace(string(content)))
	}
	if pid < 0 || pid == os.Getpid() {
		pid = 0
	}
	e := &LockedError{Of: file.Name(), PID: pid, Err: why}
	if pid != 0 {
		e.Command = safeCommand(commandLine(pid))
	}
	return e
}

// safeCommand is the beginning of a command line in which no secret can be: the
// program, up to three words, and the name of the first flag.
func safeCommand(args []string) string {
	if len(args) == 0 {
		return ""
	}
	words := []string{filepath.Base(args[0])}
	for _, arg := range args[1:] {
		name, _, _ := strings.Cut(arg, "=")
		flag := strings.HasPrefix(arg, "-")
		if !flag && (len(words) > 3 || strings.Trim(arg, "abcdefghijklmnopqrstuvwxyz-") != "") {
			break
		}
		words = append(words, name)
		if flag { // the next word may be its value
			break
		}
	}
	return strings.Join(words, " ")
}

// Release gives the lock back.
func (l *Lock) Release() error {
	var errs []error
	for _, f := range l.files {
		// A child that is being started has the file open until it executes.
		errs = append(errs, unlock(f), f.Close())
	}
	l.files = nil
	return errors.Join(errs...)
}
