package cache

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
)

func both(t *testing.T, f func(*testing.T, Options)) {
	t.Run("disk", func(t *testing.T) { f(t, diskOptions(t, t.TempDir())) })
	t.Run("memory", func(t *testing.T) { f(t, Options{}) })
}

func keysOf(s *Store) (keys []string) {
	for key := range s.All() {
		keys = append(keys, key)
	}
	return keys
}

func TestOptions(t *testing.T) {
	if _, err := Open(context.Background(), Options{MaxBytes: -1}); err == nil {
		t.Error("a negative limit was taken")
	}
	if max := open(t, Options{}).Stats().MaxBytes; max != 32<<20 {
		t.Errorf("limit in memory: %d", max)
	}
	if stats := open(t, unhurried(t.TempDir())).Stats(); stats.MaxBytes != 64<<20 || !stats.OnDisk || stats.Fallback != "" {
		t.Errorf("on disk: %+v", stats)
	}
}

func TestLimits(t *testing.T) {
	both(t, func(t *testing.T, o Options) {
		s := open(t, o)
		for _, c := range []struct {
			key, value int
			want       error
		}{
			{MaxKey, MaxValue, nil},
			{MaxKey + 1, 0, ErrTooLarge},
			{1, MaxValue + 1, ErrTooLarge},
			{0, 0, nil},
		} {
			key, value := strings.Repeat("k", c.key), bytes.Repeat([]byte("v"), c.value)
			if err := s.Put(key, value); !errors.Is(err, c.want) {
				t.Errorf("key of %d bytes, value of %d: %v", c.key, c.value, err)
			}
			s.Drop("k") // waits until the disk has it
			if got, ok := s.Get(key); ok != (c.want == nil) || ok && !bytes.Equal(got, value) {
				t.Errorf("key of %d bytes, value of %d: got %d bytes, %t", c.key, c.value, len(got), ok)
			}
		}
		if stats := s.Stats(); stats.Refused != 2 || stats.Puts != 2 || stats.Hits != 2 || stats.Misses != 2 {
			t.Errorf("%+v", stats)
		}
	})
}

func TestTooLargeForMaxBytes(t *testing.T) {
	s := open(t, Options{MaxBytes: 1000})
	if err := s.Put("k", make([]byte, 1000-entryOverhead)); !errors.Is(err, ErrTooLarge) {
		t.Error(err)
	}
	if err := s.Put("k", make([]byte, 999-entryOverhead)); err != nil {
		t.Error(err)
	}
}

// TestValueIsCopied: what the caller does to its slice afterwards is its own
// business.
func TestValueIsCopied(t *testing.T) {
	s := open(t, Options{})
	value := []byte("value")
	if err := s.Put("k", value); err != nil {
		t.Fatal(err)
	}
	value[0] = 'V'
	if got, _ := s.Get("k"); string(got) != "value" {
		t.Errorf("%q", got)
	}
}

func TestEviction(t *testing.T) {
	both(t, func(t *testing.T, o Options) {
		o.MaxBytes = 4 * (1 + 1000 + entryOverhead)
		s := open(t, o)
		for _, key := range []string{"a", "b", "c", "d"} {
			if err := s.Put(key, make([]byte, 1000)); err != nil {
				t.Fatal(err)
			}
		}
		s.Get("a")
		for range s.All() { // is no use
		}
		if err := s.Put("e", make([]byte, 1000)); err != nil {
			t.Fatal(err)
		}
		if got := keysOf(s); !slices.Equal(got, []string{"c", "d", "a", "e"}) {
			t.Errorf("left: %v", got)
		}
		if stats := s.Stats(); stats.Evicted != 1 || stats.Entries != 4 || stats.Bytes != o.MaxBytes {
			t.Errorf("%+v", stats)
		}
		if o.Dir == "" {
			return
		}
		closeStore(t, s)
		o.MaxBytes /= 2
		s = open(t, o)
		if stats := s.Stats(); stats.Entries != 2 || stats.Bytes > o.MaxBytes {
			t.Errorf("opened with less: %+v", stats)
		}
	})
}

// TestDiskIsBounded: what was evicted, replaced and dropped does not stay in the
// files.
func TestDiskIsBounded(t *testing.T) {
	o := diskOptions(t, t.TempDir())
	o.MaxBytes = 2 << 20
	s := open(t, o)
	for i := range uint64(6000) {
		key := fmt.Sprint(i % 4000)
		if err := put(s, key, document(key, i)); err != nil {
			t.Fatal(err)
		}
	}
	checkContent(t, s)
	if stats := s.Stats(); stats.Bytes > o.MaxBytes || stats.Bytes < o.MaxBytes*9/10 {
		t.Errorf("%+v", stats)
	}
	closeStore(t, s)
	// A compaction leaves tombstones and what they are about until the next one.
	if size := directory(o.Dir).size(); size > 4*o.MaxBytes {
		t.Errorf("files of %d bytes for %d", size, o.MaxBytes)
	}
}

func TestClosed(t *testing.T) {
	both(t, func(t *testing.T, o Options) {
		s := open(t, o)
		if err := s.Put("k", []byte("v")); err != nil {
			t.Fatal(err)
		}
		closeStore(t, s)
		if _, ok := s.Get("k"); ok {
			t.Error("a closed store has something")
		}
		if err := s.Put("k", nil); !errors.Is(err, ErrClosed) {
			t.Error(err)
		}
		if err := s.Clear(); !errors.Is(err, ErrClosed) {
			t.Error(err)
		}
		s.Drop("k")
		if got := keysOf(s); got != nil {
			t.Error(got)
		}
		closeStore(t, s)
		if o.Dir != "" && open(t, o).Stats().Entries != 1 {
			t.Error("what a closed store was told has reached the disk")
		}
	})
}

