package cache

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
)

// waitForDisk returns when all that the store was given is written.
func waitForDisk(s *Store) {
	s.mu.Lock()
	written := s.written()
	s.mu.Unlock()
	s.await(written)
}

// TestDamageIsAboutTheEntryThatWasRead: what has replaced it meanwhile stays.
func TestDamageIsAboutTheEntryThatWasRead(t *testing.T) {
	both(t, func(t *testing.T, o Options) {
		s := open(t, o)
		put := func(value string) *entry {
			if err := s.Put("k", []byte(value)); err != nil {
				t.Fatal(err)
			}
			s.mu.Lock()
			defer s.mu.Unlock()
			return s.index.find("k")
		}
		old := put("old")
		put("new")
		s.forget(old, errDamaged)
		if got, ok := s.Get("k"); string(got) != "new" || !ok || s.Stats().Damaged != 0 {
			t.Errorf("%q, %+v", got, s.Stats())
		}
	})
}

// TestOnlyTheNewestValueWaitsForTheDisk: what is replaced, while it waits or while
// it is written, makes room for others, and all that was written does.
func TestOnlyTheNewestValueWaitsForTheDisk(t *testing.T) {
	s := open(t, diskOptions(t, t.TempDir()))
	unwritten := func() int64 {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.unwritten
	}
	s.disk.compacting.Lock()
	unlock := sync.OnceFunc(s.disk.compacting.Unlock)
	t.Cleanup(unlock)
	for i := range 3 * maxUnwritten / MaxValue {
		value := make([]byte, MaxValue)
		value[0] = byte(i)
		if err := s.Put("k", value); err != nil {
			t.Fatalf("value %d: %v", i, err)
		}
		for i == 0 { // until the first one is being written
			s.mu.Lock()
			writing := s.writing
			s.mu.Unlock()
			if writing {
				break
			}
			runtime.Gosched()
		}
		if got := unwritten(); got != MaxValue {
			t.Fatalf("value %d: %d bytes wait", i, got)
		}
	}
	unlock()
	waitForDisk(s)
	if got := unwritten(); got != 0 {
		t.Errorf("%d bytes wait for nothing", got)
	}
	if got, ok := s.Get("k"); !ok || len(got) != MaxValue || got[0] != byte(3*maxUnwritten/MaxValue-1) {
		t.Errorf("%d bytes, %t", len(got), ok)
	}
}

// TestDropWaitsForClear: a key that Clear has removed may come back until the disk
// has followed, also if nobody has begun to write.
func TestDropWaitsForClear(t *testing.T) {
	s := &Store{gaveUp: make(chan struct{}), dirty: map[string]struct{}{}, disk: &disk{}} // without a writer
	s.work = sync.NewCond(&s.mu)
	s.index.reset(1 << 20)
	waiting := func() int {
		s.mu.Lock()
		defer s.mu.Unlock()
		return len(s.waiting)
	}
	cleared, dropped := make(chan error, 1), make(chan struct{})
	go func() { cleared <- s.Clear() }()
	for waiting() == 0 {
		runtime.Gosched()
	}
	go func() { s.Drop("k"); close(dropped) }()
	for waiting() == 1 && !t.Failed() {
		select {
		case <-dropped:
			t.Error("Drop did not wait")
		default:
			runtime.Gosched()
		}
	}
	close(s.gaveUp)
	if err := <-cleared; err != nil {
		t.Error(err)
	}
	<-dropped
}

// TestCondemnedIsForGood: nothing that is done to a database which was given up
// lets the next Open use it.
func TestCondemnedIsForGood(t *testing.T) {
	dir := directory(t.TempDir())
	d, _, err := openDisk(dir, func(error) {})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(d.setState(stateOpen), d.condemn()); err != nil {
		t.Fatal(err)
	}
	for what, do := range map[string]func() error{"state": func() error { return d.setState(stateOpen) }, "emptied": d.empty} {
		if err := do(); !errors.Is(err, errCondemned) || dir.state() != "" {
			t.Errorf("%s: %v, state %q", what, err, dir.state())
		}
	}
	if err := d.close(); !errors.Is(err, errCondemned) || dir.state() != "" {
		t.Errorf("closed: %v, state %q", err, dir.state())
	}
}

