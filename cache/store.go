// Package cache keeps values by key: on disk in BadgerDB, or in bounded memory. It
// does not know what they mean. Package agent/freshness keeps the tree in it.
//
// A lost cache costs only speed. Half of the ways in which BadgerDB fails kill the
// process (tried with v4.9). So every kind of damage has the same cure: the store
// removes the files, at the latest in the next Open. If a directory is unusable, at
// Open or later, its store goes on in memory.
package cache

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// MaxValue is the longest value in bytes. It keeps every entry below
	// BadgerDB's ValueThreshold, so that its value log stays empty.
	MaxValue = 384 << 10
	// MaxKey is the longest key in bytes.
	MaxKey = 32 << 10

	defaultDiskBytes   = 64 << 20
	defaultMemoryBytes = 32 << 20
	// maxUnwritten bounds the bytes that wait for the disk.
	maxUnwritten = 8 << 20
	// patience is how long BadgerDB may take for a batch or to close.
	patience = 10 * time.Second
)

var (
	// ErrTooLarge: the key is longer than MaxKey, the value longer than MaxValue,
	// or both together do not fit in Options.MaxBytes.
	ErrTooLarge = errors.New("too large for the cache")
	// ErrBusy: more is put into the store than its disk can take.
	ErrBusy = errors.New("the disk of the cache is busy")
	// ErrClosed: the store was closed.
	ErrClosed = errors.New("the cache is closed")
)

// Options say where and how much. The zero value is a store in memory.
type Options struct {
	// Dir is a directory for this store alone, made if need be; empty for a store
	// in memory that touches no file.
	Dir string
	// MaxBytes limits what is kept, counted as in Stats.Bytes; the least recently
	// used goes first. 0 is 64 MiB on disk and 32 MiB in memory. A store that
	// cannot be on disk keeps 32 MiB at most.
	MaxBytes int64
	// Verify runs this package's Verify in a child process and waits for its end;
	// that the child died is an error. It is called when the last store in Dir was
	// not closed; if it is nil, the files are removed instead.
	Verify func(ctx context.Context, dir string) error
	// Warn is told of trouble that the store has coped with: what, in one of a few
	// texts, and why, without a byte of any value. It may be called from any
	// goroutine and must not call the store.
	Warn func(reason string, err error)

	// For tests; zero values are those of the package.
	freeSpace     func(dir string) (uint64, error)
	patience      time.Duration
	verifyTimeout time.Duration
}

// Stats are the state of a store, and counts since Open.
type Stats struct {
	OnDisk   bool   `json:"onDisk"`   // else in memory
	Fallback string `json:"fallback"` // why in memory, where Options asked for a disk

	Entries   int   `json:"entries"`
	Bytes     int64 `json:"bytes"`     // of keys and values, and 256 for each entry
	MaxBytes  int64 `json:"maxBytes"`  // the limit of Bytes
	DiskBytes int64 `json:"diskBytes"` // apparent size of the files after the last write

	Hits    uint64 `json:"hits"`    // of Get
	Misses  uint64 `json:"misses"`  // of Get
	Puts    uint64 `json:"puts"`    // that were accepted
	Refused uint64 `json:"refused"` // Puts that were not
	Evicted uint64 `json:"evicted"` // entries, to make room
	Damaged uint64 `json:"damaged"` // entries that were damaged or lost on disk, and dropped
}

// Store is the cache. Its methods may be used concurrently, and values that they
// return must not be modified.
type Store struct {
	options Options
	ended   chan struct{} // closed by the writer
	gaveUp  chan struct{} // closed by giveUp

	hits, misses, puts, refused, evicted, damaged atomic.Uint64

	mu       sync.Mutex // never held while BadgerDB is called, whose log calls giveUp
	index    index
	closed   bool
	disk     *disk // nil: in memory
	fallback string
	outdate  func() // nil, or: the files on disk lack what is dropped here

	// What the disk lacks: first everything goes if clear is set, then each key of
	// dirty is written, or deleted if index has none. Then waiting are closed.
	clear     bool
	dirty     map[string]struct{}
	waiting   []chan struct{}
	writing   bool       // the writer is busy with what these were
	unwritten int64      // bytes of values in index that are not on disk
	stopped   bool       // no more work will come
	work      *sync.Cond // there is work, or none will come
}

