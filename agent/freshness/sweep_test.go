package freshness

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

const directoryRequest = "GET /redfish/v1/ResourceDirectory/"

// farm is a tree with a collection of two, listed.
func farm() *resources {
	r := newResources()
	r.set("/redfish/v1/Systems", `W/"C2"`, `{"Members":[{"@odata.id":"/redfish/v1/Systems/a"},{"@odata.id":"/redfish/v1/Systems/b"}]}`)
	r.set("/redfish/v1/Systems/a/Storage", `W/"1"`, `{}`)
	r.set("/redfish/v1/Systems/a", `W/"1"`, `{"n":1}`)
	r.set("/redfish/v1/Systems/b", `W/"2"`, `{"n":2}`)
	r.set("/redfish/v1/Systems/b/Storage", `W/"1"`, `{"n":2}`)
	r.set("/redfish/v1/Loose", `W/"L"`, `{}`)
	r.list("/redfish/v1/Systems", "/redfish/v1/Systems/a", "/redfish/v1/Systems/b", "/redfish/v1/Systems/a/Storage", "/redfish/v1/Systems/b/Storage")
	return r
}

func kept(t *testing.T, c *Cache, uri string) string {
	t.Helper()
	g := ask(t, c, "GET", uri, "Cache-Control", "only-if-cached")
	if g.status == 504 {
		return "no"
	}
	return g.how[strings.Index(g.how, "ttl="):strings.LastIndex(g.how, ";")]
}

func TestSweepRenews(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := farm()
		c, next, _ := open(t, r)
		uris := []string{"/redfish/v1/Systems", "/redfish/v1/Systems/a/Storage", "/redfish/v1/Loose"}
		for _, uri := range uris {
			ask(t, c, "GET", uri)
		}
		const query = "/redfish/v1/Systems/a/Storage?$expand=."
		r.set(query, `W/"1"`, `{"Drives":[{"n":1}]}`) // of whose drives that ETag says nothing
		ask(t, c, "GET", query)
		next.seen()
		for range 8 {
			time.Sleep(110 * time.Second)
			if err := c.Sweep(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		wantRequests(t, next, strings.Split(strings.Repeat(directoryRequest+"\n", 8), "\n")[:8]...)
		// 880 s after they were read, 20 s of their 15 min are left.
		for uri, want := range map[string]string{uris[0]: "ttl=20", uris[1]: "ttl=20", uris[2]: "no", query: "no"} {
			if got := kept(t, c, uri); got != want {
				t.Errorf("%s: %s, want %s", uri, got, want)
			}
		}
		time.Sleep(21 * time.Second)
		if err := c.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := kept(t, c, uris[0]); got != "no" {
			t.Errorf("an ETag extends the maximum age: %s", got)
		}
	})
}

