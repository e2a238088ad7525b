package freshness

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// version is a body of a resource and since when it is that.
type version struct {
	since time.Time
	body  string // empty: 404
}

// history is a tree that changes, and remembers how it was.
type history struct {
	*resources
	mu       sync.Mutex
	versions map[string][]version
	write    func(uri string)
}

func (h *history) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet {
		h.write(r.URL.RequestURI())
		return
	}
	h.resources.ServeHTTP(w, r)
}

func (h *history) put(uri, etag, body string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if body == "" {
		h.resources.mu.Lock()
		delete(h.body, uri)
		h.resources.mu.Unlock()
	} else {
		h.set(uri, etag, body)
	}
	h.versions[uri] = append(h.versions[uri], version{time.Now(), body})
}

// was tells whether a body was the resource's at some time from one to another.
func (h *history) was(uri, body string, from, to time.Time) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	v := h.versions[uri]
	for i := range v {
		ended := i+1 < len(v) && v[i+1].since.Before(from)
		if v[i].body == body && !ended && !v[i].since.After(to) {
			return true
		}
	}
	return false
}

const modelLatency = 40 * time.Millisecond

// TestModel reads, writes, sweeps, resets and restarts at random while the tree
// changes, half of the time under equal ETags, and checks of each answer that it
// is what the iLO would have said when its Age says, that this is no longer ago
// than the class of the resource and the client allow, and not before the last
// write or reset.
func TestModel(t *testing.T) {
	for seed := range uint64(12) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { runModel(t, rand.New(rand.NewPCG(seed, 7))) })
		})
	}
}

func runModel(t *testing.T, rng *rand.Rand) {
	h := &history{resources: newResources(), versions: map[string][]version{}}
	const collection = "/redfish/v1/AccountService/Accounts"
	leaves := []string{
		thermal, "/redfish/v1/Systems/1/LogServices/IML", "/redfish/v1/Managers/1/NetworkProtocol", "/redfish/v1/Systems/1/Memory/1",
		"/redfish/v1/JsonSchemas/Bios", collection + "/1?$select=UserName",
	}
	n := 0
	members := []string{"1", "2"}
	collect := func() {
		var m []string
		for _, id := range members {
			m = append(m, fmt.Sprintf(`{"@odata.id":%q}`, collection+"/"+id))
		}
		n++
		// Its ETag is the number of its members, as an iLO's.
		h.put(collection, fmt.Sprintf(`W/"%d"`, len(members)), fmt.Sprintf(`{"v":%d,"Members":[%s]}`, n, strings.Join(m, ",")))
		all := append([]string{collection}, leaves[:4]...)
		for _, id := range members {
			all = append(all, collection+"/"+id)
		}
		h.list(all...)
	}
	touch := func(uri string) {
		n++
		etag := h.etag[uri]
		if etag == "" || rng.IntN(2) == 0 {
			etag = fmt.Sprintf(`W/"v%d"`, n)
		}
		h.put(uri, etag, fmt.Sprintf(`{"v":%d}`, n))
	}
	swap := func(i int) {
		old := members[i]
		n++
		members[i] = fmt.Sprint(n)
		h.put(collection+"/"+old, "", "")
		touch(collection + "/" + members[i])
		collect()
	}
	for _, uri := range append(leaves, collection+"/1", collection+"/2") {
		touch(uri)
	}
	collect()

	next, store := &ilo{handler: h, latency: modelLatency}, newMemory()
	options := Options{Next: next, Store: store, hotBytes: 200}
	c := New(options)
	defer func() { c.Close() }()
	notBefore := map[string]time.Time{} // of what a write through the cache touched
	var reset time.Time

	read := func() {
		var uri string
		switch k := rng.IntN(10); {
		case k < 2:
			uri = collection
		case k < 5:
			uri = collection + "/" + members[rng.IntN(2)]
		default:
			uri = leaves[rng.IntN(len(leaves))]
		}
		path, query, _ := strings.Cut(uri, "?")
		class, _ := classify(strings.ToLower(path))
		limit := agesOf[class].most
		if query != "" {
			limit = agesOf[class].fresh // no sweep renews it
		}
		var header []string
		stale := time.Duration(0)
		switch age := time.Duration(rng.IntN(20)) * time.Second; rng.IntN(6) {
		case 0:
			header, limit = []string{"Cache-Control", fmt.Sprintf("max-age=%d", age/time.Second)}, min(limit, age)
		case 1:
			header, limit = []string{"Cache-Control", "no-cache"}, 0
		case 2:
			header, stale = []string{"Cache-Control", fmt.Sprintf("max-stale=%d", age/time.Second)}, age
		}
		began := time.Now()
		g := ask(t, c, "GET", uri, header...)
		now := time.Now()
		body := g.body
		if g.status == 404 {
			body = ""
		}
		age := time.Duration(g.age) * time.Second
		from, to := now.Add(-age-time.Second), now.Add(-age)
		if age == 0 || from.Add(time.Second).After(began) {
			to = now
		}
		if !h.was(uri, body, from, to.Add(modelLatency)) {
			t.Errorf("%s: %s, Age %d is not true: %s", uri, g.how, g.age, body)
		}
		// An answer from the iLO took its time; one from the cache did not.
		if age > limit+stale && age > now.Sub(began) {
			t.Errorf("%s: %s, Age %d over %v + %v", uri, g.how, g.age, limit, stale)
		}
		floor := notBefore[uri]
		if reset.After(floor) {
			floor = reset
		}
		if !h.was(uri, body, floor, now) {
			t.Errorf("%s: %s: from before the last write or reset: %s", uri, g.how, body)
		}
	}
	for range 600 {
		switch k := rng.IntN(100); {
		case k < 62:
			read()
		case k < 72:
			touch(leaves[rng.IntN(len(leaves))])
		case k < 76:
			swap(rng.IntN(2))
		case k < 84:
			if err := c.Sweep(t.Context()); err != nil {
				t.Fatal(err)
			}
		case k < 90: // a write, during which somebody reads
			id := rng.IntN(2)
			uri := collection + "/" + members[id]
			var wg sync.WaitGroup
			wg.Go(func() {
				time.Sleep(modelLatency / 2)
				ask(t, c, "GET", collection)
			})
			wg.Go(func() { ask(t, c, "GET", uri) })
			h.write = func(string) { swap(id) }
			ask(t, c, "DELETE", uri)
			notBefore[collection], notBefore[uri] = time.Now(), time.Now()
			wg.Wait()
		case k < 92:
			c.Invalidate("model")
			reset = time.Now()
		case k < 94:
			c.Close()
			c = New(options)
		case k < 95:
			_ = store.Clear()
		default:
			ask(t, c, "GET", collection+"/none")
		}
		time.Sleep(time.Duration(rng.ExpFloat64() * float64(8*time.Second)))
	}
}