// Open opens or makes the store. A directory that is damaged, full, read-only or
// in use is no error: it is emptied, or the store is in memory and Stats says
// why. So is one in which another user than root can change something. What is
// dropped from such a store in memory makes the next Open remove the files. Errors are
// those of ctx, and of Options that make no sense.
func Open(ctx context.Context, o Options) (*Store, error) {
	if o.MaxBytes < 0 {
		return nil, fmt.Errorf("cache: limit of %d bytes", o.MaxBytes)
	}
	if o.Warn == nil {
		o.Warn = func(string, error) {}
	}
	if o.freeSpace == nil {
		o.freeSpace = freeSpace
	}
	o.patience, o.verifyTimeout = cmp.Or(o.patience, patience), cmp.Or(o.verifyTimeout, verifyTimeout)
	s := &Store{options: o, ended: make(chan struct{}), gaveUp: make(chan struct{}), dirty: map[string]struct{}{}}
	s.work = sync.NewCond(&s.mu)
	if o.Dir == "" {
		s.index.reset(cmp.Or(o.MaxBytes, defaultMemoryBytes))
		return s, nil
	}
	s.index.reset(cmp.Or(o.MaxBytes, defaultDiskBytes))
	disk, entries, err := openGuarded(ctx, o, s.giveUp)
	if err != nil {
		if ctx.Err() != nil {
			return nil, fmt.Errorf("cache: %w", context.Cause(ctx))
		}
		s.toMemory(err)
		s.outdate = sync.OnceFunc(func() {
			if err := directory(o.Dir).condemn(); err != nil {
				o.Warn("the files of the cache remain", err)
			}
		})
		o.Warn("the cache is in memory", err)
		return s, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.disk = disk
	for _, e := range entries {
		s.index.add(e)
	}
	s.makeRoom()
	go s.writeBehind(disk)
	return s, nil
}

// Get returns the value of key. A damaged entry is a miss.
func (s *Store) Get(key string) ([]byte, bool) {
	value, ok := s.read(key, true)
	if ok {
		s.hits.Add(1)
	} else {
		s.misses.Add(1)
	}
	return value, ok
}

func (s *Store) read(key string, use bool) ([]byte, bool) {
	s.mu.Lock()
	e := s.index.find(key)
	if e == nil {
		s.mu.Unlock()
		return nil, false
	}
	if use {
		s.index.use(e)
	}
	value, disk := e.value, s.disk
	s.mu.Unlock()
	if value != nil {
		return value, true
	}
	value, err := disk.get(key)
	switch {
	case err == nil:
		return value, true
	case errors.Is(err, errDamaged):
		s.forget(e, err)
	case !errors.Is(err, ErrClosed):
		s.giveUp(err)
	}
	return nil, false
}

// forget drops an entry that is not on disk as it should be, unless it was
// dropped or replaced meanwhile.
func (s *Store) forget(e *entry, err error) {
	s.mu.Lock()
	lost := s.index.find(e.key) == e
	if lost {
		s.remove(e)
	}
	s.mu.Unlock()
	if lost {
		s.damaged.Add(1)
		s.options.Warn("a damaged entry of the cache was dropped", err)
	}
}

// Put keeps a copy of value under key, instead of what was there. It does not
// wait for the disk: what it has just taken may be lost if the process is
// killed. Errors are ErrTooLarge, ErrBusy and ErrClosed; what was there remains.
func (s *Store) Put(key string, value []byte) error {
	err := s.put(&entry{key, append([]byte{}, value...), int64(len(value))})
	if err != nil {
		s.refused.Add(1)
		return err
	}
	s.puts.Add(1)
	return nil
}

func (s *Store) put(e *entry) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return ErrClosed
	case len(e.key) > MaxKey || len(e.value) > MaxValue || e.size() > s.index.max:
		return fmt.Errorf("%d bytes: %w", len(e.key)+len(e.value), ErrTooLarge)
	case s.disk != nil && s.unwritten+e.length > maxUnwritten:
		return ErrBusy
	}
	if old := s.index.find(e.key); old != nil {
		s.remove(old)
	}
	s.index.add(e)
	if s.disk != nil {
		s.unwritten += e.length
		s.mark(e.key)
	}
	s.makeRoom()
	return nil
}

