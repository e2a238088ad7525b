package freshness_test

import (
	"bytes"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ilod/ilod/agent/api"
	"github.com/ilod/ilod/agent/freshness"
	"github.com/ilod/ilod/agent/schedule"
	"github.com/ilod/ilod/chif"
	"github.com/ilod/ilod/chif/chiftest"
	"github.com/ilod/ilod/chif/chiftest/redfish"
	"github.com/ilod/ilod/chif/chiftest/tree"
)

// store is the smallest freshness.Store.
type store struct{ m sync.Map }

func (s *store) Get(key string) ([]byte, bool) {
	v, ok := s.m.Load(key)
	b, _ := v.([]byte)
	return b, ok
}
func (s *store) Put(key string, value []byte) error { s.m.Store(key, bytes.Clone(value)); return nil }
func (s *store) Drop(keys ...string) {
	for _, key := range keys {
		s.m.Delete(key)
	}
}
func (s *store) Clear() error { s.m.Clear(); return nil }
func (s *store) All() iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		s.m.Range(func(k, v any) bool { return yield(k.(string), v.([]byte)) })
	}
}

// captured are the trees of real servers.
func captured(tb testing.TB) []string {
	tb.Helper()
	files, err := filepath.Glob(filepath.Join(tree.Testdata(tb), "trees", "*.jsonl.gz"))
	if err != nil || len(files) == 0 {
		tb.Fatalf("no trees: %v", err)
	}
	return files
}

func load(tb testing.TB, file string) *tree.Tree {
	tb.Helper()
	tr, err := tree.Load(file)
	if err != nil {
		tb.Fatal(err)
	}
	return tr
}

// frozen serves a tree byte for byte.
func frozen(tb testing.TB, tr *tree.Tree) *redfish.Service {
	tb.Helper()
	generation, _ := tr.Generation() // an iLO 7 would want credentials, and has no CHIF
	s, err := redfish.New(redfish.Options{Tree: tr, Generation: min(generation, 6), Frozen: true, AllowSessionless: true})
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

var celsius = regexp.MustCompile(`"ReadingCelsius":\s*\d+`)

// changed is a tree after a visit of the technician, with all the same ETags: a
// member of a collection was swapped, sensors read something else, an account
// was replaced. It returns the paths that this concerns.
func changed(tb testing.TB, before *tree.Tree) (after *tree.Tree, concerned []string) {
	tb.Helper()
	swap := map[string]string{}
	for _, collection := range []string{"/NetworkAdapters/", "/AccountService/Accounts/"} {
		for _, r := range before.Resources() {
			if dir, id := filepath.Split(r.URI); strings.HasSuffix(dir, collection) && r.Status == 200 {
				swap[dir+id] = dir + id + "9"
				break
			}
		}
	}
	if len(swap) != 2 {
		tb.Fatalf("no member to swap: %v", swap)
	}
	var all []tree.Resource
	for _, r := range before.Resources() {
		uri, body := r.URI, r.Body
		for from, to := range swap {
			end := regexp.MustCompile(regexp.QuoteMeta(from) + `(["/#]|$)`)
			uri = end.ReplaceAllString(uri, to+"$1")
			body = end.ReplaceAll(body, []byte(to+"$1"))
		}
		body = celsius.ReplaceAll(body, []byte(`"ReadingCelsius":77`))
		if strings.Contains(uri, "/AccountService/Accounts/") {
			body = bytes.Replace(body, []byte(`"UserName":"`), []byte(`"UserName":"x`), 1)
		}
		if uri != r.URI || !bytes.Equal(body, r.Body) {
			concerned = append(concerned, r.URI)
			if uri != r.URI {
				concerned = append(concerned, uri)
			}
		}
		all = append(all, tree.Resource{URI: uri, Status: r.Status, Body: body})
	}
	after, err := tree.New(all)
	if err != nil {
		tb.Fatal(err)
	}
	return after, concerned
}

// TestNoAnswerIsTooOld changes trees of real servers under ETags that stay, while
// clients read over the channel and the background sweeps.
func TestNoAnswerIsTooOld(t *testing.T) {
	for _, file := range captured(t) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			trees := [2]*tree.Tree{load(t, file)}
			var concerned []string
			trees[1], concerned = changed(t, trees[0])
			for _, want := range []string{"/Thermal", "/AccountService/Accounts", "/NetworkAdapters"} {
				if !slices.ContainsFunc(concerned, func(uri string) bool { return strings.HasSuffix(uri, want) }) {
					t.Errorf("%s did not change", want)
				}
			}
			synctest.Test(t, func(t *testing.T) { technician(t, trees, concerned) })
		})
	}
}

