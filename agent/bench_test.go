package agent

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/ilod/ilod/cache"
	"github.com/ilod/ilod/chif/chiftest"
	"github.com/ilod/ilod/chif/chiftest/redfish"
	"github.com/ilod/ilod/chif/chiftest/tree"
	"github.com/ilod/ilod/platform"
)

// diskStore is the store that the agent has.
type diskStore struct{ *cache.Store }

func (s diskStore) State() any { return s.Stats() }

// measured is a whole agent in front of a simulated iLO.
type measured struct {
	*Engine
	service *redfish.Service
	options Options
}

func measure(b *testing.B, documents int, latency time.Duration) *measured {
	b.Helper()
	service, err := redfish.New(redfish.Options{Tree: tree.Documents(documents)})
	if err != nil {
		b.Fatal(err)
	}
	server := chiftest.New(b, chiftest.Options{Handler: service, Latency: latency})
	dir := b.TempDir()
	config := DefaultConfig(filepath.Join(dir, "state"), filepath.Join(dir, "run"))
	lock, err := platform.AcquireLock(b.Context(), config.RuntimeDir, config.StateDir)
	if err != nil {
		b.Fatal(err)
	}
	log := logrus.New()
	log.SetOutput(io.Discard)
	return &measured{service: service, options: wholeOptions(config, log, lock, server.Device())}
}

// start starts the rooms without server.
func (m *measured) start(b *testing.B) {
	b.Helper()
	var err error
	if m.Engine, err = Start(b.Context(), m.options); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := m.Stop(); err != nil {
			b.Error(err)
		}
	})
}

// serve runs the whole agent and returns its socket.
func (m *measured) serve(b *testing.B) (socket string) {
	b.Helper()
	ctx, stop := context.WithCancel(context.Background())
	result := make(chan error, 1)
	go func() { result <- Run(ctx, m.options) }()
	select {
	case <-m.options.Serving.Manager.(*manager).ready:
	case err := <-result:
		b.Fatal(err)
	}
	b.Cleanup(func() {
		stop()
		if err := <-result; err != nil {
			b.Error(err)
		}
	})
	return m.options.Config.SocketPath()
}

// requests are those that the iLO has seen.
func (m *measured) requests() (n int) {
	for _, count := range m.service.Stats().Requests {
		n += count
	}
	return n
}

// lean is a client that costs little beside a server: it sends the same bytes
// again and again and looks for nothing but the end of the answer.
type lean struct {
	net.Conn
	r       *bufio.Reader
	request []byte
}

