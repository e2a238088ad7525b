package ilosession

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/sirupsen/logrus/hooks/test"

	"github.com/ilod/ilod/chif"
	"github.com/ilod/ilod/chif/chiftest/redfish"
)

// A line of up to 1 MiB is understood, for a login may know many sessions; of a longer
// one it is told, and what came before it is done.
func TestGuardianReadsLongLines(t *testing.T) {
	line := func(size int) string {
		text, err := json.Marshal(guardianLine{Entry: &guardedEntry{storedEntry{entry: entry{Nonce: "long", Boot: strings.Repeat("x", size)}}, nil}})
		if err != nil {
			t.Fatal(err)
		}
		return string(text) + "\n"
	}
	before := `{"entry":{"nonce":"first"}}` + "\n"
	if w, done, err := readWards(strings.NewReader(before + line(900<<10))); err != nil || done || len(w.entries) != 2 {
		t.Errorf("%d entries, %v, %v", len(w.entries), done, err)
	}
	if w, done, err := readWards(strings.NewReader(before + line(2<<20))); err == nil || done || len(w.entries) != 1 {
		t.Errorf("%d entries, %v, %v", len(w.entries), done, err)
	}
}

// The credentials of a killed process are those that its guardian logs in with; a pair
// that is not whole is none.
func TestGuardianTakesOverCredentials(t *testing.T) {
	for login, want := range map[string]*Credentials{
		`{"UserName":"u","Password":"p"}`:  {"u", "p"},
		`{"UserName":"","Password":""}`:    {"", ""},
		`{"UserName":null,"Password":"p"}`: nil,
		`{"UserName":"u","Password":null}`: nil,
		`{"UserName":7,"Password":"p"}`:    nil,
		`null`:                             nil,
	} {
		w, done, err := readWards(strings.NewReader(`{"entry":{"nonce":"n","login":` + login + `}}` + "\n"))
		if err != nil || done || len(w.entries) != 1 || !same(w.credentials, want) {
			t.Errorf("%s: %v, %v, %v", login, w.credentials, done, err)
		}
	}
}

// The pause before the next login is 2 s, doubled up to a minute; if the credentials
// were refused 30 s, doubled up to 15 min.
func TestPausesBetweenLogins(t *testing.T) {
	for status, want := range map[int][]time.Duration{
		403: {2, 4, 8, 16, 32, 60, 60},
		401: {30, 60, 120, 240, 480, 900, 900},
	} {
		bubble(t, http.StatusText(status), func(t *testing.T) {
			m := newMachine(t, redfish.Options{})
			m.answers(redfish.Answer{Method: "POST", Status: status})
			k := m.keeper()
			for _, seconds := range want {
				m.get1(k)
				k.mu.Lock()
				got := time.Until(k.refusal.until)
				k.mu.Unlock()
				if got != seconds*time.Second {
					t.Errorf("%v, want %d s", got, seconds)
				}
				time.Sleep(got)
			}
			if got := m.service.Stats().Requests["POST "+sessions]; got != len(want) {
				t.Errorf("%d logins, want %d", got, len(want))
			}
			closeKeeper(t, k)
		})
	}
}

// A request waits for the next login if that is due within five seconds; else it is
// told at once why the last one failed.
func TestPatienceWithLogins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t, redfish.Options{})
		m.answers(redfish.Answer{Method: "POST", Status: 403})
		k := m.keeper()
		for i, want := range []time.Duration{0, 2, 4, 0, 0} {
			start := time.Now()
			if _, err := do(t.Context(), k, "GET", system, ""); !isStatus(err, 403) || time.Since(start) != want*time.Second {
				t.Errorf("request %d waited %v: %v", i, time.Since(start), err)
			}
		}
		time.Sleep(3 * time.Second)
		m.answers()
		start := time.Now()
		if m.get(k); time.Since(start) != 5*time.Second {
			t.Errorf("the last waited %v", time.Since(start))
		}
		closeKeeper(t, k)
	})
}

// Ending a session for a login ends the wait for it; another refusal is waited for as
// before.
func TestTerminateEndsTheWaitForRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t, redfish.Options{MaxSessionsByTag: map[string]int{inBandTag: 1}})
		victim := m.other()
		k := m.keeper(func(o *KeeperOptions) {
			o.Credentials = func() (*Credentials, error) { return &Credentials{"Administrator", "password"}, nil }
		})
		m.get1(k)
		start := time.Now()
		if _, err := k.Terminate(t.Context(), victim.path, TerminateOptions{}); err != nil {
			t.Fatal(err)
		}
		before := time.Since(start)
		m.get(k)
		if waited := time.Since(start); waited != before {
			t.Errorf("waited %v", waited-before)
		}
		closeKeeper(t, k)
	})
}