func technician(t *testing.T, trees [2]*tree.Tree, concerned []string) {
	const latency = 40 * time.Millisecond
	services := [2]http.Handler{frozen(t, trees[0]), frozen(t, trees[1])}
	var mu sync.Mutex
	visits := []time.Time{time.Now()} // when the tree became number i%2
	server := chiftest.New(t, chiftest.Options{Latency: latency, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		now := services[(len(visits)-1)%2]
		mu.Unlock()
		now.ServeHTTP(w, r)
	})})
	transport := chiftest.NewTransport(t, server.Device(), chif.TransportOptions{})
	defer transport.Close()
	queue := schedule.New(schedule.Options{Next: transport})
	defer queue.Close()
	c := freshness.New(freshness.Options{Next: queue, Store: &store{}})
	defer c.Close()

	// truth is what the iLO gave for a path at some time from one to another.
	truth := func(uri string, body []byte, status int, from, to time.Time) bool {
		mu.Lock()
		defer mu.Unlock()
		for i, since := range visits {
			if since.After(to) || i+1 < len(visits) && visits[i+1].Before(from) {
				continue
			}
			r, ok := trees[i%2].Lookup(uri)
			if ok && r.Status == status && bytes.Equal(r.Body, body) || !ok && status == 404 {
				return true
			}
		}
		return false
	}
	stop := make(chan struct{})
	var wg sync.WaitGroup
	defer wg.Wait()
	defer close(stop)
	wg.Go(func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(time.Minute):
				if err := c.Sweep(t.Context()); err != nil {
					t.Error(err)
				}
			}
		}
	})
	rng := rand.New(rand.NewPCG(1, 2))
	hits, tooOld := 0, 0
	for range 700 {
		uri := concerned[rng.IntN(len(concerned))]
		resp, err := c.RoundTrip(request(t, uri))
		if err != nil {
			t.Fatal(err)
		}
		now := time.Now()
		body, _ := io.ReadAll(resp.Body)
		status := resp.Header.Get("Cache-Status")
		class := status[strings.LastIndex(status, "=")+1:]
		seconds, err := strconv.Atoi(resp.Header.Get("Age"))
		if err != nil && class != "bypass" {
			t.Fatalf("%s: %q, Age: %v", uri, status, err)
		}
		age := time.Duration(seconds) * time.Second
		// What was read is as old as the request for it, or younger by its latency.
		read := now.Add(-age)
		if !truth(uri, body, resp.StatusCode, read.Add(-time.Second), min2(now, read.Add(latency))) {
			t.Errorf("%s: %s: Age %d is not true", uri, status, seconds)
		}
		if class != "bypass" && age > freshness.MaxAge(class) {
			t.Errorf("%s: %s: Age %d", uri, status, seconds)
		}
		if strings.Contains(status, "hit") {
			hits++
			if r, ok := trees[(len(visits)-1)%2].Lookup(uri); ok && !bytes.Equal(r.Body, body) {
				tooOld++ // and yet within its class
			}
		}
		time.Sleep(time.Duration(rng.ExpFloat64() * float64(3*time.Second)))
		if rng.IntN(60) == 0 {
			mu.Lock()
			visits = append(visits, time.Now())
			mu.Unlock()
		}
	}
	t.Logf("%d visits, %d hits, of which %d showed the time before a visit; %+v", len(visits)-1, hits, tooOld, c.Stats())
	if hits < 100 || len(visits) < 5 {
		t.Errorf("that proves nothing: %d hits, %d visits", hits, len(visits)-1)
	}
}