func dial(b *testing.B, socket, path string) *lean {
	b.Helper()
	conn, err := net.Dial("unix", socket)
	if err != nil {
		b.Fatal(err)
	}
	return &lean{conn, bufio.NewReaderSize(conn, 64<<10), fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: localhost\r\nUser-Agent: lean\r\nAccept: */*\r\n\r\n", path)}
}

var contentLength = []byte("Content-Length: ")

func (c *lean) get() error {
	if _, err := c.Write(c.request); err != nil {
		return err
	}
	length := -1
	for first := true; ; first = false {
		line, err := c.r.ReadSlice('\n')
		switch value, found := bytes.CutPrefix(line, contentLength); {
		case err != nil:
			return err
		case first && !bytes.HasPrefix(line, []byte("HTTP/1.1 200 ")):
			return fmt.Errorf("%q", line)
		case found:
			if length, err = strconv.Atoi(string(bytes.TrimSpace(value))); err != nil {
				return err
			}
		case len(line) == 2:
			if length < 0 {
				return errors.New("no length")
			}
			_, err := c.r.Discard(length)
			return err
		}
	}
}

// serveBare serves an answer with the least that net/http needs for it.
func serveBare(b *testing.B, header http.Header, body []byte) (socket string) {
	b.Helper()
	socket = filepath.Join(b.TempDir(), "bare")
	l, err := net.Listen("unix", socket)
	if err != nil {
		b.Fatal(err)
	}
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for name, values := range header {
			w.Header()[name] = values
		}
		_, _ = w.Write(body)
	})}
	var g sync.WaitGroup
	g.Go(func() { _ = s.Serve(l) })
	b.Cleanup(func() { s.Close(); g.Wait() })
	return socket
}

// BenchmarkCachedGet reads one cached resource of about 4 KB through the socket of
// a whole agent, and the same bytes from a bare handler, by 1 and by 32 clients, in
// turns. The agent is to do at least 0.6 of the bare handler's requests a second,
// and its 99th percentile under load is to be at most twice the other's.
func BenchmarkCachedGet(b *testing.B) {
	const documents = 100
	m := measure(b, documents, 0)
	t, i := tree.Documents(documents), 0
	for i < documents-1 && len(body(t, i))/512 != 4096/512 {
		i++
	}
	socket := m.serve(b)
	client := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}}
	defer client.CloseIdleConnections()
	resp, err := client.Get("http://localhost" + tree.DocumentURI(i))
	if err != nil {
		b.Fatal(err)
	}
	defer resp.Body.Close()
	same, err := io.ReadAll(resp.Body)
	if err != nil || !bytes.Equal(same, body(t, i)) {
		b.Fatalf("%d bytes of another body, %v", len(same), err)
	}
	bare := serveBare(b, resp.Header, same)
	for _, clients := range []int{1, 32} {
		b.Run(fmt.Sprintf("clients=%d", clients), func(b *testing.B) {
			var load [2][]*lean
			for range clients {
				load[0] = append(load[0], dial(b, bare, tree.DocumentURI(i)))
				load[1] = append(load[1], dial(b, socket, tree.DocumentURI(i)))
			}
			var rates, p99s [2][]float64
			for b.Loop() {
				for i := range load {
					rate, p99 := burden(b, load[i])
					rates[i], p99s[i] = append(rates[i], rate), append(p99s[i], p99)
				}
			}
			for _, c := range slices.Concat(load[:]...) {
				c.Close()
			}
			b.ReportMetric(median(rates[0]), "bare-req/s")
			b.ReportMetric(median(rates[1]), "agent-req/s")
			b.ReportMetric(median(rates[1])/median(rates[0]), "rate-ratio")
			b.ReportMetric(median(p99s[0]), "bare-p99-µs")
			b.ReportMetric(median(p99s[1]), "agent-p99-µs")
			b.ReportMetric(median(p99s[1])/median(p99s[0]), "p99-ratio")
			b.ReportMetric(0, "ns/op")
		})
	}
	b.StopTimer()
	if logins := m.service.Stats().Logins; logins != 1 {
		b.Errorf("%d logins", logins)
	}
}

func body(t *tree.Tree, i int) []byte {
	r, _ := t.Lookup(tree.DocumentURI(i))
	return r.Body
}

// burden has the clients do some thousand requests together and returns how many
// a second these were, and the 99th percentile of their times in microseconds.
func burden(b *testing.B, clients []*lean) (rate, p99 float64) {
	const requests = 4096
	times := make([]float64, requests)
	n := requests / len(clients)
	var g sync.WaitGroup
	start := time.Now()
	for i, c := range clients {
		g.Go(func() {
			for j := range n {
				start := time.Now()
				if err := c.get(); err != nil {
					b.Error(err)
					return
				}
				times[i*n+j] = float64(time.Since(start).Nanoseconds()) / 1e3
			}
		})
	}
	g.Wait()
	rate = requests / time.Since(start).Seconds()
	slices.Sort(times)
	return rate, times[requests*99/100]
}

func median(v []float64) float64 {
	slices.Sort(v)
	return v[len(v)/2]
}

// BenchmarkWarm warms a tree of 540 resources, 40 ms an answer, over 2 channels,
// and sweeps it. Warming is to take at most 1.15 of what the iLO alone needs,
// 540 × 40 ms ÷ 2, and the sweep one request.
func BenchmarkWarm(b *testing.B) {
	const documents, latency = 540, 40 * time.Millisecond
	for b.Loop() {
		m := measure(b, documents, latency)
		m.start(b)
		warm := m.rooms.freshness.(interface {
			Warm(context.Context, func(done, total int)) error
		})
		ideal := documents * latency / time.Duration(m.options.Config.Channels)
		start := time.Now()
		if err := warm.Warm(b.Context(), nil); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(time.Since(start))/float64(ideal), "×ideal")
		read := m.requests()
		if err := m.rooms.freshness.Sweep(b.Context()); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(read), "requests/warm")
		b.ReportMetric(float64(m.requests()-read), "requests/sweep")
	}
	b.ReportMetric(0, "ns/op")
}
