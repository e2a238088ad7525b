package freshness

import (
	"fmt"
	"net/http"
	"runtime"
	"testing"
	"testing/synctest"
	"time"
)

// Refusals are worth little: they are good for seconds, there are as many as
// somebody asks for, and they are in memory.
func TestRefusalsAreBoundedAndAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := one()
		c, _, _ := open(t, r)
		ask(t, c, "GET", account)
		for i := range 10 * maxRefusals {
			ask(t, c, "GET", fmt.Sprint("/redfish/v1/missing/", i))
			if n := c.Stats().Entries; n > 1+maxRefusals {
				t.Fatalf("%d entries after %d refusals", n, i+1)
			}
		}
		if n := c.Stats().Entries; n != 1+maxRefusals {
			t.Errorf("%d entries in the end", n)
		}
		last := fmt.Sprint("/redfish/v1/missing/", 10*maxRefusals-1)
		if g := ask(t, c, "GET", last); g.how != "hit; ttl=10; detail=static" {
			t.Errorf("the newest: %+v", g)
		}
		if g := ask(t, c, "GET", account); g.how != "hit; ttl=120; detail=static" {
			t.Errorf("refusals push out what is there: %+v", g)
		}
		time.Sleep(negativeAge + time.Second)
		ask(t, c, "GET", thermal)
		if n := c.Stats().Entries; n != 2 {
			t.Errorf("%d entries when the refusals are too old", n)
		}
		ask(t, c, "GET", last)
		c.Invalidate("test")
		if n := c.Stats().Entries; n != 2 {
			t.Errorf("%d entries when the refusals are invalid", n)
		}
	})
}

// Nor are there many bytes of them.
func TestBytesOfRefusalsAreBounded(t *testing.T) {
	r := newResources()
	large := string(make([]byte, maxRefusal))
	for i := range 100 {
		uri := fmt.Sprint("/redfish/v1/missing/", i)
		r.set(uri, "", large)
		r.status[uri] = http.StatusNotFound
	}
	c, _, _ := open(t, r)
	for i := range 100 {
		ask(t, c, "GET", fmt.Sprint("/redfish/v1/missing/", i))
		if n := c.Stats().Entries; n > maxRefusalBytes/maxRefusal {
			t.Fatalf("%d refusals of %d KiB", n, maxRefusal>>10)
		}
	}
	if n := c.Stats().Entries; n != maxRefusalBytes/maxRefusal {
		t.Errorf("%d refusals of %d KiB in the end", n, maxRefusal>>10)
	}
}

// BenchmarkHitAfterRefusals is what a hit costs when 8,100 resources that do not
// exist were asked for, with the garbage collection that it takes, and what is in
// memory.
func BenchmarkHitAfterRefusals(b *testing.B) {
	for _, n := range []int{0, 8100} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			r := one()
			c, next, _ := open(b, r)
			ask(b, c, "GET", account)
			for i := range n {
				ask(b, c, "GET", fmt.Sprint("/redfish/v1/missing/", i))
			}
			next.seen()
			req, _ := http.NewRequest("GET", "https://ilo"+account, nil)
			var m runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&m)
			i := 0
			for b.Loop() {
				if i++; i%1000 == 0 {
					runtime.GC() // what an agent's memory limit does
				}
				if resp, err := c.RoundTrip(req); err != nil || resp.StatusCode != 200 {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(m.HeapAlloc)/(1<<20), "MB")
		})
	}
}

// TestRefusalsMakeRoomFirst: in a full index they go before what is there, although
// they are newer; then the oldest goes.
func TestRefusalsMakeRoomFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newResources()
		uri := func(n int) string { return fmt.Sprint("/redfish/v1/x/", n) }
		for n := range 64 {
			r.set(uri(n), "", `{}`)
		}
		c, next, _ := open(t, r, func(o *Options) { o.entries = 32 })
		for n := range 30 {
			ask(t, c, "GET", uri(n))
			time.Sleep(time.Millisecond)
		}
		for n := range 2 {
			ask(t, c, "GET", uri(1000+n))
		}
		next.seen()
		ask(t, c, "GET", uri(30)) // two have to go
		ask(t, c, "GET", uri(0))
		wantRequests(t, next, "GET "+uri(30))
		ask(t, c, "GET", uri(31))
		ask(t, c, "GET", uri(32))
		next.seen()
		ask(t, c, "GET", uri(29))
		ask(t, c, "GET", uri(0))
		wantRequests(t, next, "GET "+uri(0))
	})
}
