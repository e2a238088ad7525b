package freshness_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ilod/ilod/agent/freshness"
	"github.com/ilod/ilod/cache"
)

// BenchmarkWriteDrops202 is a write to a resource with 202 entries below, with a
// store on disk.
func BenchmarkWriteDrops202(b *testing.B) {
	s, err := cache.Open(b.Context(), cache.Options{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	c := freshness.New(freshness.Options{Store: s, Next: accepts{serve{http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, `{"@odata.id":%q,"x":%q}`, r.URL.Path, strings.Repeat(r.URL.Path, 50))
	})}}})
	defer c.Close()
	patch := httptest.NewRequest(http.MethodPatch, "/redfish/v1/Systems/1", nil)
	for b.Loop() {
		b.StopTimer()
		for i := range 202 {
			get(b, c, fmt.Sprint("/redfish/v1/Systems/1/Memory/", i))
		}
		s.Drop("x") // waits for the disk
		b.StartTimer()
		if _, err := c.RoundTrip(patch); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkWriteDuringReads is how long a write takes at most while somebody reads bodies
// of 3 MB.
func BenchmarkWriteDuringReads(b *testing.B) {
	var large strings.Builder
	for i := range 100_000 {
		fmt.Fprintf(&large, `{"@odata.id":"/redfish/v1/%d"},`, i)
	}
	body := `{"x":[` + large.String() + `0]}`
	c := freshness.New(freshness.Options{Store: &store{}, Next: accepts{serve{http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, body)
	})}}})
	defer c.Close()
	stop := make(chan struct{})
	var wg sync.WaitGroup
	defer wg.Wait()
	defer close(stop)
	wg.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				get(b, c, "/redfish/v1/AccountService/Large")
			}
		}
	})
	patch := httptest.NewRequest(http.MethodPatch, "/redfish/v1/Systems/1", nil)
	var longest time.Duration
	for b.Loop() {
		time.Sleep(50 * time.Millisecond) // else no read comes to its end
		began := time.Now()
		if _, err := c.RoundTrip(patch); err != nil {
			b.Fatal(err)
		}
		longest = max(longest, time.Since(began))
	}
	b.ReportMetric(float64(longest.Microseconds())/1000, "ms-longest")
}

func get(tb testing.TB, c *freshness.Cache, uri string) {
	r := httptest.NewRequest(http.MethodGet, uri, nil)
	r.Header.Set("Cache-Control", "no-cache")
	resp, err := c.RoundTrip(r)
	if err != nil {
		tb.Error(err)
		return
	}
	resp.Body.Close()
}
