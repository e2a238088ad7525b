package platform

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/ilod/ilod/platform/ownedfile"
)

// SharedFile fails with a SharedError if others than root and this user can change a
// file, or put another one into its place. One that does not exist, or that this user
// cannot look at, is no error.
func SharedFile(name string) error {
	real, err := filepath.EvalSymlinks(name)
	if err != nil {
		return nil
	}
	errs := []error{shared(filepath.Dir(name), true)}
	if real != name && filepath.Dir(real) != filepath.Dir(name) {
		errs = append(errs, shared(filepath.Dir(real), true))
	}
	return errors.Join(append(errs, shared(real, false))...)
}

// SharedDirectory fails with a SharedError if others than root, this user and the
// users of these names can make files in a directory.
func SharedDirectory(name string, owners ...string) error { return shared(name, false, owners...) }

// shared tells whose a file or a directory is, and who can write there. In a sticky
// directory nobody replaces the files of others, which may be enough.
func shared(name string, sticky bool, owners ...string) error {
	info, err := os.Stat(name)
	if err != nil {
		return nil
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return nil
	}
	if stat.Mode&unix.S_IFMT == unix.S_IFCHR && stat.Rdev == unix.Mkdev(1, 3) {
		return nil // /dev/null (null(4)), whose content nobody changes
	}
	if stat.Uid != 0 && int(stat.Uid) != os.Geteuid() {
		owner := strconv.FormatUint(uint64(stat.Uid), 10)
		if u, err := user.LookupId(owner); err == nil {
			owner = u.Username
		}
		if !slices.Contains(owners, owner) {
			return &SharedError{name, fmt.Sprintf("belongs to user %s, who can change it", owner), "chown root " + name}
		}
	}
	mode := stat.Mode
	if !sticky {
		mode &^= unix.S_ISVTX
	}
	gid := stat.Gid
	if gid == stat.Uid { // the group of the owner alone
		gid = 0
	}
	if ownedfile.WritableForOthers(mode, gid) {
		return &SharedError{name, fmt.Sprintf("has mode %04o, so that other users can change it", stat.Mode&0o7777), "chmod go-w " + name}
	}
	return nil
}
