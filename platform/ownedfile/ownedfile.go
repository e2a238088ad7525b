// Package ownedfile makes, opens, replaces and removes files in directories that may
// belong to another user: root's commands work in the directories of the user ilod, who
// runs the service. The owner of a directory can put anything there, under any name and
// at any time. So this package follows no link of that user, writes to no file that has
// a second name elsewhere, and does not wait for the other end of a pipe.
//
// Each package of the module may import this one; this one imports none of them.
package ownedfile

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// ErrPlanted: what has the name of a file or directory of ilod is something that
// ilod does not make, such as a link, a pipe or a file with a second name. Another
// user may have put it there.
var ErrPlanted = errors.New("ilod has not made it, and does not use it; look at it, then remove it")

// ErrForeign: a directory, or one above it, belongs to another user, or others can
// write to it.
var ErrForeign = errors.New("others can change what is in it")

// TempPrefix begins the names of files that have not got their own name yet. After
// it the name is random.
const TempPrefix = ".new-"

func planted(name, what string) error { return fmt.Errorf("%s is %s: %w", name, what, ErrPlanted) }

// in runs f with the open directory of a file and the file's name in it.
func in(name string, f func(d *directory, base string) error) error {
	d, err := openDirectory(filepath.Dir(name))
	if err != nil {
		return err
	}
	return errors.Join(f(d, filepath.Base(name)), d.close())
}

// Open opens a file that exists, with flag as of os.OpenFile. It fails with
// ErrPlanted for anything but a regular file with one name. Windows lets nobody but
// administrators into the directories of ilod, and a second name is not looked for.
func Open(name string, flag int) (file *os.File, err error) {
	err = in(name, func(d *directory, base string) (err error) {
		file, err = d.open(base, flag)
		return err
	})
	return file, err
}

// Create makes a file that did not exist, for reading and writing, with the mode
// perm whatever the umask. What root makes belongs to the owner of the directory.
func Create(name string, perm fs.FileMode) (file *os.File, err error) {
	err = in(name, func(d *directory, base string) (err error) {
		file, err = d.create(base, perm, true)
		return err
	})
	return file, err
}

// OpenOrCreate is Open for reading and writing, or Create.
func OpenOrCreate(name string, perm fs.FileMode) (file *os.File, err error) {
	for range 100 { // another process may make it, or remove it, meanwhile
		file, err = Open(name, os.O_RDWR)
		if errors.Is(err, fs.ErrNotExist) {
			file, err = Create(name, perm)
		}
		if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrExist) {
			break
		}
	}
	return file, err
}

// ReadFile is the content of a file, as Open opens it.
func ReadFile(name string) (content []byte, err error) {
	file, err := Open(name, os.O_RDONLY)
	if err != nil {
		return nil, err
	}
	content, err = io.ReadAll(file)
	return content, errors.Join(err, file.Close())
}

// Replace gives a file new content, and the mode perm, so that whoever reads it sees
// the old content or the new one, and a crash leaves one of the two. If durable is
// set, so does a loss of power, and after Replace that is the new one. What had the
// name is replaced and not followed.
func Replace(name string, content []byte, perm fs.FileMode, durable bool) error {
	return replace(name, content, perm, durable, true, func() error { return nil })
}

// ReplaceIf is Replace that calls ready when the new content is complete and has not
// got the name yet. An error of ready leaves the old content.
func ReplaceIf(name string, content []byte, perm fs.FileMode, durable bool, ready func() error) error {
	return replace(name, content, perm, durable, true, ready)
}

// replace leaves the file to this user, even in a directory of another, unless give is
// set.
func replace(name string, content []byte, perm fs.FileMode, durable, give bool, ready func() error) error {
	return in(name, func(d *directory, base string) error {
		temp := TempPrefix + rand.Text()
		file, err := d.create(temp, perm, give)
		if err != nil {
			return err
		}
		_, err = file.Write(content)
		if err == nil && durable {
			err = file.Sync()
		}
		if err = errors.Join(err, file.Close()); err == nil {
			err = ready()
		}
		if err == nil {
			err = d.rename(temp, base)
		}
		if err != nil {
			return errors.Join(err, d.remove(temp))
		}
		if durable { // not undone if this fails: the new content is there
			return d.sync()
		}
		return nil
	})
}

