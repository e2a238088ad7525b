//go:build linux

package chif

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ilod/ilod/chif/chiftest/need"
)

// pair returns a channel on one end of a packet socket, and the other end.
func pair(t *testing.T) (*fdChannel, int) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	c, err := newFDChannel("test", fds[0])
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(); unix.Close(fds[1]) })
	return c, fds[1]
}

func packet(size int) []byte {
	return append(Header{Size: uint16(size), Sequence: 7, Command: 1}.append(nil), make([]byte, size-headerSize)...)
}

// Row 11 of PROTOCOL.md §8: a queue that stays full.
func TestSendToAFullQueueIsNotSent(t *testing.T) {
	c, _ := pair(t)
	var err error
	for range 10000 {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		err = c.Send(ctx, packet(64))
		cancel()
		if err != nil {
			break
		}
	}
	if !errors.Is(err, ErrNotSent) || !errors.Is(err, ErrTimeout) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("within a deadline: %v", err)
	}
	if err := c.Send(t.Context(), packet(64)); !errors.Is(err, ErrNotSent) || !errors.Is(err, ErrTimeout) {
		t.Errorf("without: %v", err)
	}
}

// Row 12: the driver cuts what does not fit and says so only in the count.
func TestShortWriteIsAnError(t *testing.T) {
	c, _ := pair(t)
	c.write = func(fd int, p []byte) (int, error) { return unix.Write(fd, p[:len(p)-1]) }
	if err := c.Send(t.Context(), packet(64)); !errors.Is(err, ErrProtocol) || errors.Is(err, ErrNotSent) {
		t.Errorf("error %v", err)
	}
}

// Rows 13 and 14: a poll that announced too much, and signals.
func TestSpuriousReadAndSignalsAreRetried(t *testing.T) {
	c, peer := pair(t)
	want := packet(64)
	if _, err := unix.Write(peer, want); err != nil {
		t.Fatal(err)
	}
	hiccups := []error{unix.EAGAIN, unix.EINTR, unix.EAGAIN}
	hiccup := func(f func(int, []byte) (int, error)) func(int, []byte) (int, error) {
		return func(fd int, b []byte) (int, error) {
			if len(hiccups) == 0 {
				return f(fd, b)
			}
			err := hiccups[0]
			hiccups = hiccups[1:]
			return -1, err
		}
	}
	c.read = hiccup(unix.Read)
	buf := make([]byte, MaxPacket)
	if n, err := c.Receive(t.Context(), buf); err != nil || !bytes.Equal(buf[:n], want) {
		t.Errorf("%d bytes, %v", n, err)
	}
	hiccups = []error{unix.EINTR, unix.EBUSY, unix.EINTR}
	c.write = hiccup(unix.Write)
	if err := c.Send(t.Context(), want); err != nil {
		t.Error(err)
	}
	if len(hiccups) != 0 {
		t.Errorf("%v never happened", hiccups)
	}
}

func TestChannelErrors(t *testing.T) {
	for _, c := range []struct {
		err           error
		onWrite, want error
	}{
		{unix.ENODEV, ErrNotSent, ErrReset},
		{unix.ECONNRESET, ErrNotSent, ErrReset},
		{unix.EIO, ErrNotSent, unix.EIO},
	} {
		ch, peer := pair(t)
		fail := func(int, []byte) (int, error) { return -1, c.err }
		ch.read, ch.write = fail, fail
		if err := ch.Send(t.Context(), packet(8)); !errors.Is(err, c.want) || !errors.Is(err, c.onWrite) {
			t.Errorf("write %v: %v", c.err, err)
		}
		if _, err := unix.Write(peer, packet(8)); err != nil {
			t.Fatal(err)
		}
		if _, err := ch.Receive(t.Context(), make([]byte, MaxPacket)); !errors.Is(err, c.want) || errors.Is(err, ErrNotSent) {
			t.Errorf("read %v: %v", c.err, err)
		}
	}
}

func TestOtherEndCloses(t *testing.T) {
	c, peer := pair(t)
	received := make(chan error)
	go func() {
		_, err := c.Receive(t.Context(), make([]byte, MaxPacket))
		received <- err
	}()
	if err := unix.Shutdown(peer, unix.SHUT_RDWR); err != nil {
		t.Fatal(err)
	}
	if err := <-received; !errors.Is(err, ErrReset) {
		t.Error(err)
	}
	if err := c.Send(t.Context(), packet(8)); !errors.Is(err, ErrReset) || !errors.Is(err, ErrNotSent) {
		t.Error(err)
	}
}

