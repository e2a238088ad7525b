package cache

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dgraph-io/badger/v4/options"
)

// TestDatabaseIsOpenedAsMeasured: the options of BadgerDB bound memory, files and the
// time of Open; no other test would see one that went astray. Change them with new
// measurements.
func TestDatabaseIsOpenedAsMeasured(t *testing.T) {
	o := badgerOptions("dir", func(error) {})
	for name, c := range map[string][2]any{
		"MemTableSize":            {o.MemTableSize, int64(3 << 20)},
		"BlockSize":               {o.BlockSize, 64 << 10},
		"BaseTableSize":           {o.BaseTableSize, int64(1 << 20)},
		"ValueThreshold":          {o.ValueThreshold, int64(448 << 10)},
		"ValueLogFileSize":        {o.ValueLogFileSize, int64(1 << 20)},
		"NumMemtables":            {o.NumMemtables, 1},
		"NumLevelZeroTables":      {o.NumLevelZeroTables, 1},
		"NumLevelZeroTablesStall": {o.NumLevelZeroTablesStall > 1<<30, true},
		"NumCompactors":           {o.NumCompactors, 0},
		"Compression":             {o.Compression, options.None},
		"BlockCacheSize":          {o.BlockCacheSize, int64(0)},
		"IndexCacheSize":          {o.IndexCacheSize, int64(0)},
		"ChecksumVerification":    {o.ChecksumVerificationMode, options.NoVerification},
		"DetectConflicts":         {o.DetectConflicts, false},
		"MetricsEnabled":          {o.MetricsEnabled, false},
		"NumGoroutines":           {o.NumGoroutines, 1},
		"CompactL0OnClose":        {o.CompactL0OnClose, true},
		"BypassLockGuard":         {o.BypassLockGuard, true},
		"SyncWrites":              {o.SyncWrites, false},
		"ReadOnly":                {o.ReadOnly, false},
	} {
		if c[0] != c[1] {
			t.Errorf("%s is %v, want %v", name, c[0], c[1])
		}
	}
	if largest := int64(MaxKey + len(keyPrefix) + envelopeLength + MaxValue); o.ValueThreshold <= largest {
		t.Errorf("an entry of %d bytes goes to the value log", largest)
	}
}

// TestLimitsAreThoseOfTheDocuments: what a store takes, and how long it waits, stands
// in documents and in other packages.
func TestLimitsAreThoseOfTheDocuments(t *testing.T) {
	if MaxValue != 393216 || MaxKey != 32768 || SpaceToOpen != 67108864 || maxUnwritten != 8388608 {
		t.Errorf("value %d, key %d, space %d, unwritten %d", MaxValue, MaxKey, SpaceToOpen, maxUnwritten)
	}
	s := open(t, Options{})
	if s.options.patience != 10*time.Second || s.options.verifyTimeout != 10*time.Second {
		t.Errorf("waits %v, and %v for a verification", s.options.patience, s.options.verifyTimeout)
	}
	if err := s.Put("key", []byte("value")); err != nil {
		t.Fatal(err)
	}
	if stats := s.Stats(); stats.Bytes != 3+5+256 || stats.Entries != 1 {
		t.Errorf("%+v", stats)
	}
	if err := s.Put(strings.Repeat("k", 32769), []byte("v")); !errors.Is(err, ErrTooLarge) || !strings.HasPrefix(err.Error(), "32770 bytes: ") {
		t.Error(err)
	}
}

// TestFormatOnDisk: files of an earlier program are read, or known to be others.
func TestFormatOnDisk(t *testing.T) {
	want := append(append([]byte{1}, sumOf("keyvalue")...), "value"...)
	if got := seal("key", []byte("value")); !bytes.Equal(got, want) {
		t.Errorf("% x, want % x", got, want)
	}
	o := diskOptions(t, t.TempDir())
	closeStore(t, open(t, o))
	if state := directory(o.Dir).state(); !regexp.MustCompile(`^closed 1 [0-9a-f]{8}$`).MatchString(state) {
		t.Errorf("state %q", state)
	}
}

