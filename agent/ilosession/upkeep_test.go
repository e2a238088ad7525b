package ilosession

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/sirupsen/logrus/hooks/test"

	"github.com/ilod/ilod/agent/api"
	"github.com/ilod/ilod/chif/chiftest"
	"github.com/ilod/ilod/chif/chiftest/redfish"
)

// told are the messages of a level or worse that have a text in them.
func told(hook *test.Hook, level logrus.Level, text string) (n int) {
	for _, e := range hook.AllEntries() {
		if line, _ := e.String(); e.Level <= level && strings.Contains(line, text) {
			n++
		}
	}
	return n
}

// What the Keeper does by itself while a session is kept never opens another one,
// whoever has ended the first.
func TestUpkeepNeverLogsIn(t *testing.T) {
	for _, reap := range []time.Duration{0, 10 * time.Minute} {
		bubble(t, fmt.Sprintf("reap %v", reap), func(t *testing.T) {
			m := newMachine(t, redfish.Options{Foreign: redfish.EveryKind()})
			lost := 0
			k := m.keeper(func(o *KeeperOptions) {
				o.Linger, o.ReapForeign, o.OnLost = 48*time.Hour, reap, func(string) { lost++ }
			})
			m.get(k)
			synctest.Wait()
			m.service.EndSession(sessionID(k.Status().Session))
			time.Sleep(24 * time.Hour)
			synctest.Wait()
			if got := m.service.Stats().Logins; got != 1 || lost != 1 || k.Status().Session != "" {
				t.Errorf("%d logins, lost %d, status %+v", got, lost, k.Status())
			}
			m.get(k)
			closeKeeper(t, k)
		})
	}
}

// However long keep-alive is said to be, a session in use does not expire; the log
// says once that the iLO's idle timeout is shorter.
func TestKeepAliveLongerThanTheIdleTimeout(t *testing.T) {
	for _, body := range []string{redfish.BodySession, redfish.BodyCreated} {
		for keepAlive, want := range map[time.Duration]int{5 * time.Minute: 0, 14 * time.Minute: 0, 15 * time.Minute: 1, 20 * time.Minute: 1, time.Hour: 1} {
			bubble(t, fmt.Sprintf("%s, %v", body, keepAlive), func(t *testing.T) {
				log, hook := test.NewNullLogger()
				m := newMachine(t, redfish.Options{IdleTimeout: 15 * time.Minute, LoginBody: body})
				k := m.keeper(func(o *KeeperOptions) { o.Linger, o.KeepAlive, o.Log = 48*time.Hour, keepAlive, log })
				m.get(k)
				time.Sleep(6 * time.Minute)
				synctest.Wait()
				if got := told(hook, logrus.WarnLevel, "idle timeout"); got != want {
					t.Errorf("said %d times, want %d", got, want)
				}
				time.Sleep(24 * time.Hour)
				synctest.Wait()
				m.expect(1, 0, 1)
				if got := told(hook, logrus.WarnLevel, ""); got != want {
					t.Errorf("%d warnings, want %d", got, want)
				}
				closeKeeper(t, k)
			})
		}
	}
}

// A session that cannot be told apart does not have the recovery log in for ever.
func TestRecoverRestsBetweenLogins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t, redfish.Options{IdleTimeout: redfish.NoIdleTimeout})
		m.leave(untilIntent)
		a, b := m.other(), m.other()
		k := m.keeper()
		if err := k.Recover(t.Context()); err != nil {
			t.Error(err)
		}
		time.Sleep(24 * time.Hour)
		synctest.Wait()
		if got := m.service.Stats().Logins; got > 2+10 || got < 2+4 {
			t.Errorf("%d logins", got)
		}
		m.use(a) // then it can be told that none is ours
		m.use(b)
		m.get(k)
		synctest.Wait()
		for _, s := range []*Session{a, b} {
			if err := s.Close(t.Context()); err != nil {
				t.Error(err)
			}
		}
		closeKeeper(t, k)
	})
}

