package cache

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/ilod/ilod/platform/ownedfile"
)

// A directory holds a database and a file with its state: what is left if the
// process ends now. Without a state, the database is to be removed. Nothing is
// synced: a loss of power may leave any mixture of states and files, and what
// Open makes of it is safe.
const (
	stateOpening = "opening" // the database may kill whoever opens it
	stateOpen    = "open"    // the database is to be verified
	stateClosed  = "closed"  // followed by databaseFormat and a fingerprint

	databaseFormat = 1
)

type directory string

func (d directory) database() string  { return filepath.Join(string(d), "badger") }
func (d directory) stateFile() string { return filepath.Join(string(d), "state") }

// ours fails unless root and this user alone can change what is in the directory:
// BadgerDB opens its files by their paths, and would follow the links of others.
func (d directory) ours() error { return ownedfile.Own(string(d)) }

// state returns "" if there is none.
func (d directory) state() string {
	content, _ := ownedfile.ReadFile(d.stateFile())
	return string(content)
}

func (d directory) setState(state string) error {
	return ownedfile.Replace(d.stateFile(), []byte(state), 0o600, false)
}

// intact tells whether the database is what was closed.
func (d directory) intact() bool {
	state := d.state()
	if !strings.HasPrefix(state, stateClosed) {
		return false
	}
	closed, err := d.closed()
	return err == nil && state == closed
}

// closed is the state to set when the database was closed as it is now: with the
// CRC-32C of its files' names, sizes and contents.
func (d directory) closed() (string, error) {
	files, err := ownedfile.ReadDir(d.database())
	if err != nil {
		return "", err
	}
	sum := crc32.New(castagnoli)
	for _, file := range files {
		if err := addFile(sum, filepath.Join(d.database(), file.Name())); err != nil {
			return "", err
		}
	}
	return fmt.Sprintf("%s %d %08x", stateClosed, databaseFormat, sum.Sum32()), nil
}

func addFile(sum io.Writer, name string) error {
	file, err := ownedfile.Open(name, os.O_RDONLY)
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	fmt.Fprintf(sum, "%q %d\n", info.Name(), info.Size())
	_, err = io.Copy(sum, file)
	return err
}

// condemn makes the next Open remove the database.
func (d directory) condemn() error {
	if err := ownedfile.Remove(d.stateFile()); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// wipe removes the database.
func (d directory) wipe() error {
	return errors.Join(d.condemn(), ownedfile.RemoveAll(d.database()))
}

// size is the apparent size of all files.
func (d directory) size() (bytes int64) {
	_ = filepath.WalkDir(string(d), func(_ string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() {
			if info, err := entry.Info(); err == nil {
				bytes += info.Size()
			}
		}
		return nil
	})
	return bytes
}
