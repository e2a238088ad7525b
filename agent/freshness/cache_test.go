package freshness

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

const (
	account  = "/redfish/v1/AccountService/Accounts/1"
	accounts = "/redfish/v1/AccountService/Accounts"
	thermal  = "/redfish/v1/Chassis/1/Thermal"
)

func one() *resources {
	r := newResources()
	r.set(account, `W/"A"`, `{"UserName":"Administrator"}`)
	r.set(thermal, `W/"T"`, `{"Temperatures":[]}`)
	return r
}

func TestHitMissAndAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := one()
		c, next, _ := open(t, r)
		next.latency = 2500 * time.Millisecond
		if g := ask(t, c, "GET", account); g.how != "fwd=miss; stored; ttl=117; detail=static" || g.age != 2 || ServerTags(g.header.Get("ETag")) != `W/"A"` {
			t.Errorf("first: %q, age %d, %v", g.how, g.age, g.header)
		}
		time.Sleep(10 * time.Second)
		g := ask(t, c, "GET", account)
		if g.how != "hit; ttl=107; detail=static" || g.age != 12 || g.body != `{"UserName":"Administrator"}` || g.header.Get("Content-Type") != "application/json; charset=utf-8" {
			t.Errorf("second: %+v", g)
		}
		if g := ask(t, c, "HEAD", "//redfish/v1/accountservice/ACCOUNTS/1"); g.body != "" || g.header.Get("Content-Length") != "28" || g.age != 12 {
			t.Errorf("HEAD in another spelling: %+v", g)
		}
		wantRequests(t, next, "GET "+account)
		// Another form is another answer: links in it follow the request.
		r.set(account+"/", `W/"A"`, `{"slash":true}`)
		if g := ask(t, c, "GET", account+"/"); g.body != `{"slash":true}` || !strings.HasPrefix(g.how, "fwd=miss") {
			t.Errorf("with a slash: %+v", g)
		}
		r.set(account+"?$select=UserName", `W/"Q"`, `{"query":true}`)
		if g := ask(t, c, "GET", account+"?$select=UserName"); g.body != `{"query":true}` {
			t.Errorf("with a query: %+v", g)
		}
		time.Sleep(2 * time.Minute)
		if g := ask(t, c, "GET", account); g.how != "fwd=stale; stored; ttl=117; detail=static" || g.age != 2 {
			t.Errorf("too old: %q, age %d", g.how, g.age)
		}
	})
}

func TestVolatile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, next, _ := open(t, one())
		for range 4 {
			ask(t, c, "GET", thermal)
			time.Sleep(5 * time.Second)
		}
		wantRequests(t, next, "GET "+thermal, "GET "+thermal)
	})
}

func TestClientDirectives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, next, _ := open(t, one())
		for _, s := range []struct {
			name, value string
			status      int
			how         string
			asked       int
			wait        time.Duration
		}{
			{"Cache-Control", "only-if-cached", 504, "detail=only-if-cached", 0, 0},
			{"Cache-Control", "no-store", 200, "fwd=bypass", 1, 0},
			{"Cache-Control", "only-if-cached", 504, "detail=only-if-cached", 0, 0},
			{"Cache-Control", "max-age=60", 200, "fwd=miss", 1, 0},
			{"Cache-Control", "max-age=60", 200, "hit", 0, 20 * time.Second},
			{"Cache-Control", "max-age=20", 200, "hit", 0, 0},
			{"Cache-Control", "max-age=19", 200, "fwd=request", 1, 0},
			{"Cache-Control", "no-cache", 200, "fwd=request", 1, 0},
			{"Cache-Control", "max-age=0", 200, "fwd=request", 1, 0},
			{"Pragma", "no-cache", 200, "fwd=request", 1, 0},
			{"Cache-Control", "only-if-cached", 200, "hit", 0, 0},
			{"Cache-Control", "only-if-cached, max-age=5", 504, "detail=only-if-cached", 0, 9 * time.Second},
			{"Cache-Control", "only-if-cached", 504, "detail=only-if-cached", 0, 5 * time.Minute},
			{"Cache-Control", "only-if-cached, max-stale=60", 504, "detail=only-if-cached", 0, 0},
			{"Cache-Control", "only-if-cached, max-stale", 200, "hit; ttl=-189; detail=static", 0, 0},
			{"Cache-Control", "max-stale=189", 200, "hit; ttl=-189; detail=static", 0, 0},
			{"Cache-Control", "max-stale, max-age=309", 200, "hit; ttl=-189; detail=static", 0, 0},
			{"Cache-Control", "only-if-cached, max-stale, max-age=308", 504, "detail=only-if-cached", 0, 0},
			{"Cache-Control", "max-stale=188", 200, "fwd=stale", 1, 0},
		} {
			time.Sleep(s.wait)
			g := ask(t, c, "GET", account, s.name, s.value)
			if asked := len(next.seen()); g.status != s.status || !strings.HasPrefix(g.how, s.how) || asked != s.asked {
				t.Errorf("%s: %d, %q, %d requests to the iLO; want %d, %q, %d", s.value, g.status, g.how, asked, s.status, s.how, s.asked)
			}
		}
	})
}

