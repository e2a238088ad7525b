package transaction

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ilod/ilod/agent/api"
	"github.com/ilod/ilod/agent/freshness"
	"github.com/ilod/ilod/agent/ilosession"
	"github.com/ilod/ilod/agent/schedule"
	"github.com/ilod/ilod/chif"
	"github.com/ilod/ilod/chif/chiftest"
	"github.com/ilod/ilod/chif/chiftest/redfish"
	"github.com/ilod/ilod/chif/chiftest/tree"
)

const (
	twelve = 12
	rounds = 3 // transactions of each client session
)

// TestTwelveTransactions: twelve client sessions commit at the same time, on
// resources of their own and on shared ones, through the channel of an iLO that
// drops requests and answers, refuses, and resets. In the end each property is
// what the results say, and no write has stayed halfway.
func TestTwelveTransactions(t *testing.T) {
	t.Run("generated", func(t *testing.T) {
		outcomes := map[api.Outcome]int{}
		for seed := range uint64(6) {
			synctest.Test(t, func(t *testing.T) {
				for outcome, n := range newDozen(t, smallTree(), seed, false).run() {
					outcomes[outcome] += n
				}
			})
		}
		if outcomes[api.Applied] == 0 || outcomes[api.Undone] == 0 || outcomes[api.Refused] == 0 {
			t.Errorf("too little happened: %v", outcomes)
		}
	})
	// With an iLO session, which resets end. It runs in real time, because a
	// Keeper reads while it holds a mutex: no answer may take long.
	t.Run("session", func(t *testing.T) { newDozen(t, smallTree(), 1, true).run() })
	t.Run("captured", func(t *testing.T) {
		files, err := filepath.Glob(filepath.Join(tree.Testdata(t), "trees", "ilo[56]*.jsonl.gz"))
		if err != nil || len(files) == 0 {
			t.Fatal(files, err)
		}
		for i, file := range files {
			captured, err := tree.Load(file)
			if err != nil {
				t.Fatal(err)
			}
			t.Run(filepath.Base(file), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { newDozen(t, captured, uint64(i), false).run() })
			})
		}
	})
}

// dozen is the stack from the transactions to a simulated iLO, and what became
// of the transactions.
type dozen struct {
	*Manager
	t      *testing.T
	ilo    *ilo
	server *chiftest.Server
	seed   uint64
	quick  bool // no fault takes long

	mu      sync.Mutex
	changes map[place]map[string]string // what was applied: from one value to the next
	made    map[string]bool             // contexts of subscriptions
	counts  map[api.Verdict]int
	all     map[api.Outcome]int
}

// shared are properties that every session changes.
var shared = []place{{system, "/AssetTag"}, {system, "/HostName"}, {network, "/HostName"}, {pending, "/Attributes/AdminName"}}

func newDozen(t *testing.T, tr *tree.Tree, seed uint64, session bool) *dozen {
	i := newILO(t, redfish.Options{Tree: tr})
	d := &dozen{
		t: t, ilo: i, seed: seed, quick: session, server: chiftest.New(t, chiftest.Options{Handler: i.Service}),
		changes: map[place]map[string]string{}, made: map[string]bool{}, counts: map[api.Verdict]int{}, all: map[api.Outcome]int{},
	}
	for n := range twelve - 1 {
		i.do(http.MethodPost, accounts, fmt.Sprintf(`{"UserName":"user%d","Password":"12345678","Oem":{"Hpe":{"LoginName":"first"}}}`, n))
	}
	notSent := func(err error) bool { return errors.Is(err, chif.ErrNotSent) }
	transport := chiftest.NewTransport(t, d.server.Device(), chif.TransportOptions{})
	var next http.RoundTripper = transport
	logout := func() error { return nil }
	if session {
		keeper := ilosession.NewKeeper(ilosession.KeeperOptions{Next: transport, NotSent: notSent})
		next, logout = keeper, func() error { return keeper.Close(context.Background()) }
	}
	scheduler := schedule.New(schedule.Options{Next: next})
	cache := freshness.New(freshness.Options{Next: scheduler, Store: &store{}})
	var err error
	d.Manager, err = New(Options{
		Next: cache, Dir: memoryDir(t), deadline: 24 * time.Hour,
		Unknown: func(err error) bool { return !notSent(err) },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		err := errors.Join(d.Close(), cache.Close(), scheduler.Close(), logout(), transport.Close())
		if err != nil {
			t.Error(err)
		}
	})
	return d
}