func min2(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func request(tb testing.TB, uri string, headers ...string) *http.Request {
	tb.Helper()
	r, err := http.NewRequestWithContext(tb.Context(), "GET", "https://ilo"+strings.ReplaceAll(uri, " ", "%20"), nil)
	if err != nil {
		tb.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return r
}

// notWarmed are the resources that Warm leaves out: sessions, each log entry by itself,
// schemas and registries.
var notWarmed = regexp.MustCompile(`/sessions|/logservices/.*/entries/|/jsonschemas|/schemastore|/regist|/schemas|\$metadata|/odata$`)

// TestWarmRealTrees reads whole trees and compares every byte. Afterwards there is an
// answer for every resource of the tree, without the iLO. A sweep that finds
// nothing changed costs one request, and leaves everything that can be proved.
func TestWarmRealTrees(t *testing.T) {
	for _, file := range captured(t) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			tr := load(t, file)
			synctest.Test(t, func(t *testing.T) {
				service := frozen(t, tr)
				server := chiftest.New(t, chiftest.Options{Handler: service})
				transport := chiftest.NewTransport(t, server.Device(), chif.TransportOptions{})
				defer transport.Close()
				c := freshness.New(freshness.Options{Next: transport, Store: &store{}})
				defer c.Close()
				var told api.Warming
				if err := c.Warm(t.Context(), api.Warm{}, func(p api.Warming) { told = p }); err != nil {
					t.Fatal(err)
				}
				once := service.Stats().Requests
				for what, n := range once {
					if n != 1 || strings.Contains(what, "SchemaStore") || strings.Contains(what, "{session}") {
						t.Errorf("%s: %d times", what, n)
					}
				}
				read, refused := 0, 0
				for _, e := range c.Entries() {
					r, ok := tr.Lookup(strings.TrimSuffix(e.Key, "/"))
					resp, err := c.RoundTrip(request(t, e.Key, "Cache-Control", "only-if-cached, max-stale"))
					if err != nil {
						t.Fatal(err)
					}
					body, _ := io.ReadAll(resp.Body)
					if e.Status != 200 {
						refused++
					} else if read++; !ok || !bytes.Equal(body, r.Body) {
						t.Errorf("%s: %d bytes, %d in the tree", e.Key, len(body), len(r.Body))
					}
				}
				// The directory comes before the rest, and some refusals are not kept.
				if read < 200 || told.Done != told.Total || told.Total != len(once)-1 || told.Refused < refused || told.Total != read-1+told.Refused {
					t.Errorf("%d read, %d refused; told %+v", read, refused, told)
				}
				listed := map[string]bool{}
				for _, r := range tr.Resources() {
					if r.Status != 200 || notWarmed.MatchString(tree.Key(r.URI)) {
						continue
					}
					resp, err := c.RoundTrip(request(t, r.URI, "Cache-Control", "only-if-cached, max-stale"))
					if err != nil {
						t.Fatal(err)
					}
					if body, _ := io.ReadAll(resp.Body); resp.StatusCode != 200 || !bytes.Equal(body, r.Body) {
						t.Errorf("offline: %s: %s", r.URI, resp.Status)
					}
					if strings.HasSuffix(tree.Key(r.URI), "/resourcedirectory") {
						for _, link := range regexp.MustCompile(`"@odata.id":\s*"([^"]*)"`).FindAllSubmatch(r.Body, -1) {
							listed[tree.Key(string(link[1]))] = true
						}
					}
				}
				time.Sleep(time.Minute)
				if err := c.Sweep(t.Context()); err != nil {
					t.Fatal(err)
				}
				for what, n := range service.Stats().Requests {
					if d := n - once[what]; d != 0 && (d != 1 || !strings.HasSuffix(what, "/ResourceDirectory")) {
						t.Errorf("the sweep: %s: %d times", what, d)
					}
				}
				classes := map[string]int{}
				for _, e := range c.Entries() {
					if !listed[tree.Key(e.Key)] {
						continue // no sweep tells of it
					}
					if e.Class == "static" && e.TTL > time.Minute+30*time.Second {
						classes["static, renewed"]++
					}
					classes[e.Class]++
				}
				t.Logf("%d resources, %d refused; %v", told.Total, refused, classes)
				if classes["static, renewed"] < classes["static"]*8/10 {
					t.Errorf("a sweep renewed only %v", classes)
				}
			})
		})
	}
}

// TestWarmWithoutDirectory follows the links of an iLO 4 and of an iLO 5, whose
// links follow the form of the request.
func TestWarmWithoutDirectory(t *testing.T) {
	for _, generation := range []int{4, 5} {
		t.Run(fmt.Sprint("iLO ", generation), func(t *testing.T) {
			whole := tree.Generate(tree.GenerateOptions{Generation: generation})
			var without []tree.Resource
			for _, r := range whole.Resources() {
				if !strings.Contains(r.URI, "ResourceDirectory") {
					without = append(without, r)
				}
			}
			tr, err := tree.New(without)
			if err != nil {
				t.Fatal(err)
			}
			service, err := redfish.New(redfish.Options{Tree: tr, Frozen: true, AllowSessionless: true, RewriteLinks: generation == 5})
			if err != nil {
				t.Fatal(err)
			}
			server := chiftest.New(t, chiftest.Options{Handler: service})
			transport := chiftest.NewTransport(t, server.Device(), chif.TransportOptions{})
			defer transport.Close()
			c := freshness.New(freshness.Options{Next: transport, Store: &store{}})
			defer c.Close()
			if err := c.Warm(t.Context(), api.Warm{}, nil); err != nil {
				t.Fatal(err)
			}
			have := map[string]bool{}
			for _, e := range c.Entries() {
				have[strings.TrimSuffix(e.Key, "/")] = true
			}
			missing := 0
			for _, r := range tr.Resources() {
				if key := tree.Key(r.URI); !have[key] && !regexp.MustCompile(`session|schema|registr|/entries/|settings|updateservice$`).MatchString(key) {
					missing++
					t.Log(key)
				}
			}
			if missing > 0 {
				t.Errorf("%d resources were not found", missing)
			}
			slash := regexp.MustCompile(`"@odata\.id":\s*"/[^"#]*/"`)
			for _, form := range []string{"", "/"} {
				resp, err := c.RoundTrip(request(t, "/redfish/v1/Systems"+form))
				if err != nil {
					t.Fatal(err)
				}
				body, _ := io.ReadAll(resp.Body)
				if generation == 5 && slash.Match(body) != (form == "/") {
					t.Errorf("form %q: %s", form, body)
				}
			}
		})
	}
}

