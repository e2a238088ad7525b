package cache

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"runtime/debug"
	"strings"
	"testing"
)

const treeDocuments = 1500

// treeDocument is document i of a tree that has the sizes of a large server's
// gzip-compressed one: log-normal, 2.2 MB in 1,500 documents. It
// cannot be compressed further.
func treeDocument(i int) (key string, value []byte) {
	random := rand.New(rand.NewPCG(1, uint64(i)))
	value = make([]byte, int(min(900*math.Exp(random.NormFloat64()), 100<<10)))
	for j := range value {
		value[j] = byte(random.Uint32())
	}
	return fmt.Sprintf("/redfish/v1/Chassis/1/Documents/%d/", i), value
}

func fill(s *Store) (bytes int64, err error) {
	for i := range treeDocuments {
		key, value := treeDocument(i)
		if err := put(s, key, value); err != nil {
			return 0, err
		}
		bytes += int64(len(value))
	}
	return bytes, nil
}

// TestDiskSize holds the figures that were measured for such a tree.
func TestDiskSize(t *testing.T) {
	dir := t.TempDir()
	for _, when := range []string{"made", "opened again"} {
		s := open(t, diskOptions(t, dir))
		stored, err := fill(s)
		if err != nil {
			t.Fatal(err)
		}
		s.Drop("/redfish/v1/Chassis/1/Documents/0/") // waits for the disk
		opened := s.Stats().DiskBytes
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		rest := directory(dir).size()
		t.Logf("%s: %d bytes of values, %d bytes of files while open, %d at rest", when, stored, opened, rest)
		if opened > 14<<20 || rest > 5<<20 {
			t.Errorf("%s: the files have %d bytes while open and %d at rest", when, opened, rest)
		}
	}
}

func stores(b *testing.B, f func(*testing.B, *Store)) {
	for name, dir := range map[string]string{"disk": b.TempDir(), "memory": ""} {
		b.Run(name, func(b *testing.B) {
			s := open(b, diskOptions(b, dir))
			if _, err := fill(s); err != nil {
				b.Fatal(err)
			}
			f(b, s)
		})
	}
}

func BenchmarkGet(b *testing.B) {
	keys := make([]string, treeDocuments)
	for i := range keys {
		keys[i], _ = treeDocument(i)
	}
	stores(b, func(b *testing.B, s *Store) {
		for b.Loop() {
			if _, ok := s.Get(keys[rand.IntN(len(keys))]); !ok {
				b.Fatal("miss")
			}
		}
	})
}

func BenchmarkPut(b *testing.B) {
	stores(b, func(b *testing.B, s *Store) {
		key, value := treeDocument(7)
		b.SetBytes(int64(len(value)))
		for i := 0; b.Loop(); i++ {
			if err := put(s, key, value); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkDrop(b *testing.B) {
	stores(b, func(b *testing.B, s *Store) {
		key, value := treeDocument(7)
		for b.Loop() {
			if err := s.Put(key, value); err != nil {
				b.Fatal(err)
			}
			s.Drop(key)
		}
	})
}

// BenchmarkResident reports the resident memory of a process that holds the tree,
// at rest after writing it twice and reading it, and what it was at most.
func BenchmarkResident(b *testing.B) {
	for name, dir := range map[string]string{"disk": b.TempDir(), "memory": "", "nothing": os.DevNull} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				out, err := childProcess(b.Context(), "reside", dir).Output()
				if err != nil {
					b.Fatal(err)
				}
				var rest, peak float64
				if _, err := fmt.Sscan(string(out), &rest, &peak); err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(rest/1024, "MB-resident")
				b.ReportMetric(peak/1024, "MB-peak")
			}
		})
	}
}

// reside is the child of BenchmarkResident.
func reside(dir string) error {
	if dir != os.DevNull {
		s, err := Open(context.Background(), unhurried(dir))
		if err != nil {
			return err
		}
		defer s.Close()
		for range 2 {
			if _, err := fill(s); err != nil {
				return err
			}
		}
		for range s.All() {
		}
	}
	debug.FreeOSMemory()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return err
	}
	for _, name := range []string{"VmRSS:", "VmHWM:"} {
		_, after, _ := strings.Cut(string(status), name)
		fmt.Println(strings.Fields(after)[0])
	}
	return nil
}

// BenchmarkOpen opens and closes a store with the tree.
func BenchmarkOpen(b *testing.B) {
	dir := b.TempDir()
	s := open(b, diskOptions(b, dir))
	if _, err := fill(s); err != nil {
		b.Fatal(err)
	}
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		s := open(b, diskOptions(b, dir))
		if n := s.Stats().Entries; n != treeDocuments {
			b.Fatal(n, "entries")
		}
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