// A server of a packet socket that has no channel left says so in a packet.
func TestBusyPacket(t *testing.T) {
	busy, _ := hex.DecodeString("08000000ffff0000")
	for _, send := range []bool{false, true} {
		c, peer := pair(t)
		c.mayBeBusy = true
		if _, err := unix.Write(peer, busy); err != nil {
			t.Fatal(err)
		}
		if err := unix.Shutdown(peer, unix.SHUT_RDWR); err != nil {
			t.Fatal(err)
		}
		var err error
		if send {
			err = c.Send(t.Context(), packet(8))
		} else {
			_, err = c.Receive(t.Context(), make([]byte, MaxPacket))
		}
		if !errors.Is(err, ErrBusy) || !errors.Is(err, ErrNotSent) {
			t.Errorf("send %v: %v", send, err)
		}
	}
}

// A node never sends that packet, and a socket only before any other.
func TestBareRefusalIsNoBusyPacketLater(t *testing.T) {
	bare := Header{Size: headerSize, Command: commandBad}.append(nil)
	for name, packets := range map[string][][]byte{"node": {bare}, "socket": {packet(8), bare}} {
		c, peer := pair(t)
		c.mayBeBusy = name == "socket"
		for i, b := range packets {
			if _, err := unix.Write(peer, b); err != nil {
				t.Fatal(err)
			}
			if n, err := c.Receive(t.Context(), make([]byte, MaxPacket)); err != nil || n != 8 {
				t.Errorf("%s, packet %d: %d bytes, %v", name, i, n, err)
			}
		}
	}
	for _, not := range [][]byte{
		Header{Size: headerSize, Sequence: 1, Command: commandBad}.append(nil), // our request, refused
		append(Header{Size: headerSize + 4, Command: commandBad}.append(nil), 0, 0, 0, 0),
		Header{Size: headerSize, Command: 1}.append(nil),
	} {
		if isBusyPacket(not) {
			t.Errorf("%x is a busy packet", not)
		}
	}
}

// hpilo reports POLLERR alone after a reset of the iLO.
func TestPollErrorIsAReset(t *testing.T) {
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	c, err := newFDChannel("test", p[1])
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	unix.Close(p[0]) // now poll reports POLLERR for the other end
	if _, err := c.Receive(t.Context(), make([]byte, MaxPacket)); !errors.Is(err, ErrReset) || errors.Is(err, ErrNotSent) {
		t.Error(err)
	}
}

// What a node's earlier owner has left unread is gone before the first request.
func TestLeftoverPacketsAreDrained(t *testing.T) {
	c, peer := pair(t)
	for range 3 {
		if _, err := unix.Write(peer, packet(64)); err != nil {
			t.Fatal(err)
		}
	}
	reads := 0
	c.read = func(fd int, b []byte) (int, error) { reads++; return unix.Read(fd, b) }
	if err := c.drain(); err != nil {
		t.Fatal(err)
	}
	if reads != 3 {
		t.Errorf("%d reads, want 3: a node's read sleeps where there is no packet", reads)
	}
	if revents, err := c.poll(unix.POLLIN, 0); revents != 0 || err != nil {
		t.Errorf("after the drain: %#x, %v", revents, err)
	}
	if err := c.drain(); err != nil {
		t.Errorf("of an empty channel: %v", err)
	}
	// A node that always has a packet does not hold the open up for ever.
	if _, err := unix.Write(peer, packet(64)); err != nil {
		t.Fatal(err)
	}
	reads = 0
	c.read = func(int, []byte) (int, error) { reads++; return 64, nil }
	if err := c.drain(); err != nil || reads < 3 || reads > 10 {
		t.Errorf("%d reads, %v", reads, err)
	}
}

