package cache

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dgraph-io/badger/v4"
)

// leftBehind makes two directories with the same entries: of a store that was
// closed and of a process that was killed.
func leftBehind(t *testing.T) map[string]string {
	dirs := map[string]string{"closed": t.TempDir(), "killed": t.TempDir()}
	_, finish := startHolder(t, dirs["closed"])
	if err := finish(); err != nil {
		t.Fatal(err)
	}
	kill, _ := startHolder(t, dirs["killed"])
	if err := kill(); err != nil {
		t.Fatal(err)
	}
	return dirs
}

func copyOf(t *testing.T, dir string) string {
	to := t.TempDir()
	if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	return to
}

func flip(at func(size int) int) func(string) error {
	return func(name string) error {
		content, err := os.ReadFile(name)
		if err != nil || len(content) == 0 {
			return err
		}
		content[min(max(at(len(content)), 0), len(content)-1)] ^= 0xff
		return os.WriteFile(name, content, 0o600)
	}
}

func truncate(to func(size int64) int64) func(string) error {
	return func(name string) error {
		info, err := os.Stat(name)
		if err != nil {
			return err
		}
		return os.Truncate(name, to(info.Size()))
	}
}

var damages = map[string]func(name string) error{
	"head flipped":  flip(func(int) int { return 0 }),
	"16 flipped":    flip(func(int) int { return 16 }),
	"data flipped":  flip(func(size int) int { return size / 2 }),
	"index flipped": flip(func(size int) int { return size - 600 }),
	"tail flipped":  flip(func(size int) int { return size - 10 }),
	"halved":        truncate(func(size int64) int64 { return size / 2 }),
	"tail cut":      truncate(func(size int64) int64 { return max(size-10, 0) }),
	"emptied":       truncate(func(int64) int64 { return 0 }),
	"zeroed":        func(name string) error { return errors.Join(os.Truncate(name, 0), os.Truncate(name, 4<<10)) },
	"deleted":       os.Remove,
}

// TestDamage damages each kind of file in each way. The store then works, on
// disk, and does not return one wrong byte.
func TestDamage(t *testing.T) {
	for left, dir := range leftBehind(t) {
		for _, pattern := range []string{"MANIFEST", "*.sst", "*.mem", "*.vlog", "KEYREGISTRY", "DISCARD", "../state"} {
			for how, damage := range damages {
				t.Run(left+" "+filepath.Base(pattern)+" "+how, func(t *testing.T) {
					names, err := filepath.Glob(filepath.Join(dir, "badger", pattern))
					if err != nil || len(names) == 0 {
						t.Skipf("there is none: %v", err)
					}
					t.Parallel()
					o := diskOptions(t, copyOf(t, dir))
					if err := damage(filepath.Join(o.Dir, strings.TrimPrefix(names[rand.IntN(len(names))], dir))); err != nil {
						t.Fatal(err)
					}
					s := open(t, o)
					n := checkContent(t, s)
					stats := s.Stats()
					if !stats.OnDisk || stats.Damaged != 0 {
						t.Errorf("%+v", stats)
					}
					if left == "closed" && n != 0 {
						t.Errorf("%d entries of files that have changed", n)
					}
					checkWorks(t, s, o)
				})
			}
		}
	}
}

// TestUndamaged is the control: nothing is lost for no reason.
func TestUndamaged(t *testing.T) {
	dirs := leftBehind(t)
	for left, damage := range map[string]func(dir string) error{
		"nothing": func(string) error { return nil },
		// What a kill while BadgerDB makes a file leaves, as was tried.
		"empty .mem":   func(dir string) error { return os.WriteFile(filepath.Join(dir, "badger", "00099.mem"), nil, 0o600) },
		"half a state": func(dir string) error { return os.WriteFile(filepath.Join(dir, "state.new"), []byte("clo"), 0o600) },
	} {
		for kind, dir := range dirs {
			t.Run(kind+" "+left, func(t *testing.T) {
				if kind == "closed" && strings.Contains(left, ".mem") {
					t.Skip("belongs to an end without Close")
				}
				o := diskOptions(t, copyOf(t, dir))
				if err := damage(o.Dir); err != nil {
					t.Fatal(err)
				}
				s := open(t, o)
				if n := checkContent(t, s); n != heldEntries-1 {
					t.Errorf("%d entries", n)
				}
				if _, ok := s.Get("/0"); ok {
					t.Error("a dropped entry is back")
				}
			})
		}
	}
}

// TestRandomDamage damages anything anywhere, several times.
func TestRandomDamage(t *testing.T) {
	for kind, dir := range leftBehind(t) {
		for range 15 {
			seed := rand.Uint64()
			t.Run(fmt.Sprintf("%s %#x", kind, seed), func(t *testing.T) {
				t.Parallel()
				random := rand.New(rand.NewPCG(seed, 0))
				o := diskOptions(t, copyOf(t, dir))
				names, err := filepath.Glob(filepath.Join(o.Dir, "badger", "*"))
				if err != nil || len(names) == 0 {
					t.Fatal(names, err)
				}
				for range 1 + random.IntN(5) {
					if err := flip(func(size int) int { return random.IntN(size) })(names[random.IntN(len(names))]); err != nil {
						t.Fatal(err)
					}
				}
				s := open(t, o)
				checkContent(t, s)
				checkWorks(t, s, o)
			})
		}
	}
}

// TestOpeningKilled: a directory that has killed who opened it is removed without
// another look.
func TestOpeningKilled(t *testing.T) {
	o := diskOptions(t, leftBehind(t)["killed"])
	if err := directory(o.Dir).setState(stateOpening); err != nil {
		t.Fatal(err)
	}
	o.Verify = func(context.Context, string) error {
		t.Error("verified")
		return nil
	}
	s := open(t, o)
	if stats := s.Stats(); !stats.OnDisk || stats.Entries != 0 {
		t.Errorf("%+v", stats)
	}
	checkWorks(t, s, o)
}

