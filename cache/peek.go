package cache

import (
	"errors"

	"github.com/dgraph-io/badger/v4"
)

// Peek calls read with a function that returns the values of a store that no
// process has open, and leaves the store as it is, even if it is killed. It fails
// where the store is not what was closed; so does get where there is no value.
func Peek(dir string, read func(get func(key string) ([]byte, error)) error) (err error) {
	if err := directory(dir).ours(); err != nil {
		return err
	}
	unlock, err := lock(dir)
	if err != nil {
		return err
	}
	defer unlock()
	if !directory(dir).intact() {
		return errChanged
	}
	o := badgerOptions(directory(dir).database(), func(error) {})
	o.ReadOnly = true
	db, err := badger.OpenManaged(o)
	if err != nil {
		return clipped(err)
	}
	defer func() { err = errors.Join(err, clipped(db.Close())) }()
	return read((&disk{db: db}).get)
}