// sumOf is the CRC-32C of s, little endian, computed bit by bit.
func sumOf(s string) []byte {
	sum := ^uint32(0)
	for _, b := range []byte(s) {
		sum ^= uint32(b)
		for range 8 {
			if sum&1 == 1 {
				sum = sum>>1 ^ 0x82f63b78
			} else {
				sum >>= 1
			}
		}
	}
	sum = ^sum
	return []byte{byte(sum), byte(sum >> 8), byte(sum >> 16), byte(sum >> 24)}
}

// TestRoomOnTheDisk: Open needs 64 MiB, and a write 32 MiB and as much as there is
// already. Less is told in MiB.
func TestRoomOnTheDisk(t *testing.T) {
	for free, want := range map[uint64]string{
		64 << 20: "", 64<<20 - 1: "not enough free space: 63 MiB of 64 MiB", 0: "not enough free space: 0 MiB of 64 MiB",
	} {
		o := diskOptions(t, t.TempDir())
		o.freeSpace = func(dir string) (uint64, error) {
			if dir != o.Dir {
				t.Errorf("asked for %q", dir)
			}
			return free, nil
		}
		var told []string
		o.Warn = func(_ string, err error) { told = append(told, err.Error()) }
		s := open(t, o)
		if stats := s.Stats(); stats.Fallback != want || stats.OnDisk != (want == "") {
			t.Errorf("%d bytes free: %+v", free, stats)
		}
		if strings.Join(told, "\n") != want {
			t.Errorf("%d bytes free: told %q", free, told)
		}
		closeStore(t, s)
	}
	o := Options{freeSpace: func(string) (uint64, error) { return 40 << 20, nil }}
	for bytes, want := range map[int64]error{0: nil, 8 << 20: nil, 8<<20 + 1: errLowSpace} {
		if err := o.room(bytes); !errors.Is(err, want) {
			t.Errorf("%d bytes there: %v", bytes, err)
		}
	}
}

// TestWarningsNameTheCause why files were removed, and there is none where there was
// nothing to remove.
func TestWarningsNameTheCause(t *testing.T) {
	verified := errors.New("of the verification")
	for name, c := range map[string]struct {
		state  string // of the directory
		verify func(context.Context, string) error
		want   error
	}{
		"opening":             {stateOpening, verifyInChild, errOpening},
		"open":                {stateOpen, func(context.Context, string) error { return verified }, verified},
		"open, not verified":  {stateOpen, nil, ErrUnclean},
		"none":                {"", verifyInChild, errChanged},
		"another closed one":  {"closed 1 00000000", verifyInChild, errChanged},
		"verified, yet other": {stateOpen, func(context.Context, string) error { return nil }, errChanged},
	} {
		var warnings []error
		o := diskOptions(t, t.TempDir())
		o.Warn = func(_ string, err error) { warnings = append(warnings, err) }
		closeStore(t, open(t, o))
		if warnings != nil {
			t.Errorf("of an empty directory: %v", warnings)
		}
		if err := directory(o.Dir).setState(c.state); err != nil {
			t.Fatal(err)
		}
		o.Verify = c.verify
		s := open(t, o)
		if len(warnings) != 1 || !errors.Is(warnings[0], c.want) || !s.Stats().OnDisk {
			t.Errorf("%s: %v, want %v", name, warnings, c.want)
		}
		closeStore(t, s)
	}
}

