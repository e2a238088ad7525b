package schedule

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// ilo is a stage that keeps each request until the test lets it go, or for the
// time that its header asks for.
type ilo struct {
	mu      sync.Mutex
	running []string
	started []string
	gates   map[string]chan struct{}
	check   func(*ilo) // called with mu held when a request starts
}

func newILO() *ilo { return &ilo{gates: map[string]chan struct{}{}} }

func (s *ilo) RoundTrip(r *http.Request) (*http.Response, error) {
	name := r.URL.Path[1:]
	s.mu.Lock()
	s.started = append(s.started, name)
	s.running = append(s.running, name)
	gate := s.gates[name]
	if s.check != nil {
		s.check(s)
	}
	s.mu.Unlock()
	if gate != nil {
		<-gate
	}
	if d, err := time.ParseDuration(r.Header.Get("Takes")); err == nil {
		time.Sleep(d)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, n := range s.running {
		if n == name {
			s.running = append(s.running[:i], s.running[i+1:]...)
			break
		}
	}
	return &http.Response{StatusCode: 200, Body: http.NoBody}, nil
}

// hold makes a request wait until the channel is closed.
func (s *ilo) hold(names ...string) chan struct{} {
	gate := make(chan struct{})
	for _, n := range names {
		s.gates[n] = gate
	}
	return gate
}

func (s *ilo) order() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.started, " ")
}

// peerOf is the peer of a text such as "user" or "user:session".
func peerOf(text string) Peer {
	user, session, _ := strings.Cut(text, ":")
	return Peer{User: user, Session: session, Privileged: user == "root"}
}

// request goes through the scheduler in a goroutine of its own and has reached
// its queue, or the end, when send returns.
func send(t *testing.T, s *Scheduler, ctx context.Context, method, name string, c Class, peer string) <-chan error {
	t.Helper()
	done := make(chan error, 1)
	r, err := http.NewRequestWithContext(WithPeer(WithClass(ctx, c), peerOf(peer)), method, "https://ilo/"+name, nil)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		_, err := s.RoundTrip(r)
		done <- err
	}()
	synctest.Wait()
	return done
}

// TestReservedSlot: writes, background and bulk work leave one slot to reads, all
// of them together.
func TestReservedSlot(t *testing.T) {
	low := []Class{Background, Bulk, Write}
	for _, one := range low {
		for _, two := range low {
			t.Run(one.String()+" "+two.String(), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					next := newILO()
					s := New(Options{Next: next, Slots: 2})
					defer s.Close()
					if err := <-send(t, s, t.Context(), "GET", "0", Interactive, "c"); err != nil {
						t.Error(err)
					}
					gate := next.hold("1", "2")
					method := map[bool]string{true: "PATCH", false: "GET"}
					a := send(t, s, t.Context(), method[one == Write], "1", one, "a")
					b := send(t, s, t.Context(), method[two == Write], "2", two, "b")
					if next.order() != "0 1" {
						t.Errorf("started: %s", next.order())
					}
					if err := <-send(t, s, t.Context(), "GET", "read", Interactive, "c"); err != nil || next.order() != "0 1 read" {
						t.Errorf("a read: %v, started: %s", err, next.order())
					}
					close(gate)
					if err := errors.Join(<-a, <-b); err != nil {
						t.Error(err)
					}
				})
			})
		}
	}
}