// TestOpenHasTheOldestFirst, by when they were written and not by their keys.
func TestOpenHasTheOldestFirst(t *testing.T) {
	o := diskOptions(t, t.TempDir())
	s := open(t, o)
	keys := []string{"m", "z", "a", "y", "b"}
	for _, key := range keys {
		if err := s.Put(key, []byte(key)); err != nil {
			t.Fatal(err)
		}
		waitForDisk(s)
	}
	closeStore(t, s)
	if got := keysOf(open(t, o)); !slices.Equal(got, keys) {
		t.Errorf("%q, want %q", got, keys)
	}
}

// TestMergesAreWorthIt: two tables at level 0 are merged, but not with more than
// four times as much.
func TestMergesAreWorthIt(t *testing.T) {
	s := open(t, diskOptions(t, t.TempDir()))
	levels := func() (tables int, waiting, merged int64) {
		all := s.disk.db.Levels()
		for _, level := range all[1:] {
			merged += level.Size
		}
		return all[0].NumTables, all[0].Size, merged
	}
	write := func(i int) {
		if err := s.Put(fmt.Sprint(i%100), make([]byte, MaxValue)); err != nil {
			t.Fatal(err)
		}
		waitForDisk(s)
	}
	for i := range 100 { // the first 20 MB are never four times as much
		if tables, _, merged := levels(); merged < 20<<20 && tables > 2 {
			t.Fatalf("%d tables at level 0 beside %d bytes", tables, merged)
		}
		write(i)
	}
	s.disk.compacting.Lock()
	err := s.disk.db.Flatten(1)
	s.disk.compacting.Unlock()
	if err != nil {
		t.Fatal(err)
	}
	tables, waiting, merged := levels()
	if tables > 1 || merged < 30<<20 {
		t.Fatalf("%d tables at level 0 beside %d bytes", tables, merged)
	}
	n := 0
	for ; tables == 0; tables, waiting, merged = levels() { // BadgerDB writes them in its own time
		write(n)
		n++
	}
	if waiting >= merged/4 {
		t.Fatalf("%d bytes at level 0 beside %d", waiting, merged)
	}
	if err := s.disk.compact(1); err != nil {
		t.Fatal(err)
	}
	if tables, _, _ := levels(); tables == 0 {
		t.Errorf("%d bytes were merged with %d", waiting, merged)
	}
	for range 60 {
		write(n)
		n++
	}
	if _, waiting, merged := levels(); waiting > merged/4+8<<20 {
		t.Errorf("%d bytes stay at level 0 beside %d", waiting, merged)
	}
}

// TestTwoTablesAreMerged by the write that finds them.
func TestTwoTablesAreMerged(t *testing.T) {
	d, _, err := openDisk(directory(t.TempDir()), func(err error) { t.Error(err) })
	if err != nil {
		t.Fatal(err)
	}
	if err := d.setState(stateOpen); err != nil {
		t.Fatal(err)
	}
	var changes []change
	for i := range 20 { // two tables and a half
		key := fmt.Sprint(i)
		changes = append(changes, change{key, &entry{key, make([]byte, MaxValue), MaxValue}})
	}
	d.compacting.Lock()
	written := make(chan error)
	go func() { written <- d.write(false, changes) }()
	for d.db.Levels()[0].NumTables < 2 {
		runtime.Gosched()
	}
	d.compacting.Unlock()
	if err := <-written; err != nil {
		t.Error(err)
	}
	if n := d.db.Levels()[0].NumTables; n > 1 {
		t.Errorf("%d tables at level 0", n)
	}
	if err := d.close(); err != nil {
		t.Error(err)
	}
}
