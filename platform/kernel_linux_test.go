package platform

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestDialTellsNobodyFromAnotherError(t *testing.T) {
	dir := t.TempDir()
	served, stale, file := filepath.Join(dir, "served"), filepath.Join(dir, "stale"), filepath.Join(dir, "file")
	listener, err := net.Listen("unix", served)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	left, err := net.ListenUnix("unix", &net.UnixAddr{Name: stale, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	left.SetUnlinkOnClose(false)
	if err := errors.Join(left.Close(), os.WriteFile(file, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	for path, nobody := range map[string]bool{filepath.Join(dir, "none"): true, stale: true, filepath.Join(file, "below"): false} {
		if _, err := Dial(t.Context(), path); err == nil || errors.Is(err, fs.ErrNotExist) != nobody {
			t.Errorf("%s: %v; nobody is there: %v", path, err, nobody)
		}
	}
	conn, err := Dial(t.Context(), served)
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.Close(); err != nil {
		t.Error(err)
	}
}

func TestDetachedProcessHasItsOwnSession(t *testing.T) {
	cmd := exec.Command("sleep", "600")
	Detach(cmd)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if sid, err := unix.Getsid(cmd.Process.Pid); err != nil || sid != cmd.Process.Pid {
		t.Errorf("process %d is in the session %d, %v", cmd.Process.Pid, sid, err)
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
}

// TestUptimeIsThatOfTheKernel compares with /proc/uptime, which has hundredths.
func TestUptimeIsThatOfTheKernel(t *testing.T) {
	kernel := func() time.Duration {
		text, err := os.ReadFile("/proc/uptime")
		seconds, _, _ := strings.Cut(string(text), " ")
		d, failed := time.ParseDuration(seconds + "s")
		if err := errors.Join(err, failed); err != nil {
			t.Fatal(err)
		}
		return d
	}
	before := kernel()
	up, err := Uptime()
	if after := kernel() + 10*time.Millisecond; err != nil || up < before || up > after {
		t.Errorf("%v, %v; the kernel says %v to %v", up, err, before, after)
	}
}

// Where the kernel does not tell who has a lock, the file in the runtime directory
// does, unless it names this process or none.
func TestLockFileTellsWhereTheKernelDoesNot(t *testing.T) {
	dir := t.TempDir()
	free, err := os.Create(filepath.Join(dir, "free")) // the kernel knows no holder
	if err != nil {
		t.Fatal(err)
	}
	defer free.Close()
	other := exec.Command("sleep", "600")
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = other.Process.Kill()
		_ = other.Wait()
	}()
	for text, want := range map[string]string{
		strconv.Itoa(other.Process.Pid) + "\n": "'sleep' (process " + strconv.Itoa(other.Process.Pid) + ")",
		strconv.Itoa(os.Getpid()) + "\n":       "a process that is not known",
		"-1\n":                                 "a process that is not known",
		"garbage":                              "a process that is not known",
		"4194305\n":                            "process 4194305", // the kernel's PID_MAX_LIMIT is 4194304
	} {
		teller := filepath.Join(dir, "teller")
		if err := os.WriteFile(teller, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		e := newLockedError(free, teller, fs.ErrClosed)
		if e.Error() != "another ilod is at work: "+want+" holds the lock of "+free.Name() || !errors.Is(e, fs.ErrClosed) || !errors.Is(e, ErrLocked) || errors.Is(e, ErrNotOurs) {
			t.Errorf("%q: %v", text, e)
		}
	}
	if e := newLockedError(free, filepath.Join(dir, "none"), fs.ErrClosed); e.PID != 0 {
		t.Errorf("no file: %v", e)
	}
}

// TestGroupsOfAUser compares with id(1).
func TestGroupsOfAUser(t *testing.T) {
	u, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("id", "-G", u.Username).Output()
	if err != nil {
		t.Fatal(err)
	}
	var want []uint32
	for field := range strings.FieldsSeq(string(out)) {
		n, err := strconv.ParseUint(field, 10, 32)
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, uint32(n))
	}
	if got := slices.Sorted(slices.Values(groupsOf(u))); !slices.Equal(got, slices.Sorted(slices.Values(want))) {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestPeerIsNamed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	client, err := Dial(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	name, err := os.ReadFile("/proc/self/comm")
	if p, failed := PeerOf(client); errors.Join(err, failed) != nil || p.Process+"\n" != string(name) {
		t.Errorf("%+v, %v, want process %q; %v", p, failed, name, err)
	}
}

func TestNoWatchdog(t *testing.T) {
	var s ServiceManager
	for _, usec := range []string{"", "garbage", "-1"} {
		t.Setenv("WATCHDOG_USEC", usec)
		if every := s.Watchdog(); every != 0 {
			t.Errorf("%q: %v", usec, every)
		}
	}
}

func TestServiceHasTheDirectoriesOfRoot(t *testing.T) {
	want := Directories{State: "/var/lib/ilod", Runtime: "/run/ilod", Config: "/etc/ilod"}
	if got := SystemDirectories(); got != want {
		t.Errorf("%+v", got)
	}
	if got := DefaultDirectories(); os.Geteuid() == 0 && got != want {
		t.Errorf("of root: %+v", got)
	}
}

func TestThreadIsNoProcess(t *testing.T) {
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	for _, thread := range threads {
		tid, err := strconv.Atoi(thread.Name())
		if err != nil {
			t.Fatal(err)
		}
		p, err := OpenProcess(tid)
		if tid == os.Getpid() {
			if err != nil {
				t.Fatal(err)
			}
			if err := p.Close(); err != nil {
				t.Error(err)
			}
		} else if !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("thread %d: %+v, %v", tid, p, err)
		}
	}
}
