package cache

import (
	"runtime"
	"testing"
)

// TestCompact: what writing leaves at level 0 is merged, though BadgerDB's own
// compactors are off, and nothing is lost.
func TestCompact(t *testing.T) {
	s := open(t, diskOptions(t, t.TempDir()))
	d := s.disk
	key := func(i int) string { return string(rune('a' + i)) }
	for i := range 20 { // more than BadgerDB keeps in memory
		if err := s.Put(key(i), make([]byte, MaxValue)); err != nil {
			t.Fatal(err)
		}
	}
	s.Drop(key(0)) // waits for the disk
	for len(d.db.Tables()) < 2 {
		runtime.Gosched()
	}
	if err := d.compact(1); err != nil {
		t.Fatal(err)
	}
	if n := d.db.Levels()[0].NumTables; n > 1 {
		t.Errorf("%d tables at level 0", n)
	}
	for i := range 20 {
		if value, ok := s.Get(key(i)); ok != (i > 0) || ok && len(value) != MaxValue {
			t.Errorf("%s: %t, %d bytes", key(i), ok, len(value))
		}
	}
	if stats := s.Stats(); !stats.OnDisk || stats.Damaged != 0 {
		t.Errorf("%+v", stats)
	}
}