func TestStaleIfError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := one()
		c, next, _ := open(t, r)
		ask(t, c, "GET", account)
		time.Sleep(3 * time.Minute)
		boom := errors.New("the channel broke")
		next.setFail(boom)
		if _, err := try(t, c, "GET", account); !errors.Is(err, boom) {
			t.Errorf("without the directive: %v", err)
		}
		if _, err := try(t, c, "GET", account, "Cache-Control", "stale-if-error=59"); !errors.Is(err, boom) {
			t.Errorf("staler than it says: %v", err)
		}
		if g := ask(t, c, "GET", account, "Cache-Control", "stale-if-error=60"); g.how != "hit; ttl=-60; detail=static" || g.age != 180 {
			t.Errorf("%+v", g)
		}
		// A reset makes all of it outdated: only who takes any age gets it.
		c.Invalidate("test")
		if _, err := try(t, c, "GET", account, "Cache-Control", "stale-if-error=9999"); !errors.Is(err, boom) {
			t.Errorf("from before a reset: %v", err)
		}
		if g := ask(t, c, "GET", account, "Cache-Control", "no-cache, stale-if-error"); g.age != 180 {
			t.Errorf("%+v", g)
		}
		next.setFail(nil)
		r.status[account] = 503
		if g := ask(t, c, "GET", account, "Cache-Control", "stale-if-error"); g.status != 200 || g.age != 180 {
			t.Errorf("at 503: %+v", g)
		}
		if g := ask(t, c, "GET", account); g.status != 503 {
			t.Errorf("503 passes: %+v", g)
		}
	})
}

func TestGzip(t *testing.T) {
	const registry = "/redfish/v1/RegistryStore/registries/en/Base.json"
	r := newResources()
	plain := strings.Repeat(`{"x":1}`, 50)
	r.set(registry, "", string(deflate([]byte(plain))))
	r.header[registry] = http.Header{"Content-Encoding": {"gzip"}}
	for _, first := range []string{"gzip", "identity"} {
		c, next, _ := open(t, r)
		for _, accept := range []string{first, "gzip", "identity"} {
			g := ask(t, c, "GET", registry, "Accept-Encoding", accept)
			body, encoding := plain, ""
			if accept == "gzip" {
				body, encoding = r.body[registry], "gzip"
			}
			if g.body != body || g.header.Get("Content-Encoding") != encoding || g.header.Get("Vary") != "Accept-Encoding" {
				t.Errorf("%s: %d bytes, %v", accept, len(g.body), g.header)
			}
		}
		wantRequests(t, next, "GET "+registry)
	}
	// What is no gzip is an error, not an answer, even if it would not be kept.
	r.set(registry, "", "not gzip")
	for _, control := range []string{"no-cache", "no-store"} {
		r.header[registry].Set("Cache-Control", control)
		c, _, _ := open(t, r)
		for _, accept := range []string{"gzip", "identity"} {
			if g, err := try(t, c, "GET", registry, "Accept-Encoding", accept); err == nil {
				t.Errorf("damaged gzip: %s, %s: %+v", control, accept, g)
			}
		}
	}
}

func TestNotKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newResources()
		uris := []string{
			"/redfish/v1/SessionService/Sessions", "/redfish/v1/SessionService/Sessions/x", "/redfish/v1/Sessions/",
			"/redfish/v1/updateservice/", "/ahsdata/x.ahs", "/sol.log.gz", "/redfish/v1/a%2Fb",
			"/redfish/v1/cookie", "/redfish/v1/cookie2", "/redfish/v1/token", "/redfish/v1/nostore", "/redfish/v1/brotli", "/redfish/v1/created",
		}
		for _, uri := range uris {
			r.set(uri, "", "{}")
		}
		r.set("/redfish/v1/updateservice/", "", `{"Oem":{"Hpe":{"State":"Updating","FlashProgressPercent":3}}}`)
		r.header["/redfish/v1/cookie"] = http.Header{"Set-Cookie": {"a=b"}}
		r.header["/redfish/v1/cookie2"] = http.Header{"Set-Cookie2": {"a=b"}}
		r.header["/redfish/v1/token"] = http.Header{"X-Auth-Token": {"secret"}}
		r.header["/redfish/v1/nostore"] = http.Header{"Cache-Control": {"no-store"}}
		r.header["/redfish/v1/brotli"] = http.Header{"Content-Encoding": {"br"}}
		r.status["/redfish/v1/created"] = 202
		c, next, store := open(t, r)
		var want []string
		for _, uri := range uris {
			ask(t, c, "GET", uri)
			ask(t, c, "GET", uri)
			want = append(want, "GET "+uri, "GET "+uri)
		}
		wantRequests(t, next, want...)
		// A request with something of its own is nobody else's.
		r.set(account, "", "{}")
		for _, h := range []string{"Authorization", "X-Auth-Token", "Range", "If-Match", "Cookie"} {
			if g := ask(t, c, "GET", account, h, "x"); g.how != "fwd=bypass" || g.age != -1 {
				t.Errorf("%s: %+v", h, g)
			}
		}
		ask(t, c, "OPTIONS", account)
		if keys := store.keys(); !slices.Equal(keys, []string{metaKey}) {
			t.Errorf("stored: %q", keys)
		}
	})
}

// TestSettingsAreReadAnewForEachClient: something may be pending since the last look.
// What is kept is for those who ask for it at any age. A refusal is not repeated.
func TestSettingsAreReadAnewForEachClient(t *testing.T) {
	const uri = "/redfish/v1/systems/1/hpsut/settings/"
	synctest.Test(t, func(t *testing.T) {
		r := newResources()
		r.set(uri, "", `{"error":{"@Message.ExtendedInfo":[{"MessageId":"Base.1.8.ResourceMissingAtURI"}]}}`)
		r.status[uri] = 404
		c, next, _ := open(t, r)
		for range 2 {
			if g := ask(t, c, "GET", uri); g.status != 404 {
				t.Errorf("refused: %+v", g)
			}
		}
		delete(r.status, uri)
		for _, h := range [][]string{nil, {"Cache-Control", "max-age=3600"}} {
			r.set(uri, "", fmt.Sprintf(`{"Name":%q}`, h))
			if g := ask(t, c, "GET", uri, h...); !strings.HasPrefix(g.how, "fwd=request") || g.status != 200 {
				t.Errorf("%q: %+v", h, g)
			}
		}
		wantRequests(t, next, slices.Repeat([]string{"GET " + uri}, 4)...)
		if g := ask(t, c, "GET", uri, "Cache-Control", "max-stale"); !strings.HasPrefix(g.how, "hit") {
			t.Errorf("stale is good enough: %+v", g)
		}
		for _, form := range []string{uri, strings.TrimSuffix(uri, "/")} {
			if g := ask(t, c, "GET", form, "Cache-Control", "only-if-cached, max-stale"); g.status != 200 {
				t.Errorf("offline: %+v", g)
			}
		}
		if g := ask(t, c, "GET", uri, "Cache-Control", "only-if-cached"); g.status != 504 {
			t.Errorf("only if fresh: %+v", g)
		}
		next.setFail(errors.New("the channel broke"))
		if g := ask(t, c, "GET", uri, "Cache-Control", "stale-if-error"); g.status != 200 {
			t.Errorf("no iLO: %+v", g)
		}
	})
}

