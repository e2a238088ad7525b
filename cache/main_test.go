package cache

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// The environment tells a child process of this test binary what to do instead
// of all tests, and where.
const (
	childKind = "ILOD_CACHE_TEST_CHILD"
	childDir  = "ILOD_CACHE_TEST_DIR"
)

func TestMain(m *testing.M) {
	kind := os.Getenv(childKind)
	run, ok := map[string]func(dir string) error{"verify": Verify, "churn": churn, "hold": hold, "reside": reside}[kind]
	switch {
	case kind == "":
		goleak.VerifyTestMain(m)
	case kind == "test":
		os.Exit(m.Run())
	case !ok:
		panic(kind)
	default:
		if err := run(os.Getenv(childDir)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}

func childProcess(ctx context.Context, kind, dir string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, os.Args[0], args...)
	// The race detector sleeps for a second in a process that exits.
	cmd.Env = append(os.Environ(), childKind+"="+kind, childDir+"="+dir, "GORACE=atexit_sleep_ms=0")
	return cmd
}

// inChild runs the test that calls it in a process of its own, where it returns
// true: a store that gives its disk up leaves goroutines.
func inChild(t *testing.T) bool {
	if os.Getenv(childKind) == "test" {
		return true
	}
	out, err := childProcess(t.Context(), "test", "", "-test.run=^"+t.Name()+"$", "-test.v").CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("--- PASS: "+t.Name())) && !bytes.Contains(out, []byte("--- SKIP: "+t.Name())) {
		t.Errorf("%v\n%s", err, out)
	}
	return false
}

func verifyInChild(ctx context.Context, dir string) error {
	if out, err := childProcess(ctx, "verify", dir).CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %.200s", err, out)
	}
	return nil
}

// unhurried has the store in dir wait for a busy machine. How long it waits there
// otherwise is no matter of tests: a disk that is given up is lost for all of them.
func unhurried(dir string) Options {
	return Options{Dir: dir, patience: 10 * time.Minute, verifyTimeout: 10 * time.Minute}
}

func diskOptions(t testing.TB, dir string) Options {
	o := unhurried(dir)
	o.Verify = verifyInChild
	o.Warn = func(reason string, err error) { t.Logf("warning: %s: %v", reason, err) }
	return o
}

// open opens a store that is closed at the end of the test at the latest.
func open(t testing.TB, o Options) *Store {
	t.Helper()
	s, err := Open(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeStore(t, s) })
	return s
}

func closeStore(t testing.TB, s *Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// put puts, and waits where Put does not.
func put(s *Store, key string, value []byte) error {
	err := s.Put(key, value)
	for errors.Is(err, ErrBusy) {
		s.Drop(key) // waits for the disk
		err = s.Put(key, value)
	}
	return err
}

// document is the value with a version that tests put under key. What it begins
// with says what the rest has to be.
func document(key string, version uint64) []byte {
	random := rand.New(rand.NewPCG(uint64(checksum(key, nil)), version))
	head := fmt.Appendf(nil, "%q %d ", key, version)
	value := append(head, make([]byte, random.IntN(12<<10))...)
	var seed [32]byte
	copy(seed[:], head)
	rand.NewChaCha8(seed).Read(value[len(head):])
	return value
}

// versionOf returns the version of a document, or why it is none of key.
func versionOf(key string, value []byte) (version uint64, err error) {
	var name string
	if _, err := fmt.Sscanf(string(value[:min(len(value), 1<<10)]), "%q %d ", &name, &version); err != nil {
		return 0, err
	}
	if !bytes.Equal(value, document(key, version)) {
		return 0, fmt.Errorf("%q is not what was put there", key)
	}
	return version, nil
}

// checkContent fails the test if any value is not a document of its key, and
// counts them.
func checkContent(t testing.TB, s *Store) (n int) {
	t.Helper()
	for key, value := range s.All() {
		if _, err := versionOf(key, value); err != nil {
			t.Errorf("wrong bytes: %v", err)
		}
		n++
	}
	return n
}

// checkWorks fails the test if the store does not keep what it is given, or its
// directory does not, and leaves it closed.
func checkWorks(t testing.TB, s *Store, o Options) {
	t.Helper()
	key, want := "/works", document("/works", 1)
	if err := s.Put(key, want); err != nil {
		t.Fatal(err)
	}
	if got, ok := s.Get(key); !ok || !bytes.Equal(got, want) {
		t.Error("the store does not keep a value")
	}
	onDisk := s.Stats().OnDisk
	closeStore(t, s)
	if !onDisk {
		return
	}
	s = open(t, o)
	if got, ok := s.Get(key); !ok || !bytes.Equal(got, want) {
		t.Errorf("the directory does not keep a value: %+v", s.Stats())
	}
	s.Drop(key)
	if _, ok := s.Get(key); ok {
		t.Error("the store does not drop a value")
	}
	closeStore(t, s)
}
