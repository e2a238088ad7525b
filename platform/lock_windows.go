package platform

import (
	"errors"
	"os"

	"golang.org/x/sys/windows"
)

func openState(dir string) (*os.File, error) { return openLockFile(dir) }

// lockedByte is far behind the file's content, since Windows keeps others from
// reading what is locked.
var lockedByte = windows.Overlapped{OffsetHigh: 1 << 30}

// tryLock takes the lock of a file unless another process has it.
func tryLock(file *os.File) (locked bool, err error) {
	at := lockedByte
	err = windows.LockFileEx(windows.Handle(file.Fd()), windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, &at)
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) || errors.Is(err, windows.ERROR_IO_PENDING) {
		return false, nil
	}
	return err == nil, err
}

func unlock(file *os.File) error {
	at := lockedByte
	return windows.UnlockFileEx(windows.Handle(file.Fd()), 0, 1, 0, &at)
}

// lockHolder is 0: Windows does not tell who has a lock.
func lockHolder(*os.File) int { return 0 }

// commandLine is nil: Windows shows it to administrators only, by undocumented ways.
func commandLine(int) []string { return nil }