// faults are rules that hit some of the requests, once each.
func (d *dozen) faults(random *rand.Rand) (rules []chiftest.Rule) {
	kinds := []chiftest.Fault{
		chiftest.FaultDropRequest, chiftest.FaultDropAnswer, chiftest.FaultResetBefore, chiftest.FaultResetAfter,
		chiftest.FaultHTTPStatus, chiftest.FaultHTTPEmpty, chiftest.FaultHTTPGarbage, chiftest.FaultRefuse,
	}
	if d.quick {
		kinds = kinds[3:]
	}
	for n := range 40 {
		if d.quick && n == 2 {
			kinds = kinds[1:] // a reset takes a second
		}
		r := chiftest.Rule{
			Fault: kinds[random.IntN(len(kinds))], Op: chiftest.OpREST, Skip: random.IntN(60), Times: 1,
			Method: []string{"PATCH", "PATCH", "PATCH", "DELETE", "GET"}[random.IntN(5)], Path: "/redfish/v1/",
		}
		if random.IntN(6) == 0 {
			r.Method, r.Path = "POST", subscriptions
		}
		switch r.Fault {
		case chiftest.FaultHTTPStatus:
			r.Status = []int{500, 503, 412, 400}[random.IntN(4)]
		case chiftest.FaultResetBefore, chiftest.FaultResetAfter:
			if r.Duration = chiftest.Duration(random.IntN(60)+1) * chiftest.Duration(time.Second); d.quick {
				r.Duration = chiftest.Duration(time.Millisecond)
			}
		}
		rules = append(rules, r)
	}
	return rules
}

// run returns how many writes came to what.
func (d *dozen) run() map[api.Outcome]int {
	if err := d.server.SetFaults(chiftest.Faults{Rules: d.faults(rand.New(rand.NewPCG(d.seed, 0)))}); err != nil {
		d.t.Fatal(err)
	}
	first := map[place]string{}
	own := func(n int) place { return place{fmt.Sprintf("%s/%d", accounts, n+1), "/Oem/Hpe/LoginName"} }
	for n := range twelve {
		first[own(n)] = d.ilo.value(own(n).path, own(n).pointer)
	}
	for _, p := range shared {
		first[p] = d.ilo.value(p.path, p.pointer)
	}
	var g sync.WaitGroup
	for n := range twelve {
		g.Go(func() {
			random := rand.New(rand.NewPCG(d.seed, uint64(n)+1))
			for round := range rounds {
				d.transaction(own(n), fmt.Sprintf("session %d, round %d", n, round), random)
			}
		})
	}
	g.Wait()
	if err := d.server.SetFaults(chiftest.Faults{}); err != nil {
		d.t.Fatal(err)
	}
	for p, was := range first {
		for next := d.changes[p]; len(next) > 0; {
			value, ok := next[was]
			if !ok {
				d.t.Errorf("seed %d: %v: nothing that was applied follows %s: %v", d.seed, p, was, next)
				break
			}
			delete(next, was)
			was = value
		}
		if now := d.ilo.value(p.path, p.pointer); now != was {
			d.t.Errorf("seed %d: %v is %s, want %s", d.seed, p, now, was)
		}
	}
	found := map[string]bool{}
	_, all := d.ilo.do(http.MethodGet, subscriptions, "")
	members, _ := all["Members"].([]any)
	for _, member := range members {
		_, body := d.ilo.do(http.MethodGet, at(member, "/@odata.id").(string), "")
		if context, _ := body["Context"].(string); strings.HasPrefix(context, "session ") {
			found[context] = true
		}
	}
	if !maps.Equal(found, d.made) {
		d.t.Errorf("seed %d: subscriptions %v, want %v", d.seed, found, d.made)
	}
	d.t.Logf("seed %d: %v %v", d.seed, d.counts, d.all)
	return d.all
}

