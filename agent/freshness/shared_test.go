package freshness

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestAnswersShareOneCopy: however many clients have an answer at once, there is
// one copy of it, also of what is not kept in memory or inflated for them; and
// none when they are done.
func TestAnswersShareOneCopy(t *testing.T) {
	text := strings.Repeat(`{"a":"b"},`, 100_000)
	const registry = "/redfish/v1/Registries/large/"
	for name, encoding := range map[string]string{"plain": "", "gzip": "gzip"} {
		for kept, hot := range map[string]int{"hot": 64 << 20, "cold": 1} {
			t.Run(name+" "+kept, func(t *testing.T) {
				body := text
				r := newResources()
				if encoding != "" {
					body = string(deflate([]byte(text)))
					r.header[registry] = http.Header{"Content-Encoding": {encoding}}
				}
				r.set(registry, `"1"`, body)
				c, _, store := open(t, r, func(o *Options) { o.hotBytes = hot })
				for !strings.HasPrefix(ask(t, c, "GET", registry).how, "hit") { // the first answer is being kept
					time.Sleep(time.Millisecond)
				}
				var mu sync.Mutex
				var wg sync.WaitGroup
				var all []*http.Response
				for range 30 {
					wg.Go(func() {
						u, _ := url.Parse("https://ilo" + registry)
						resp, err := c.RoundTrip((&http.Request{Method: "GET", URL: u, Header: http.Header{}}).WithContext(t.Context()))
						if err != nil {
							t.Error(err)
							return
						}
						mu.Lock()
						defer mu.Unlock()
						all = append(all, resp)
					})
				}
				wg.Wait()
				documents := map[any]bool{}
				for _, resp := range all {
					documents[resp.Body.(interface{ Document() any }).Document()] = true
				}
				if len(documents) != 1 {
					t.Errorf("%d answers have %d copies", len(all), len(documents))
				}
				if got, err := io.ReadAll(all[len(all)/2].Body); err != nil || string(got) != text {
					t.Errorf("%d bytes, %v", len(got), err)
				}
				if kept == "hot" {
					return
				}
				clear(all)
				clear(documents)
				runtime.GC()
				store.Drop(registry)
				store.Drop(strings.ToLower(registry))
				if g := ask(t, c, "GET", registry); !strings.HasPrefix(g.how, "fwd=miss") {
					t.Errorf("something keeps it: %s", g.how)
				}
			})
		}
	}
}

// TestInflatedCopyIsOfItsOwnBody: another answer has another copy.
func TestInflatedCopyIsOfItsOwnBody(t *testing.T) {
	for _, text := range []string{"one", "two"} {
		d := &document{gzip: true, body: deflate([]byte(text))}
		for range 2 {
			if got, of, err := d.plain(); err != nil || !bytes.Equal(got, []byte(text)) || of == nil {
				t.Errorf("%q of %v, %v", got, of, err)
			}
		}
	}
}

// The context of a read at the iLO ends with the read: no timer of it stays.
func TestContextsEndWithTheirReads(t *testing.T) {
	r := one()
	r.list(account)
	next := &ilo{handler: r}
	var all []context.Context
	c := New(Options{Store: newMemory(), Next: roundTripper(func(req *http.Request) (*http.Response, error) {
		all = append(all, req.Context())
		return next.RoundTrip(req)
	})})
	defer c.Close()
	ask(t, c, "GET", account)
	if err := c.Sweep(t.Context()); err != nil {
		t.Error(err)
	}
	next.setFail(errors.New("the channel broke"))
	_, _ = try(t, c, "GET", thermal)
	for i, ctx := range all {
		if !errors.Is(ctx.Err(), context.Canceled) {
			t.Errorf("read %d: its context did not end with it: %v", i, ctx.Err())
		}
	}
	if len(all) != 3 {
		t.Errorf("%d reads", len(all))
	}
}
