package freshness

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ilod/ilod/agent/api"
	"github.com/ilod/ilod/agent/schedule"
)

// Statistics count each request once, by what it came to.
func TestEachRequestIsCountedByWhatItCameTo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := one()
		r.list(account)
		c, _, _ := open(t, r, func(o *Options) { o.hotBytes = 120 }) // for the small one alone
		large := "/redfish/v1/AccountService/Accounts/2"
		r.set(large, `W/"L"`, strings.Repeat("x", 100))
		before := c.Stats()
		for _, s := range []struct {
			method, uri, control string
			wait                 time.Duration
			count                func(*api.CacheStats) *int64 // nil: none
		}{
			{"GET", account, "", 0, func(s *api.CacheStats) *int64 { return &s.Misses }},
			{"GET", account, "", 0, func(s *api.CacheStats) *int64 { return &s.Hits }},
			{"HEAD", account, "", 0, func(s *api.CacheStats) *int64 { return &s.Hits }},
			{"GET", large, "", 0, func(s *api.CacheStats) *int64 { return &s.Misses }},
			{"GET", large, "", 0, func(s *api.CacheStats) *int64 { return &s.Hits }}, // from the store
			{"GET", account, "no-cache", 0, nil},
			{"GET", thermal, "no-store", 0, func(s *api.CacheStats) *int64 { return &s.Bypassed }},
			{"OPTIONS", account, "", 0, func(s *api.CacheStats) *int64 { return &s.Bypassed }},
			{"GET", account, "", 3 * time.Minute, func(s *api.CacheStats) *int64 { return &s.Stale }},
			{"PATCH", account, "", 0, func(s *api.CacheStats) *int64 { return &s.Writes }},
			{"GET", account, "only-if-cached", 0, nil},
		} {
			time.Sleep(s.wait)
			var header []string
			if s.control != "" {
				header = []string{"Cache-Control", s.control}
			}
			ask(t, c, s.method, s.uri, header...)
			want := before
			if s.count != nil {
				*s.count(&want)++
			}
			now := c.Stats()
			want.Entries, want.HotBytes = now.Entries, now.HotBytes
			if now != want {
				t.Errorf("%s %s %s: %+v, want %+v", s.method, s.uri, s.control, now, want)
			}
			before = now
		}
		ask(t, c, "GET", account)
		time.Sleep(time.Hour)
		before = c.Stats()
		ask(t, c, "GET", account, "Cache-Control", "max-stale")
		if err := c.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		c.Invalidate("test")
		now := c.Stats()
		if now.Hits != before.Hits+1 || now.StaleServed != before.StaleServed+1 || now.Sweeps != before.Sweeps+1 || now.Invalidations != before.Invalidations+1 {
			t.Errorf("%+v, before %+v", now, before)
		}
	})
}

// What is kept is shown by key, with the times that count for it.
func TestEntriesShowWhatIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := one()
		r.list(account)
		c, _, _ := open(t, r)
		ask(t, c, "GET", thermal)
		ask(t, c, "GET", account)
		ask(t, c, "GET", "/redfish/v1/Systems/9")
		time.Sleep(3 * time.Second)
		if err := c.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		want := []Entry{
			{Key: strings.ToLower(account), Class: "static", Status: 200, ETag: `W/"A"`, Age: 3 * time.Second, TTL: 2 * time.Minute, Listed: true},
			{Key: strings.ToLower(thermal), Class: "volatile", Status: 200, ETag: `W/"T"`, Age: 3 * time.Second, TTL: 7 * time.Second},
			{Key: directoryPath + "/", Class: "volatile", Status: 200, TTL: 10 * time.Second},
			{Key: "/redfish/v1/systems/9", Class: "volatile", Status: 404, Age: 3 * time.Second, TTL: 7 * time.Second},
		}
		if got := c.Entries(); !slices.Equal(got, want) {
			t.Errorf("%+v\nwant %+v", got, want)
		}
		c.Invalidate("test")
		for _, e := range c.Entries() {
			if !e.Outdated || e.TTL != -e.Age {
				t.Errorf("%+v", e)
			}
		}
	})
}