// transaction commits one transaction and notes what its result says.
func (d *dozen) transaction(own place, name string, random *rand.Rand) {
	session, _, _ := strings.Cut(name, ",")
	if _, err := d.Begin(session, 0); err != nil {
		d.t.Error(err)
		return
	}
	type change struct {
		place
		from, to string
	}
	var writes []change
	stage := func(method, path, body string) bool {
		for range 10 { // the iLO is none that one could rely on
			r, err := http.NewRequestWithContext(WithSession(context.Background(), session), method, "https://ilo"+path, strings.NewReader(body))
			if err != nil {
				d.t.Error(err)
				return false
			}
			resp, err := d.RoundTrip(r)
			if err == nil {
				_ = resp.Body.Close()
			}
			if err == nil && resp.StatusCode == http.StatusAccepted {
				return true
			}
			if _, err := d.Rollback(session); err != nil {
				d.t.Error(err)
			}
			if _, err := d.Begin(session, 0); err != nil {
				d.t.Error(err)
			}
			writes = nil
		}
		return false
	}
	set := func(p place, value string) {
		body := map[string]any{}
		put(body, p.pointer, value)
		if !stage(http.MethodPatch, p.path, string(encode(body))) {
			return
		}
		d.Manager.mu.Lock()
		w := d.open[session].writes
		from := string(encode(at(w[len(w)-1].base.body, p.pointer)))
		d.Manager.mu.Unlock()
		writes = append(writes, change{p, from, string(encode(value))})
	}
	// Each place once, so that what one transaction has applied is a chain, too.
	for _, what := range random.Perm(5)[:2+random.IntN(3)] {
		switch {
		case what < len(shared) && random.IntN(3) > 0:
			set(shared[what], fmt.Sprintf("%s, %d", name, what))
		case what == len(shared):
			if stage(http.MethodPost, subscriptions, fmt.Sprintf(`{"Destination":"https://192.0.2.1/","Context":%q}`, name)) {
				writes = append(writes, change{to: name})
			}
		}
	}
	set(own, name)
	result, err := d.Commit(context.Background(), session)
	if len(result.Writes) != len(writes) {
		d.t.Errorf("seed %d: %s: %d writes, %v %s", d.seed, name, len(writes), err, asText(result))
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.counts[result.Result]++
	for i, w := range result.Writes {
		d.all[w.Outcome]++
		switch c := writes[i]; {
		case w.Outcome == api.OutcomeUnknown, w.Outcome == api.UndoRefused && !strings.Contains(w.Error, "400 Bad Request"):
			d.t.Errorf("seed %d: %s: nobody is in the way: %s", d.seed, name, asText(result))
		case w.Outcome != api.Applied && w.Outcome != api.UndoRefused:
		case c.path == "":
			d.made[c.to] = true
		default:
			if d.changes[c.place] == nil {
				d.changes[c.place] = map[string]string{}
			}
			d.changes[c.place][c.from] = c.to
		}
	}
	if applied := !slices.ContainsFunc(result.Writes, func(w api.Done) bool { return w.Outcome != api.Applied }); applied != (result.Result == api.Committed) || applied != (err == nil) {
		d.t.Errorf("seed %d: %s: %v %s", d.seed, name, err, asText(result))
	}
}

// store is the smallest freshness.Store.
type store struct{ m sync.Map }

func (s *store) Get(key string) ([]byte, bool) {
	v, ok := s.m.Load(key)
	b, _ := v.([]byte)
	return b, ok
}
func (s *store) Put(key string, value []byte) error { s.m.Store(key, value); return nil }
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