// TestBackgroundAlone: background work may have all slots until somebody wants
// one, who gets the next, and again when nobody has for a while.
func TestBackgroundAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		next := newILO()
		s := New(Options{Next: next, Slots: 2})
		defer s.Close()
		gates := map[string]chan struct{}{}
		for i := range 6 {
			name := fmt.Sprint("b", i)
			gates[name] = next.hold(name)
		}
		gates["read"] = next.hold("read")
		var all []<-chan error
		for i := range 6 {
			all = append(all, send(t, s, t.Context(), "GET", fmt.Sprint("b", i), Background, ""))
		}
		all = append(all, send(t, s, t.Context(), "GET", "read", Interactive, ""))
		wants := func(end, want string) {
			t.Helper()
			if gates[end] != nil {
				close(gates[end])
			}
			synctest.Wait()
			started := strings.Fields(next.order())
			slices.Sort(started) // those of one moment may come in any order
			if got := strings.Join(started, " "); got != want {
				t.Errorf("after %s: %s, want %s", end, got, want)
			}
		}
		wants("the arrivals", "b0 b1")
		wants("b0", "b0 b1 read")
		wants("read", "b0 b1 read")
		time.Sleep(quietAfter)
		wants("b1", "b0 b1 b2 b3 read")
		all = append(all, send(t, s, t.Context(), "GET", "bulk", Bulk, ""))
		wants("b2", "b0 b1 b2 b3 read")
		for i := 3; i < 6; i++ {
			close(gates[fmt.Sprint("b", i)])
		}
		for _, done := range all {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
	})
}

func TestPeersTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		next := newILO()
		s := New(Options{Next: next, Slots: 1})
		defer s.Close()
		gate := next.hold("first")
		send(t, s, t.Context(), "GET", "first", Interactive, "z")
		for _, name := range []string{"a1", "a2", "a3", "b1", "b2", "c1"} {
			send(t, s, t.Context(), "GET", name, Interactive, name[:1])
		}
		close(gate)
		synctest.Wait()
		if want := "first a1 b1 c1 a2 b2 a3"; next.order() != want {
			t.Errorf("order %s, want %s", next.order(), want)
		}
	})
}

func TestNoClassStarves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		next := newILO()
		s := New(Options{Next: next, Slots: 1})
		defer s.Close()
		gate := next.hold("first")
		send(t, s, t.Context(), "GET", "first", Interactive, "")
		for i := range 30 {
			send(t, s, t.Context(), "GET", fmt.Sprint("i", i), Interactive, "")
		}
		send(t, s, t.Context(), "POST", "write", Interactive, "")
		send(t, s, t.Context(), "GET", "background", Background, "")
		send(t, s, t.Context(), "GET", "bulk", Bulk, "")
		close(gate)
		synctest.Wait()
		order := strings.Fields(next.order())
		place := map[string]int{}
		for i, n := range order {
			place[n] = i
		}
		if place["i0"] != 1 || place["write"] > 4 || place["background"] > 9 || place["bulk"] > 16 {
			t.Errorf("order: %v", order)
		}
	})
}

func TestQueueFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		next := newILO()
		s := New(Options{Next: next, Slots: 1, Queue: [classes]int{Interactive: 4}})
		defer s.Close()
		gate := next.hold("first")
		send(t, s, t.Context(), "GET", "first", Interactive, "")
		var greedy []<-chan error
		for i := range 4 {
			greedy = append(greedy, send(t, s, t.Context(), "GET", fmt.Sprint("g", i), Interactive, "greedy"))
		}
		err := <-send(t, s, t.Context(), "GET", "g4", Interactive, "greedy")
		var full *QueueFullError
		if !errors.Is(err, ErrQueueFull) || !errors.Is(err, ErrNotSent) || !errors.As(err, &full) || full.RetryAfter < time.Second {
			t.Errorf("the fifth: %v", err)
		}
		// Another peer has room made by the one that has most.
		modest := send(t, s, t.Context(), "GET", "m", Interactive, "modest")
		if err := <-greedy[3]; !errors.Is(err, ErrQueueFull) {
			t.Errorf("the newest of the greedy peer: %v", err)
		}
		// Another class has its own queue.
		write := send(t, s, t.Context(), "PATCH", "w", Write, "greedy")
		if got := s.Stats()["interactive"]; got.Queued != 4 || got.Refused != 2 || got.Running != 1 {
			t.Errorf("stats %+v", got)
		}
		close(gate)
		if err := errors.Join(<-greedy[0], <-greedy[1], <-greedy[2], <-modest, <-write); err != nil {
			t.Error(err)
		}
	})
}

func TestContextEndsInQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		next := newILO()
		s := New(Options{Next: next, Slots: 1})
		defer s.Close()
		gate := next.hold("first")
		send(t, s, t.Context(), "GET", "first", Interactive, "")
		cause := errors.New("the user went away")
		ctx, cancel := context.WithCancelCause(t.Context())
		gone := send(t, s, ctx, "PATCH", "gone", Write, "")
		late, stop := context.WithTimeout(t.Context(), time.Second)
		defer stop()
		expired := send(t, s, late, "GET", "expired", Interactive, "")
		stays := send(t, s, t.Context(), "PATCH", "stays", Write, "")
		cancel(cause)
		if err := <-gone; !errors.Is(err, cause) || !errors.Is(err, ErrNotSent) {
			t.Errorf("cancelled: %v", err)
		}
		if err := <-expired; !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("expired: %v", err)
		}
		close(gate)
		if err := <-stays; err != nil || next.order() != "first stays" {
			t.Errorf("%v, started: %s", err, next.order())
		}
		if err := <-send(t, s, ctx, "GET", "x", Interactive, ""); !errors.Is(err, cause) {
			t.Errorf("with an ended context: %v", err)
		}
	})
}

func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		next := newILO()
		s := New(Options{Next: next, Slots: 1})
		gate := next.hold("write")
		write := send(t, s, t.Context(), "PATCH", "write", Write, "")
		body := &closer{}
		queued := make(chan error)
		go func() {
			_, err := s.RoundTrip(&http.Request{Method: "POST", URL: nil, Body: body})
			queued <- err
		}()
		synctest.Wait()
		closed := make(chan error)
		go func() { closed <- s.Close() }()
		if err := <-queued; !errors.Is(err, ErrClosed) || !body.closed {
			t.Errorf("queued: %v, body closed: %t", err, body.closed)
		}
		if got := s.Stats()["write"]; got.Abandoned != 1 || got.Queued != 0 {
			t.Errorf("%+v", got)
		}
		select {
		case <-closed:
			t.Error("Close did not wait for the write")
		default:
		}
		close(gate)
		if err := errors.Join(<-write, <-closed); err != nil {
			t.Error(err)
		}
		if err := <-send(t, s, t.Context(), "GET", "x", Interactive, ""); !errors.Is(err, ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
	})
}

type closer struct {
	strings.Reader
	closed bool
}

func (c *closer) Close() error { c.closed = true; return nil }

var _ io.ReadCloser = (*closer)(nil)

func TestPanicFreesSlot(t *testing.T) {
	s := New(Options{Slots: 1, Next: roundTripper(func(*http.Request) (*http.Response, error) { panic("boom") })})
	for range 2 { // the second would wait for ever
		func() {
			defer func() { _ = recover() }()
			_, _ = s.RoundTrip(&http.Request{})
			t.Error("no panic")
		}()
	}
	s.Close()
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestRandomLoad checks the promises of the package on random requests.
func TestRandomLoad(t *testing.T) {
	for seed := range uint64(60) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { randomLoad(t, rand.New(rand.NewPCG(seed, 3))) })
		})
	}
}

