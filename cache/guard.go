package cache

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ilod/ilod/platform/ownedfile"
)

const (
	freeToOpen  = 64 << 20
	freeToWrite = 32 << 20
	// verifyTimeout is how long Options.Verify may take.
	verifyTimeout = 10 * time.Second
)

var (
	errInUse    = errors.New("in use by another process")
	errLowSpace = errors.New("not enough free space")
	errOpening  = errors.New("the last process ended while it opened them")
	errChanged  = errors.New("they differ from what was closed")
)

// room tells whether a database of so many bytes may be written to. BadgerDB
// kills the process when the disk is full, and a compaction may write everything
// anew.
func (o *Options) room(bytes int64) error { return o.needFree(freeToWrite + uint64(bytes)) }

func (o *Options) needFree(needed uint64) error {
	free, err := o.freeSpace(o.Dir)
	if err != nil {
		return fmt.Errorf("free space: %w", err)
	}
	if free < needed {
		return fmt.Errorf("%w: %d MiB of %d MiB", errLowSpace, free>>20, needed>>20)
	}
	return nil
}

// openGuarded opens the database of o.Dir and lists what it holds. What is
// damaged may kill who opens it, so that this process opens only what was closed,
// by the last process or by a child that has read all of it. Anything else is
// removed.
func openGuarded(ctx context.Context, o Options, log badgerLog) (*disk, []*entry, error) {
	dir := directory(o.Dir)
	if err := ownedfile.MakeAll(o.Dir, 0o700); err != nil {
		return nil, nil, err
	}
	if err := dir.ours(); err != nil {
		return nil, nil, err
	}
	if err := o.needFree(freeToOpen); err != nil {
		return nil, nil, err
	}
	cause := errChanged
	switch dir.state() {
	case stateOpening:
		cause = errOpening
	case stateOpen:
		cause = ErrUnclean
		if o.Verify != nil {
			limited, cancel := context.WithTimeout(ctx, o.verifyTimeout)
			cause = o.Verify(limited, o.Dir) // which takes the lock
			cancel()
		}
		if err := ctx.Err(); err != nil {
			return nil, nil, err
		}
	}
	unlock, err := lock(o.Dir)
	if err != nil {
		return nil, nil, err
	}
	d, entries, err := openLocked(o, cause, log)
	if err != nil {
		unlock()
		return nil, nil, err
	}
	d.unlock = unlock
	return d, entries, nil
}

func openLocked(o Options, cause error, log badgerLog) (*disk, []*entry, error) {
	dir := directory(o.Dir)
	remove := func(cause error) error {
		_, err := ownedfile.Lstat(dir.database())
		if err := dir.wipe(); err != nil {
			return err
		}
		if err == nil {
			o.Warn("the files of the cache were removed", cause)
		}
		return dir.setState(stateOpening)
	}
	var err error
	if dir.intact() {
		err = dir.setState(stateOpening)
	} else {
		err = remove(cmp.Or(cause, errChanged))
	}
	if err != nil {
		return nil, nil, err
	}
	d, entries, err := openDisk(dir, log)
	if err != nil {
		if err := remove(err); err != nil {
			return nil, nil, err
		}
		d, entries, err = openDisk(dir, log)
	}
	if err != nil {
		return nil, nil, err
	}
	if err := d.setState(stateOpen); err != nil {
		return nil, nil, errors.Join(err, clipped(d.db.Close()))
	}
	return d, entries, nil
}

// Verify opens the database of a store that was not closed, reads everything in
// it, checks the checksums and closes it, so that Open need not fear it. Damage
// is an error, a panic, a fault or an exit: call it in a process of its own, as
// Options.Verify says.
func Verify(dir string) error {
	if err := verify(directory(dir)); err != nil {
		return fmt.Errorf("cache in %s: %w", dir, err)
	}
	return nil
}

func verify(dir directory) error {
	if err := dir.ours(); err != nil {
		return err
	}
	unlock, err := lock(string(dir))
	if err != nil {
		return err
	}
	defer unlock()
	if state := dir.state(); state != stateOpen {
		return fmt.Errorf("its state is %q", clip(state))
	}
	d, entries, err := openDisk(dir, func(error) {})
	if err != nil {
		return err
	}
	for _, e := range entries {
		if _, err := d.get(e.key); err != nil {
			return errors.Join(err, clipped(d.db.Close()))
		}
	}
	return d.close()
}