// The session that is idle for longest makes room, if it is idle for a minute.
func TestRoomIsMadeAfterAMinute(t *testing.T) {
	for idle, made := range map[time.Duration]bool{59 * time.Second: false, time.Minute: true} {
		bubble(t, idle.String(), func(t *testing.T) {
			m := newMachine(t, redfish.Options{MaxSessionsByTag: map[string]int{inBandTag: 1}})
			other := m.other()
			time.Sleep(idle)
			k := m.keeper(func(o *KeeperOptions) {
				o.LimitPolicy = OldestIdleInBand
				o.Credentials = func() (*Credentials, error) { return &Credentials{"Administrator", "password"}, nil }
			})
			if _, err := do(t.Context(), k, "GET", system, ""); (err == nil) != made {
				t.Error(err)
			}
			m.expect(map[bool]int{false: 1, true: 2}[made], map[bool]int{true: 1}[made], 1)
			closeKeeper(t, k)
			if err := other.Close(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

// Close cuts a Recover that waits for an iLO, as it cuts a read.
func TestCloseCutsRecover(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t, redfish.Options{})
		m.leave(untilRecorded)
		m.answers(redfish.Answer{Path: root, Latency: redfish.Duration(time.Hour)})
		k := m.keeper()
		ended := make(chan error, 1)
		go func() { ended <- k.Recover(t.Context()) }()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		if err := k.Close(ctx); err != nil {
			t.Error(err)
		}
		if err := <-ended; !errors.Is(err, context.Canceled) || time.Since(start) != time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		m.answers()
		m.clean()
	})
}

// A panic of the Keeper's own work is followed by a pause, not by the next one.
func TestPanicsOfUpkeepArePaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t, redfish.Options{})
		panics := 0
		k := m.keeper(func(o *KeeperOptions) {
			o.Linger = 24 * time.Hour
			next := o.Next
			o.Next = roundTripper(func(r *http.Request) (*http.Response, error) {
				if strings.HasPrefix(r.URL.Path, sessions+"/") && r.URL.Path != sessions+"/" && r.Method == http.MethodGet {
					panics++
					panic("a fault of the transport")
				}
				return next.RoundTrip(r)
			})
		})
		m.get(k)
		time.Sleep(time.Hour)
		synctest.Wait()
		if panics < 2 || panics > 60*60/15 {
			t.Errorf("%d panics within an hour", panics)
		}
		m.service.ForgiveExpired()
		if err := k.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// A session of which nothing could be learnt is asked again after the same time, not
// at once.
func TestFailedKeepAliveRests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t, redfish.Options{IdleTimeout: 15 * time.Minute})
		k := m.keeper(func(o *KeeperOptions) { o.Linger = 24 * time.Hour })
		m.get(k)
		path := k.Status().Session
		m.answers(redfish.Answer{Path: strings.TrimSuffix(path, "/"), Status: 503})
		asked := 0
		next := k.o.Turns
		k.mu.Lock()
		k.o.Turns = roundTripper(func(r *http.Request) (*http.Response, error) {
			if asked++; asked%2 == 0 {
				return nil, errors.New("no turn")
			}
			return next.RoundTrip(r)
		})
		k.mu.Unlock()
		time.Sleep(time.Hour)
		synctest.Wait()
		if asked != 12 {
			t.Errorf("asked %d times", asked)
		}
		k.mu.Lock()
		k.o.Turns = next
		k.mu.Unlock()
		m.answers()
		m.service.ForgiveExpired()
		closeKeeper(t, k)
	})
}