// TestDatabaseThatKillsWhoOpensItIsRemoved by the next Open, though it is what was
// closed, and the warning says why.
func TestDatabaseThatKillsWhoOpensItIsRemoved(t *testing.T) {
	o := diskOptions(t, leftBehind(t)["closed"])
	d := directory(o.Dir)
	tables, err := filepath.Glob(filepath.Join(d.database(), "*.sst"))
	if err != nil || len(tables) == 0 {
		t.Fatal(tables, err)
	}
	if err := damages["zeroed"](tables[0]); err != nil {
		t.Fatal(err)
	}
	closed, err := d.closed()
	if err := errors.Join(err, d.setState(closed)); err != nil {
		t.Fatal(err)
	}
	if out, err := childProcess(t.Context(), "hold", o.Dir).CombinedOutput(); err == nil || !bytes.Contains(out, []byte("panic")) {
		t.Fatalf("the child was not killed: %v\n%s", err, out)
	}
	var told []error
	o.Warn = func(_ string, err error) { told = append(told, err) }
	s := open(t, o)
	if stats := s.Stats(); !stats.OnDisk || stats.Entries != 0 {
		t.Errorf("%+v", stats)
	}
	if len(told) != 1 || !errors.Is(told[0], errOpening) {
		t.Errorf("told %v, want %v", told, errOpening)
	}
	checkWorks(t, s, o)
}

// TestDamagedEntry: an entry that is damaged behind the store's back is a miss,
// dropped, counted and told, and its neighbours are not harmed.
func TestDamagedEntry(t *testing.T) {
	o := diskOptions(t, t.TempDir())
	var told []error
	o.Warn = func(_ string, err error) { told = append(told, err) }
	s := open(t, o)
	for i := range 3 {
		key := fmt.Sprint("/", i)
		if err := s.Put(key, document(key, 1)); err != nil {
			t.Fatal(err)
		}
	}
	for name, sealed := range map[string][]byte{
		"value":   append(seal("/1", document("/1", 1))[:100], document("/1", 2)[95:]...),
		"version": append([]byte{99}, seal("/1", document("/1", 1))[1:]...),
		"key":     seal("/2", document("/2", 1)),
		"short":   {envelopeVersion},
		"empty":   {},
		"missing": nil,
	} {
		before := s.Stats().Damaged
		told = nil
		if err := s.Put("/1", document("/1", 1)); err != nil {
			t.Fatal(err)
		}
		s.Drop("/none") // returns at once
		s.await(func() <-chan struct{} { s.mu.Lock(); defer s.mu.Unlock(); return s.written() }())
		s.disk.version++
		batch := s.disk.db.NewWriteBatchAt(s.disk.version)
		var err error
		if sealed == nil {
			err = batch.Delete([]byte(keyPrefix + "/1"))
		} else {
			err = batch.Set([]byte(keyPrefix+"/1"), sealed)
		}
		if err := errors.Join(err, batch.Flush()); err != nil {
			t.Fatal(err)
		}
		if _, ok := s.Get("/1"); ok {
			t.Errorf("%s: a hit", name)
		}
		if stats := s.Stats(); stats.Entries != 2 || stats.Damaged != before+1 || !stats.OnDisk {
			t.Errorf("%s: %+v", name, stats)
		}
		if len(told) != 1 || !errors.Is(told[0], errDamaged) {
			t.Errorf("%s: told %v", name, told)
		}
		if n := checkContent(t, s); n != 2 {
			t.Errorf("%s: %d entries are left", name, n)
		}
	}
	checkWorks(t, s, o)
}

// TestEnvelope: no flipped bit passes.
func TestEnvelope(t *testing.T) {
	sealed := seal("key", []byte("value"))
	if value, err := unseal("key", sealed); err != nil || string(value) != "value" {
		t.Errorf("%q, %v", value, err)
	}
	for bit := range len(sealed) * 8 {
		damaged := bytes.Clone(sealed)
		damaged[bit/8] ^= 1 << (bit % 8)
		if _, err := unseal("key", damaged); !errors.Is(err, errDamaged) {
			t.Errorf("bit %d: %v", bit, err)
		}
	}
	for n := range len(sealed) {
		if _, err := unseal("key", sealed[:n]); !errors.Is(err, errDamaged) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
}

// TestBadgerMessages: what BadgerDB says of a value must not be told.
func TestBadgerMessages(t *testing.T) {
	d, _, err := openDisk(directory(t.TempDir()), func(err error) { t.Error(err) })
	if err != nil {
		t.Fatal(err)
	}
	secret := bytes.Repeat([]byte("secret"), 1<<18)
	err = d.write(false, []change{{"k", &entry{value: secret}}})
	if err == nil || len(err.Error()) > maxMessage+len("…") || strings.Contains(err.Error(), "73 65 63") || strings.Contains(err.Error(), "secret") {
		t.Errorf("a value that is too large: %v", err)
	}
	if err := d.close(); err != nil {
		t.Error(err)
	}
	var told error
	var log badger.Logger = badgerLog(func(err error) { told = err })
	log.Errorf("first %s\n%s", strings.Repeat("é", 1000), "secret")
	if text := told.Error(); !strings.HasPrefix(text, "first é") || len(text) > maxMessage+len("…")+2 || strings.Contains(text, "secret") || strings.Contains(text, "\n") {
		t.Errorf("%q", text)
	}
}
