package cache

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
)

// churn is a child that opens a store, writes and drops, and closes it, again and
// again until it is killed. It prints a line before each step that may take long,
// and one for each Drop when it has returned: with the version that was put, which
// goes up.
func churn(dir string) error {
	random := rand.New(rand.NewPCG(rand.Uint64(), 0))
	version, err := strconv.ParseUint(os.Getenv("ILOD_CACHE_TEST_VERSION"), 10, 64)
	if err != nil {
		return err
	}
	for {
		fmt.Println("opening")
		s, err := Open(context.Background(), unhurried(dir))
		if err != nil {
			return err
		}
		if fallback := s.Stats().Fallback; fallback != "" {
			fmt.Println("memory")
		}
		fmt.Println("opened")
		for range random.IntN(1000) {
			version++
			key := fmt.Sprintf("/%d", random.IntN(300))
			if random.IntN(5) > 0 {
				if err := s.Put(key, document(key, version)); err != nil && !errors.Is(err, ErrBusy) {
					return err
				}
				continue
			}
			if random.IntN(30) == 0 {
				if err := s.Clear(); err != nil {
					return err
				}
				fmt.Println("dropped", "all", version)
				continue
			}
			s.Drop(key)
			fmt.Println("dropped", key, version)
		}
		fmt.Println("closing")
		if err := s.Close(); err != nil {
			return err
		}
	}
}

// TestKill kills a process that uses the store, at random points, and looks at
// what is left: nothing but what was put, and nothing that was dropped.
// ILOD_TEST_KILLS says how often.
func TestKill(t *testing.T) {
	kills := 40
	if n, err := strconv.Atoi(os.Getenv("ILOD_TEST_KILLS")); err == nil {
		kills = n
	}
	o := diskOptions(t, t.TempDir())
	o.Warn = func(reason string, err error) {
		if !errors.Is(err, errOpening) { // a rare one
			t.Errorf("%s: %v", reason, err)
		}
	}
	dropped, version, kept := map[string]uint64{}, uint64(0), 0
	for range kills {
		cmd := childProcess(t.Context(), "churn", o.Dir)
		cmd.Env = append(cmd.Env, fmt.Sprint("ILOD_CACHE_TEST_VERSION=", version))
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines, left := bufio.NewScanner(out), 1+rand.IntN(100)
		for lines.Scan() {
			var key string
			if _, err := fmt.Sscanf(lines.Text(), "dropped %s %d", &key, &version); err == nil {
				dropped[key] = version
			}
			if left--; left == 0 {
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
		}
		_ = cmd.Wait()
		version += 10_000 // more than a child puts after its last line

		s := open(t, o)
		if stats := s.Stats(); !stats.OnDisk {
			t.Errorf("after a kill: %+v", stats)
		}
		for key, value := range s.All() {
			version, err := versionOf(key, value)
			if err != nil {
				t.Errorf("wrong bytes: %v", err)
			}
			if floor := max(dropped[key], dropped["all"]); version < floor {
				t.Errorf("%s has version %d, dropped after version %d", key, version, floor)
			}
			kept++
		}
		if stats := s.Stats(); stats.Damaged != 0 {
			t.Errorf("after a kill: %+v", stats)
		}
		closeStore(t, s)
	}
	t.Logf("%d entries survived %d kills", kept, kills)
	if kept == 0 {
		t.Error("nothing ever survived")
	}
}

// hold is a child that keeps a store open until its input ends: with entries both
// in tables and in the log.
func hold(dir string) error {
	s, err := Open(context.Background(), unhurried(dir))
	if err != nil {
		return err
	}
	for i := range heldEntries {
		key := fmt.Sprint("/", i)
		if err := put(s, key, document(key, 0)); err != nil {
			return err
		}
	}
	s.Drop("/0") // waits for the disk
	fmt.Println("holds")
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		return err
	}
	if stats := s.Stats(); !stats.OnDisk {
		return fmt.Errorf("%+v", stats)
	}
	return s.Close()
}

const heldEntries = 600

// startHolder starts a child that holds a store in dir. The functions end it.
func startHolder(t testing.TB, dir string) (kill, finish func() error) {
	t.Helper()
	cmd := childProcess(context.Background(), "hold", dir)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := false
	kill = func() error {
		if ended {
			return nil
		}
		ended = true
		if err := cmd.Process.Kill(); err != nil {
			return err
		}
		_ = cmd.Wait()
		return nil
	}
	t.Cleanup(func() { _ = kill() })
	if lines := bufio.NewScanner(out); !lines.Scan() || lines.Text() != "holds" {
		t.Fatalf("the child says %q, %v", lines.Text(), lines.Err())
	}
	return kill, func() error {
		ended = true
		return errors.Join(in.Close(), cmd.Wait())
	}
}

// TestTwoProcesses: the second one's store is in memory, and the first one's is
// not harmed.
func TestTwoProcesses(t *testing.T) {
	o := diskOptions(t, t.TempDir())
	_, finish := startHolder(t, o.Dir)
	s := open(t, o)
	if stats := s.Stats(); stats.OnDisk || stats.Fallback == "" {
		t.Errorf("beside another process: %+v", stats)
	}
	checkWorks(t, s, o)
	if err := Verify(o.Dir); !errors.Is(err, errInUse) {
		t.Errorf("Verify beside another process: %v", err)
	}
	if err := finish(); err != nil {
		t.Error(err)
	}
	s = open(t, o)
	if n := checkContent(t, s); n != heldEntries-1 || !s.Stats().OnDisk {
		t.Errorf("%d entries, %+v", n, s.Stats())
	}
}

// TestVerifyKilled: a child that dies is as good as one that finds damage.
func TestVerifyKilled(t *testing.T) {
	o := diskOptions(t, t.TempDir())
	kill, _ := startHolder(t, o.Dir)
	if err := kill(); err != nil {
		t.Fatal(err)
	}
	o.Verify = func(ctx context.Context, dir string) error {
		cmd := childProcess(ctx, "verify", dir)
		return errors.Join(cmd.Start(), cmd.Process.Kill(), cmd.Wait())
	}
	s := open(t, o)
	if stats := s.Stats(); !stats.OnDisk || stats.Entries != 0 {
		t.Errorf("%+v", stats)
	}
	checkWorks(t, s, o)
}

// TestVerifyCancelled: nothing is removed because the caller has no time.
func TestVerifyCancelled(t *testing.T) {
	o := diskOptions(t, t.TempDir())
	kill, _ := startHolder(t, o.Dir)
	if err := kill(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancelling := o
	cancelling.Verify = func(ctx context.Context, dir string) error {
		cancel()
		return ctx.Err()
	}
	if _, err := Open(ctx, cancelling); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if n := checkContent(t, open(t, o)); n != heldEntries-1 {
		t.Errorf("%d entries", n)
	}
}

// TestWithoutVerify: what was not closed and cannot be verified is removed.
func TestWithoutVerify(t *testing.T) {
	o := diskOptions(t, t.TempDir())
	kill, _ := startHolder(t, o.Dir)
	if err := kill(); err != nil {
		t.Fatal(err)
	}
	o.Verify = nil
	if stats := open(t, o).Stats(); !stats.OnDisk || stats.Entries != 0 {
		t.Errorf("%+v", stats)
	}
}
