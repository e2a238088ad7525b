package cache

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/options"
)

// keyPrefix is before every key on disk: BadgerDB refuses the empty key and those
// that begin with "!badger!".
const keyPrefix = "k"

// badgerOptions are measured ones. The compactors and three more are the last,
// which halve the memory that compactions take, the time of a Get and the time of
// Open for a tree of 1,500 documents. Change them with new measurements.
func badgerOptions(dir string, log badgerLog) badger.Options {
	o := badger.DefaultOptions(dir).WithLogger(log)
	o.MemTableSize = 3 << 20     // bounds memory, replay, and a sparse file of twice that
	o.BlockSize = 64 << 10       // blocks are read where they are mapped
	o.BaseTableSize = 1 << 20    // a compaction has several tables in memory
	o.ValueThreshold = 448 << 10 // above every entry: the value log stays empty
	o.ValueLogFileSize = 1 << 20 // the least allowed
	o.NumMemtables = 1
	o.NumLevelZeroTables = 1
	o.NumLevelZeroTablesStall = math.MaxInt32 // nothing would end the wait
	o.NumCompactors = 0                       // they look for work 40 times a second; see compact
	o.Compression = options.None
	o.BlockCacheSize, o.IndexCacheSize = 0, 0 // of use with compression only
	o.ChecksumVerificationMode = options.NoVerification
	o.DetectConflicts = false // there is one writer
	o.MetricsEnabled = false
	o.NumGoroutines = 1
	o.CompactL0OnClose = true // small at rest, fast to open
	o.BypassLockGuard = true  // the directory above is locked
	o.SyncWrites = false      // what is written survives a kill, not a loss of power
	return o
}

// BadgerDB leaves the tables that it writes at level 0. They are merged with the
// others when there are maxLevelZero of them, or when nothing was written for
// restAfter.
const (
	maxLevelZero = 2
	restAfter    = time.Second
)

// disk is an open database. It is in managed mode, in which reading does not wait
// for what is being written. One goroutine writes.
type disk struct {
	dir     directory
	unlock  func()
	version uint64      // of the last batch
	rest    *time.Timer // nil: nothing was written
	fail    badgerLog
	size    atomic.Int64 // of all files when that was last looked at

	compacting sync.Mutex

	mu sync.RWMutex // read-locked while BadgerDB reads or compacts
	db *badger.DB   // nil: closed

	stating   sync.Mutex
	condemned bool
}

var errCondemned = errors.New("the database was given up")

// openDisk opens the database in dir, or makes it, and lists what it holds, the
// oldest first. The second try cures what a kill at the wrong moment leaves
// (dgraph-io/badger issue 2207).
func openDisk(dir directory, log badgerLog) (*disk, []*entry, error) {
	o := badgerOptions(dir.database(), log)
	db, err := badger.OpenManaged(o)
	if err != nil {
		db, err = badger.OpenManaged(o)
	}
	if err != nil {
		return nil, nil, clipped(err)
	}
	db.SetDiscardTs(math.MaxUint64) // only the newest version of a key is ever read
	d := &disk{dir: dir, fail: log, db: db, version: db.MaxVersion()}
	entries, err := d.entries()
	if err != nil {
		return nil, nil, errors.Join(err, clipped(db.Close()))
	}
	d.measure()
	return d, entries, nil
}

func (d *disk) entries() ([]*entry, error) {
	type versioned struct {
		entry   *entry
		version uint64
	}
	var found []versioned
	err := d.view(func(txn *badger.Txn) error {
		o := badger.DefaultIteratorOptions
		o.PrefetchValues = false
		o.Prefix = []byte(keyPrefix)
		it := txn.NewIterator(o)
		defer it.Close()
		for it.Rewind(); it.Valid(); it.Next() {
			item := it.Item()
			e := &entry{key: string(item.Key()[len(keyPrefix):]), length: max(item.ValueSize()-envelopeLength, 0)}
			found = append(found, versioned{e, item.Version()})
		}
		return nil
	})
	slices.SortStableFunc(found, func(a, b versioned) int { return cmp.Compare(a.version, b.version) })
	entries := make([]*entry, len(found))
	for i := range found {
		entries[i] = found[i].entry
	}
	return entries, err
}

