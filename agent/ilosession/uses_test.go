package ilosession

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ilod/ilod/chif/chiftest/redfish"
)

// A session is deleted so long after the end of its last use, however long that took.
func TestLingerBeginsWithTheEndOfUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t, redfish.Options{IdleTimeout: redfish.NoIdleTimeout})
		k := m.keeper(func(o *KeeperOptions) { o.Linger = time.Minute })
		m.answers(redfish.Answer{Path: system, Latency: redfish.Duration(2 * time.Minute)}) // the channel waits for 3
		m.get(k)
		time.Sleep(time.Minute - time.Second)
		synctest.Wait()
		m.expect(1, 0, 1)
		time.Sleep(time.Second)
		synctest.Wait()
		m.expect(1, 1, 0)
		closeKeeper(t, k)
	})
}

// A session that is used, or was, while its deletion waits for a turn stays.
func TestLingerSparesWhatWasUsedMeanwhile(t *testing.T) {
	for _, takes := range []time.Duration{0, time.Minute} {
		bubble(t, takes.String(), func(t *testing.T) {
			m := newMachine(t, redfish.Options{IdleTimeout: redfish.NoIdleTimeout})
			k := m.keeper()
			m.get(k)
			turns := k.o.Turns
			k.mu.Lock()
			k.o.Turns = roundTripper(func(r *http.Request) (*http.Response, error) {
				if r.Method == http.MethodDelete {
					time.Sleep(time.Minute)
				}
				return turns.RoundTrip(r)
			})
			k.mu.Unlock()
			time.Sleep(10*time.Minute + 30*time.Second) // it waits for its turn
			if takes > 0 {
				m.answers(redfish.Answer{Path: system, Latency: redfish.Duration(takes)})
			}
			var use sync.WaitGroup
			use.Go(func() {
				if status, err := do(t.Context(), send(k.RoundTrip), "GET", system, ""); err != nil || status != 200 {
					t.Errorf("%d, %v", status, err)
				}
			})
			time.Sleep(45 * time.Second)
			synctest.Wait()
			m.expect(1, 0, 1)
			use.Wait()
			m.expect(1, 0, 1)
			closeKeeper(t, k)
		})
	}
}

// All that meet the end of a session ask together whether it has ended.
func TestEndOfASessionIsAskedForOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t, redfish.Options{})
		m.places = 8
		var mu sync.Mutex
		asked := 0
		k := m.keeper(func(o *KeeperOptions) {
			next := o.Next
			o.Next = roundTripper(func(r *http.Request) (*http.Response, error) {
				time.Sleep(time.Second)
				if r.Method == http.MethodGet && r.URL.Path == collection {
					mu.Lock()
					asked++
					mu.Unlock()
				}
				return next.RoundTrip(r)
			})
		})
		m.get(k)
		m.service.EndSession(sessionID(k.Status().Session))
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() { m.get1(k) })
		}
		all.Wait()
		if asked != 1 {
			t.Errorf("asked %d times", asked)
		}
		m.expect(2, 0, 1)
		closeKeeper(t, k)
	})
}

// A 401 to the keep-alive ends the session only if the iLO says that it has ended.
func TestKeepAliveRefusedIsNotTheEnd(t *testing.T) {
	for name, then := range map[string][]redfish.Answer{"it goes on": nil, "unknown": {{Path: sessions, Status: 500}}} {
		bubble(t, name, func(t *testing.T) {
			m := newMachine(t, redfish.Options{IdleTimeout: 15 * time.Minute})
			lost := 0
			k := m.keeper(func(o *KeeperOptions) { o.OnLost = func(string) { lost++ } })
			m.get(k)
			path := k.Status().Session
			m.answers(append(then, redfish.Answer{Path: strings.TrimSuffix(path, "/"), Status: 401, MessageID: "NoValidSession"})...)
			time.Sleep(6 * time.Minute)
			synctest.Wait()
			if k.Status().Session != path || lost != 0 {
				t.Errorf("%+v, lost %d", k.Status(), lost)
			}
			m.answers()
			m.get(k)
			m.expect(1, 0, 1)
			closeKeeper(t, k)
		})
	}
}

