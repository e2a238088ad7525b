package cache

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/windows"
)

// lock takes the lock of a store's directory or fails with errInUse. It is a file
// beside the directory, whose content may be removed. The end of the process gives
// it back, too.
func lock(dir string) (unlock func(), err error) {
	if _, err := os.Stat(dir); err != nil {
		return nil, err
	}
	path := filepath.Clean(dir) + ".lock"
	name, err := windows.UTF16PtrFromString(path)
	if err != nil {
		return nil, err
	}
	// Nobody else can open the file as long as it is open here.
	handle, err := windows.CreateFile(name, windows.GENERIC_READ|windows.GENERIC_WRITE, 0, nil, windows.OPEN_ALWAYS, windows.FILE_ATTRIBUTE_NORMAL, 0)
	if errors.Is(err, windows.ERROR_SHARING_VIOLATION) {
		return nil, fmt.Errorf("lock of %s: %w", dir, errInUse)
	}
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	return func() { windows.CloseHandle(handle) }, nil
}

// freeSpace is what this user could still write to dir's volume, in bytes.
func freeSpace(dir string) (free uint64, err error) {
	name, err := windows.UTF16PtrFromString(dir)
	if err == nil {
		err = windows.GetDiskFreeSpaceEx(name, &free, nil, nil)
	}
	return free, err
}