// LastError is of what is wrong now, and Recovered of the last time when nothing was.
func TestLastErrorClears(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t, redfish.Options{})
		m.answers(redfish.Answer{Method: "POST", Status: 403, Times: 1}, redfish.Answer{Method: "DELETE", Status: 503})
		k := m.keeper()
		m.get1(k)
		if s := k.Status(); !strings.Contains(s.LastError, "403") || s.Refusals != 1 {
			t.Errorf("status %+v", s)
		}
		m.get(k)
		synctest.Wait()
		if s := k.Status(); s.LastError != "" || s.Refusals != 1 {
			t.Errorf("after a login: %+v", s)
		}
		if err := k.Logout(t.Context()); err == nil {
			t.Error("no error")
		}
		if err := k.Recover(t.Context()); err == nil {
			t.Error("no error")
		}
		if s := k.Status(); !strings.Contains(s.LastError, "503") || s.LedgerEntries != 1 || !s.Recovered.Before(time.Now()) {
			t.Errorf("after a log-out and a recovery that failed: %+v", s)
		}
		m.answers()
		time.Sleep(2 * retryPause)
		synctest.Wait()
		if s := k.Status(); s.LastError != "" || s.LedgerEntries != 0 || s.Recovered.Before(time.Now()) {
			t.Errorf("after it was made up for: %+v", s)
		}
		closeKeeper(t, k)
	})
}

// Status is what the watchdog waits for: it waits neither for the disk nor for the
// file with the credentials.
func TestStatusDoesNotWait(t *testing.T) {
	stalled := make(chan struct{}) // closed when somebody waits
	goOn := make(chan struct{})
	var once sync.Once
	stall := func() {
		once.Do(func() { close(stalled) })
		<-goOn
	}
	service, err := redfish.New(redfish.Options{Tree: smallTree(5), RequireHostAuthentication: true})
	if err != nil {
		t.Fatal(err)
	}
	m := &machine{t: t, service: service, server: chiftest.New(t, chiftest.Options{Handler: service}), state: t.TempDir() + "/state", runtime: t.TempDir() + "/run"}
	for name, set := range map[string]func(o *KeeperOptions){
		"disk": func(o *KeeperOptions) {
			o.Ledger.step = func(string, string) error {
				stall()
				return nil
			}
		},
		"credentials": func(o *KeeperOptions) {
			asked := 0
			o.Credentials = func() (*Credentials, error) {
				if asked++; asked > 1 { // the first are refused
					stall()
				}
				return &Credentials{"Administrator", "wrong"}, nil
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			stalled, goOn, once = make(chan struct{}), make(chan struct{}), sync.Once{}
			k := m.keeper(set)
			var requests sync.WaitGroup
			requests.Go(func() {
				for range 2 {
					if _, err := do(t.Context(), k, "GET", system, ""); !errors.Is(err, ErrCredentials) {
						t.Error(err)
					}
				}
			})
			<-stalled
			answered := make(chan api.ILOStatus, 1)
			go func() { answered <- k.Status() }()
			select {
			case <-answered:
			case <-time.After(time.Minute):
				t.Error("Status waits")
			}
			close(goOn)
			requests.Wait()
		})
	}
}

// A panic of the Keeper's own goroutines is logged and told to who waits, and does
// not end the process.
func TestPanicInTheBackground(t *testing.T) {
	for _, method := range []string{http.MethodPost, http.MethodDelete} {
		bubble(t, method, func(t *testing.T) {
			log, hook := test.NewNullLogger()
			m := newMachine(t, redfish.Options{})
			var panicked bool
			k := m.keeper(func(o *KeeperOptions) {
				next := o.Next
				o.Log = log
				o.Next = roundTripper(func(r *http.Request) (*http.Response, error) {
					if r.Method == method && !panicked {
						panicked = true
						panic("a fault of the transport")
					}
					return next.RoundTrip(r)
				})
			})
			_, err := do(t.Context(), k, "GET", system, "")
			if failed := err != nil; failed != (method == http.MethodPost) {
				t.Error(err)
			}
			time.Sleep(10*time.Minute + 2*lateness) // it lingers
			synctest.Wait()
			if !panicked || told(hook, logrus.WarnLevel, "a fault of the transport") == 0 {
				t.Errorf("panicked %v, log %v", panicked, hook.AllEntries())
			}
			m.get(k)
			if err := k.Close(t.Context()); err != nil {
				t.Error(err)
			}
			m.clean()
		})
	}
}
