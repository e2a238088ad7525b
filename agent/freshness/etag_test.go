package freshness

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// The iLO gives what changes the ETag that it had, as it does with sensors and
// with collections that have as many members as before.
func TestNotModifiedOnlyIfTheBodyIsTheOneGivenWithTheTag(t *testing.T) {
	old, now := `{"Temperatures":[{"ReadingCelsius":20}]}`, `{"Temperatures":[{"ReadingCelsius":95}]}`
	for name, next := range map[string]func(c *Cache, reopen func() *Cache) (*Cache, []string){
		"too old":  func(c *Cache, _ func() *Cache) (*Cache, []string) { time.Sleep(time.Hour); return c, nil },
		"no-cache": func(c *Cache, _ func() *Cache) (*Cache, []string) { return c, []string{"Cache-Control", "no-cache"} },
		"write":    func(c *Cache, _ func() *Cache) (*Cache, []string) { ask(t, c, "PATCH", thermal); return c, nil },
		"reset":    func(c *Cache, _ func() *Cache) (*Cache, []string) { c.Invalidate("test"); return c, nil },
		"cleared":  func(c *Cache, _ func() *Cache) (*Cache, []string) { _ = c.Clear(); return c, nil },
		"restart": func(_ *Cache, reopen func() *Cache) (*Cache, []string) {
			return reopen(), []string{"Cache-Control", "no-cache"}
		},
		"own request": func(c *Cache, _ func() *Cache) (*Cache, []string) {
			return c, []string{"Authorization", "Basic eDp5"}
		},
		"no-store": func(c *Cache, _ func() *Cache) (*Cache, []string) {
			return c, []string{"Cache-Control", "no-store, no-cache"}
		},
	} {
		for _, method := range []string{"GET", "HEAD"} {
			t.Run(name+" "+method, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					r := one()
					asked, store := &ilo{handler: honestly304(r)}, newMemory()
					r.set(thermal, `W/"T"`, old)
					c := New(Options{Next: asked, Store: store})
					first := ask(t, c, "GET", thermal).header.Get("ETag")
					r.set(thermal, `W/"T"`, now)
					c, header := next(c, func() *Cache { c.Close(); return New(Options{Next: asked, Store: store}) })
					defer c.Close()
					for _, tag := range []string{first, `W/"T"`, "*"} {
						g := ask(t, c, method, thermal, append(slices.Clone(header), "If-None-Match", tag)...)
						if g.status != 200 || method == "GET" && g.body != now {
							t.Errorf("If-None-Match: %s: %+v", tag, g)
						}
					}
				})
			})
		}
	}
}

// honestly304 compares If-None-Match with its ETags, which prove as little as an
// iLO's.
func honestly304(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("If-None-Match") != "" {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func TestNotModifiedForTheBodyGivenWithTheTag(t *testing.T) {
	const registry = "/redfish/v1/RegistryStore/registries/en/Base.json"
	synctest.Test(t, func(t *testing.T) {
		r := one()
		r.set(registry, `W/"R,1"`, string(deflate([]byte(strings.Repeat(`{"x":1}`, 50)))))
		r.header[registry] = http.Header{"Content-Encoding": {"gzip"}}
		store := newMemory()
		for _, uri := range []string{account, registry} {
			c := New(Options{Next: &ilo{handler: r}, Store: store})
			tag := ask(t, c, "GET", uri, "Accept-Encoding", "gzip").header.Get("ETag")
			for restart := range 2 {
				strong := strings.TrimPrefix(tag, "W/")
				for _, list := range []string{tag, strong, `"x", ` + tag, tag + `, W/"y"`, `W/"x",` + strong} {
					for _, more := range [][]string{{"Accept-Encoding", "identity"}, {"Accept-Encoding", "gzip"}, {"Cache-Control", "no-cache"}} {
						for _, method := range []string{"GET", "HEAD"} {
							g := ask(t, c, method, uri, append(more, "If-None-Match", list)...)
							if g.status != 304 || g.body != "" || g.header.Get("ETag") != tag || g.age != 0 {
								t.Errorf("restart %d: %s: %s %q: %+v", restart, method, list, more, g)
							}
						}
					}
				}
				if g := ask(t, c, "HEAD", uri); g.header.Get("ETag") != tag || g.status != 200 {
					t.Errorf("HEAD: %+v", g)
				}
				c.Close()
				c = New(Options{Next: &ilo{handler: r}, Store: store})
			}
			c.Close()
		}
	})
}

// Whoever holds a tag may hold the body of any state that had it.
func TestEveryBodyHasATagOfItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := one()
		c, _, _ := open(t, r)
		bodies := map[string]string{} // by tag
		for _, members := range []string{"a b", "a c", "a b", "c b"} {
			body := fmt.Sprintf(`{"Members":%q}`, members)
			r.set(accounts, `W/"2"`, body)
			g := ask(t, c, "GET", accounts, "Cache-Control", "no-cache")
			tag := g.header.Get("ETag")
			if was, ok := bodies[tag]; ok && was != body || !strings.HasPrefix(tag, `W/"2.ilod-`) || len(tag) > 63 {
				t.Errorf("%s has the tag %s of %s", body, tag, was)
			}
			bodies[tag] = body
		}
		if len(bodies) != 3 {
			t.Errorf("one body has several tags: %v", bodies)
		}
	})
}

// What an iLO gives no proper ETag has none here, and is never "not modified".
func TestNoTagNoNotModified(t *testing.T) {
	for _, etag := range []string{"", "A", `"`, `W/A`} {
		r := one()
		r.set(account, etag, "{}")
		c, _, _ := open(t, r)
		if g := ask(t, c, "GET", account, "If-None-Match", etag, "If-None-Match", `"", *, ""`); g.status != 200 || g.header.Get("ETag") != etag {
			t.Errorf("%q: %+v", etag, g)
		}
	}
}

func TestTheILOGetsItsOwnTagsBack(t *testing.T) {
	r := one()
	next := &ilo{handler: r}
	var got http.Header
	c := New(Options{Store: newMemory(), Next: roundTripper(func(req *http.Request) (*http.Response, error) {
		got = req.Header
		return next.RoundTrip(req)
	})})
	defer c.Close()
	a, b := ask(t, c, "GET", account).header.Get("ETag"), ask(t, c, "GET", thermal).header.Get("ETag")
	for sent, want := range map[string]string{
		a: `W/"A"`, strings.TrimPrefix(a, "W/"): `"A"`, a + ", " + b: `W/"A", W/"T"`, `W/"A"`: `W/"A"`, `"x.ilod-y"`: `"x.ilod-y"`, "*": "*",
	} {
		for _, method := range []string{"PATCH", "PUT", "DELETE", "POST", "GET", "HEAD"} {
			request, _ := http.NewRequest(method, "https://ilo"+account, nil)
			request.Header.Set("If-Match", sent)
			if _, err := c.RoundTrip(request); err != nil {
				t.Fatal(err)
			}
			if got.Get("If-Match") != want || request.Header.Get("If-Match") != sent {
				t.Errorf("%s: If-Match: %s reached the iLO as %s", method, sent, got.Get("If-Match"))
			}
		}
		ask(t, c, "PUT", account, "If-None-Match", sent)
		if got.Get("If-None-Match") != want {
			t.Errorf("If-None-Match: %s reached the iLO as %s", sent, got.Get("If-None-Match"))
		}
	}
}