// TestVerificationHasTenSeconds at the most, and no longer than Open.
func TestVerificationHasTenSeconds(t *testing.T) {
	dir := t.TempDir()
	closeStore(t, open(t, diskOptions(t, dir)))
	if err := directory(dir).setState(stateOpen); err != nil {
		t.Fatal(err)
	}
	var asked context.Context
	s := open(t, Options{Dir: dir, patience: time.Hour, Verify: func(ctx context.Context, _ string) error {
		deadline, ok := ctx.Deadline()
		if asked = ctx; !ok || time.Until(deadline) > 10*time.Second {
			t.Errorf("it has %v", time.Until(deadline))
		}
		return nil
	}})
	if asked == nil || asked.Err() == nil {
		t.Errorf("verified with %v", asked)
	}
	closeStore(t, s)
}

// TestDatabaseThatDoesNotOpenIsMadeAnew, though it is what was closed.
func TestDatabaseThatDoesNotOpenIsMadeAnew(t *testing.T) {
	o := diskOptions(t, t.TempDir())
	warnings := 0
	o.Warn = func(string, error) { warnings++ }
	s := open(t, o)
	if err := s.Put("k", []byte("v")); err != nil {
		t.Fatal(err)
	}
	closeStore(t, s)
	d := directory(o.Dir)
	if err := os.WriteFile(filepath.Join(d.database(), "MANIFEST"), []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	closed, err := d.closed()
	if err := errors.Join(err, d.setState(closed)); err != nil {
		t.Fatal(err)
	}
	s = open(t, o)
	if stats := s.Stats(); !stats.OnDisk || stats.Entries != 0 || warnings != 1 {
		t.Errorf("%d warnings, %+v", warnings, stats)
	}
	checkWorks(t, s, o)
}

// TestDirectoryThatCannotBeEmptiedIsLeft, without its lock: it may be of use later.
// That it still has what was dropped is told, once.
func TestDirectoryThatCannotBeEmptiedIsLeft(t *testing.T) {
	o := diskOptions(t, t.TempDir())
	blocked := directory(o.Dir).stateFile()
	if err := os.MkdirAll(filepath.Join(blocked, "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	var told []string
	o.Warn = func(reason string, _ error) { told = append(told, reason) }
	s := open(t, o)
	if stats := s.Stats(); stats.OnDisk || stats.Fallback == "" {
		t.Errorf("%+v", stats)
	}
	s.Drop("k")
	if err := s.Clear(); err != nil {
		t.Error(err)
	}
	if want := []string{"the cache is in memory", "the files of the cache remain"}; !slices.Equal(told, want) {
		t.Errorf("told %q, want %q", told, want)
	}
	closeStore(t, s)
	if err := os.RemoveAll(blocked); err != nil {
		t.Fatal(err)
	}
	checkWorks(t, open(t, o), o)
}

// TestSizeIsThatOfFiles, in all directories, and of nothing else.
func TestSizeIsThatOfFiles(t *testing.T) {
	dir := t.TempDir()
	if n := directory(filepath.Join(dir, "none")).size(); n != 0 {
		t.Errorf("of nothing: %d", n)
	}
	for name, size := range map[string]int{"a": 10, "sub/b": 200, "sub/sub/c": 3000} {
		name = filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o700), os.WriteFile(name, make([]byte, size), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	if n := directory(dir).size(); n != 3210 {
		t.Errorf("%d bytes, want 3210", n)
	}
}

// TestMessagesAreCutAt200Bytes, at the first line end and to whole characters.
func TestMessagesAreCutAt200Bytes(t *testing.T) {
	for message, want := range map[string]string{
		strings.Repeat("x", 200):       strings.Repeat("x", 200),
		strings.Repeat("x", 201):       strings.Repeat("x", 200) + "…",
		"x" + strings.Repeat("é", 150): "x" + strings.Repeat("é", 99) + "?…",
		" one\ntwo ":                   "one",
		"\xff":                         "?",
	} {
		if got := clip(message); got != want {
			t.Errorf("%q: %q, want %q", message, got, want)
		}
	}
	if clipped(nil) != nil {
		t.Error("nothing became an error")
	}
	told := 0
	log := badgerLog(func(error) { told++ })
	log.Errorf("x")
	log.Warningf("x")
	log.Infof("x")
	log.Debugf("x")
	if told != 2 {
		t.Errorf("%d messages are failures, want 2", told)
	}
}

// TestUnwrittenIsBoundedToTheByte: 8 MiB may wait for the disk.
func TestUnwrittenIsBoundedToTheByte(t *testing.T) {
	s := open(t, diskOptions(t, t.TempDir()))
	s.mu.Lock()
	s.unwritten += 8<<20 - 10
	s.mu.Unlock()
	if err := s.Put("k", make([]byte, 11)); !errors.Is(err, ErrBusy) {
		t.Errorf("one byte more: %v", err)
	}
	if err := s.Put("k", make([]byte, 10)); err != nil {
		t.Errorf("8 MiB: %v", err)
	}
	s.mu.Lock()
	s.unwritten -= 8<<20 - 10
	s.mu.Unlock()
	waitForDisk(s)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.unwritten != 0 {
		t.Errorf("%d bytes wait for nothing", s.unwritten)
	}
}

// TestPutReachesTheDiskByItself, also if nobody waits for it; and an idle disk is not
// written to by who drops nothing.
func TestPutReachesTheDiskByItself(t *testing.T) {
	s := open(t, diskOptions(t, t.TempDir()))
	for i := range 3 {
		if err := s.Put(fmt.Sprint(i), []byte("v")); err != nil {
			t.Fatal(err)
		}
		for written := false; !written; time.Sleep(time.Millisecond) {
			s.mu.Lock()
			written = !s.writing && len(s.dirty) == 0 && s.unwritten == 0
			s.mu.Unlock()
		}
	}
	before := s.disk.version
	s.Drop("none")
	s.Drop()
	if s.disk.version != before {
		t.Error("a Drop of nothing was written")
	}
}

// TestDiskThatWorksIsNotGivenUp: the patience ends with each write, and with Close.
func TestDiskThatWorksIsNotGivenUp(t *testing.T) {
	if !inChild(t) {
		return
	}
	for patience := 100 * time.Millisecond; ; patience *= 2 { // more for a slow machine
		o := diskOptions(t, t.TempDir())
		o.patience = patience
		s := open(t, o)
		start := time.Now()
		if err := s.Put("k", []byte("v")); err != nil {
			t.Fatal(err)
		}
		waitForDisk(s)
		if time.Since(start) > patience/2 {
			closeStore(t, s)
			continue
		}
		time.Sleep(2 * patience)
		if stats := s.Stats(); !stats.OnDisk {
			t.Errorf("given up after a write that had ended: %+v", stats)
		}
		start = time.Now()
		closeStore(t, s)
		if time.Since(start) > patience/2 {
			continue
		}
		time.Sleep(2 * patience)
		if !s.Stats().OnDisk || !directory(o.Dir).intact() {
			t.Errorf("given up after Close: %+v, state %q", s.Stats(), directory(o.Dir).state())
		}
		return
	}
}

// TestWhatIsClosedIsNotGivenUp: also if the patience with the disk ends in that moment.
func TestWhatIsClosedIsNotGivenUp(t *testing.T) {
	if !inChild(t) {
		return
	}
	closed := 0
	for n := range 60 {
		o := diskOptions(t, t.TempDir())
		if n < 59 { // the last one waits as long as it takes
			o.patience = time.Duration(n) * time.Millisecond
		}
		s := open(t, o)
		err := s.Close()
		select {
		case <-s.gaveUp:
			continue // BadgerDB may still be at work in what is removed
		default:
			closed++
		}
		if err != nil {
			t.Error(err)
		}
		time.Sleep(2 * time.Millisecond)
		select {
		case <-s.gaveUp:
			t.Fatalf("given up after Close, with a patience of %v", o.patience)
		default:
		}
	}
	if closed == 0 {
		t.Error("none was closed in time")
	}
}
