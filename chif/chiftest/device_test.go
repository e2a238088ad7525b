package chiftest

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ilod/ilod/chif"
)

// needSockets skips a test on systems where Unix sockets have no packets, or
// there are none.
func needSockets(tb testing.TB) {
	tb.Helper()
	if runtime.GOOS == "windows" {
		tb.Skip("needs packet sockets")
	}
}

// unixDevice is a server's packet socket as package chif dials it.
func unixDevice(tb testing.TB, s *Server) chif.Device {
	tb.Helper()
	needSockets(tb)
	path := filepath.Join(tb.TempDir(), "ilo")
	if err := s.ListenUnix(path); err != nil {
		tb.Fatal(err)
	}
	d, err := chif.ParseDevice("unix:" + path)
	if err != nil {
		tb.Fatal(err)
	}
	return d
}

func openChannel(tb testing.TB, d chif.Device) chif.Channel {
	tb.Helper()
	c, err := d.Open(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { c.Close() })
	return c
}

func sendReceive(tb testing.TB, c chif.Channel, packet []byte) []byte {
	tb.Helper()
	if err := c.Send(tb.Context(), packet); err != nil {
		tb.Fatal(err)
	}
	buf := make([]byte, chif.MaxPacket)
	n, err := c.Receive(tb.Context(), buf)
	if err != nil {
		tb.Fatal(err)
	}
	return buf[:n]
}

// TestDevicesAreAlike: the in-process device and the packet socket carry the
// same bytes.
func TestDevicesAreAlike(t *testing.T) {
	run := func(device func(*Server) chif.Device) (answers [][]byte) {
		s := newRaw(t, Options{Handler: echo})
		c := openChannel(t, device(s))
		defer c.Close()
		other := header(1, 9)
		other[6] = 0x12
		for i, p := range [][]byte{
			header(commandStatus, 8), header(commandPing, 13), header(0x0140, 10), other,
			createPacket("a"), writePacket("a", 0, make([]byte, 3304)), writePacket("a", 3304, []byte("data")),
			finalizePacket("a"), infoPacket("a"), readPacket("a", 0, 3868), readPacket("a", 3300, 10), deletePacket("a"),
			restPacket("r", get("/10")), restPacket("r", get("/10000")), infoPacket("r"), readPacket("r", 3868, 3868),
			append(header(commandStatus, 8), make([]byte, 4088)...),
		} {
			le.PutUint16(p[2:], uint16(i+1))
			answers = append(answers, sendReceive(t, c, p))
		}
		setRules(t, s, Rule{Fault: FaultTruncate, Bytes: 5})
		return append(answers, sendReceive(t, c, header(commandStatus, 8)))
	}
	want := run(func(s *Server) chif.Device { return s.Device() })
	if len(want) != 18 || len(want[0]) != 104 || len(want[17]) != 5 {
		t.Fatalf("%d answers, the first of %d bytes", len(want), len(want[0]))
	}
	if diff := cmp.Diff(want, run(func(s *Server) chif.Device { return unixDevice(t, s) })); diff != "" {
		t.Errorf("the socket differs, -in-process +socket:\n%s", diff)
	}
}

// TestDevicesBusyAndReset: the same errors from both devices.
func TestDevicesBusyAndReset(t *testing.T) {
	for name, device := range map[string]func(testing.TB, *Server) chif.Device{
		"in-process": func(_ testing.TB, s *Server) chif.Device { return s.Device() },
		"socket":     func(tb testing.TB, s *Server) chif.Device { return unixDevice(tb, s) },
	} {
		t.Run(name, func(t *testing.T) {
			s := newRaw(t, Options{MaxChannels: 1})
			d := device(t, s)
			c := openChannel(t, d)
			sendReceive(t, c, header(commandStatus, 8))
			if err := busy(t, d); !errors.Is(err, chif.ErrBusy) {
				t.Errorf("second channel: %v", err)
			}
			s.Reset(time.Hour)
			if _, err := c.Receive(t.Context(), make([]byte, chif.MaxPacket)); !errors.Is(err, chif.ErrReset) {
				t.Errorf("receive after a reset: %v", err)
			}
			if err := c.Send(t.Context(), header(commandStatus, 8)); !errors.Is(err, chif.ErrReset) || !errors.Is(err, chif.ErrNotSent) {
				t.Errorf("send after a reset: %v", err)
			}
			c.Close()
			if err := busy(t, d); !errors.Is(err, chif.ErrBusy) {
				t.Errorf("open while the iLO is down: %v", err)
			}
			s.Reset(0)
			c = openChannel(t, d)
			sendReceive(t, c, header(commandStatus, 8))
		})
	}
}

// busy opens a channel and returns the first error, which over a socket comes
// with the first packet.
func busy(tb testing.TB, d chif.Device) error {
	c, err := d.Open(tb.Context())
	if err != nil {
		return err
	}
	defer c.Close()
	_, err = c.Receive(tb.Context(), make([]byte, chif.MaxPacket))
	return err
}

