package platform

import (
	"os"

	"golang.org/x/sys/unix"
)

// DiskSpace is what an unprivileged process could still write to dir's file
// system, and the size of that, in bytes. Both are 0 where the file system has no
// size of its own, as ramfs.
func DiskSpace(dir string) (free, total uint64, err error) {
	var stat unix.Statfs_t
	if err := unix.Statfs(dir, &stat); err != nil {
		return 0, 0, &os.PathError{Op: "statfs", Path: dir, Err: err}
	}
	size := uint64(stat.Bsize)
	return stat.Bavail * size, stat.Blocks * size, nil
}

// Writable says why this process cannot make files in dir: its mode, or a file
// system that is read-only.
func Writable(dir string) error {
	if err := unix.Access(dir, unix.W_OK|unix.X_OK); err != nil {
		return &os.PathError{Op: "write to", Path: dir, Err: err}
	}
	return nil
}