func TestSweepDrops(t *testing.T) {
	for name, s := range map[string]struct {
		change  func(*resources)
		dropped string
	}{
		"nothing": {func(r *resources) {}, ""},
		"another ETag": {func(r *resources) {
			r.set("/redfish/v1/Systems/a/Storage", `W/"9"`, `{"n":9}`)
		}, "/redfish/v1/Systems/a/Storage"},
		"a member went, same ETag": {func(r *resources) {
			r.list("/redfish/v1/Systems", "/redfish/v1/Systems/a", "/redfish/v1/Systems/a/Storage", "/redfish/v1/Systems/b/Storage")
		}, "/redfish/v1/Systems /redfish/v1/Systems/b"},
		"a member was swapped, same ETag": {func(r *resources) {
			r.list("/redfish/v1/Systems", "/redfish/v1/Systems/a", "/redfish/v1/Systems/c", "/redfish/v1/Systems/a/Storage", "/redfish/v1/Systems/b/Storage")
		}, "/redfish/v1/Systems /redfish/v1/Systems/b"},
		"a member came, same ETag": {func(r *resources) {
			r.list("/redfish/v1/Systems", "/redfish/v1/Systems/a", "/redfish/v1/Systems/b", "/redfish/v1/Systems/c", "/redfish/v1/Systems/a/Storage", "/redfish/v1/Systems/b/Storage")
		}, "/redfish/v1/Systems"},
		"a leaf left": {func(r *resources) {
			r.list("/redfish/v1/Systems", "/redfish/v1/Systems/a", "/redfish/v1/Systems/b", "/redfish/v1/Systems/a/Storage")
		}, "/redfish/v1/Systems/b/Storage"},
	} {
		for _, restart := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, restart %t", name, restart), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					r := farm()
					next, store := &ilo{handler: r}, newMemory()
					c := New(Options{Next: next, Store: store})
					if err := c.Sweep(t.Context()); err != nil {
						t.Fatal(err)
					}
					uris := []string{"/redfish/v1/Systems", "/redfish/v1/Systems/a", "/redfish/v1/Systems/b", "/redfish/v1/Systems/a/Storage", "/redfish/v1/Systems/b/Storage"}
					for _, uri := range uris {
						ask(t, c, "GET", uri)
					}
					time.Sleep(time.Second)
					if restart {
						c.Close()
						c = New(Options{Next: next, Store: store})
					}
					defer c.Close()
					s.change(r)
					next.seen()
					if err := c.Sweep(t.Context()); err != nil {
						t.Fatal(err)
					}
					wantRequests(t, next, directoryRequest)
					time.Sleep(time.Second)
					for _, uri := range uris {
						dropped := strings.Contains(" "+s.dropped+" ", " "+uri+" ")
						_, stored := store.Get(strings.ToLower(uri))
						if restart && dropped && stored {
							// It is not known any more what was listed before: it may
							// live as long as it is fresh, but is not renewed.
							time.Sleep(agesOf[Static].fresh)
							if k := kept(t, c, uri); k != "no" {
								t.Errorf("%s was renewed: %s", uri, k)
							}
							continue
						}
						if got := kept(t, c, uri); (got == "no") != dropped && !restart || stored == dropped {
							t.Errorf("%s: %s, stored: %t, want dropped: %t", uri, got, stored, dropped)
						}
					}
				})
			})
		}
	}
}

// What the directory does not list cannot be proved, however equal its ETag is:
// captured directories leave out storage controllers and network adapters.
func TestUnlistedMember(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := farm()
		r.list("/redfish/v1/Systems", "/redfish/v1/Systems/a")
		c, _, _ := open(t, r)
		ask(t, c, "GET", "/redfish/v1/Systems")
		time.Sleep(100 * time.Second)
		_ = c.Sweep(t.Context())
		if got := kept(t, c, "/redfish/v1/Systems"); got != "ttl=20" {
			t.Errorf("%s, want neither dropped nor renewed", got)
		}
	})
}

func TestSweepFindsWhatWasMissing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := farm()
		c, _, _ := open(t, r)
		ask(t, c, "GET", "/redfish/v1/Systems/new")
		time.Sleep(time.Second)
		r.set("/redfish/v1/Systems/new", `W/"1"`, "{}")
		r.list(append(r.listed, "/redfish/v1/Systems/new")...)
		_ = c.Sweep(t.Context())
		if g := ask(t, c, "GET", "/redfish/v1/Systems/new"); g.status != 200 {
			t.Errorf("%+v", g)
		}
	})
}

// A store that evicts what is seldom used must not take the epoch with it.
func TestSweepWritesEpochAgain(t *testing.T) {
	c, _, store := open(t, farm())
	before, _ := store.Get(metaKey)
	store.Drop(metaKey)
	if err := c.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if after, _ := store.Get(metaKey); string(after) != string(before) {
		t.Errorf("%s, was %s", after, before)
	}
}