// stalled is a handler that does not answer before release.
func stalled() (h http.Handler, release func()) {
	c := make(chan struct{})
	return http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-c:
		case <-r.Context().Done():
		}
	}), func() { close(c) }
}

// TestSendQueue: three packets wait, the fourth meets EBUSY until there is room
// (PROTOCOL.md §5).
func TestSendQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		handler, release := stalled()
		s := newRaw(t, Options{Handler: handler})
		c := openChannel(t, s.Device())
		rest := restPacket("r", get("/"))
		for range 3 {
			if err := c.Send(t.Context(), rest); err != nil {
				t.Fatal(err)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		err := c.Send(ctx, rest)
		for _, want := range []error{chif.ErrNotSent, chif.ErrTimeout, context.DeadlineExceeded} {
			if !errors.Is(err, want) {
				t.Errorf("send into a full queue: %v, want %v", err, want)
			}
		}
		cancelled, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		if err := c.Send(cancelled, rest); !errors.Is(err, context.Canceled) || errors.Is(err, chif.ErrTimeout) {
			t.Errorf("cancelled send: %v", err)
		}
		time.AfterFunc(time.Second, release)
		if err := c.Send(t.Context(), rest); err != nil {
			t.Errorf("send when there is room again: %v", err)
		}
		for range 4 {
			if _, err := c.Receive(t.Context(), make([]byte, chif.MaxPacket)); err != nil {
				t.Error(err)
			}
		}
		if got := s.Stats().Packets[OpREST]; got != 4 {
			t.Errorf("%d packets executed, want 4", got)
		}
	})
}

// TestAnswerQueue: at most three answers wait; the port then stops taking
// requests, and goes on when the host reads.
func TestAnswerQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newRaw(t, Options{})
		h := newHost(t, s)
		for range 6 {
			h.send(header(commandStatus, 8))
			synctest.Wait()
		}
		if got := s.Stats().Packets[OpStatus]; got != 4 {
			t.Errorf("%d packets executed with nobody reading, want 3 and the one whose answer waits", got)
		}
		if err := h.port.Submit(header(commandStatus, 8)); err != syscall.EBUSY {
			t.Errorf("submit: %v", err)
		}
		for seq := uint16(0x1001); seq <= 0x1006; seq++ {
			if got := le.Uint16(h.receive()[2:]); got != seq {
				t.Errorf("answer %#x, want %#x", got, seq)
			}
		}
	})
}

func TestChannelLimits(t *testing.T) {
	s := newRaw(t, Options{})
	c := openChannel(t, s.Device())
	ping := header(commandPing, chif.MaxPacket)
	err := c.Send(t.Context(), append(bytes.Clone(ping), "more"...))
	if !errors.Is(err, chif.ErrTooLarge) || errors.Is(err, chif.ErrNotSent) {
		t.Errorf("send of 4100 bytes: %v", err)
	}
	buf := make([]byte, chif.MaxPacket)
	if n, err := c.Receive(t.Context(), buf); n != chif.MaxPacket || err != nil {
		t.Errorf("receive: %d, %v", n, err)
	}
	// A small buffer loses the rest.
	c.Send(t.Context(), ping)
	c.Send(t.Context(), header(commandStatus, 8))
	if n, err := c.Receive(t.Context(), buf[:100]); n != 100 || err != nil {
		t.Errorf("receive: %d, %v", n, err)
	}
	if n, err := c.Receive(t.Context(), buf); n != 104 || err != nil {
		t.Errorf("receive: %d, %v", n, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Receive(ctx, buf); !errors.Is(err, context.Canceled) {
		t.Errorf("receive: %v", err)
	}
	got := make(chan error)
	go func() {
		_, err := c.Receive(context.Background(), buf)
		got <- err
	}()
	c.Close()
	if err := <-got; !errors.Is(err, chif.ErrClosed) {
		t.Errorf("receive on a closed channel: %v", err)
	}
	if err := c.Send(t.Context(), ping); !errors.Is(err, chif.ErrClosed) || !errors.Is(err, chif.ErrNotSent) {
		t.Errorf("send on a closed channel: %v", err)
	}
}

// TestClosedChannelStillExecutes: what was handed over before Close is done.
func TestClosedChannelStillExecutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newRaw(t, Options{Handler: echo, Latency: time.Minute})
		h := newHost(t, s)
		h.send(restPacket("r", get("/5000")))
		for _, key := range []string{"a", "b"} {
			h.send(createPacket(key))
		}
		h.port.Close()
		if h := newHost(t, s); h.port.Number() != 0 {
			t.Errorf("channel %d, want the one that was closed", h.port.Number())
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := s.Stats().Blobs; n != 3 {
			t.Errorf("%d blobs, want 3", n)
		}
	})
}

