package cache

import (
	"errors"
	"time"
)

var errStalled = errors.New("BadgerDB does not return")

// change is what the disk is to have under a key.
type change struct {
	key   string
	entry *entry // nil: nothing
}

// mark notes that the disk is to have something else under key.
func (s *Store) mark(key string) {
	s.dirty[key] = struct{}{}
	s.work.Signal()
}

// written returns a channel that is closed when all that is marked is on disk;
// nil if there is no disk.
func (s *Store) written() <-chan struct{} {
	if s.disk == nil {
		return nil
	}
	done := make(chan struct{})
	s.waiting = append(s.waiting, done)
	s.work.Signal()
	return done
}

// await waits for what written returned.
func (s *Store) await(written <-chan struct{}) {
	if written == nil {
		return
	}
	select {
	case <-written:
	case <-s.gaveUp:
	}
}

// writeBehind is the one goroutine that writes to the disk. It ends after Close
// or giveUp.
func (s *Store) writeBehind(d *disk) {
	defer close(s.ended)
	for {
		s.mu.Lock()
		idle := func() bool { return !s.clear && len(s.dirty)+len(s.waiting) == 0 }
		for idle() && !s.stopped && s.disk != nil {
			s.work.Wait()
		}
		if idle() || s.disk == nil {
			s.mu.Unlock()
			return
		}
		everything, waiting, size := s.clear, s.waiting, s.index.bytes
		changes := make([]change, 0, len(s.dirty))
		for key := range s.dirty {
			changes = append(changes, change{key, s.index.find(key)})
		}
		s.clear, s.dirty, s.waiting, s.writing = false, map[string]struct{}{}, nil, true
		s.mu.Unlock()

		if err := s.write(d, everything, changes, size); err != nil {
			s.giveUp(err)
			return
		}

		s.mu.Lock()
		s.writing = false
		for _, c := range changes {
			if c.entry != nil && s.disk != nil && s.index.find(c.key) == c.entry {
				c.entry.value = nil
				s.unwritten -= c.entry.length
			}
		}
		s.mu.Unlock()
		for _, done := range waiting {
			close(done)
		}
	}
}

func (s *Store) write(d *disk, everything bool, changes []change, size int64) error {
	if err := s.options.room(size); err != nil {
		return err
	}
	watch := time.AfterFunc(s.options.patience, func() { s.giveUp(errStalled) })
	defer watch.Stop()
	return d.write(everything, changes)
}

// closeDisk closes the database, which writes what BadgerDB has in memory and
// compacts, or gives it up.
func (s *Store) closeDisk(d *disk, size int64) error {
	if err := s.options.room(size); err != nil {
		s.giveUp(err)
		return nil
	}
	closed := make(chan error, 1)
	go func() {
		err := d.close()
		d.unlock()
		closed <- err
	}()
	gone := make(chan struct{})
	watch := time.AfterFunc(s.options.patience, func() {
		s.giveUp(errStalled)
		close(gone)
	})
	select {
	case err := <-closed:
		if watch.Stop() {
			return err
		}
		<-gone // the files must not change behind the back of who has closed the store
	case <-s.gaveUp:
	}
	return nil
}

// giveUp goes on without the disk, if that is in use. BadgerDB is left as it is:
// closing it would write, and may never return.
func (s *Store) giveUp(err error) {
	s.mu.Lock()
	d := s.disk
	s.mu.Unlock()
	if d == nil {
		return
	}
	// First, because what follows tells those who wait in Drop.
	if err := d.condemn(); err != nil {
		s.options.Warn("the files of the cache remain", err)
	}
	s.mu.Lock()
	live := s.disk != nil
	if live {
		s.toMemory(err)
		s.work.Signal()
		close(s.gaveUp)
	}
	s.mu.Unlock()
	if live {
		s.options.Warn("the cache is in memory", err)
	}
}

// toMemory keeps what is in memory, within the limit for that.
func (s *Store) toMemory(err error) {
	s.disk, s.fallback = nil, clip(err.Error())
	for _, e := range s.index.all() {
		if e.value == nil {
			s.index.remove(e)
		}
	}
	s.index.max = min(s.index.max, defaultMemoryBytes)
	s.makeRoom()
}
