package gateway

import (
	"context"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
)

// document is as large as a typical resource.
var document = strings.Repeat(`{"@odata.id":"/redfish/v1/Systems/1"}`, 80)

// trivial is a Next that answers at once.
type trivial struct{ header http.Header }

func (n trivial) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: 200, Header: n.header, Body: io.NopCloser(strings.NewReader(document)), ContentLength: int64(len(document))}, nil
}

// BenchmarkGet serves the same bytes on the same kind of socket, bare and
// through the gateway, in alternating rounds of one run, and reports the ratio
// of the medians.
func BenchmarkGet(b *testing.B) {
	header := http.Header{"Content-Type": {"application/json"}, "Etag": {`W/"440AC418"`}, "Odata-Version": {"4.0"}, "Cache-Control": {"no-cache"}}
	g := newGateway(b, Options{Next: trivial{header}})
	bare := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for name, values := range header {
			w.Header()[name] = values
		}
		_, _ = io.WriteString(w, document)
	})
	get := func(h http.Handler) func(n int) time.Duration {
		path := filepath.Join(b.TempDir(), "s")
		l, err := net.Listen("unix", path)
		if err != nil {
			b.Fatal(err)
		}
		serve(b, h, l, func(ctx context.Context, _ net.Conn) context.Context { return WithPeer(ctx, reader) })
		client := unixClient(b, path)
		return func(n int) time.Duration {
			began := time.Now()
			for range n {
				resp, err := client.Get("http://ilod/redfish/v1/Systems/1")
				if err != nil {
					b.Fatal(err)
				}
				_, _ = io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
			}
			return time.Since(began)
		}
	}
	const rounds = 11
	run := [2]func(int) time.Duration{get(bare), get(g)}
	took := [2][]float64{}
	n := max(1, b.N/rounds)
	b.ResetTimer()
	for range rounds {
		for i, f := range run {
			took[i] = append(took[i], float64(f(n))/float64(n))
		}
	}
	for i := range took {
		sort.Float64s(took[i])
	}
	b.ReportMetric(took[0][rounds/2], "bare-ns/req")
	b.ReportMetric(took[1][rounds/2], "gateway-ns/req")
	b.ReportMetric(took[0][rounds/2]/took[1][rounds/2], "gateway/bare")
}

// BenchmarkHandler is the gateway without network.
func BenchmarkHandler(b *testing.B) {
	logrus.SetOutput(io.Discard)
	g := newGateway(b, Options{Next: trivial{http.Header{"Content-Type": {"application/json"}}}})
	r, err := http.NewRequestWithContext(WithPeer(context.Background(), reader), "GET", "/redfish/v1/Systems/1", nil)
	if err != nil {
		b.Fatal(err)
	}
	r.Header = http.Header{"User-Agent": {"curl"}, "Accept": {"*/*"}}
	b.ReportAllocs()
	for b.Loop() {
		g.ServeHTTP(&sink{header: http.Header{}}, r)
	}
}

type sink struct{ header http.Header }

func (s *sink) Header() http.Header         { return s.header }
func (s *sink) WriteHeader(int)             {}
func (s *sink) Write(p []byte) (int, error) { return len(p), nil }
