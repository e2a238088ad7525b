package cache

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/ilod/ilod/platform/ownedfile"
)

// lock takes the lock of a store's directory or fails with errInUse. The end of
// the process gives it back, too. It is not in an os.File, which the garbage
// collector would close where a store has given its disk up.
func lock(dir string) (unlock func(), err error) {
	file, err := ownedfile.OpenDirectory(dir)
	if err != nil {
		return nil, err
	}
	fd, err := unix.FcntlInt(file.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err := errors.Join(err, file.Close()); err != nil {
		return nil, fmt.Errorf("lock of %s: %w", dir, err)
	}
	if err := unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB); err != nil {
		unix.Close(fd)
		if errors.Is(err, unix.EWOULDBLOCK) {
			err = errInUse
		}
		return nil, fmt.Errorf("lock of %s: %w", dir, err)
	}
	return func() {
		// A child that another goroutine forks has the descriptor until it executes.
		_ = unix.Flock(fd, unix.LOCK_UN)
		unix.Close(fd)
	}, nil
}

// freeSpace is what an unprivileged process could still write to dir's file
// system, in bytes.
func freeSpace(dir string) (uint64, error) {
	var stat unix.Statfs_t
	if err := unix.Statfs(dir, &stat); err != nil {
		return 0, err
	}
	return stat.Bavail * uint64(stat.Bsize), nil
}