// A renewal counts from when the directory was asked for.
func TestSweepTakesTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, next, _ := open(t, farm())
		ask(t, c, "GET", "/redfish/v1/Systems/a/Storage")
		time.Sleep(100 * time.Second)
		next.latency = 10 * time.Second
		if err := c.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := kept(t, c, "/redfish/v1/Systems/a/Storage"); got != "ttl=110" {
			t.Errorf("%s, want ttl=110", got)
		}
	})
}

// What was read while the directory was on its way is newer than it.
func TestSweepDoesNotJudgeNewer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := farm()
		next := &ilo{handler: r}
		slow := newGate(next)
		var mu sync.Mutex
		hold := false
		c := New(Options{Store: newMemory(), Next: roundTripper(nil)})
		c.o.Next = roundTripper(func(req *http.Request) (*http.Response, error) {
			mu.Lock()
			h := hold && strings.Contains(req.URL.Path, "Directory")
			mu.Unlock()
			if h {
				return slow.RoundTrip(req)
			}
			return next.RoundTrip(req)
		})
		defer c.Close()
		if err := c.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		hold = true
		swept := make(chan error)
		go func() { swept <- c.Sweep(t.Context()) }()
		time.Sleep(time.Second)
		r.set("/redfish/v1/Systems/a/Storage", `W/"new"`, `{"new":1}`)
		ask(t, c, "GET", "/redfish/v1/Systems/a/Storage")
		close(slow.open)
		if err := <-swept; err != nil {
			t.Fatal(err)
		}
		if got := kept(t, c, "/redfish/v1/Systems/a/Storage"); got == "no" {
			t.Error("dropped by an older directory")
		}
	})
}

func TestSweepErrors(t *testing.T) {
	r := newResources()
	c, next, _ := open(t, r)
	if err := c.Sweep(t.Context()); !errors.Is(err, ErrNoDirectory) {
		t.Errorf("without a directory: %v", err)
	}
	for _, body := range []string{"{}", "[", `{"Instances":[]}`, `{"Instances":[{"@odata.id":3}]}`} {
		r.set("/redfish/v1/ResourceDirectory/", "", body)
		if err := c.Sweep(t.Context()); err == nil || errors.Is(err, ErrNoDirectory) {
			t.Errorf("%s: %v", body, err)
		}
	}
	r.status["/redfish/v1/ResourceDirectory/"] = 503
	if err := c.Sweep(t.Context()); err == nil || !strings.Contains(err.Error(), "503") {
		t.Error(err)
	}
	boom := errors.New("the channel broke")
	next.setFail(boom)
	if err := c.Sweep(t.Context()); !errors.Is(err, boom) {
		t.Error(err)
	}
}

func TestSweepsAreShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, next, _ := open(t, farm())
		next.latency = time.Second
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				if err := c.Sweep(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		wantRequests(t, next, directoryRequest)
	})
}

// A sweep pays for itself once as much time was spent on reading what it would
// have renewed.
func TestSweepOnDemand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newResources()
		var uris []string
		for i := range 20 {
			uri := fmt.Sprint("/redfish/v1/Systems/1/Memory/", i)
			r.set(uri, fmt.Sprintf(`W/"%d"`, i), "{}")
			uris = append(uris, uri)
		}
		r.list(uris...)
		next := &ilo{handler: r}
		c := New(Options{Store: newMemory(), Next: roundTripper(func(req *http.Request) (*http.Response, error) {
			d := 40 * time.Millisecond
			if strings.Contains(req.URL.Path, "Directory") {
				d *= 5
			}
			time.Sleep(d)
			return next.RoundTrip(req)
		})})
		defer c.Close()
		if err := c.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, uri := range uris {
			ask(t, c, "GET", uri)
		}
		time.Sleep(3 * time.Minute)
		next.seen()
		hits := 0
		for _, uri := range uris {
			if strings.HasPrefix(ask(t, c, "GET", uri).how, "hit") {
				hits++
			}
		}
		seen := next.seen()
		if len(seen) != 6 || seen[5] != directoryRequest || hits != 15 {
			t.Errorf("%d hits, requests %q", hits, seen)
		}
	})
}