// README.md: readings are at most 10 s old, settings at most 15 min. A sweep makes
// good again what has the same ETag, up to the class's limit.
func TestAnswersAreGoodAsLongAsTheirClassSays(t *testing.T) {
	for uri, good := range map[string]struct{ alone, swept time.Duration }{
		thermal:                                  {10 * time.Second, 10 * time.Second},
		"/redfish/v1/Managers/1/LogServices/IEL": {time.Minute, 5 * time.Minute},
		account:                                  {2 * time.Minute, 15 * time.Minute},
		"/redfish/v1/JsonSchemas/Bios":           {24 * time.Hour, 24 * time.Hour},
		"/redfish/v1/Systems/1/Missing/x":        {10 * time.Second, 10 * time.Second},
	} {
		for _, swept := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				r := one()
				if r.list("/redfish/v1/Elsewhere"); !strings.Contains(uri, "Missing") {
					r.set(uri, `W/"1"`, "{}")
					r.list(uri)
				}
				c, _, _ := open(t, r)
				want := good.alone
				if ask(t, c, "GET", uri); swept {
					want = good.swept
					step := min(30*time.Second, want/10)
					for begun := time.Now(); time.Since(begun) < want-step && want < time.Hour; time.Sleep(step) {
						_ = c.Sweep(t.Context())
					}
				}
				read := time.Now()
				if e := c.Entries(); len(e) > 0 {
					for _, one := range e {
						if one.Key == strings.ToLower(uri) {
							read = read.Add(-one.Age)
						}
					}
				}
				time.Sleep(want - time.Since(read) - time.Second)
				if g := ask(t, c, "GET", uri); !strings.HasPrefix(g.how, "hit; ttl=1;") {
					t.Errorf("%s after almost %v, swept %v: %s", uri, want, swept, g.how)
				}
				time.Sleep(2 * time.Second)
				if g := ask(t, c, "GET", uri, "Cache-Control", "only-if-cached"); g.status != http.StatusGatewayTimeout {
					t.Errorf("%s after %v, swept %v: %s", uri, want, swept, g.how)
				}
			})
		}
	}
}

// What is large waits behind what people wait for: whole logs, the files of
// schemas and registries, streams, and downloads.
func TestOnlyWhatIsLargeIsReadAsBulk(t *testing.T) {
	large := []string{"eventservice/sse", "schemastore/**", "registrystore/**", "$metadata", "**/logservices/*/entries"}
	paths := map[string]bool{"/ahsdata/a.ahs": true, "/redfish/v10": true, "/redfish": false, "/redfish/v1/accountservice": false}
	for _, r := range rules {
		paths[strings.TrimSuffix("/redfish/v1/"+strings.NewReplacer("**", "x", "*", "x").Replace(r.pattern), "/")] = slices.Contains(large, r.pattern)
	}
	for path, want := range paths {
		var class schedule.Class
		c := New(Options{Store: newMemory(), Next: roundTripper(func(r *http.Request) (*http.Response, error) {
			class, _ = schedule.ClassOf(r.Context())
			return nil, errors.New("enough")
		})})
		r := (&http.Request{Method: "GET", URL: &url.URL{Path: path}, Header: http.Header{}}).WithContext(schedule.WithClass(t.Context(), schedule.Interactive))
		_, _ = c.RoundTrip(r)
		if got := class == schedule.Bulk; got != want {
			t.Errorf("%s as %v", path, class)
		}
		c.Close()
	}
	for class, name := range map[Class]string{Never: "never", Immutable: "immutable", Immutable + 1: "Class(6)", -1: "Class(-1)"} {
		if class.String() != name {
			t.Errorf("%v, want %s", class, name)
		}
	}
}