func TestRefusals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newResources()
		refusal := func(uri, id string, status int) {
			r.set(uri, "", fmt.Sprintf(`{"error":{"@Message.ExtendedInfo":[{"MessageId":%q}]}}`, id))
			r.status[uri] = status
		}
		refusal("/redfish/v1/license", "iLO.2.32.LicenseKeyRequired", 403)
		refusal("/redfish/v1/backup", "iLO.2.25.ResourceTemporarilyUnavailable", 400)
		refusal("/redfish/v1/busy", "iLO.2.25.ResourceTemporarilyUnavailable", 503)
		refusal("/redfish/v1/retry", "iLO.2.25.ResourceNotReadyRetry", 503)
		refusal("/redfish/v1/privilege", "Base.1.4.InsufficientPrivilege", 403)
		c, next, store := open(t, r)
		for uri, kept := range map[string]bool{
			"/redfish/v1/license": true, "/redfish/v1/backup": true, "/redfish/v1/busy": true, "/redfish/v1/nothing": true,
			"/redfish/v1/retry": false, "/redfish/v1/privilege": false, "/redfish/v1/systems/1/bios": false,
		} {
			status := ask(t, c, "GET", uri).status
			time.Sleep(9 * time.Second)
			if g := ask(t, c, "GET", uri); g.status != status || strings.HasPrefix(g.how, "hit") != kept {
				t.Errorf("%s: %d, then %d %s", uri, status, g.status, g.how)
			}
			time.Sleep(2 * time.Second)
			next.seen()
			ask(t, c, "GET", uri)
			wantRequests(t, next, "GET "+uri)
		}
		if keys := store.keys(); len(keys) != 1 {
			t.Errorf("stored: %q", keys)
		}
		// A resource that is gone does not live on.
		r.set(account, "", "{}")
		ask(t, c, "GET", account)
		r.status[account] = 404
		ask(t, c, "GET", account, "Cache-Control", "no-cache")
		if g := ask(t, c, "GET", account, "Cache-Control", "only-if-cached, max-stale"); g.status != 404 || len(store.keys()) != 1 {
			t.Errorf("%+v, stored %q", g, store.keys())
		}
	})
}

// gate is a stage that lets requests wait until the test opens it.
type gate struct {
	next    http.RoundTripper
	arrived chan string
	open    chan struct{}
}

func newGate(next http.RoundTripper) *gate {
	return &gate{next: next, arrived: make(chan string, 100), open: make(chan struct{})}
}

func (g *gate) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := g.next.RoundTrip(r) // what it finds is decided before
	g.arrived <- r.Method
	<-g.open
	return resp, err
}

func TestCoalescing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := one()
		next := &ilo{handler: r}
		wait := newGate(next)
		c := New(Options{Next: wait, Store: newMemory()})
		defer c.Close()
		ctx, cancel := context.WithCancelCause(t.Context())
		gone := errors.New("ctrl-c")
		first := make(chan error)
		go func() {
			req, _ := http.NewRequestWithContext(ctx, "GET", "https://ilo"+account, nil)
			_, err := c.RoundTrip(req)
			first <- err
		}()
		synctest.Wait()
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				g := ask(t, c, "GET", account)
				if !strings.HasPrefix(g.how, "fwd=miss; collapsed") || g.age != 3 {
					t.Errorf("%d: %+v", i, g)
				}
			})
		}
		time.Sleep(3 * time.Second)
		cancel(gone)
		if err := <-first; !errors.Is(err, gone) {
			t.Errorf("the first: %v", err)
		}
		// One that wants it newer than that does not join.
		fresh := make(chan got)
		go func() { fresh <- ask(t, c, "GET", account, "Cache-Control", "no-cache") }()
		synctest.Wait()
		close(wait.open)
		wg.Wait()
		if g := <-fresh; g.age != 0 || strings.Contains(g.how, "collapsed") {
			t.Errorf("no-cache: %+v", g)
		}
		wantRequests(t, next, "GET "+account, "GET "+account)
	})
}