// What Status tells of the session in use and of errors is what is.
func TestStatusTellsWhatIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t, redfish.Options{})
		m.places = 2
		k := m.keeper()
		start := time.Now()
		m.get(k)
		m.answers(redfish.Answer{Path: system, Latency: redfish.Duration(time.Minute)})
		time.Sleep(time.Minute)
		done := make(chan error)
		go func() { done <- second(do(t.Context(), k, "GET", system, "")) }()
		synctest.Wait()
		s := k.Status()
		if !s.Since.Equal(start) || !s.LastUse.Equal(start) || s.InUse != 1 || s.LastError != "" {
			t.Errorf("%+v", s)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
		if s := k.Status(); !s.LastUse.Equal(start.Add(2*time.Minute)) || s.InUse != 0 {
			t.Errorf("%+v", s)
		}
		m.answers(redfish.Answer{Method: "DELETE", Status: 503})
		if err := k.Logout(t.Context()); !errors.Is(err, ErrMayRemain) {
			t.Error(err)
		}
		if s := k.Status(); !strings.HasPrefix(s.LastError, ErrMayRemain.Error()) {
			t.Errorf("%+v", s)
		}
		m.answers(redfish.Answer{Method: "DELETE", Status: 503}, redfish.Answer{Method: "POST", Status: 403})
		m.get1(k)
		if s := k.Status(); !strings.Contains(s.LastError, "403 Forbidden; ") || !strings.Contains(s.LastError, "503") {
			t.Errorf("%+v", s)
		}
		m.answers()
		time.Sleep(time.Hour)
		closeKeeper(t, k)
	})
}

// A session that was kept alive has worked: when the iLO ends it the next login is
// tried at once. One that never worked may be forgotten by the iLO after each login, and
// the log says so.
func TestKeptAliveSessionHasWorked(t *testing.T) {
	for _, alive := range []bool{false, true} {
		bubble(t, map[bool]string{false: "never worked", true: "kept alive"}[alive], func(t *testing.T) {
			m := newMachine(t, redfish.Options{IdleTimeout: 15 * time.Minute})
			log, hook := test.NewNullLogger()
			failing := true
			k := m.keeper(func(o *KeeperOptions) {
				next := o.Next
				o.Log = log
				o.Next = roundTripper(func(r *http.Request) (*http.Response, error) {
					refresh := r.Method == http.MethodGet && strings.HasPrefix(r.URL.Path, sessions+"/") && r.URL.Path != sessions+"/"
					if failing && (r.URL.Path == system || refresh && !alive) {
						return nil, chif.ErrOutcomeUnknown
					}
					return next.RoundTrip(r)
				})
			})
			m.get1(k)
			time.Sleep(6 * time.Minute)
			synctest.Wait()
			failing = false
			m.service.EndSession(sessionID(k.Status().Session))
			start := time.Now()
			if m.get(k); (time.Since(start) == 0) != alive {
				t.Errorf("waited for %v", time.Since(start))
			}
			if told := slices.ContainsFunc(hook.AllEntries(), func(e *logrus.Entry) bool { return e.Data[logrus.ErrorKey] == errForgotten }); told == alive {
				t.Errorf("the log says that the iLO has forgotten the session: %v", told)
			}
			m.expect(2, 0, 1)
			closeKeeper(t, k)
		})
	}
}

// A login whose session was found and could not be deleted is not settled.
func TestFoundSessionThatStaysIsLookedForAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t, redfish.Options{})
		m.leave(untilPosted)
		time.Sleep(lateness + clockSlack)
		m.answers(redfish.Answer{Method: "DELETE", Status: 503, Times: 1})
		k := m.keeper()
		if err := k.Recover(t.Context()); !isStatus(err, 503) {
			t.Error(err)
		}
		if left := k.unsettled(); len(left) != 1 {
			t.Errorf("left: %+v", left)
		}
		time.Sleep(retryPause)
		synctest.Wait()
		m.expect(2, 1, 1)
		closeKeeper(t, k)
	})
}

// A guardian that was told of a session without its token knows no token.
func TestGuardianKnowsNoEmptyToken(t *testing.T) {
	for token, known := range map[string]bool{``: false, `,"token":""`: false, `,"token":"YQ=="`: true} {
		w, _, err := readWards(strings.NewReader(`{"entry":{"nonce":"n","path":"/redfish/v1/a"` + token + `}}`))
		if err != nil || (w.entries["n"].authorize != nil) != known {
			t.Errorf("%q: %+v, %v", token, w.entries, err)
		}
	}
}

// TestSessionEndsForSeveralRequestsAtOnce: one finds that it is dead while another still
// ends its use. With the race detector, nothing of the session is read unguarded.
func TestSessionEndsForSeveralRequestsAtOnce(t *testing.T) {
	m := newMachine(t, redfish.Options{IdleTimeout: 15 * time.Minute})
	k := m.keeper()
	for range 20 {
		m.get(k)
		m.service.EndSession(sessionID(k.Status().Session))
		k.mu.Lock()
		h := k.current
		h.users++
		k.mu.Unlock()
		var both sync.WaitGroup
		both.Go(func() { k.discard(h) })
		both.Go(func() { k.release(h, true, true) })
		both.Wait()
	}
	m.expect(20, 0, 0)
	closeKeeper(t, k)
}
