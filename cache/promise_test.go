package cache

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"
)

// TestDropWaitsForAnotherDropOfTheSame: whoever drops what another one is dropping
// has the same promise, also while the disk is busy with it.
func TestDropWaitsForAnotherDropOfTheSame(t *testing.T) {
	s := open(t, diskOptions(t, t.TempDir()))
	if err := s.Put("k", []byte("v")); err != nil {
		t.Fatal(err)
	}
	s.Drop("none") // waits for the disk
	s.disk.compacting.Lock()
	drop := func() <-chan struct{} {
		done := make(chan struct{})
		go func() { s.Drop("k"); close(done) }()
		return done
	}
	state := func() (writing bool, waiting int) {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.writing, len(s.waiting)
	}
	first := drop()
	for writing, _ := state(); !writing; writing, _ = state() {
		runtime.Gosched()
	}
	second := drop()
	for _, waiting := state(); waiting == 0; _, waiting = state() {
		select {
		case <-second:
			t.Error("the second did not wait")
			waiting = -1
		default:
			runtime.Gosched()
		}
		if t.Failed() {
			break
		}
	}
	s.disk.compacting.Unlock()
	<-first
	<-second
}

// TestEmptyingMayKill: a process that ends while BadgerDB removes everything leaves
// what nobody may open.
func TestEmptyingMayKill(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("removes files that are open")
	}
	if !inChild(t) {
		return
	}
	dir := directory(t.TempDir())
	d, _, err := openDisk(dir, func(error) {})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.setState(stateOpen); err != nil {
		t.Fatal(err)
	}
	if err := d.write(false, []change{{"k", &entry{value: []byte("v")}}}); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(dir.database()); err != nil {
		t.Fatal(err)
	}
	// It fails half-way, and that is how far it had come.
	if err := d.empty(); err == nil || errors.Is(err, os.ErrExist) {
		t.Errorf("without files: %v", err)
	}
	if state := dir.state(); state != stateOpening {
		t.Errorf("state %q", state)
	}
}

// TestStatsDoNotLookAtTheDisk: they tell of the files what the last write has left,
// also while the next one does not come to its end.
func TestStatsDoNotLookAtTheDisk(t *testing.T) {
	o := diskOptions(t, t.TempDir())
	s := open(t, o)
	before := s.Stats().DiskBytes
	if before == 0 {
		t.Error("an open store has no files")
	}
	if err := os.WriteFile(filepath.Join(o.Dir, "more"), make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	s.disk.compacting.Lock()
	if err := s.Put("k", []byte("v")); err != nil {
		t.Fatal(err)
	}
	stats := make(chan Stats, 1)
	go func() { stats <- s.Stats() }()
	select {
	case got := <-stats:
		if got.DiskBytes != before || got.Entries != 1 {
			t.Errorf("%+v, want %d bytes on disk", got, before)
		}
	case <-time.After(time.Minute):
		t.Error("they wait for the disk")
	}
	s.disk.compacting.Unlock()
	s.Drop("none") // waits for the disk
	if now := s.Stats().DiskBytes; now < before+1<<19 {
		t.Errorf("%d bytes on disk after a write, %d before", now, before)
	}
}

// TestWhatWaitsForTheDiskIsBounded: a disk that is slow does not fill the memory.
func TestWhatWaitsForTheDiskIsBounded(t *testing.T) {
	s := open(t, diskOptions(t, t.TempDir()))
	s.disk.compacting.Lock()
	var err error
	n := 0
	for ; err == nil; n++ {
		err = s.Put(string(rune('a'+n)), make([]byte, MaxValue))
	}
	s.mu.Lock()
	unwritten := s.unwritten
	s.mu.Unlock()
	if !errors.Is(err, ErrBusy) || unwritten > maxUnwritten || unwritten < maxUnwritten-MaxValue {
		t.Errorf("%d values of %d bytes wait: %v", n-1, unwritten, err)
	}
	// What was removed does not wait any more.
	cleared := make(chan error)
	go func() { cleared <- s.Clear() }()
	for len(keysOf(s)) > 0 {
		runtime.Gosched()
	}
	if err := s.Put("more", make([]byte, MaxValue)); err != nil {
		t.Errorf("after Clear: %v", err)
	}
	s.disk.compacting.Unlock()
	if err := <-cleared; err != nil {
		t.Error(err)
	}
}

// TestClosedStoreLeavesItsFilesAlone: what was to be done when the disk rests is not.
func TestClosedStoreLeavesItsFilesAlone(t *testing.T) {
	s := open(t, diskOptions(t, t.TempDir()))
	if err := s.Put("k", []byte("v")); err != nil {
		t.Fatal(err)
	}
	closeStore(t, s)
	if s.disk.rest.Stop() {
		t.Error("it would compact its files")
	}
}

// TestClosedDatabaseIsNotReadNorMerged by who comes too late.
func TestClosedDatabaseIsNotReadNorMerged(t *testing.T) {
	d, _, err := openDisk(directory(t.TempDir()), func(err error) { t.Error(err) })
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(d.write(false, []change{{"k", &entry{value: []byte("v")}}}), d.close()); err != nil {
		t.Fatal(err)
	}
	if _, err := d.get("k"); !errors.Is(err, ErrClosed) {
		t.Errorf("read: %v", err)
	}
	if err := d.compact(0); err != nil {
		t.Errorf("merged: %v", err)
	}
}

// TestVerifyLeavesWhatOpenTakes: a store that is as good as closed, and not its lock.
func TestVerifyLeavesWhatOpenTakes(t *testing.T) {
	o := diskOptions(t, t.TempDir())
	o.Verify = func(_ context.Context, dir string) error { return Verify(dir) } // in this process
	s := open(t, o)
	if err := s.Put("k", []byte("v")); err != nil {
		t.Fatal(err)
	}
	closeStore(t, s)
	if err := directory(o.Dir).setState(stateOpen); err != nil {
		t.Fatal(err)
	}
	s = open(t, o)
	if value, _ := s.Get("k"); string(value) != "v" {
		t.Errorf("%q, %+v", value, s.Stats())
	}
}
