//go:build linux

package chif_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ilod/ilod/chif"
	"github.com/ilod/ilod/chif/chiftest"
	"github.com/ilod/ilod/chif/chiftest/tree"
)

// echo answers each packet on fd with the same packet and the response flag,
// until the other end closes. It is a thread of its own, as a device is.
func echo(fd int, done chan<- struct{}) {
	defer close(done)
	buf := make([]byte, chif.MaxPacket)
	for {
		n, err := unix.Read(fd, buf)
		if n <= 0 && err != unix.EINTR {
			return
		}
		buf[5] |= 0x80
		if _, err := unix.Write(fd, buf[:n]); err != nil {
			return
		}
	}
}

// listenEcho serves every connection to a packet socket with echo.
func listenEcho(b *testing.B) (path string) {
	path = filepath.Join(b.TempDir(), "echo")
	l, err := unix.Socket(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		b.Fatal(err)
	}
	if err := unix.Bind(l, &unix.SockaddrUnix{Name: path}); err != nil {
		b.Fatal(err)
	}
	if err := unix.Listen(l, 4); err != nil {
		b.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		fd, _, err := unix.Accept(l)
		if err != nil {
			close(done)
			return
		}
		echo(fd, done)
		unix.Close(fd)
	}()
	b.Cleanup(func() { <-done; unix.Close(l) })
	return path
}

func connect(b *testing.B, path string) int {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		b.Fatal(err)
	}
	if err := unix.Connect(fd, &unix.SockaddrUnix{Name: path}); err != nil {
		b.Fatal(err)
	}
	return fd
}

// bareExchange is the least that an exchange needs: write, poll, read.
func bareExchange(fd int, request, answer []byte) (int, error) {
	if _, err := unix.Write(fd, request); err != nil {
		return 0, err
	}
	fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	for {
		if _, err := unix.Poll(fds, 250); err == unix.EINTR {
			continue
		} else if err != nil {
			return 0, err
		}
		return unix.Read(fd, answer)
	}
}