func TestDetachedCompletion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		next := &ilo{handler: one()}
		wait := newGate(next)
		c := New(Options{Next: wait, Store: newMemory()})
		defer c.Close()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		req, _ := http.NewRequestWithContext(ctx, "GET", "https://ilo"+account, nil)
		if _, err := c.RoundTrip(req); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		close(wait.open)
		synctest.Wait()
		if g := ask(t, c, "GET", account); !strings.HasPrefix(g.how, "hit") {
			t.Errorf("%+v", g)
		}
	})
}

func TestFetchDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		next := &ilo{handler: one(), latency: time.Hour}
		c := New(Options{Next: next, Store: newMemory()})
		began := time.Now()
		if _, err := try(t, c, "GET", account); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		if d := time.Since(began); d != fetchTimeout {
			t.Errorf("after %v", d)
		}
		done := make(chan error)
		go func() { _, err := try(t, c, "GET", account); done <- err }()
		synctest.Wait()
		c.Close()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("closed meanwhile: %v", err)
		}
		if _, err := try(t, c, "GET", account); !errors.Is(err, ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
		if err := c.Sweep(t.Context()); !errors.Is(err, ErrClosed) {
			t.Errorf("sweep after Close: %v", err)
		}
	})
}

func TestPanicIsAnError(t *testing.T) {
	c, _, _ := open(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("boom") }))
	for range 2 {
		if _, err := try(t, c, "GET", account); err == nil || !strings.Contains(err.Error(), "boom") {
			t.Errorf("%v", err)
		}
	}
}

// A GET that ran while something was written is not kept and not joined.
func TestWriteMeetsRead(t *testing.T) {
	for _, during := range []bool{true, false} {
		t.Run(fmt.Sprint("during ", during), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := one()
				next := &ilo{handler: r}
				reads, writes := newGate(next), newGate(next)
				c := New(Options{Store: newMemory(), Next: roundTripper(func(req *http.Request) (*http.Response, error) {
					if req.Method == "GET" {
						return reads.RoundTrip(req)
					}
					return writes.RoundTrip(req)
				})})
				defer c.Close()
				old := make(chan got, 1)
				read := func() { old <- ask(t, c, "GET", account) }
				write := make(chan got, 1)
				if !during {
					go read()
					synctest.Wait()
				}
				go func() { write <- ask(t, c, "PATCH", account) }()
				synctest.Wait()
				if during {
					go read()
					synctest.Wait()
				}
				close(writes.open)
				if g := <-write; g.how != "fwd=method" {
					t.Errorf("write: %+v", g)
				}
				r.set(account, `W/"A"`, `{"UserName":"other"}`) // that is what it wrote
				close(reads.open)
				if g := <-old; strings.Contains(g.how, "stored") || g.body != `{"UserName":"Administrator"}` {
					t.Errorf("the read meanwhile: %+v", g)
				}
				if g := ask(t, c, "GET", account); g.body != `{"UserName":"other"}` {
					t.Errorf("the next: %+v", g)
				}
			})
		})
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// A write to a path that could mean anything leaves nothing.
func TestWriteToOddPath(t *testing.T) {
	c, _, store := open(t, one())
	ask(t, c, "GET", account)
	ask(t, c, "PATCH", "/redfish/v1/a%2Fb")
	if keys := store.keys(); !slices.Equal(keys, []string{metaKey}) {
		t.Errorf("stored: %q", keys)
	}
}

func TestRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		next, store := &ilo{handler: one()}, newMemory()
		again := func() *Cache { return New(Options{Next: next, Store: store, Now: time.Now}) }
		c := again()
		c.SetIdentity(Identity{UUID: "u", Firmware: "2.46", BootID: "b"})
		ask(t, c, "GET", account)
		c.Close()
		time.Sleep(30 * time.Second)

		c = again()
		c.SetIdentity(Identity{UUID: "u", Generation: 5})
		if g := ask(t, c, "GET", account); g.how != "hit; ttl=90; detail=static" || g.age != 30 || ServerTags(g.header.Get("ETag")) != `W/"A"` {
			t.Errorf("%+v", g)
		}
		c.Close()

		// What was read in the future is not believed.
		c = New(Options{Next: next, Store: store, Now: func() time.Time { return time.Now().Add(-time.Hour) }})
		if n := len(c.Entries()); n != 0 {
			t.Errorf("%d entries from the future", n)
		}
		c.Close()

		for i, id := range []Identity{{UUID: "v"}, {Firmware: "3.11"}, {BootID: "c"}, {Serial: "s"}, {Serial: "t"}, {Generation: 6}} {
			c = again()
			ask(t, c, "GET", account, "Cache-Control", "no-cache")
			epoch := c.Stats().Epoch
			known := id != Identity{Serial: "s"} // the first serial is no change
			c.SetIdentity(id)
			if changed := c.Stats().Epoch != epoch; changed != known {
				t.Errorf("%d: %+v: changed: %t", i, id, changed)
			}
			if g := ask(t, c, "GET", account, "Cache-Control", "only-if-cached"); (g.status == 504) != known {
				t.Errorf("%d: %+v: %+v", i, id, g)
			}
			another := id.UUID != "" || id.Serial == "t" || id.Generation != 0
			if g := ask(t, c, "GET", account, "Cache-Control", "only-if-cached, max-stale"); (g.status == 504) != another {
				t.Errorf("%d: any age: %+v", i, g)
			}
			c.Close()
			c = again()
			if n := len(c.Entries()); known && n != 0 {
				t.Errorf("%d: %d entries of another epoch after a restart", i, n)
			}
			c.Close()
		}
	})
}

func TestStoreWithoutMetaIsNotBelieved(t *testing.T) {
	next, store := &ilo{handler: one()}, newMemory()
	c := New(Options{Next: next, Store: store})
	ask(t, c, "GET", account)
	c.Close()
	for _, meta := range []string{"", "{", `{"version":99,"epoch":1}`} {
		store.Drop(metaKey)
		if meta != "" {
			_ = store.Put(metaKey, []byte(meta))
		}
		c = New(Options{Next: next, Store: store})
		if n := len(c.Entries()); n != 0 {
			t.Errorf("meta %q: %d entries", meta, n)
		}
		ask(t, c, "GET", account)
		c.Close()
	}
	// Damage to one entry is the loss of one entry.
	_ = store.Put("/redfish/v1/x", []byte("rubbish"))
	c = New(Options{Next: next, Store: store})
	defer c.Close()
	if e := c.Entries(); len(e) != 1 || e[0].Status != 200 {
		t.Errorf("%+v", e)
	}
}

func TestStoreLosesAndRefuses(t *testing.T) {
	c, next, store := open(t, one(), func(o *Options) { o.hotBytes = 1 })
	ask(t, c, "GET", account)
	store.Drop(account)
	store.Drop(strings.ToLower(account))
	if g := ask(t, c, "GET", account); !strings.HasPrefix(g.how, "fwd=miss; stored") {
		t.Errorf("lost: %+v", g)
	}
	_ = store.Put(strings.ToLower(account), []byte("rubbish"))
	if g := ask(t, c, "GET", account); !strings.HasPrefix(g.how, "fwd=miss; stored") {
		t.Errorf("damaged: %+v", g)
	}
	next.seen()
	store.full = true
	if g := ask(t, c, "GET", account, "Cache-Control", "no-cache"); g.status != 200 || strings.Contains(g.how, "stored") {
		t.Errorf("full: %+v", g)
	}
	ask(t, c, "GET", account)
	c.Invalidate("test")
	wantRequests(t, next, "GET "+account, "GET "+account)
	if keys := store.keys(); len(keys) != 0 {
		t.Errorf("an epoch that could not be written leaves %q", keys)
	}
}