// A file that only has the name of a node is never written to.
func TestFileWithANodesNameIsLeftAlone(t *testing.T) {
	dir := t.TempDir()
	for name, make := range map[string]func(string) error{
		"file": func(path string) error { return os.WriteFile(path, []byte("precious"), 0o600) },
		"pipe": func(path string) error { return unix.Mkfifo(path, 0o600) },
	} {
		d := &nodeDevice{dir: filepath.Join(dir, name), sys: t.TempDir(), proc: t.TempDir(), open: openNode}
		if err := os.Mkdir(d.dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := make(d.node(0)); err != nil {
			t.Fatal(err)
		}
		_, err := d.Open(t.Context())
		if no, ok := errors.AsType[*NoDeviceError](err); !ok || no.Reason != NotNodes {
			t.Errorf("%s: %v", name, err)
		}
		if b, err := os.ReadFile(filepath.Join(dir, "file", "d0ccb0")); name == "file" && string(b) != "precious" {
			t.Errorf("the file holds %q, %v", b, err)
		}
	}
}

// Row 29: the end of the context ends a wait at once, and leaves no wake-up for
// the next one.
func TestContextEndsAWait(t *testing.T) {
	c, peer := pair(t)
	buf := make([]byte, MaxPacket)
	for range 3 {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(3*quickSlice, cancel)
		if _, err := c.Receive(ctx, buf); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		ctx, cancel = context.WithTimeout(t.Context(), 3*quickSlice)
		if _, err := c.Receive(ctx, buf); !errors.Is(err, ErrTimeout) || !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		cancel()
	}
	if n, err := c.poll(unix.POLLIN, 0); n != 0 || err != nil || c.polled[0].Revents != 0 {
		t.Errorf("after the waits: channel %#x, wake-up %#x, %v", n, c.polled[0].Revents, err)
	}
	if _, err := unix.Write(peer, packet(8)); err != nil {
		t.Fatal(err)
	}
	if n, err := c.Receive(t.Context(), buf); n != 8 || err != nil {
		t.Errorf("%d bytes, %v", n, err)
	}
}

// However long a poll may last, the end of the context and Close end it; and it
// lasts at most as long as a lost interrupt may cost.
func TestWaitsAreWokenUp(t *testing.T) {
	c, _ := pair(t)
	if c.slice > 250*time.Millisecond {
		t.Errorf("a lost interrupt costs %v", c.slice)
	}
	c.slice = time.Hour
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(10*quickSlice, cancel)
	if _, err := c.Receive(ctx, make([]byte, MaxPacket)); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	time.AfterFunc(10*quickSlice, func() { c.Close() })
	if _, err := c.Receive(t.Context(), make([]byte, MaxPacket)); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
}

// A node is left alone after its open for as long as HPE's library does, and then
// freed of what is left on it. The node is a terminal here.
func TestNodeSettlesAndIsDrained(t *testing.T) {
	master, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NOCTTY, 0)
	if err != nil {
		need.Absent(t, err.Error())
	}
	defer unix.Close(master)
	if err := unix.IoctlSetPointerInt(master, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	number, err := unix.IoctlGetInt(master, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	d := nodes(t, 1, func(string) (int, error) {
		fd, err := unix.Open(fmt.Sprintf("/dev/pts/%d", number), unix.O_RDWR|unix.O_CLOEXEC|unix.O_NOCTTY, 0)
		if err == nil {
			err = unix.IoctlSetTermios(fd, unix.TCSETS, &unix.Termios{}) // raw
		}
		if err == nil {
			_, err = unix.Write(master, packet(8))
		}
		return fd, err
	})
	auto, err := ParseDevice("auto")
	if err != nil {
		t.Fatal(err)
	}
	d.settle = auto.(*nodeDevice).settle
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		ch, err := d.Open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer ch.Close()
		if took := time.Since(start); took != 100*time.Millisecond {
			t.Errorf("settled for %v", took)
		}
		if revents, err := ch.(*fdChannel).poll(unix.POLLIN, 0); revents != 0 || err != nil {
			t.Errorf("after the open: %#x, %v", revents, err)
		}
	})
}

func TestCloseEndsAWait(t *testing.T) {
	c, _ := pair(t)
	waiting, received := make(chan struct{}), make(chan error)
	go func() {
		close(waiting)
		_, err := c.Receive(context.Background(), make([]byte, MaxPacket))
		received <- err
	}()
	<-waiting
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if err := <-received; !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
	if err := c.Send(t.Context(), packet(8)); !errors.Is(err, ErrClosed) || !errors.Is(err, ErrNotSent) {
		t.Error(err)
	}
	if err := c.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
}

// nodes makes a device of n nodes whose opens are done by open.
func nodes(t *testing.T, n int, open func(name string) (int, error)) *nodeDevice {
	d := &nodeDevice{dir: t.TempDir(), sys: t.TempDir(), proc: t.TempDir(), open: open}
	for i := range n {
		if err := os.Symlink(os.DevNull, d.node(i)); err != nil {
			t.Fatal(err)
		}
	}
	return d
}

func touch(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o666); err != nil {
		t.Fatal(err)
	}
}

