//go:build linux

package chif

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"
)

// A packet is offered to a full queue for two seconds, from the first refusal on.
func TestFullQueueIsTriedForTwoSeconds(t *testing.T) {
	for _, full := range []error{unix.EBUSY, unix.EAGAIN} {
		c, _ := pair(t)
		synctest.Test(t, func(t *testing.T) {
			offers := 0
			c.write = func(int, []byte) (int, error) {
				offers++
				time.Sleep(500 * time.Millisecond)
				return -1, full
			}
			// A context that cannot end: a wait with a hook would not be faked.
			if err := c.Send(context.Background(), packet(8)); !errors.Is(err, ErrNotSent) || !errors.Is(err, ErrTimeout) {
				t.Error(err)
			}
			if offers != 6 { // at 0.5 s, when the time begins, 1, 1.5, 2, 2.5 and 3 s
				t.Errorf("%v: offered %d times, want 6", full, offers)
			}
		})
	}
}

// overdue is a context whose deadline has passed, or will, and whose timer has not
// gone off.
type overdue struct {
	context.Context
	deadline time.Time
}

func (c overdue) Deadline() (time.Time, bool) { return c.deadline, true }

// A deadline ends a wait, and nothing is sent after it, also where the timer of
// its context comes late.
func TestDeadlineAloneEndsAWait(t *testing.T) {
	c, _ := pair(t)
	c.slice = time.Hour
	past := overdue{context.Background(), time.Now().Add(-time.Second)}
	if err := c.Send(past, packet(8)); !errors.Is(err, ErrTimeout) || !errors.Is(err, ErrNotSent) {
		t.Errorf("sent: %v", err)
	}
	for _, left := range []time.Duration{-time.Second, 10 * quickSlice} {
		ctx := overdue{context.Background(), time.Now().Add(left)}
		if _, err := c.Receive(ctx, make([]byte, MaxPacket)); !errors.Is(err, ErrTimeout) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v left: %v", left, err)
		}
	}
}

// wakeUpLeft tells whether something would end the channel's next wait.
func wakeUpLeft(t *testing.T, c *fdChannel) bool {
	t.Helper()
	if _, err := c.poll(0, 0); err != nil {
		t.Fatal(err)
	}
	return c.polled[0].Revents != 0
}

// The end of a context wakes no wait but its own: neither when it comes in the last
// moment of that, nor when it comes after it.
func TestEndOfAContextWakesItsOwnWaitOnly(t *testing.T) {
	c, peer := pair(t)
	c.slice = time.Millisecond // so that one wait has many polls
	buf := make([]byte, MaxPacket)
	for range 20 {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(quickSlice/2, cancel)
		if _, err := c.Receive(ctx, buf); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		if wakeUpLeft(t, c) {
			t.Fatal("a wake-up is left of a context that ended during the wait")
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	time.AfterFunc(10*quickSlice, func() { defer close(ended); unix.Write(peer, packet(8)) })
	if _, err := c.Receive(ctx, buf); err != nil {
		t.Error(err)
	}
	<-ended
	cancel()
	for range 100 { // whoever the end wakes has run then
		runtime.Gosched()
		time.Sleep(10 * time.Microsecond)
	}
	if wakeUpLeft(t, c) {
		t.Error("a context that ended after its wait left a wake-up")
	}
}

// A signal, such as the Go runtime sends to its threads, ends no wait.
func TestSignalEndsNoWait(t *testing.T) {
	c, peer := pair(t)
	c.slice = time.Hour
	thread, received := make(chan int), make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		thread <- unix.Gettid()
		_, err := c.Receive(t.Context(), make([]byte, MaxPacket))
		received <- err
	}()
	tid := <-thread
	for range 100 {
		if err := unix.Tgkill(unix.Getpid(), tid, unix.SIGURG); err != nil {
			t.Fatal(err)
		}
		time.Sleep(quickSlice / 5)
	}
	if _, err := unix.Write(peer, packet(8)); err != nil {
		t.Fatal(err)
	}
	if err := <-received; err != nil {
		t.Error(err)
	}
}

// withoutDescriptors runs f while this process may have no descriptors: it can
// open none, and poll fails.
func withoutDescriptors(t *testing.T, f func()) {
	t.Helper()
	var old unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 0, Max: old.Max}); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &old); err != nil {
			t.Fatal(err)
		}
	}()
	f()
}