// Each answer of the cache is valid HTTP, also the one that says that nothing is cached.
func TestAnswersOfTheCacheAreHTTP(t *testing.T) {
	c, _, _ := open(t, one())
	ask(t, c, "GET", account)
	for _, s := range []struct {
		method, uri, match, line string
		body                     bool
	}{
		{"GET", account, "", "HTTP/1.1 200 OK", true},
		{"HEAD", account, "", "HTTP/1.1 200 OK", false},
		{"GET", thermal, "", "HTTP/1.1 504 Gateway Timeout", true},
		{"HEAD", thermal, "", "HTTP/1.1 504 Gateway Timeout", false},
	} {
		r := (&http.Request{Method: s.method, URL: &url.URL{Path: s.uri}, Header: http.Header{"Cache-Control": {"only-if-cached"}}}).WithContext(t.Context())
		resp, err := c.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		var wire bytes.Buffer
		if err := resp.Write(&wire); err != nil {
			t.Fatal(err)
		}
		line, _, _ := strings.Cut(wire.String(), "\r\n")
		read, err := http.ReadResponse(bufio.NewReader(&wire), r)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(read.Body)
		if err != nil || line != s.line || (len(body) > 0) != s.body || read.ContentLength < 20 {
			t.Errorf("%s %s: %s, %d bytes of %d, %v", s.method, s.uri, line, len(body), read.ContentLength, err)
		}
	}
}

// Seconds are rounded down on both sides of zero: an answer is not made younger or
// good for longer.
func TestSecondsAreRoundedDown(t *testing.T) {
	for d, want := range map[time.Duration]time.Duration{
		0: 0, 1: 0, time.Second: 1, 2*time.Second - 1: 1, -1: -1, -time.Second: -1, -time.Second - 1: -2,
	} {
		if got := floorSeconds(d); got != want {
			t.Errorf("%v: %d, want %d", d, got, want)
		}
	}
}

// A GET with something of its client's own is not shared.
func TestARequestWithSomethingOfItsOwnIsPassedOn(t *testing.T) {
	c, _, _ := open(t, one())
	ask(t, c, "GET", account)
	for _, h := range [][2]string{{"If-Unmodified-Since", "x"}, {"Odata-Version", "4.01"}, {"Odata-Version", "4.0"}, {"Accept", "x"}} {
		own := h[1] != "4.0" && h[0] != "Accept"
		if g := ask(t, c, "GET", account, h[0], h[1]); (g.how == "fwd=bypass") != own {
			t.Errorf("%v: %s", h, g.how)
		}
	}
	for body, own := range map[io.ReadCloser]bool{io.NopCloser(strings.NewReader("x")): true, http.NoBody: false} {
		r := (&http.Request{Method: "GET", URL: &url.URL{Path: account}, Header: http.Header{}, Body: body}).WithContext(t.Context())
		resp, err := c.RoundTrip(r)
		if err != nil || (resp.Header.Get("Cache-Status") == "ilod; fwd=bypass") != own {
			t.Error(resp, err)
		}
	}
}

// The version goes to the Redfish tree alone: in the one before it, however it is
// spelled, it would change the format.
func TestTheVersionOfODataGoesToTheRedfishTree(t *testing.T) {
	for uri, want := range map[string]string{
		account: "4.0", "//redfish/v1": "4.0", "/rest/v1/Systems": "", "/REST//v1/Systems/": "", "/rest/v1?a=/redfish/v1": "", "/redfish/v1?a=/rest/v1": "4.0",
	} {
		var version []string
		c := New(Options{Store: newMemory(), Next: roundTripper(func(r *http.Request) (*http.Response, error) {
			version = r.Header["Odata-Version"]
			return nil, errors.New("enough")
		})})
		_, _ = try(t, c, "GET", uri)
		if got := strings.Join(version, ","); got != want {
			t.Errorf("%s: %q, want %q", uri, got, want)
		}
		c.Close()
	}
}