// Write writes to the file, device or pipe that a user names, and makes the file if need
// be. A regular file then has mode perm. In a directory in which others can make files
// it is replaced by one of this user, and what another user has put there is not
// written to.
func Write(name string, content []byte, perm fs.FileMode) error {
	plain := false
	if err := in(name, func(d *directory, base string) error {
		plain = d.plain(base)
		return nil
	}); err != nil {
		return err
	}
	if !plain {
		return replace(name, content, perm, false, false, func() error { return nil })
	}
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, perm)
	if err != nil {
		return err
	}
	info, err := file.Stat()
	if err == nil && info.Mode().IsRegular() {
		err = file.Chmod(perm)
	}
	if err == nil {
		_, err = file.Write(content)
	}
	return errors.Join(err, file.Close())
}

// Remove removes a file, or a link as such.
func Remove(name string) error {
	return in(name, func(d *directory, base string) error { return d.remove(base) })
}

// RemoveAll removes what has a name and all below it. Links are removed as such. What
// does not exist is no error.
func RemoveAll(name string) error {
	err := in(name, func(d *directory, base string) error { return d.removeAll(base) })
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// Rename gives a file another name in its directory.
func Rename(name, base string) error {
	return in(name, func(d *directory, old string) error { return d.rename(old, base) })
}

// Lstat looks at a file, and at a link as such.
func Lstat(name string) (info fs.FileInfo, err error) {
	err = in(name, func(d *directory, base string) (err error) {
		info, err = d.lstat(base)
		return err
	})
	return info, err
}

// ReadDir lists a directory in the order of the names.
func ReadDir(name string) ([]fs.DirEntry, error) {
	d, err := openDirectory(name)
	if err != nil {
		return nil, err
	}
	entries, err := d.entries()
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return entries, errors.Join(err, d.close())
}

// OpenDirectory opens a directory for reading.
func OpenDirectory(name string) (*os.File, error) {
	d, err := openDirectory(name)
	if err != nil {
		return nil, err
	}
	file, err := d.readable()
	return file, errors.Join(err, d.close())
}

// Sync makes the names in a directory durable. Windows has no such call and does it
// by itself.
func Sync(name string) error {
	d, err := openDirectory(name)
	if err != nil {
		return err
	}
	return errors.Join(d.sync(), d.close())
}

// MakePrivate makes a directory with mode 0700, or gives this mode to the one that is
// there, and removes what a crash has left of files without a name of their own.
// Directories above it that are missing have the mode above. What root makes belongs
// to the owner of the directory in which it is.
func MakePrivate(name string, above fs.FileMode) error {
	if err := MakeAll(filepath.Dir(name), above); err != nil {
		return err
	}
	d, err := makeDirectory(name, 0o700)
	if err != nil {
		return err
	}
	entries, err := d.entries()
	errs := []error{d.chmod(0o700), err}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), TempPrefix) {
			errs = append(errs, d.remove(e.Name()))
		}
	}
	return errors.Join(append(errs, d.close())...)
}

// MakeAll makes a directory with mode perm whatever the umask, and those above it that
// are missing. What root makes belongs to the owner of the directory in which it is.
func MakeAll(name string, perm fs.FileMode) error {
	d, err := openDirectory(name)
	if errors.Is(err, fs.ErrNotExist) && filepath.Dir(name) != name {
		if err := MakeAll(filepath.Dir(name), perm); err != nil {
			return err
		}
		d, err = makeDirectory(name, perm)
	}
	if err != nil {
		return err
	}
	return d.close()
}
