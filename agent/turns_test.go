package agent

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ilod/ilod/agent/ilosession"
	"github.com/ilod/ilod/agent/schedule"
	"github.com/ilod/ilod/chif/chiftest"
	"github.com/ilod/ilod/chif/chiftest/redfish"
)

// slowILO takes a second for each request, and notes their order.
type slowILO struct {
	*redfish.Service
	mu    sync.Mutex
	now   int
	most  int
	order []string
}

func (s *slowILO) RoundTrip(r *http.Request) (*http.Response, error) {
	s.mu.Lock()
	s.now++
	s.most = max(s.most, s.now)
	s.order = append(s.order, r.Method+" "+r.URL.Path)
	s.mu.Unlock()
	time.Sleep(time.Second)
	w := httptest.NewRecorder()
	in := r.Clone(r.Context())
	in.RemoteAddr, in.RequestURI = chiftest.InBand, r.URL.RequestURI()
	if in.Body == nil {
		in.Body = http.NoBody
	}
	s.ServeHTTP(w, in)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now--
	return w.Result(), nil
}

// busiest is how many requests were at the iLO at once.
func (s *slowILO) busiest() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.most
}

// kept is a keeper and its scheduler as the agent stacks them.
func kept(t *testing.T, slots int, o redfish.Options, set func(*ilosession.KeeperOptions)) (ilo *slowILO, k *ilosession.Keeper, s *schedule.Scheduler) {
	t.Helper()
	service, err := redfish.New(o)
	if err != nil {
		t.Fatal(err)
	}
	ilo = &slowILO{Service: service}
	ko := ilosession.KeeperOptions{Next: ilo, Turns: ownWork{&s}}
	if set != nil {
		set(&ko)
	}
	k = ilosession.NewKeeper(ko)
	s = schedule.New(schedule.Options{Next: uncut{k}, Slots: slots})
	t.Cleanup(func() {
		if err := errors.Join(s.Close(), k.Close(t.Context())); err != nil {
			t.Error(err)
		}
	})
	return ilo, k, s
}

// TestSessionTableTakesItsTurn: whoever asks for the iLO's session table, however
// often, waits like all others, and a read of somebody else is next but for what
// runs already.
func TestSessionTableTakesItsTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const slots = 2
		ilo, k, s := kept(t, slots, redfish.Options{Foreign: redfish.EveryKind()}, nil)
		var all sync.WaitGroup
		refused, answered := 0, 0
		var mu sync.Mutex
		for n := range 400 {
			peer := schedule.Peer{User: "flooder", Session: fmt.Sprint(n % 40)}
			all.Go(func() {
				_, err := k.Table(schedule.WithClass(schedule.WithPeer(t.Context(), peer), schedule.Interactive))
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					answered++
				} else if errors.Is(err, schedule.ErrQueueFull) {
					refused++
				} else {
					t.Error(err)
				}
			})
		}
		time.Sleep(10 * time.Second)
		for range 3 {
			time.Sleep(time.Second / 2) // between two seconds nothing begins
			ilo.mu.Lock()
			before := len(ilo.order)
			ilo.mu.Unlock()
			r, _ := http.NewRequestWithContext(schedule.WithPeer(t.Context(), schedule.Peer{User: "modest"}), "GET", "https://ilo/redfish/v1/Systems/1/", nil)
			if _, err := s.RoundTrip(r); err != nil {
				t.Fatal(err)
			}
			ilo.mu.Lock()
			place := -1
			for i, what := range ilo.order[before:] {
				if strings.HasSuffix(what, "/Systems/1/") {
					place = i
				}
			}
			ilo.mu.Unlock()
			if place < 0 || place > 1 {
				t.Errorf("%d requests went before the read", place)
			}
		}
		all.Wait()
		if most := ilo.busiest(); most > slots || refused+answered != 400 || answered < 200 {
			t.Errorf("%d requests at once, %d answered, %d refused", most, answered, refused)
		}
	})
}

// TestOwnWorkTakesTurns: whatever the keeper does by itself, at most as many
// requests as there are slots are at the iLO, and everybody gets on: the login that
// all who have a slot wait for, log-outs while they do, the end of a session
// nobody uses, reaping, and what an earlier process left.
func TestOwnWorkTakesTurns(t *testing.T) {
	for _, slots := range []int{1, 2} {
		t.Run(fmt.Sprint(slots), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ilo, k, s := kept(t, slots, redfish.Options{Foreign: redfish.EveryKind()}, func(o *ilosession.KeeperOptions) {
					o.Linger, o.ReapForeign, o.KeepAlive = 90*time.Second, time.Minute, 20*time.Second
				})
				for round := range 5 {
					var all sync.WaitGroup
					for n := range 10 {
						all.Go(func() {
							method := map[bool]string{true: "PATCH", false: "GET"}[n == 3]
							r, _ := http.NewRequestWithContext(schedule.WithPeer(t.Context(), schedule.Peer{User: fmt.Sprint(n)}), method, "https://ilo/redfish/v1/Systems/1/", strings.NewReader(`{"AssetTag":"x"}`))
							r.Header.Set("Content-Type", "application/json")
							if _, err := s.RoundTrip(r); err != nil {
								t.Error(err)
							}
						})
						all.Go(func() {
							if _, err := k.Table(t.Context()); err != nil {
								t.Error(err)
							}
						})
						if n == 5 && round%2 == 0 {
							all.Go(func() {
								if err := k.Logout(t.Context()); err != nil {
									t.Error(err)
								}
							})
						}
					}
					all.Go(func() { _ = k.Recover(t.Context()) })
					all.Wait()
					time.Sleep(time.Duration(round) * time.Minute)
				}
				time.Sleep(10 * time.Minute)
				if most := ilo.busiest(); most > slots {
					t.Errorf("%d requests at once, there are %d slots", most, slots)
				}
				for class, st := range s.Stats() {
					if st.Queued != 0 || st.Running != 0 {
						t.Errorf("%s: %+v", class, st)
					}
				}
				if st := k.Status(); st.Session != "" {
					t.Errorf("a session that nobody uses: %+v", st)
				}
			})
		})
	}
}