// A refusal with a status of 5xx, 500 among them, leaves what is kept.
func TestAnErrorOfTheILOLeavesWhatIsKept(t *testing.T) {
	for _, body := range []string{"{}", `{"error":{"@Message.ExtendedInfo":[{"MessageId":"iLO.2.25.ResourceTemporarilyUnavailable"}]}}`} {
		for _, status := range []int{500, 503} {
			r := one()
			c, _, _ := open(t, r)
			ask(t, c, "GET", account)
			r.set(account, "", body)
			r.status[account] = status
			if g := ask(t, c, "GET", account, "Cache-Control", "no-cache"); g.status != status {
				t.Errorf("%+v", g)
			}
			if g := ask(t, c, "GET", account); g.status != 200 || !strings.HasPrefix(g.how, "hit") {
				t.Errorf("after %d: %+v", status, g)
			}
		}
	}
}

// What nobody has set is what architecture and README say.
func TestDefaults(t *testing.T) {
	c, _, _ := open(t, one())
	if o := c.o; fetchTimeout != 2*time.Minute || o.hotBytes != 2097152 || o.entries != 8192 || warmReads != 4 || o.Now == nil || o.Log == nil {
		t.Errorf("%+v", o)
	}
	if maxRefusal != 65536 || maxRefusalBytes != 524288 || maxRefusals != 256 || maxFailures != 3 {
		t.Error("the bounds of refusals, or of failures in a row, are others")
	}
}

// Nobody waits for a sweep that has no class.
func TestASweepIsInTheBackgroundUnlessSomebodyWaits(t *testing.T) {
	for _, want := range []schedule.Class{schedule.Background, schedule.Interactive} {
		var got []schedule.Class
		c := New(Options{Store: newMemory(), Next: roundTripper(func(r *http.Request) (*http.Response, error) {
			class, _ := schedule.ClassOf(r.Context())
			got = append(got, class)
			return nil, errors.New("enough")
		})})
		ctx := t.Context()
		if want != schedule.Background {
			ctx = schedule.WithClass(ctx, want)
		}
		if err := c.Sweep(ctx); err == nil || !slices.Equal(got, []schedule.Class{want}) {
			t.Errorf("%v, %v: want %v", err, got, want)
		}
		c.Close()
	}
}

// A link to a part of a resource, with a query, or to nothing that can be asked
// for, is none to a resource.
func TestWhichLinksLeadToAResource(t *testing.T) {
	long := "/redfish/v1/" + strings.Repeat("x", 1024-len("/redfish/v1/"))
	for link, want := range map[string]string{
		"/redfish/v1/A/": "/redfish/v1/a", "/redfish/v1/a b": "/redfish/v1/a b", "": "", "/redfish/v1/a#/b": "", "/redfish/v1/a?b": "",
		"/redfish/v1/%zz": "", "/redfish/v1/a%2Fb": "", long: long, long + "x": "",
	} {
		if got := pathOfLink(link); got != want {
			t.Errorf("%.40s: %.40q, want %.40q", link, got, want)
		}
	}
}

// If-Match names the iLO's own ETag, with or without the part that the cache adds,
// in any of its values; "*" is good for everything, and without an ETag alone.
func TestWhatIfMatchAllows(t *testing.T) {
	for _, c := range []struct {
		values string // by line
		etag   string
		want   bool
	}{
		{`W/"1"`, `W/"1"`, true}, {`"1"`, `W/"1"`, true}, {`W/"1.ilod-0123456789abcdef01234567"`, `W/"1"`, true}, {`"2", "1"`, `"1"`, true},
		{"\"2\"\n\"1\"", `"1"`, true}, {`"2"`, `"1"`, false}, {"*", `"1"`, true}, {" * ", "", true}, {"", "", false}, {`""`, "", false}, {"", `"1"`, false}, {`"1" x`, `"1"`, false},
	} {
		if got := IfMatch(strings.Split(c.values, "\n"), c.etag); got != c.want {
			t.Errorf("%q and %s: %v", c.values, c.etag, got)
		}
	}
}