// BenchmarkWarm reads a tree of some 540 resources over two channels with 40 ms
// each. The metric "ideal" is the time taken in units of latency × resources ÷
// channels.
func BenchmarkWarm(b *testing.B) {
	const latency, channels = 40 * time.Millisecond, 2
	tr := tree.Generate(tree.GenerateOptions{Resources: tree.MaxResources})
	service, err := redfish.New(redfish.Options{Tree: tr, Frozen: true, AllowSessionless: true})
	if err != nil {
		b.Fatal(err)
	}
	var served atomic.Int64
	server := chiftest.New(b, chiftest.Options{Latency: latency, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		served.Add(1)
		service.ServeHTTP(w, r)
	})})
	transport := chiftest.NewTransport(b, server.Device(), chif.TransportOptions{MaxChannels: channels})
	defer transport.Close()
	queue := schedule.New(schedule.Options{Next: transport, Slots: channels})
	defer queue.Close()
	ctx := schedule.WithClass(b.Context(), schedule.Interactive)
	var ratio, resources float64
	for b.Loop() {
		c := freshness.New(freshness.Options{Next: queue, Store: &store{}})
		served.Store(0)
		began := time.Now()
		if err := c.Warm(ctx, api.Warm{}, nil); err != nil {
			b.Fatal(err)
		}
		took := time.Since(began)
		resources = float64(served.Load())
		ratio = took.Seconds() / (latency.Seconds() * resources / channels)
		c.Close()
	}
	b.ReportMetric(ratio, "ideal")
	b.ReportMetric(resources, "resources")
}

// BenchmarkSweep holds the directory of a real server against its whole tree.
func BenchmarkSweep(b *testing.B) {
	files := captured(b)
	tr := load(b, files[len(files)-2])
	directory, _ := tr.Lookup("/redfish/v1/ResourceDirectory")
	handler := frozen(b, tr)
	server := chiftest.New(b, chiftest.Options{Handler: handler})
	transport := chiftest.NewTransport(b, server.Device(), chif.TransportOptions{})
	defer transport.Close()
	c := freshness.New(freshness.Options{Next: transport, Store: &store{}})
	defer c.Close()
	if err := c.Warm(b.Context(), api.Warm{}, nil); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(directory.Body)))
	for b.Loop() {
		if err := c.Sweep(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}

// On real trees, dozens of resources have the ETag of another one with another
// body. The tags of this cache are as many as the bodies.
func TestTagsOfRealTreesTellBodiesApart(t *testing.T) {
	for _, file := range captured(t) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			tr := load(t, file)
			c := freshness.New(freshness.Options{Next: serve{frozen(t, tr)}, Store: &store{}})
			defer c.Close()
			bodies, shared := map[string][]byte{}, map[string]bool{}
			first := map[string][]byte{} // by the iLO's own ETag
			for _, r := range tr.Resources() {
				resp, err := c.RoundTrip(request(t, r.URI))
				if err != nil {
					t.Fatal(err)
				}
				tag := resp.Header.Get("ETag")
				body, _ := io.ReadAll(resp.Body)
				if tag == "" || resp.StatusCode != 200 || strings.Contains(resp.Header.Get("Cache-Status"), "bypass") {
					continue
				}
				own := freshness.ServerTags(tag)
				if was, ok := bodies[tag]; own == tag || ok && !bytes.Equal(was, body) {
					t.Errorf("%s: the tag %s is another body's", r.URI, tag)
				}
				bodies[tag] = body
				if was, ok := first[own]; ok && !bytes.Equal(was, body) {
					shared[own] = true
				} else {
					first[own] = body
				}
			}
			if len(shared) < 10 {
				t.Errorf("that proves nothing: %d ETags of several bodies", len(shared))
			}
			t.Logf("%d ETags of several bodies", len(shared))
		})
	}
}

// serve is a handler as a RoundTripper.
type serve struct{ http.Handler }

func (s serve) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w.Result(), nil
}