// TestModel does random things to a store and to a map.
func TestModel(t *testing.T) {
	both(t, func(t *testing.T, o Options) {
		seed := rand.Uint64()
		random := rand.New(rand.NewPCG(seed, 0))
		defer func() {
			if t.Failed() {
				t.Logf("seed %#x", seed)
			}
		}()
		keys := []string{"", "k", "kk", "!badger!txn", "/redfish/v1/", "/redfish/v1", "\x00", "\xff\xff", strings.Repeat("long", 1000)}
		s, model := open(t, o), map[string][]byte{}
		for i := range uint64(4000) {
			key := keys[random.IntN(len(keys))]
			switch action := random.IntN(1000); {
			case action < 400:
				value := document(key, i)
				if random.IntN(10) == 0 {
					value = value[:0]
				}
				if err := put(s, key, value); err != nil {
					t.Fatal(err)
				}
				model[key] = value
			case action < 500:
				s.Drop(key)
				delete(model, key)
			case action < 505:
				if err := s.Clear(); err != nil {
					t.Fatal(err)
				}
				clear(model)
			case action < 510 && o.Dir != "":
				closeStore(t, s)
				s = open(t, o)
			case action < 550:
				if got := keysOf(s); len(got) != len(model) {
					t.Fatalf("step %d: %d entries, want %d", i, len(got), len(model))
				}
			default:
				got, ok := s.Get(key)
				if want, exists := model[key]; ok != exists || !bytes.Equal(got, want) {
					t.Fatalf("step %d: Get(%.20q) = %d bytes, %t; want %d bytes, %t", i, key, len(got), ok, len(want), exists)
				}
			}
			var bytes int64
			for key, value := range model {
				bytes += (&entry{key: key, length: int64(len(value))}).size()
			}
			if stats := s.Stats(); stats.Bytes != bytes || stats.Damaged != 0 {
				t.Fatalf("step %d: %d bytes in %+v", i, bytes, stats)
			}
		}
	})
}

// TestConcurrent does everything at once. Each goroutine has keys of its own,
// which nobody else writes.
func TestConcurrent(t *testing.T) {
	both(t, func(t *testing.T, o Options) {
		o.MaxBytes = 1 << 20
		s := open(t, o)
		var group sync.WaitGroup
		for worker := range 8 {
			group.Go(func() {
				for i := range uint64(400) {
					key := fmt.Sprintf("/%d/%d", worker, i%20)
					if err := put(s, key, document(key, i)); err != nil && !errors.Is(err, ErrClosed) {
						t.Error(err)
					}
					if value, ok := s.Get(key); ok {
						if version, err := versionOf(key, value); err != nil || version != i {
							t.Errorf("put %d, got %d, %v", i, version, err)
						}
					}
					if i%7 == 0 {
						s.Drop(key)
						if _, ok := s.Get(key); ok {
							t.Errorf("%s is there after it was dropped", key)
						}
					}
					if worker == 0 && i%50 == 0 {
						if err := s.Clear(); err != nil {
							t.Error(err)
						}
						checkContent(t, s)
						s.Stats()
					}
				}
			})
		}
		group.Wait()
		closeStore(t, s)
	})
}

// TestCloseConcurrently: whatever is under way when the store is closed ends.
func TestCloseConcurrently(t *testing.T) {
	both(t, func(t *testing.T, o Options) {
		s := open(t, o)
		var group sync.WaitGroup
		started := make(chan struct{}, 4)
		for worker := range 4 {
			group.Go(func() {
				for i := uint64(0); ; i++ {
					key := fmt.Sprint(worker)
					if err := s.Put(key, document(key, i)); errors.Is(err, ErrClosed) {
						return
					}
					s.Get(key)
					if i%2 == 0 {
						s.Drop(key)
					}
					if i == 10 {
						started <- struct{}{}
					}
				}
			})
		}
		for range 4 {
			<-started
		}
		closeStore(t, s)
		group.Wait()
		if o.Dir != "" {
			checkContent(t, open(t, o))
		}
	})
}

// TestImports keeps the rule that this package knows none of the others, but for the
// one that all may import.
func TestImports(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range strings.Fields(string(out)) {
		if strings.HasPrefix(path, "github.com/ilod/ilod/") && path != "github.com/ilod/ilod/cache" && path != "github.com/ilod/ilod/platform/ownedfile" {
			t.Errorf("imports %s", path)
		}
	}
}

// TestDropOfManyIsOneBatch: whoever drops many keys waits for the disk once.
func TestDropOfManyIsOneBatch(t *testing.T) {
	o := diskOptions(t, t.TempDir())
	s := open(t, o)
	var keys []string
	for i := range 200 {
		keys = append(keys, fmt.Sprint(i))
		if err := put(s, keys[i], document(keys[i], 1)); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Put("other", nil); err != nil {
		t.Fatal(err)
	}
	s.Drop("none") // waits for the disk
	before := s.disk.version
	s.Drop(keys...)
	if batches := s.disk.version - before; batches != 1 {
		t.Errorf("%d batches", batches)
	}
	if got := keysOf(s); !slices.Equal(got, []string{"other"}) {
		t.Errorf("left: %q", got)
	}
	// All of them are gone from the disk, and not only from memory.
	closeStore(t, s)
	if got := keysOf(open(t, o)); !slices.Equal(got, []string{"other"}) {
		t.Errorf("left on disk: %q", got)
	}
}