// Row 3: the sweep tries each node once, from a random start, up to the first
// gap.
func TestSweep(t *testing.T) {
	starts := map[string]bool{}
	for range 64 {
		var tried []string
		d := nodes(t, 16, func(name string) (int, error) { tried = append(tried, name); return -1, unix.EBUSY })
		touch(t, d.node(17), "") // behind a gap
		if _, err := d.Open(t.Context()); !errors.Is(err, ErrBusy) || !strings.Contains(err.Error(), "16 of 16") {
			t.Fatal(err)
		}
		seen := map[string]bool{}
		for _, name := range tried {
			seen[name] = true
		}
		if len(tried) != 16 || len(seen) != 16 || seen[d.node(17)] {
			t.Fatalf("tried %v", tried)
		}
		starts[filepath.Base(tried[0])] = true
	}
	if len(starts) < 8 {
		t.Errorf("64 sweeps started only at %v", starts)
	}
}

func TestNodeOpens(t *testing.T) {
	for _, c := range []struct {
		first error // of the node tried first; the others open
		want  error
		opens int
	}{
		{unix.EBUSY, nil, 2},
		{unix.ENOMEM, nil, 2},
		{unix.EACCES, ErrPermission, 1}, // row 2: no second try
		{unix.EPERM, ErrPermission, 1},
		{unix.EINTR, nil, 2},
	} {
		opens := 0
		d := nodes(t, 2, func(string) (int, error) {
			if opens++; opens == 1 {
				return -1, c.first
			}
			return unix.Open("/dev/null", unix.O_RDWR|unix.O_CLOEXEC, 0)
		})
		ch, err := d.Open(t.Context())
		if !errors.Is(err, c.want) || opens != c.opens {
			t.Errorf("%v: %v after %d opens", c.first, err, opens)
		}
		if err == nil {
			ch.Close()
		}
	}
	for _, c := range []struct {
		errs  []error // of the nodes
		want  error
		named error // what else the error tells
	}{
		{slices.Repeat([]error{unix.EBUSY}, 16), ErrBusy, nil},
		{append(slices.Repeat([]error{unix.EBUSY}, 15), unix.ENOMEM), ErrBusy, unix.ENOMEM},
		{append(slices.Repeat([]error{unix.EBUSY}, 15), unix.EIO), ErrBusy, unix.EIO},
		{[]error{unix.ENOMEM, unix.ENOMEM}, ErrBusy, unix.ENOMEM},
		{[]error{unix.EIO, unix.EIO}, unix.EIO, nil},
	} {
		left := slices.Clone(c.errs)
		d := nodes(t, len(left), func(string) (int, error) { err := left[0]; left = left[1:]; return -1, err })
		_, err := d.Open(t.Context())
		if !errors.Is(err, c.want) || errors.Is(err, ErrBusy) != (c.want == ErrBusy) {
			t.Errorf("%v: %v", c.errs, err)
		}
		if c.named != nil && !errors.Is(err, c.named) || strings.Contains(err.Error(), "%!") {
			t.Errorf("%v: %v does not name %v", c.errs, err, c.named)
		}
	}
	d := nodes(t, 3, func(string) (int, error) { return -1, unix.EMFILE })
	if _, err := d.Open(t.Context()); !errors.Is(err, unix.EMFILE) || errors.Is(err, ErrBusy) {
		t.Error(err)
	}
}

// A deadline that passes while a node settles gives the node back.
func TestDeadlineEndsTheSettling(t *testing.T) {
	var fd int
	d := nodes(t, 1, func(string) (opened int, err error) {
		fd, err = unix.Open("/dev/null", unix.O_RDWR|unix.O_CLOEXEC, 0)
		return fd, err
	})
	d.settle = time.Hour
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if _, err := d.Open(ctx); !errors.Is(err, ErrTimeout) {
			t.Errorf("the settle time outlasts the deadline: %v", err)
		}
	})
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != unix.EBADF {
		t.Errorf("the descriptor stays open: %v", err)
	}
}

// Row 28: children never inherit a channel.
func TestDescriptorsCloseOnExec(t *testing.T) {
	d := nodes(t, 1, openNode)
	ch, err := d.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer ch.Close()
	for name, fd := range map[string]int{"node": ch.(*fdChannel).fd, "eventfd": ch.(*fdChannel).wake} {
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
			t.Errorf("%s: flags %#x, %v", name, flags, err)
		}
	}
}