func randomLoad(t *testing.T, rng *rand.Rand) {
	slots := 1 + rng.IntN(4)
	next := newILO()
	var wanted time.Time // when an interactive request or a write started last
	// Names are class/peer/number.
	next.check = func(n *ilo) {
		count, writer := map[string]int{}, map[string]int{}
		for _, name := range n.running {
			f := strings.Split(name, "/")
			count[f[0]]++
			if f[0] == "write" {
				writer[f[1]]++
			}
		}
		class, _, _ := strings.Cut(n.running[len(n.running)-1], "/")
		if class == Interactive.String() || class == Write.String() {
			wanted = time.Now()
		}
		open := max(1, slots-1)
		alone := count["bulk"] == 0 && time.Since(wanted) >= quietAfter
		others := count["background"] + count["bulk"] + count["write"]
		if len(n.running) > slots || class != "interactive" && others > open && !(class == "background" && alone) {
			t.Errorf("%d slots run %v", slots, n.running)
		}
		for peer, k := range writer {
			if k > 1 {
				t.Errorf("%d writes of %s at once", k, peer)
			}
		}
	}
	s := New(Options{Next: next, Slots: slots, Queue: [classes]int{20, 20, 20, 20}})
	var wg sync.WaitGroup
	var mu sync.Mutex
	results := map[string]error{}
	for i := range 300 {
		c := Class(rng.IntN(classes))
		method := map[bool]string{true: "PATCH", false: "GET"}[c == Write]
		name := fmt.Sprintf("%s/%c/%03d", c, 'a'+rng.IntN(4), i)
		ctx, cancel := context.WithCancel(t.Context())
		if rng.IntN(5) == 0 {
			ctx, cancel = context.WithTimeout(t.Context(), time.Duration(rng.IntN(200))*time.Millisecond)
		}
		r, _ := http.NewRequestWithContext(WithPeer(WithClass(ctx, c), peerOf(strings.Split(name, "/")[1])), method, "https://ilo/"+name, nil)
		r.Header.Set("Takes", fmt.Sprint(time.Duration(rng.IntN(40))*time.Millisecond))
		wg.Go(func() {
			defer cancel()
			_, err := s.RoundTrip(r)
			mu.Lock()
			defer mu.Unlock()
			results[name] = err
		})
		synctest.Wait() // so that the order of arrival is the order of numbers
		time.Sleep(time.Duration(rng.IntN(20)) * time.Millisecond)
	}
	wg.Wait()
	last := map[string]string{}
	ran := map[string]bool{}
	for _, name := range next.started {
		ran[name] = true
		if f := strings.Split(name, "/"); f[0] == "write" {
			if name < last[f[1]] {
				t.Errorf("write %s ran after %s", name, last[f[1]])
			}
			last[f[1]] = name
		}
	}
	for name, err := range results {
		if ran[name] != (err == nil) || err != nil && !errors.Is(err, ErrNotSent) {
			t.Errorf("%s: ran: %t, error: %v", name, ran[name], err)
		}
	}
	total := int64(0)
	for class, st := range s.Stats() {
		if st.Queued != 0 || st.Running != 0 {
			t.Errorf("%s at the end: %+v", class, st)
		}
		total += st.Started + st.Refused + st.Abandoned
	}
	if total != 300 || len(results) != 300 {
		t.Errorf("%d requests counted, %d answered", total, len(results))
	}
	s.Close()
}

func TestClassOfRequest(t *testing.T) {
	for _, c := range []struct {
		method string
		given  Class
		want   Class
	}{
		{"GET", Interactive, Interactive}, {"HEAD", Bulk, Bulk}, {"GET", Write, Interactive},
		{"PATCH", Interactive, Write}, {"POST", Bulk, Write}, {"", Background, Background},
	} {
		r := (&http.Request{Method: c.method}).WithContext(WithClass(t.Context(), c.given))
		if got := classOf(r); got != c.want {
			t.Errorf("%s given %v: %v, want %v", c.method, c.given, got, c.want)
		}
	}
	defer func() {
		if recover() == nil {
			t.Error("WithClass(7) did not panic")
		}
	}()
	WithClass(t.Context(), 7)
}

func BenchmarkRoundTrip(b *testing.B) {
	s := New(Options{Next: roundTripper(func(*http.Request) (*http.Response, error) { return nil, nil })})
	defer s.Close()
	r, _ := http.NewRequest("GET", "https://ilo/redfish/v1/", nil)
	b.ReportAllocs()
	for b.Loop() {
		_, _ = s.RoundTrip(r)
	}
}
