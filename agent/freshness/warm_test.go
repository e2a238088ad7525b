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

	"github.com/ilod/ilod/agent/api"
	"github.com/ilod/ilod/agent/schedule"
)

// site is a tree with everything that Warm must leave out.
func site() *resources {
	r := newResources()
	r.set("/redfish/v1/", `W/"R"`, `{"Systems":{"@odata.id":"/redfish/v1/Systems"},"Oem":{"Hpe":{"x":{"@odata.id":"/redfish/v1/Oem/x/"}}},
		"JsonSchemas":{"@odata.id":"/redfish/v1/JsonSchemas"},"Sessions":{"@odata.id":"/redfish/v1/SessionService/Sessions"}}`)
	r.set("/redfish/v1/Systems", `W/"S"`, `{"Members":[{"@odata.id":"/redfish/v1/Systems/1"}],"Members@odata.nextLink":"/redfish/v1/Page"}`)
	r.set("/redfish/v1/Page", "", `{"Members":[]}`)
	r.set("/redfish/v1/Systems/1", `W/"1"`, `{"Log":{"@odata.id":"/redfish/v1/Systems/1/LogServices/IML/Entries"},"Self":{"@odata.id":"/redfish/v1/Systems/1/"},
		"Gone":{"@odata.id":"/redfish/v1/Gone"},"Part":{"@odata.id":"/redfish/v1/Systems#/Members"},"Blank":{"@odata.id":"/redfish/v1/a b"}}`)
	r.set("/redfish/v1/Systems/1/LogServices/IML/Entries", `W/"E"`, `{"Members":[{"@odata.id":"/redfish/v1/Systems/1/LogServices/IML/Entries/1","Message":"big"}]}`)
	r.set("/redfish/v1/Oem/x/", `W/"X"`, `{}`)
	r.set("/redfish/v1/a%20b", `W/"B"`, `{}`)
	return r
}

func TestWarm(t *testing.T) {
	want := []string{
		"GET /redfish/v1/Gone", "GET /redfish/v1/Oem/x/", "GET /redfish/v1/Systems", "GET /redfish/v1/Systems/1",
		"GET /redfish/v1/Systems/1/LogServices/IML/Entries", "GET /redfish/v1/a%20b", "GET /redfish/v1/Page",
	}
	for _, listed := range []bool{true, false} {
		t.Run(fmt.Sprint("listed ", listed), func(t *testing.T) {
			r, want := site(), slices.Clone(want)
			if listed {
				r.list("/redfish/v1/", "/redfish/v1/Systems", "/redfish/v1/Systems/1", "/redfish/v1/Systems/1/LogServices/IML/Entries", "/redfish/v1/Oem/x/",
					"/redfish/v1/a b", "/redfish/v1/Gone", "/redfish/v1/SessionService/Sessions", "/redfish/v1/SessionService/Sessions/1",
					"/redfish/v1/JsonSchemas/Bios", "/redfish/v1/Systems/1/LogServices/IML/Entries/1")
			}
			want = append(want, directoryRequest, "GET /redfish/v1/")
			c, next, _ := open(t, r)
			var last, calls int
			err := c.Warm(t.Context(), api.Warm{}, func(p api.Warming) {
				done, total := p.Done, p.Total
				if done != last+1 || done > total {
					t.Errorf("progress %d of %d after %d", done, total, last)
				}
				last, calls = done, calls+1
			})
			if err != nil || last != len(want)-1 {
				t.Errorf("%v, %d resources", err, last)
			}
			seen := next.seen()
			slices.Sort(seen)
			slices.Sort(want)
			if !slices.Equal(seen, want) {
				t.Errorf("requests %q\nwant     %q", seen, want)
			}
			// Again, nothing but the directory is asked for.
			if err := c.Warm(t.Context(), api.Warm{}, nil); err != nil {
				t.Error(err)
			}
			wantRequests(t, next, directoryRequest)
		})
	}
}

func TestWarmGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := site()
		next := &ilo{handler: r}
		boom := errors.New("the channel broke")
		fails := 2 // in a row do not matter
		var classes []schedule.Class
		var mu sync.Mutex // an exchange may outlast its request
		c := New(Options{Store: newMemory(), Next: roundTripper(func(req *http.Request) (*http.Response, error) {
			class, _ := schedule.ClassOf(req.Context())
			mu.Lock()
			classes = append(classes, class)
			fail := !strings.Contains(req.URL.Path, "Directory") && req.URL.Path != "/redfish/v1/" && fails > 0
			if fail {
				fails--
			}
			mu.Unlock()
			if fail {
				return nil, boom
			}
			return next.RoundTrip(req)
		})})
		defer c.Close()
		for _, class := range []schedule.Class{schedule.Background, schedule.Interactive} {
			ctx := t.Context()
			if class != schedule.Background { // which needs no telling
				ctx = schedule.WithClass(ctx, class)
			}
			if err := c.Warm(ctx, api.Warm{}, nil); err != nil {
				t.Error(err)
			}
			background := slices.Contains(classes, schedule.Background)
			if background != (class == schedule.Background) || !slices.Contains(classes, class) {
				t.Errorf("classes %v, want %v", classes, class)
			}
			classes = nil
			c.Invalidate("test")
		}
		next.setFail(boom)
		if err := c.Warm(t.Context(), api.Warm{}, nil); !errors.Is(err, boom) {
			t.Errorf("an iLO that does not answer: %v", err)
		}
		next.setFail(nil)
		c.Invalidate("test")
		rootFails := New(Options{Store: newMemory(), Next: roundTripper(func(req *http.Request) (*http.Response, error) {
			if strings.Contains(req.URL.Path, "Directory") {
				return next.RoundTrip(req)
			}
			return nil, boom
		})})
		defer rootFails.Close()
		if err := rootFails.Warm(t.Context(), api.Warm{}, nil); !errors.Is(err, boom) {
			t.Errorf("a root that cannot be read: %v", err)
		}
		next.setFail(nil)
		next.latency = time.Second
		ctx, cancel := context.WithTimeout(t.Context(), 2500*time.Millisecond)
		defer cancel()
		c.Invalidate("test")
		if err := c.Warm(ctx, api.Warm{}, nil); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a context that ends: %v", err)
		}
	})
}