// sideBySide runs bare and chif in turn, so that both meet the same weather, and
// reports the median time of each and the ratio of the medians. Each call of
// them does n operations.
func sideBySide(b *testing.B, n int, bare, chif func() error) {
	var times [2][]float64
	for b.Loop() {
		for i, f := range []func() error{bare, chif} {
			start := time.Now()
			for range n {
				if err := f(); err != nil {
					b.Fatal(err)
				}
			}
			times[i] = append(times[i], float64(time.Since(start))/float64(n))
		}
	}
	median := func(v []float64) float64 { slices.Sort(v); return v[len(v)/2] }
	b.ReportMetric(median(times[0]), "bare-ns")
	b.ReportMetric(median(times[1]), "chif-ns")
	b.ReportMetric(median(times[1])/median(times[0]), "ratio")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkExchange compares 64-byte exchanges over a packet socket: the bare
// system calls, and package chif.
func BenchmarkExchange(b *testing.B) {
	fd := connect(b, listenEcho(b))
	defer unix.Close(fd)
	request, answer := make([]byte, 64), make([]byte, chif.MaxPacket)
	binary.LittleEndian.PutUint16(request, 64)

	dev, err := chif.ParseDevice("unix:" + listenEcho(b))
	if err != nil {
		b.Fatal(err)
	}
	ch, err := dev.Open(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	c := chif.NewConn(ch)
	defer c.Close()
	ctx, cancel := context.WithTimeout(b.Context(), time.Hour)
	defer cancel()
	message := make([]byte, 64-8)
	exchange := func() error {
		_, err := c.Exchange(ctx, 0x0FFF, 0, message)
		return err
	}
	allocs := testing.AllocsPerRun(1000, func() {
		if err := exchange(); err != nil {
			b.Fatal(err)
		}
	})
	sideBySide(b, 500, func() error {
		_, err := bareExchange(fd, request, answer)
		return err
	}, exchange)
	b.ReportMetric(allocs, "chif-allocs")
}

// serveSocket serves handler on a packet socket.
func serveSocket(b *testing.B, o chiftest.Options) (address string) {
	s := chiftest.New(b, o)
	path := filepath.Join(b.TempDir(), "chif")
	if err := s.ListenUnix(path); err != nil {
		b.Fatal(err)
	}
	return "unix:" + path
}

func newTransport(b *testing.B, address string) *chif.Transport {
	dev, err := chif.ParseDevice(address)
	if err != nil {
		b.Fatal(err)
	}
	t := chiftest.NewTransport(b, dev, chif.TransportOptions{})
	b.Cleanup(func() { t.Close() })
	return t
}

// get returns the length of a resource.
func get(t *chif.Transport, path string) (int64, error) {
	r, err := http.NewRequest(http.MethodGet, "https://ilo"+path, nil)
	if err != nil {
		return 0, err
	}
	resp, err := t.RoundTrip(r)
	if err != nil {
		return 0, err
	}
	return io.Copy(io.Discard, resp.Body)
}

// BenchmarkBlobGet compares a GET of 100 KB, which is answered by blob, with the
// bare exchange of the very same packets.
func BenchmarkBlobGet(b *testing.B) {
	address := serveSocket(b, chiftest.Options{Handler: &web{}})
	dev, err := chif.ParseDevice(address)
	if err != nil {
		b.Fatal(err)
	}
	var packets [][]byte
	t := chiftest.NewTransport(b, recorder{Device: dev, sent: &packets}, chif.TransportOptions{})
	if _, err := get(t, "/big"); err != nil {
		b.Fatal(err)
	}
	t.Close()
	packets = packets[1:] // the status request comes with the channel
	fd := connect(b, strings.TrimPrefix(address, "unix:"))
	defer unix.Close(fd)
	answer := make([]byte, chif.MaxPacket)

	t = newTransport(b, address)
	sideBySide(b, 10, func() error {
		for _, p := range packets {
			if _, err := bareExchange(fd, p, answer); err != nil {
				return err
			}
			if code := binary.LittleEndian.Uint32(answer[8:]); code != 0 {
				return fmt.Errorf("code %d", code)
			}
		}
		return nil
	}, func() error {
		n, err := get(t, "/big")
		if err == nil && n != int64(len(big)) {
			err = fmt.Errorf("%d bytes", n)
		}
		return err
	})
	b.ReportMetric(float64(len(packets)), "packets")
}

// BenchmarkSmallGet is a GET that is answered in one packet.
func BenchmarkSmallGet(b *testing.B) {
	t := newTransport(b, serveSocket(b, chiftest.Options{Handler: &web{}}))
	b.ReportAllocs()
	for b.Loop() {
		if n, err := get(t, "/small"); err != nil || n != int64(len(small)) {
			b.Fatal(n, err)
		}
	}
}

// BenchmarkTree reads 540 resources, 40 ms an answer, over 2 channels. bare is
// the time that the iLO alone needs: 540 × 40 ms ÷ 2.
func BenchmarkTree(b *testing.B) {
	const resources, latency, channels = 540, 40 * time.Millisecond, 2
	t := tree.Generate(tree.GenerateOptions{Resources: resources})
	var paths []string
	for _, r := range t.Resources() {
		paths = append(paths, r.URI)
	}
	paths = paths[:min(resources, len(paths))]
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		res, ok := t.Lookup(r.URL.Path)
		if !ok {
			http.NotFound(w, r)
			return
		}
		w.Write(res.Body)
	})
	tr := newTransport(b, serveSocket(b, chiftest.Options{Handler: handler, Latency: latency}))
	ideal := resources * latency / channels
	for b.Loop() {
		start := time.Now()
		work := make(chan string)
		var g sync.WaitGroup
		for range channels {
			g.Go(func() {
				for path := range work {
					if n, err := get(tr, path); err != nil || n == 0 {
						b.Error(fmt.Errorf("%s: %w", path, err))
					}
				}
			})
		}
		for _, path := range paths {
			work <- path
		}
		close(work)
		g.Wait()
		b.ReportMetric(float64(time.Since(start))/float64(ideal), "×ideal")
	}
}