// Row 1: why there is no channel.
func TestNoDevice(t *testing.T) {
	ilo := map[string]string{"sys/bus/pci/devices/0000:01:00.2/vendor": "0x103c\n", "sys/bus/pci/devices/0000:01:00.2/device": "0x3307\n"}
	other := map[string]string{"sys/bus/pci/devices/0000:00:00.0/vendor": "0x8086\n", "sys/bus/pci/devices/0000:00:00.0/device": "0x3307\n"}
	module := map[string]string{"sys/module/hpilo/refcnt": "0"}
	guest := map[string]string{"proc/cpuinfo": "processor : 0\nflags\t\t: fpu hypervisor lahf_lm\n"}
	metal := map[string]string{"proc/cpuinfo": "processor : 0\nflags\t\t: fpu lahf_lm\n"}
	class := map[string]string{"sys/class/iLO/hpilo!d0ccb0/dev": "244:0"}
	for _, c := range []struct {
		files []map[string]string
		want  NoDeviceReason
	}{
		{[]map[string]string{ilo, metal}, NoModule},
		{[]map[string]string{ilo, guest}, NoModule},
		{[]map[string]string{other, guest}, VirtualMachine},
		{[]map[string]string{other, metal}, NoFunction},
		{[]map[string]string{module, metal}, ModuleWithoutDevice},
		{[]map[string]string{module, guest}, VirtualMachine},
		{[]map[string]string{module, ilo, metal, class}, NoNodes},
		{[]map[string]string{module, ilo, metal}, ModuleWithoutDevice}, // hpilo refused it
		{[]map[string]string{other}, NoFunction},                       // and nothing tells of the processor
	} {
		root := t.TempDir()
		for _, files := range c.files {
			for name, content := range files {
				touch(t, filepath.Join(root, name), content)
			}
		}
		d := &nodeDevice{dir: NodeDirectory, sys: filepath.Join(root, "sys"), proc: filepath.Join(root, "proc"), open: openNode}
		if d.nodes() > 0 {
			t.Skip("this host has an iLO")
		}
		_, err := d.Open(t.Context())
		var no *NoDeviceError
		if !errors.As(err, &no) || !errors.Is(err, ErrNoDevice) || no.Reason != c.want {
			t.Errorf("%v: %v, want: %s", c.files, err, c.want.Cause())
			continue
		}
		if no.Reason.Cause() == "unknown reason" || !strings.Contains(err.Error(), no.Reason.Cause()) {
			t.Errorf("%v has no words for its reason", err)
		}
	}
	for addr, want := range map[string]NoDeviceReason{
		filepath.Join(t.TempDir(), "none"):           NoDirectory,
		"unix:" + filepath.Join(t.TempDir(), "none"): NoSocket,
	} {
		d, err := ParseDevice(addr)
		if err != nil {
			t.Fatal(err)
		}
		_, err = d.Open(t.Context())
		var no *NoDeviceError
		if !errors.As(err, &no) || no.Reason != want {
			t.Errorf("%s: %v", addr, err)
		}
	}
}

func TestSocketOfAnotherKind(t *testing.T) {
	path := filepath.Join(t.TempDir(), "stream")
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := errors.Join(unix.Bind(fd, &unix.SockaddrUnix{Name: path}), unix.Listen(fd, 1)); err != nil {
		t.Fatal(err)
	}
	_, err = socketDevice{path}.Open(t.Context())
	var no *NoDeviceError
	if !errors.As(err, &no) || no.Reason != NotPacketSocket {
		t.Error(err)
	}
}

func TestParseDevice(t *testing.T) {
	for addr, want := range map[string]string{"auto": NodeDirectory, "/dev/hpilo": "/dev/hpilo", "/tmp/x": "/tmp/x", "unix:/x": "unix:/x", "unix:x": "unix:x"} {
		if d, err := ParseDevice(addr); err != nil || fmt.Sprint(d) != want {
			t.Errorf("%s: %v, %v", addr, d, err)
		}
	}
	for addr, want := range map[string]error{
		"": ErrInvalidRequest, "unix:": ErrInvalidRequest, "Auto": ErrInvalidRequest, "dev/hpilo": ErrInvalidRequest,
		"tcp:1.2.3.4": ErrInvalidRequest, `dll:C:\x.dll`: ErrUnsupportedPlatform,
	} {
		if _, err := ParseDevice(addr); !errors.Is(err, want) {
			t.Errorf("%q: %v", addr, err)
		}
	}
}
