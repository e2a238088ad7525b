package ilosession

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ilod/ilod/chif/chiftest/redfish"
)

// spoilt is a way to an iLO whose answers lack headers: all of them some, those to
// logins also others.
func spoilt(next http.RoundTripper, all []string, logins ...string) http.RoundTripper {
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		resp, err := next.RoundTrip(r)
		if err != nil {
			return nil, err
		}
		if r.Method == http.MethodPost {
			all = append(all[:len(all):len(all)], logins...)
		}
		for _, name := range all {
			resp.Header.Del(name)
		}
		return resp, nil
	})
}

// Logins whose answers cannot be used leave a session each: whoever asks for
// something may try it, and the recovery not more than a few times, whether or not
// the iLO tells the time.
func TestNoLoginStorm(t *testing.T) {
	for name, all := range map[string][]string{"with Date": nil, "without Date": {"Date"}} {
		for _, pause := range []time.Duration{0, 10 * time.Second, 2*lateness + time.Second} {
			bubble(t, name+", commands every "+pause.String(), func(t *testing.T) {
				m := newMachine(t, redfish.Options{IdleTimeout: redfish.NoIdleTimeout})
				const commands = 6
				for range commands {
					k := m.keeper(func(o *KeeperOptions) { o.Next = spoilt(o.Next, all, tokenHeader) })
					_ = k.Recover(t.Context())
					m.get1(k)
					if err := k.Close(t.Context()); err != nil {
						t.Error(err)
					}
					time.Sleep(pause)
				}
				got := m.service.Stats().Logins
				t.Logf("%d logins", got)
				if got > commands+2 {
					t.Errorf("%d logins for %d commands", got, commands)
				}
				endAll(m)
			})
		}
		bubble(t, name+", nobody asks", func(t *testing.T) {
			m := newMachine(t, redfish.Options{IdleTimeout: redfish.NoIdleTimeout})
			k := m.keeper(func(o *KeeperOptions) { o.Next = spoilt(o.Next, all, tokenHeader) })
			m.get1(k)
			time.Sleep(24 * time.Hour)
			synctest.Wait()
			got := m.service.Stats().Logins
			t.Logf("%d logins", got)
			if got > 8 {
				t.Errorf("%d logins within a day for one request", got)
			}
			endAll(m)
		})
	}
}

// endAll ends what nobody can delete.
func endAll(m *machine) {
	for _, s := range m.service.Sessions() {
		m.service.EndSession(s.ID)
	}
}

// A login whose age is not known is given the time to be executed, like any other,
// before the recovery logs in to look for its session.
func TestRecoverUnknownTimeIsNoPermission(t *testing.T) {
	for name, c := range map[string]struct{ then, now []string }{
		"Date":         {nil, nil},
		"no Date now":  {nil, []string{"Date"}},
		"no Date then": {[]string{"Date"}, nil},
		"never":        {[]string{"Date"}, []string{"Date"}},
	} {
		bubble(t, name, func(t *testing.T) {
			m := newMachine(t, redfish.Options{})
			m.process(&life{left: untilPosted}, func(o *KeeperOptions) { o.Next = spoilt(o.Next, c.then) }, m.get1)
			m.expect(1, 0, 1)
			time.Sleep(lateness / 2)
			k := m.keeper(func(o *KeeperOptions) { o.Next = spoilt(o.Next, c.now) })
			if err := k.Recover(t.Context()); err != nil {
				t.Error(err)
			}
			time.Sleep(lateness / 3)
			synctest.Wait()
			m.expect(1, 0, 1)
			time.Sleep(3 * lateness)
			synctest.Wait()
			if name == "never" { // nothing tells it from another program's
				m.expect(1, 0, 1)
				m.service.EndSession(m.service.Sessions()[0].ID)
			} else {
				m.expect(2, 1, 1)
			}
			closeKeeper(t, k)
		})
	}
}