func TestOpenPort(t *testing.T) {
	needSockets(t)
	s, err := NewServer(Options{MaxChannels: 2})
	if err != nil {
		t.Fatal(err)
	}
	p, err := s.OpenPort(1)
	if err != nil {
		t.Fatal(err)
	}
	for n, want := range map[int]error{1: syscall.EBUSY, 2: syscall.ENXIO} {
		if _, err := s.OpenPort(n); err != want {
			t.Errorf("open of channel %d: %v, want %v", n, err, want)
		}
	}
	if err := s.Check(); err == nil || err.Error() != "channel 1 is open" {
		t.Errorf("Check: %v", err)
	}
	p.Close()
	p.Close()
	if err := s.Check(); err != nil {
		t.Errorf("Check: %v", err)
	}
	if st := s.Stats(); st.ChannelsOpen != 0 || st.ChannelsMax != 1 || st.OpensRefused != 1 {
		t.Errorf("%+v", st)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, err := s.OpenPort(0); err != syscall.ENODEV {
		t.Errorf("open after Close: %v", err)
	}
	if _, err := s.Device().Open(t.Context()); !errors.Is(err, chif.ErrNoDevice) {
		t.Errorf("open after Close: %v", err)
	}
	if err := s.ListenUnix(filepath.Join(t.TempDir(), "ilo")); !errors.Is(err, chif.ErrClosed) {
		t.Errorf("listen after Close: %v", err)
	}
	if _, err := NewServer(Options{MaxChannels: 33}); err == nil {
		t.Error("33 channels accepted")
	}
}

func TestReset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		handler, _ := stalled()
		s := newRaw(t, Options{Handler: handler})
		h := newHost(t, s)
		h.exchange(createPacket("a"))
		h.send(restPacket("r", get("/"))) // ends with the reset, not with release
		calls := 0
		cancel := s.NotifyReset(func() { calls++ })
		s.Reset(time.Minute)
		<-h.port.Resets()
		if err := h.port.Submit(header(commandStatus, 8)); err != syscall.ENODEV {
			t.Errorf("submit after a reset: %v", err)
		}
		h.port.Close()
		time.Sleep(time.Minute - time.Nanosecond)
		if _, err := s.OpenPort(-1); err != syscall.EBUSY {
			t.Errorf("open while down: %v", err)
		}
		time.Sleep(time.Nanosecond)
		if st := s.Stats(); st.Blobs != 0 || calls != 1 {
			t.Errorf("%d blobs, %d notifications", st.Blobs, calls)
		}
		h = newHost(t, s)
		h.code(infoPacket("a"), 16, chif.CodeNotFound)
		cancel()
		s.Reset(0)
		s.Reset(0) // a port that was reset and is still open is not reset twice
		if calls != 1 {
			t.Errorf("%d notifications after cancel", calls)
		}
	})
}

// TestSocketFile: a dead socket is replaced, a live one and any other file is not.
func TestSocketFile(t *testing.T) {
	needSockets(t)
	path := filepath.Join(t.TempDir(), "ilo")
	s := newRaw(t, Options{})
	if err := s.ListenUnix(path); err != nil {
		t.Fatal(err)
	}
	other := newRaw(t, Options{})
	if err := other.ListenUnix(path); err == nil || !strings.Contains(err.Error(), "a process serves "+path) {
		t.Errorf("live socket: %v", err)
	}
	if err := other.ListenControl(path); err == nil {
		t.Error("live socket of another type accepted")
	}
	s.Close()
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket file is left: %v", err)
	}
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_SEQPACKET, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Bind(fd, &syscall.SockaddrUnix{Name: path}); err != nil {
		t.Fatal(err)
	}
	syscall.Close(fd)
	if err := other.ListenUnix(path); err != nil {
		t.Errorf("dead socket: %v", err)
	}
	file := filepath.Join(t.TempDir(), "file")
	os.WriteFile(file, []byte("mine"), 0o600)
	if err := other.ListenUnix(file); err == nil {
		t.Error("an ordinary file accepted")
	}
	if b, _ := os.ReadFile(file); string(b) != "mine" {
		t.Error("an ordinary file was removed")
	}
}

// TestCheckSeesSocketsAtOnce: a connection that the client has closed is no open
// channel, although packets of it still wait.
func TestCheckSeesSocketsAtOnce(t *testing.T) {
	handler, release := stalled()
	s := newRaw(t, Options{Handler: handler})
	d := unixDevice(t, s)
	c := openChannel(t, d)
	for range 5 {
		if err := c.Send(t.Context(), restPacket("r", get("/"))); err != nil {
			t.Fatal(err)
		}
	}
	sendReceive(t, openChannel(t, d), header(commandStatus, 8))
	if err := s.Check(); err == nil || err.Error() != "channel 0 is open\nchannel 1 is open" {
		t.Errorf("Check: %v", err)
	}
	c.Close()
	if err := s.Check(); err == nil || err.Error() != "channel 1 is open" {
		t.Errorf("Check: %v", err)
	}
	release()
}