// A poll that fails ends the wait with the system's error.
func TestPollThatFailsEndsTheWait(t *testing.T) {
	c, _ := pair(t)
	c.write = func(int, []byte) (int, error) { return -1, unix.EBUSY }
	var send, receive, drain error
	withoutDescriptors(t, func() {
		send = c.Send(context.Background(), packet(8))
		_, receive = c.Receive(context.Background(), make([]byte, MaxPacket))
		drain = c.drain()
	})
	for name, err := range map[string]error{"Send": send, "Receive": receive, "drain": drain} {
		if !errors.Is(err, unix.EINVAL) || errors.Is(err, ErrNotSent) != (name == "Send") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// descriptors are how many this process has open.
func descriptors(t *testing.T) int {
	t.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}

// An open that fails leaves no descriptor behind.
func TestFailedOpensLeaveNoDescriptor(t *testing.T) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fds[1])
	withoutDescriptors(t, func() { _, err = newFDChannel("test", fds[0]) })
	if !errors.Is(err, unix.EMFILE) {
		t.Error(err)
	}
	if err := unix.Close(fds[0]); err != unix.EBADF {
		t.Errorf("the descriptor stays open: %v", err)
	}
	before := descriptors(t)
	d := nodes(t, 1, openNode)
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	d.settle = time.Hour
	for range 10 {
		if _, err := d.Open(ctx); err == nil {
			t.Error("the node opened")
		}
		if _, err := (socketDevice{filepath.Join(t.TempDir(), "none")}).Open(t.Context()); err == nil {
			t.Error("the socket opened")
		}
	}
	if after := descriptors(t); after > before {
		t.Errorf("%d descriptors, %d before", after, before)
	}
}

// A packet that is no busy packet, and silence, do not explain a broken channel.
func TestBrokenSocketIsBusyOnlyIfItSaysSo(t *testing.T) {
	for name, last := range map[string][]byte{"nothing": nil, "an answer": packet(8)} {
		c, peer := pair(t)
		c.mayBeBusy = true
		if last != nil {
			if _, err := unix.Write(peer, last); err != nil {
				t.Fatal(err)
			}
		}
		if err := unix.Shutdown(peer, unix.SHUT_RDWR); err != nil {
			t.Fatal(err)
		}
		if err := c.Send(t.Context(), packet(8)); !errors.Is(err, ErrReset) || errors.Is(err, ErrBusy) || !errors.Is(err, ErrNotSent) {
			t.Errorf("%s: %v", name, err)
		}
	}
	c, _ := pair(t)
	c.mayBeBusy = true
	c.write = func(int, []byte) (int, error) { return -1, unix.EPIPE }
	c.read = func(int, []byte) (int, error) { return -1, unix.ECONNRESET }
	if err := c.Send(t.Context(), packet(8)); !errors.Is(err, ErrReset) || errors.Is(err, ErrBusy) {
		t.Errorf("a read that fails: %v", err)
	}
}

// The hardware has 32 channels at the most; what else has such a name is left alone.
func TestSweepEndsWithTheLastChannelOfTheHardware(t *testing.T) {
	for made, want := range map[int]int{1: 1, 31: 31, 32: 32, 40: 32} {
		opens := 0
		d := nodes(t, made, func(string) (int, error) { opens++; return -1, unix.EBUSY })
		if _, err := d.Open(t.Context()); !errors.Is(err, ErrBusy) || opens != want {
			t.Errorf("%d nodes: %d tried, want %d; %v", made, opens, want, err)
		}
	}
}

// An open whose caller has left tries no node.
func TestOpenOfACallerWhoHasLeftTriesNoNode(t *testing.T) {
	opens := 0
	d := nodes(t, 4, func(string) (int, error) { opens++; return -1, unix.EBUSY })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := d.Open(ctx); !errors.Is(err, context.Canceled) || opens != 0 {
		t.Errorf("%d tried, %v", opens, err)
	}
}