// Drop removes keys, all in one go. When it returns, none of them comes back even
// if the process is killed; they may after a loss of power, so that what was
// stored before the host's last boot is not to be trusted.
func (s *Store) Drop(keys ...string) {
	if len(keys) == 0 {
		return
	}
	if s.outdate != nil {
		s.outdate()
	}
	s.mu.Lock()
	for _, key := range keys {
		if e := s.index.find(key); e != nil {
			s.remove(e)
		}
	}
	// What removed a key before, or everything, may not be done either.
	var written <-chan struct{}
	if s.clear || s.writing || len(s.dirty) > 0 {
		written = s.written()
	}
	s.mu.Unlock()
	s.await(written)
}

// Clear removes everything, with the promise of Drop. The error is ErrClosed.
func (s *Store) Clear() error {
	if s.outdate != nil {
		s.outdate()
	}
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return ErrClosed
	}
	s.index.reset(s.index.max)
	s.unwritten, s.clear = 0, s.disk != nil
	clear(s.dirty)
	written := s.written()
	s.mu.Unlock()
	s.await(written)
	return nil
}

// All are the entries that exist when the loop begins and still do when it comes
// to them, the least recently used first. It is no use of them.
func (s *Store) All() iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		s.mu.Lock()
		entries := s.index.all()
		s.mu.Unlock()
		for _, e := range entries {
			if value, ok := s.read(e.key, false); ok && !yield(e.key, value) {
				return
			}
		}
	}
}

// Stats tells how the store is. It does not wait for the disk.
func (s *Store) Stats() Stats {
	stats := Stats{
		Hits: s.hits.Load(), Misses: s.misses.Load(), Puts: s.puts.Load(), Refused: s.refused.Load(),
		Evicted: s.evicted.Load(), Damaged: s.damaged.Load(),
	}
	s.mu.Lock()
	disk := s.disk
	stats.OnDisk, stats.Fallback = disk != nil, s.fallback
	stats.Entries, stats.Bytes, stats.MaxBytes = len(s.index.byKey), s.index.bytes, s.index.max
	s.mu.Unlock()
	if disk != nil {
		stats.DiskBytes = disk.size.Load()
	}
	return stats
}

// Close writes what is still to be written and ends the store; from then on it
// is empty. An error means that the next Open may find nothing.
func (s *Store) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	written := s.written()
	s.mu.Unlock()
	s.await(written)

	s.mu.Lock()
	disk, size := s.disk, s.index.bytes
	s.index.reset(s.index.max)
	s.stopped = true
	s.work.Broadcast()
	s.mu.Unlock()
	var err error
	if disk != nil {
		<-s.ended
		err = s.closeDisk(disk, size)
	}
	select {
	case <-s.gaveUp:
		// BadgerDB's goroutines may still be at work there, which harms nobody: the
		// lock is kept until the process ends.
		return errors.Join(err, directory(s.options.Dir).wipe())
	default:
		return err
	}
}

// remove takes e out of the index, and the disk is to follow.
func (s *Store) remove(e *entry) {
	s.index.remove(e)
	if s.disk == nil {
		return
	}
	if e.value != nil {
		s.unwritten -= e.length
	}
	s.mark(e.key)
}

func (s *Store) makeRoom() {
	for s.index.bytes > s.index.max {
		s.remove(s.index.oldest())
		s.evicted.Add(1)
	}
}
