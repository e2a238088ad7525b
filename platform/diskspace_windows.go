package platform

import (
	"os"

	"golang.org/x/sys/windows"
)

// DiskSpace is what this user could still write to dir's volume, by its quota if
// it has one, and the size of that, in bytes.
func DiskSpace(dir string) (free, total uint64, err error) {
	name, err := windows.UTF16PtrFromString(dir)
	if err == nil {
		err = windows.GetDiskFreeSpaceEx(name, &free, &total, nil)
	}
	if err != nil {
		return 0, 0, &os.PathError{Op: "free space of", Path: dir, Err: err}
	}
	return free, total, nil
}

// Writable says why this process cannot make files in dir, by making one: there
// are more reasons than can be looked up.
func Writable(dir string) error {
	file, err := os.CreateTemp(dir, ".writable-*")
	if err != nil {
		return err
	}
	file.Close()
	return os.Remove(file.Name())
}