// view calls f to read. A panic of f, and a fault in the files that BadgerDB has
// mapped into memory, is an error.
func (d *disk) view(f func(*badger.Txn) error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			err = clipped(fmt.Errorf("panic: %v", r))
		}
	}()
	return d.db.View(f)
}

// get returns the value of key. Errors: errDamaged, also where there is none;
// ErrClosed; else the database is damaged.
func (d *disk) get(key string) (value []byte, err error) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	if d.db == nil {
		return nil, ErrClosed
	}
	err = d.view(func(txn *badger.Txn) error {
		item, err := txn.Get([]byte(keyPrefix + key))
		if errors.Is(err, badger.ErrKeyNotFound) {
			return fmt.Errorf("%w: nothing at %s", errDamaged, key)
		}
		if err != nil {
			return clipped(err)
		}
		return item.Value(func(sealed []byte) error {
			value, err = unseal(key, sealed)
			return err
		})
	})
	return value, err
}

// write makes the changes, after everything was removed if empty is set.
func (d *disk) write(empty bool, changes []change) error {
	if empty {
		if err := d.empty(); err != nil {
			return err
		}
	}
	d.version++
	batch := d.db.NewWriteBatchAt(d.version)
	defer batch.Cancel()
	for _, c := range changes {
		var err error
		if key := []byte(keyPrefix + c.key); c.entry == nil {
			err = batch.Delete(key)
		} else {
			err = batch.Set(key, seal(c.key, c.entry.value))
		}
		if err != nil {
			return clipped(err)
		}
	}
	if err := batch.Flush(); err != nil {
		return clipped(err)
	}
	if d.rest == nil {
		d.rest = time.AfterFunc(restAfter, func() {
			if err := d.compact(1); err != nil {
				d.fail(err)
			}
		})
	}
	d.rest.Reset(restAfter)
	return d.compact(maxLevelZero)
}

// measure looks at the sizes of the files, for those who must not wait for a disk.
func (d *disk) measure() { d.size.Store(d.dir.size()) }

// compact merges all tables if there are at least so many at level 0, and enough
// in them.
func (d *disk) compact(tables int) error {
	defer d.measure()
	d.mu.RLock()
	defer d.mu.RUnlock()
	d.compacting.Lock() // for BadgerDB it is a failure to find nothing left to do
	defer d.compacting.Unlock()
	if d.db == nil {
		return nil
	}
	levels := d.db.Levels()
	var merged int64
	for _, level := range levels[1:] {
		merged += level.Size
	}
	if levels[0].NumTables < tables || levels[0].Size < merged/4 {
		return nil
	}
	return clipped(d.db.Flatten(1))
}

// empty removes everything. DropAll bears no readers, nor a kill: it removes the
// log with the latest deletions before the tables with what they delete.
func (d *disk) empty() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.setState(stateOpening); err != nil {
		return err
	}
	if err := d.db.DropAll(); err != nil {
		return clipped(err)
	}
	return d.setState(stateOpen)
}

// setState sets the state of the directory unless that is condemned.
func (d *disk) setState(state string) error {
	d.stating.Lock()
	defer d.stating.Unlock()
	if d.condemned {
		return errCondemned
	}
	return d.dir.setState(state)
}

// condemn makes the next Open remove the database, whatever is done to it.
func (d *disk) condemn() error {
	d.stating.Lock()
	defer d.stating.Unlock()
	d.condemned = true
	return d.dir.condemn()
}

// close closes the database and notes what it has left.
func (d *disk) close() error {
	if d.rest != nil {
		d.rest.Stop()
	}
	d.mu.Lock()
	db := d.db
	d.db = nil
	d.mu.Unlock()
	if err := db.Close(); err != nil {
		return clipped(err)
	}
	closed, err := d.dir.closed()
	if err != nil {
		return err
	}
	return d.setState(closed)
}
