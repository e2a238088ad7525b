package cache

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// TestGiveUp: what goes wrong with the files of an open store costs the disk, not
// the process.
func TestGiveUp(t *testing.T) {
	if !inChild(t) {
		return
	}
	churnUntil := func(t *testing.T, s *Store) {
		for i := uint64(0); s.Stats().OnDisk; i++ {
			key := fmt.Sprint("/", i%heldEntries)
			if err := put(s, key, document(key, i)); err != nil {
				t.Fatal(err)
			}
			if value, ok := s.Get(key); ok {
				if _, err := versionOf(key, value); err != nil {
					t.Errorf("wrong bytes: %v", err)
				}
			}
			if i%10 == 0 {
				s.Drop(key)
			}
		}
	}
	for name, c := range map[string]struct {
		patience time.Duration
		damage   func(dir string) error
		then     func(*testing.T, *Store)
	}{
		"tables emptied": {
			damage: func(dir string) error {
				names, err := filepath.Glob(filepath.Join(dir, "badger", "*.sst"))
				for _, name := range names {
					if err := os.Truncate(name, 0); err != nil {
						return err
					}
				}
				return err
			},
			then: func(t *testing.T, s *Store) {
				for range s.All() {
					t.Error("an entry came out of an empty file")
				}
			},
		},
		"files removed": {
			damage: func(dir string) error { return os.RemoveAll(filepath.Join(dir, "badger")) },
			then:   churnUntil,
		},
		"stalled": {
			patience: 1,
			damage:   func(string) error { return nil },
			then:     churnUntil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			o := diskOptions(t, t.TempDir())
			s := open(t, o)
			for i := range heldEntries {
				key := fmt.Sprint("/", i)
				if err := put(s, key, document(key, 0)); err != nil {
					t.Fatal(err)
				}
			}
			closeStore(t, s)
			o.patience = cmp.Or(c.patience, o.patience)
			s = open(t, o)
			if n := s.Stats().Entries; n != heldEntries {
				t.Fatalf("%d entries", n)
			}
			if err := c.damage(o.Dir); err != nil {
				t.Fatal(err)
			}
			c.then(t, s)
			if stats := s.Stats(); stats.OnDisk || stats.Fallback == "" || stats.MaxBytes != defaultMemoryBytes {
				t.Errorf("%+v", stats)
			}
			if state := directory(o.Dir).state(); state != "" {
				t.Errorf("the next Open would find the state %q", state)
			}
			checkContent(t, s)
			checkWorks(t, s, o)
			// This process still has BadgerDB's goroutines.
			s, err := Open(context.Background(), o)
			if err != nil {
				t.Fatal(err)
			}
			if s.Stats().OnDisk {
				t.Error("opened beside what was given up")
			}
			checkWorks(t, s, o)
		})
	}
}

// TestFullDiskIsNotClosed but given up, also if it was filled after the last write:
// closing it would write. That its files remain is told.
func TestFullDiskIsNotClosed(t *testing.T) {
	if !inChild(t) {
		return
	}
	for want, block := range map[string]bool{"the cache is in memory": false, "the files of the cache remain, the cache is in memory": true} {
		o := diskOptions(t, t.TempDir())
		var told []string
		var why error
		o.Warn = func(reason string, err error) { told, why = append(told, reason), err }
		var asked, last atomic.Int32
		last.Store(math.MaxInt32)
		o.freeSpace = func(string) (uint64, error) {
			if asked.Add(1) > last.Load() {
				return 0, nil
			}
			return 1 << 40, nil
		}
		s := open(t, o)
		if err := s.Put("k", []byte("v")); err != nil {
			t.Fatal(err)
		}
		waitForDisk(s)
		if state := directory(o.Dir).stateFile(); block {
			if err := errors.Join(os.Remove(state), os.MkdirAll(filepath.Join(state, "x"), 0o700)); err != nil {
				t.Fatal(err)
			}
		}
		last.Store(asked.Load() + 1) // what Close writes
		if err := s.Close(); (err != nil) != block {
			t.Error(err)
		}
		if got := strings.Join(told, ", "); got != want || !errors.Is(why, errLowSpace) {
			t.Errorf("told %q, %v; want %q", got, why, want)
		}
		if size := directory(o.Dir).size(); size != 0 {
			t.Errorf("%d bytes of files are left", size)
		}
	}
}

// TestMemoryIsBoundedWithoutTheDisk, also by keys that waited for it.
func TestMemoryIsBoundedWithoutTheDisk(t *testing.T) {
	if !inChild(t) {
		return
	}
	s := open(t, diskOptions(t, t.TempDir()))
	d := s.disk
	d.compacting.Lock()
	defer d.compacting.Unlock()
	for i := range 1 + defaultMemoryBytes/MaxKey {
		if err := s.Put(fmt.Sprintf("%0*d", MaxKey, i), nil); err != nil {
			t.Fatal(err)
		}
	}
	before := s.Stats()
	s.giveUp(errStalled)
	if after := s.Stats(); before.Bytes <= defaultMemoryBytes || after.Bytes > defaultMemoryBytes || after.Entries == 0 {
		t.Errorf("%+v became %+v", before, after)
	}
}