// Credentials that the iLO has refused are tried again only for somebody who asks.
func TestRecoveryDoesNotRepeatWrongCredentials(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t, redfish.Options{RequireHostAuthentication: true})
		as := func(password string) func(*KeeperOptions) {
			return func(o *KeeperOptions) {
				o.Credentials = func() (*Credentials, error) { return &Credentials{"Administrator", password}, nil }
			}
		}
		m.process(&life{left: untilPosted}, as("password"), m.get1) // found by the user's name
		m.expect(1, 0, 1)
		k := m.keeper(as("wrong"))
		if err := k.Recover(t.Context()); err != nil {
			t.Error(err)
		}
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if got := m.service.Stats().RefusedLogins; got != 1 {
			t.Errorf("%d refused logins", got)
		}
		m.get1(k)
		if got := m.service.Stats().RefusedLogins; got != 2 {
			t.Errorf("%d refused logins after somebody asked", got)
		}
		if err := k.Close(t.Context()); err != nil {
			t.Error(err)
		}
		m.clean(as("password"))
		m.expect(2, 2, 0)
	})
}

// Wrong credentials do not get at a session that an earlier process has left.
func TestWrongCredentialsTakeNothingOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t, redfish.Options{})
		m.leave(untilRecorded)
		m.answers(redfish.Answer{Method: "POST", Status: 401, MessageID: "UnauthorizedLoginAttempt"})
		k := m.keeper(func(o *KeeperOptions) {
			o.Credentials = func() (*Credentials, error) { return &Credentials{"u", "wrong"}, nil }
		})
		if _, err := do(t.Context(), k, "GET", system, ""); !errors.Is(err, ErrCredentials) {
			t.Error(err)
		}
		if err := k.Close(t.Context()); err != nil {
			t.Error(err)
		}
		m.answers()
		m.clean()
	})
}

// A login for somebody has what was left tried again at once.
func TestLoginHasTheRestTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t, redfish.Options{})
		m.leave(untilRecorded)
		m.answers(redfish.Answer{Method: "DELETE", Status: 503, Times: 1})
		k := m.keeper()
		if err := k.Recover(t.Context()); !isStatus(err, 503) {
			t.Error(err)
		}
		m.get(k)
		synctest.Wait()
		m.expect(2, 1, 1)
		closeKeeper(t, k)
	})
}

// Each login that the iLO has answered without a session that can be used has the
// recovery wait four times as long for the next, up to a day; entries of another iLO
// and those of sessions have nothing to do with it.
func TestRecoveryWaitsLongerAfterEachLoginInVain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t, redfish.Options{})
		k := m.keeper()
		k.identity = Identity{UUID: "here"}
		end := time.Now()
		for _, e := range []entry{
			{Nonce: "elsewhere", Identity: Identity{UUID: "there"}, Answered: true},
			{Nonce: "session", Path: sessions + "/a", Answered: true},
			{Nonce: "lost"},
		} {
			e.Time, e.End = end, end
			k.o.Ledger.remember(e)
		}
		for i, want := range []time.Duration{0, 30 * time.Second, 2 * time.Minute, 8 * time.Minute, 32 * time.Minute, 128 * time.Minute, 512 * time.Minute, 24 * time.Hour, 24 * time.Hour} {
			at := k.mayLogInAgain()
			if i == 0 && !at.IsZero() || i > 0 && !at.Equal(end.Add(want)) {
				t.Errorf("after %d: %v, want %v", i, at.Sub(end), want)
			}
			k.o.Ledger.remember(entry{Nonce: fmt.Sprint(i), Time: end, End: end, Answered: true})
		}
		m.get(k)
		if at := k.mayLogInAgain(); !at.IsZero() {
			t.Errorf("with a session: %v", at)
		}
		for _, e := range k.o.Ledger.entries() {
			if e.Nonce != k.current.entry.Nonce {
				k.o.Ledger.remove(e.Nonce)
			}
		}
		if err := k.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
}

// A Keeper without a way to the iLO cannot be made.
func TestKeeperNeedsAWay(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	NewKeeper(KeeperOptions{})
}
