//go:build !linux

package ownedfile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// directory is the name of one. Package platform makes the directories of ilod on
// Windows for administrators alone.
type directory struct{ name string }

func (d *directory) close() error { return nil }

func (d *directory) path(base string) string { return filepath.Join(d.name, base) }

func openDirectory(name string) (*directory, error) {
	info, err := os.Stat(name)
	if err == nil && !info.IsDir() {
		err = &fs.PathError{Op: "open", Path: name, Err: errors.New("not a directory")}
	}
	return &directory{name}, err
}

func (d *directory) open(base string, flag int) (*os.File, error) {
	info, err := os.Lstat(d.path(base))
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, planted(d.path(base), "not a regular file")
	}
	return os.OpenFile(d.path(base), flag, 0)
}

func (d *directory) create(base string, perm fs.FileMode, _ bool) (*os.File, error) {
	return os.OpenFile(d.path(base), os.O_RDWR|os.O_CREATE|os.O_EXCL, perm)
}

func (d *directory) remove(base string) error    { return os.Remove(d.path(base)) }
func (d *directory) removeAll(base string) error { return os.RemoveAll(d.path(base)) }

func (d *directory) rename(old, base string) error { return os.Rename(d.path(old), d.path(base)) }

func (d *directory) lstat(base string) (fs.FileInfo, error) { return os.Lstat(d.path(base)) }

func (d *directory) entries() ([]fs.DirEntry, error) { return os.ReadDir(d.name) }

func (d *directory) sync() error {
	if runtime.GOOS == "windows" {
		return nil
	}
	file, err := os.Open(d.name)
	if err != nil {
		return err
	}
	return errors.Join(file.Sync(), file.Close())
}

func (d *directory) readable() (*os.File, error) { return os.Open(d.name) }

func (d *directory) chmod(perm fs.FileMode) error { return os.Chmod(d.name, perm) }

func (d *directory) plain(string) bool { return true }

func makeDirectory(name string, perm fs.FileMode) (*directory, error) {
	if err := os.Mkdir(name, perm); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	return openDirectory(name)
}

// GiveAll does nothing: the directories of ilod are of administrators.
func GiveAll(string) error { return nil }

// Own is nil: package platform gives the directories of ilod to administrators alone.
func Own(string) error { return nil }
