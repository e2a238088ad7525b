package ownedfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// maxLinks is how many links the way to a directory may have, as for the kernel
// (path_resolution(7)).
const maxLinks = 40

// directory is an open directory (O_PATH). It stays the same one whatever is done to
// its name.
type directory struct {
	name string
	fd   int
	stat unix.Stat_t
}

func (d *directory) close() error { return unix.Close(d.fd) }

func (d *directory) failed(op, base string, err error) error {
	if err == nil {
		return nil
	}
	return &fs.PathError{Op: op, Path: filepath.Join(d.name, base), Err: err}
}

// openDirectory opens a directory. On the way there a link is followed only if it
// belongs to root or this user and lies in a directory of theirs.
func openDirectory(name string) (*directory, error) { return walk(name, nil) }

// walk calls each for all directories on the way, the last one included.
func walk(name string, each func(*directory) error) (*directory, error) {
	start := "."
	if filepath.IsAbs(name) {
		start = "/"
	}
	at, err := openAt(unix.AT_FDCWD, start, start)
	rest := strings.Split(name, "/")
	for links := 0; err == nil; {
		if each != nil {
			err = each(at)
		}
		for len(rest) > 0 && (rest[0] == "" || rest[0] == ".") {
			rest = rest[1:]
		}
		if len(rest) == 0 || err != nil {
			break
		}
		var next *directory
		next, err = openAt(at.fd, rest[0], filepath.Join(at.name, rest[0]))
		if err == nil && next.stat.Mode&unix.S_IFMT == unix.S_IFLNK {
			var target string
			target, err = next.target(at)
			if links++; links > maxLinks {
				err = unix.ELOOP
			}
			_ = next.close()
			if err != nil {
				break
			}
			rest = append(strings.Split(target, "/"), rest[1:]...)
			if !filepath.IsAbs(target) {
				continue
			}
			next, err = openAt(unix.AT_FDCWD, "/", "/")
		} else {
			rest = rest[1:]
		}
		if err == nil {
			_ = at.close()
			at = next
			if at.stat.Mode&unix.S_IFMT != unix.S_IFDIR {
				err = unix.ENOTDIR
			}
		}
	}
	if err != nil {
		if at != nil {
			_ = at.close()
		}
		if errors.Is(err, ErrPlanted) || errors.Is(err, ErrForeign) {
			return nil, err
		}
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	at.name = name
	return at, nil
}

func openAt(fd int, base, name string) (*directory, error) {
	fd, err := unix.Openat(fd, base, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	d := &directory{name: name, fd: fd}
	if err := unix.Fstat(fd, &d.stat); err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	return d, nil
}

// target is where a link in the directory in leads.
func (d *directory) target(in *directory) (string, error) {
	if !trusted(d.stat.Uid) || !trusted(in.stat.Uid) {
		return "", planted(d.name, "a symbolic link of another user")
	}
	buffer := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(d.fd, "", buffer)
	return string(buffer[:max(n, 0)]), err
}

// trusted tells whether root or this user is meant: they can do all that this process
// can.
func trusted(uid uint32) bool { return uid == 0 || int(uid) == unix.Geteuid() }

func (d *directory) open(base string, flag int) (*os.File, error) {
	var stat unix.Stat_t
	err := unix.Fstatat(d.fd, base, &stat, unix.AT_SYMLINK_NOFOLLOW)
	if err == nil {
		err = d.regular(base, &stat)
	}
	if err != nil {
		return nil, d.failed("open", base, err)
	}
	fd, err := unix.Openat(d.fd, base, flag|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, d.failed("open", base, err)
	}
	if err = unix.Fstat(fd, &stat); err == nil {
		err = d.regular(base, &stat)
	}
	if err != nil {
		_ = unix.Close(fd)
		return nil, d.failed("open", base, err)
	}
	return os.NewFile(uintptr(fd), filepath.Join(d.name, base)), nil
}

// regular fails with ErrPlanted unless a file is one that ilod can have made there.
func (d *directory) regular(base string, stat *unix.Stat_t) error {
	name := filepath.Join(d.name, base)
	switch kind := stat.Mode & unix.S_IFMT; {
	case kind == unix.S_IFLNK:
		return planted(name, "a symbolic link")
	case kind != unix.S_IFREG:
		return planted(name, "not a regular file")
	case stat.Nlink > 1:
		return planted(name, "a file with a second name (hard link)")
	case !trusted(stat.Uid) && stat.Uid != d.stat.Uid:
		return planted(name, fmt.Sprintf("a file of user %d", stat.Uid))
	}
	return nil
}

func (d *directory) create(base string, perm fs.FileMode, give bool) (*os.File, error) {
	fd, err := unix.Openat(d.fd, base, unix.O_RDWR|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, d.failed("create", base, err)
	}
	if give && d.given() {
		err = unix.Fchown(fd, int(d.stat.Uid), int(d.stat.Gid))
	}
	if err = errors.Join(err, unix.Fchmod(fd, uint32(perm.Perm()))); err != nil {
		_ = unix.Close(fd)
		return nil, d.failed("create", base, err)
	}
	return os.NewFile(uintptr(fd), filepath.Join(d.name, base)), nil
}

// given tells whether what this process makes is to belong to the directory's owner.
func (d *directory) given() bool { return unix.Geteuid() == 0 && d.stat.Uid != 0 }

func (d *directory) remove(base string) error {
	err := unix.Unlinkat(d.fd, base, 0)
	if errors.Is(err, unix.EISDIR) {
		err = unix.Unlinkat(d.fd, base, unix.AT_REMOVEDIR)
	}
	return d.failed("remove", base, err)
}

func (d *directory) removeAll(base string) error {
	err := unix.Unlinkat(d.fd, base, 0)
	if !errors.Is(err, unix.EISDIR) {
		return d.failed("remove", base, err)
	}
	below, err := openAt(d.fd, base, filepath.Join(d.name, base))
	if err != nil {
		return d.failed("remove", base, err)
	}
	entries, err := below.entries()
	errs := []error{err}
	for _, e := range entries {
		errs = append(errs, below.removeAll(e.Name()))
	}
	errs = append(errs, below.close(), d.failed("remove", base, unix.Unlinkat(d.fd, base, unix.AT_REMOVEDIR)))
	return errors.Join(errs...)
}

func (d *directory) rename(old, base string) error {
	return d.failed("rename", base, unix.Renameat(d.fd, old, d.fd, base))
}

func (d *directory) lstat(base string) (fs.FileInfo, error) {
	fd, err := unix.Openat(d.fd, base, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, d.failed("lstat", base, err)
	}
	file := os.NewFile(uintptr(fd), filepath.Join(d.name, base))
	info, err := file.Stat()
	return info, errors.Join(err, file.Close())
}

// readable opens the directory itself once more, for what needs more than O_PATH.
func (d *directory) readable() (*os.File, error) {
	fd, err := unix.Openat(d.fd, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, d.failed("open", "", err)
	}
	return os.NewFile(uintptr(fd), d.name), nil
}

func (d *directory) entries() ([]fs.DirEntry, error) {
	file, err := d.readable()
	if err != nil {
		return nil, err
	}
	entries, err := file.ReadDir(-1)
	return entries, errors.Join(err, file.Close())
}

func (d *directory) sync() error {
	file, err := d.readable()
	if err != nil {
		return err
	}
	return errors.Join(file.Sync(), file.Close())
}

func (d *directory) chmod(perm fs.FileMode) error {
	if d.stat.Mode&0o7777 == uint32(perm.Perm()) {
		return nil
	}
	file, err := d.readable()
	if err != nil {
		return err
	}
	return errors.Join(file.Chmod(perm), file.Close())
}

// give makes the owner of the directory above, in which root has made d, its owner.
func (d *directory) give(above *directory) error {
	if !above.given() || d.stat.Uid != 0 {
		return nil
	}
	return d.failed("chown", "", unix.Fchownat(d.fd, "", int(above.stat.Uid), int(above.stat.Gid), unix.AT_EMPTY_PATH))
}

// plain tells whether what has a name in d can be written to as it is: nobody but root
// and this user can have put it there.
func (d *directory) plain(base string) bool {
	if !trusted(d.stat.Uid) {
		return false
	}
	if d.stat.Mode&0o022 == 0 {
		return true
	}
	var stat unix.Stat_t
	return unix.Fstatat(d.fd, base, &stat, unix.AT_SYMLINK_NOFOLLOW) == nil && trusted(stat.Uid) && stat.Nlink == 1 && stat.Mode&unix.S_IFMT != unix.S_IFREG
}

// makeDirectory makes a directory in one that exists, or opens it.
func makeDirectory(name string, perm fs.FileMode) (made *directory, err error) {
	err = in(name, func(above *directory, base string) error {
		making := unix.Mkdirat(above.fd, base, uint32(perm.Perm()))
		if making != nil && !errors.Is(making, unix.EEXIST) {
			return above.failed("mkdir", base, making)
		}
		if making != nil { // by a link of root's, too
			made, err = openDirectory(name)
			return err
		}
		made, err = openAt(above.fd, base, name)
		if err != nil {
			return above.failed("open", base, err)
		}
		if made.stat.Mode&unix.S_IFMT != unix.S_IFDIR {
			return errors.Join(planted(name, "not a directory any more"), made.close())
		}
		return errors.Join(made.chmod(perm), made.give(above))
	})
	if err != nil {
		return nil, err
	}
	return made, nil
}

// ShareSocket gives the socket of this process at a path a group, if that may be, and
// a mode. A link there is not followed, and what is no socket of this user's alone
// stays as it is.
func ShareSocket(name string, gid int, perm fs.FileMode) error {
	return in(name, func(d *directory, base string) error {
		s, err := openAt(d.fd, base, name)
		if err != nil {
			return d.failed("open", base, err)
		}
		defer func() { _ = s.close() }()
		if s.stat.Mode&unix.S_IFMT != unix.S_IFSOCK || s.stat.Nlink > 1 || int(s.stat.Uid) != unix.Geteuid() {
			return planted(name, "not the socket that was made here")
		}
		if gid >= 0 { // an ordinary user need not be a member
			_ = unix.Fchownat(s.fd, "", -1, gid, unix.AT_EMPTY_PATH)
		}
		if s.stat.Mode&0o7777 == uint32(perm) {
			return nil
		}
		// fchmod(2) takes no O_PATH, and fchmodat2(2) needs Linux 6.6.
		return d.failed("chmod", base, unix.Chmod(fmt.Sprintf("/proc/self/fd/%d", s.fd), uint32(perm)))
	})
}

// GiveAll makes the owner of a directory the owner of what root has made below it. What
// has a second name stays root's: it may be a file from elsewhere.
func GiveAll(name string) error {
	d, err := openDirectory(name)
	if err != nil {
		return err
	}
	return errors.Join(d.giveAll(d), d.close())
}

// giveAll gives what is in d to the owner of top.
func (d *directory) giveAll(top *directory) error {
	entries, err := d.entries()
	errs := []error{err}
	for _, e := range entries {
		below, err := openAt(d.fd, e.Name(), filepath.Join(d.name, e.Name()))
		if errors.Is(err, unix.ENOENT) {
			continue // somebody has removed it meanwhile
		}
		if err != nil {
			errs = append(errs, d.failed("open", e.Name(), err))
			continue
		}
		switch kind := below.stat.Mode & unix.S_IFMT; {
		case kind == unix.S_IFDIR:
			errs = append(errs, below.give(top), below.giveAll(top))
		case kind == unix.S_IFREG && below.stat.Nlink == 1:
			errs = append(errs, below.give(top))
		}
		errs = append(errs, below.close())
	}
	return errors.Join(errs...)
}

// Own fails with ErrForeign unless a directory, and each on the way to it, can be
// changed by root and this user alone. It is for what a library opens by its path,
// which follows every link.
func Own(name string) error {
	d, err := walk(name, func(d *directory) error {
		switch {
		case !trusted(d.stat.Uid):
			return fmt.Errorf("%s belongs to user %d: %w", d.name, d.stat.Uid, ErrForeign)
		case WritableForOthers(d.stat.Mode, d.stat.Gid):
			return fmt.Errorf("%s has mode %04o: %w", d.name, d.stat.Mode&0o7777, ErrForeign)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return d.close()
}

// Owner is who owns a directory, and whether nobody but that user and root can make
// files in it.
func Owner(name string) (uid uint32, alone bool, err error) {
	d, err := openDirectory(name)
	if err != nil {
		return 0, false, err
	}
	own := d.stat.Gid == 0 || d.stat.Gid == d.stat.Uid
	alone = d.stat.Mode&0o002 == 0 && (own || d.stat.Mode&0o020 == 0)
	return d.stat.Uid, alone, d.close()
}