func TestBounds(t *testing.T) {
	r := newResources()
	for i := range 300 {
		r.set(fmt.Sprint("/redfish/v1/x/", i), "", strings.Repeat("x", 100))
	}
	c, _, store := open(t, r, func(o *Options) { o.entries, o.hotBytes = 64, 2000 })
	for i := range 400 {
		ask(t, c, "GET", fmt.Sprint("/redfish/v1/x/", i)) // the last hundred are refused
	}
	if st := c.Stats(); st.Entries > 64 || st.HotBytes > 2000 || len(store.keys()) > 65 {
		t.Errorf("%+v, stored %d", st, len(store.keys()))
	}
	if err := c.Clear(); err != nil || c.Stats().Entries != 0 || c.Stats().HotBytes != 0 || !slices.Equal(store.keys(), []string{metaKey}) {
		t.Errorf("%v, %+v, %q", err, c.Stats(), store.keys())
	}
}

func TestObserve(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const system = "/redfish/v1/Systems/1"
		r := one()
		host := func(state, discovery string) {
			r.set(system, "", fmt.Sprintf(`{"Oem":{"Hpe":{"PostState":%q,"DeviceDiscoveryComplete":{"DeviceDiscovery":%q}}}}`, state, discovery))
		}
		firmware := func(v string) {
			r.set("/redfish/v1/", "", fmt.Sprintf(`{"UUID":"u","Oem":{"Hpe":{"Manager":[{"ManagerFirmwareVersion":%q}]}}}`, v))
		}
		c, _, _ := open(t, r)
		epoch := func(uri string) uint64 {
			ask(t, c, "GET", uri, "Cache-Control", "no-cache")
			return c.Stats().Epoch
		}
		host("FinishedPost", "vMainDeviceDiscoveryComplete")
		firmware("2.46")
		first := epoch(system)
		if epoch("/redfish/v1/") != first || epoch(system) != first {
			t.Error("a first look began another epoch")
		}
		ask(t, c, "GET", account)
		firmware("3.11")
		second := epoch("/redfish/v1/")
		if second == first || ask(t, c, "GET", account, "Cache-Control", "only-if-cached").status != 504 {
			t.Error("another firmware leaves the epoch")
		}
		host("InPost", "vAuxDeviceDiscoveryComplete")
		third := epoch(system)
		if third == second {
			t.Error("a booting host leaves the epoch")
		}
		// Now static resources are slow.
		if g := ask(t, c, "GET", account); g.how != "fwd=miss; stored; ttl=60; detail=static" && g.how != "fwd=stale; stored; ttl=60; detail=static" {
			t.Errorf("%+v", g)
		}
		host("FinishedPost", "vAuxDeviceDiscoveryComplete")
		if epoch(system) != third {
			t.Error("it has not finished yet")
		}
		host("FinishedPost", "vMainDeviceDiscoveryComplete")
		fourth := epoch(system)
		if fourth == third {
			t.Error("a complete tree leaves the epoch")
		}
		host("InPostDiscoveryComplete", "vMainDeviceDiscoveryComplete")
		if epoch(system) == fourth {
			t.Error("a host that left FinishedPost leaves the epoch")
		}
		if g := ask(t, c, "GET", account); !strings.Contains(g.how, "ttl=120") {
			t.Errorf("%+v", g)
		}
	})
}

func BenchmarkHit(b *testing.B) {
	r := one()
	c, _, _ := open(b, r)
	for _, uri := range []string{account} {
		req, _ := http.NewRequest("GET", "https://ilo"+uri, nil)
		b.ReportAllocs()
		for b.Loop() {
			resp, err := c.RoundTrip(req)
			if err != nil || resp.StatusCode != 200 {
				b.Fatal(err)
			}
		}
	}
}
