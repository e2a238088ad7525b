package ownedfile

import "golang.org/x/sys/unix"

// WritableForOthers tells of a mode and a group whether others than the owner and
// root can write: to a file, or in a directory replace files of others. The group of
// the name of its user, whose number is the user's on most systems, is not others.
func WritableForOthers(mode, gid uint32) bool {
	if mode&unix.S_IFMT == unix.S_IFDIR && mode&unix.S_ISVTX != 0 {
		return false
	}
	own := gid == 0 || int(gid) == unix.Geteuid() && int(gid) == unix.Getegid()
	return mode&0o002 != 0 || mode&0o020 != 0 && !own
}
