package freshness

import (
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ilod/ilod/agent/api"
)

// A directory that was asked for before everything became invalid tells about
// another time.
func TestADirectoryFromBeforeAResetIsNotApplied(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := farm()
		next := &ilo{handler: r}
		slow := newGate(next)
		c := New(Options{Store: newMemory(), Next: slow})
		defer c.Close()
		swept := make(chan error)
		go func() { swept <- c.Sweep(t.Context()) }()
		synctest.Wait()
		c.Invalidate("test")
		close(slow.open)
		if err := <-swept; err != nil {
			t.Fatal(err)
		}
		if st := c.Stats(); !st.LastSweep.IsZero() || st.Sweeps != 0 {
			t.Errorf("%+v", st)
		}
	})
}

// What was read with a query has no ETag of its own in the directory: it goes when
// its resource has another one than before.
func TestSweepDropsWhatWasReadWithAQuery(t *testing.T) {
	for _, changed := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			const uri = "/redfish/v1/Systems/a/Storage?$select=n"
			r := farm()
			r.set(uri, `W/"Q"`, `{"n":1}`)
			c, _, _ := open(t, r)
			if err := c.Sweep(t.Context()); err != nil {
				t.Fatal(err)
			}
			ask(t, c, "GET", uri)
			time.Sleep(time.Second)
			if changed {
				r.set("/redfish/v1/Systems/a/Storage", `W/"9"`, `{"n":9}`)
			}
			if err := c.Sweep(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got := kept(t, c, uri); (got == "no") != changed {
				t.Errorf("changed: %t, kept: %s", changed, got)
			}
		})
	}
}

// A collection that was read while the directory named another member is not good
// for longer because of that directory.
func TestNoSweepPaysForACollectionThatItWouldNotRenew(t *testing.T) {
	d := directory{etags: map[string]string{"/c": `W/"2"`, "/c/1": "", "/c/2": ""}, children: map[string][]uint64{"/c": {hash("/c/1"), hash("/c/2")}}}
	e := &entry{key: "/c", path: "/c", status: 200, etag: `W/"2"`, outline: outline{collection: true, members: []uint64{hash("/c/1")}}}
	if d.judge(e); e.renewable || !e.listed {
		t.Errorf("%+v", e)
	}
	d.children["/c"] = d.children["/c"][:1]
	if d.judge(e); !e.renewable {
		t.Errorf("%+v", e)
	}
}

// A sweep that fails is not tried again with each read.
func TestAFailedSweepIsPaidForAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := one()
		r.list(account)
		next := &ilo{handler: r}
		fail, tried := false, 0
		c := New(Options{Store: newMemory(), Next: roundTripper(func(req *http.Request) (*http.Response, error) {
			time.Sleep(time.Second)
			if strings.Contains(req.URL.Path, "Directory") {
				time.Sleep(2 * time.Second)
				if tried++; fail {
					return nil, errors.New("the channel broke")
				}
			}
			return next.RoundTrip(req)
		})})
		defer c.Close()
		if err := c.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		fail, tried = true, 0
		for range 13 {
			ask(t, c, "GET", account)
			time.Sleep(121 * time.Second)
		}
		if tried != 3 { // each pays for three reads
			t.Errorf("%d sweeps", tried)
		}
	})
}

// Warm gives up after so many failures in a row, and does not try the whole tree.
func TestWarmStopsAskingAnILOThatDoesNotAnswer(t *testing.T) {
	next := &ilo{handler: farm()}
	var asked atomic.Int64
	c := New(Options{Store: newMemory(), Next: roundTripper(func(req *http.Request) (*http.Response, error) {
		if strings.Contains(req.URL.Path, "Directory") {
			return next.RoundTrip(req)
		}
		asked.Add(1)
		return nil, errors.New("the channel broke")
	})})
	defer c.Close()
	err := c.Warm(t.Context(), api.Warm{}, nil)
	if n := asked.Load(); err == nil || n < maxFailures || n >= maxFailures+warmReads {
		t.Errorf("%d requests, %v", n, err)
	}
}

// Of two lines about one resource, in whatever spelling, the first counts. A line
// that leads to no resource says nothing, also about a member that leads to none.
func TestOddLinesOfADirectory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const twice, odd = "/redfish/v1/Systems/a/Storage", "/redfish/v1/Chassis"
		r := farm()
		r.set("/redfish/v1/systems/A/storage/", `W/"9"`, "{}")
		r.set(odd, `W/"1"`, `{"Members":[{"@odata.id":"/redfish/v1/Chassis#/1"}]}`)
		r.list(twice, "/redfish/v1/systems/A/storage/", odd, "/redfish/v1/Chassis#/2")
		c, _, _ := open(t, r)
		ask(t, c, "GET", twice)
		ask(t, c, "GET", odd)
		time.Sleep(110 * time.Second)
		if err := c.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(20 * time.Second)
		for uri, want := range map[string]string{twice: "ttl=100", odd: "no"} {
			if got := kept(t, c, uri); got != want {
				t.Errorf("%s: %s, want %s", uri, got, want)
			}
		}
	})
}
