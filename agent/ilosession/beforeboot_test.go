package ilosession

import (
	"errors"
	"os"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ilod/ilod/chif/chiftest/redfish"
)

// up is the option of a host that was booted at a time.
func up(boot time.Time) func(*KeeperOptions) {
	return func(o *KeeperOptions) {
		o.Uptime = func() (time.Duration, error) { return time.Since(boot), nil }
	}
}

// reboot takes all that is in memory, and a minute.
func (m *machine) reboot() time.Time {
	m.t.Helper()
	time.Sleep(time.Minute)
	if err := os.RemoveAll(m.runtime); err != nil {
		m.t.Fatal(err)
	}
	return time.Now()
}

// A host without disk is reset after each of a process's changes to a file and each
// of its requests. The next start leaves nothing of it, and all foreign sessions.
func TestResetAnywhere(t *testing.T) {
	foreign := slices.DeleteFunc(redfish.EveryKind(), func(f redfish.Foreign) bool { return f.UserTag == inBandTag })
	for name, o := range map[string]redfish.Options{
		"plain":                 {},
		"no idle timeout, 2001": {IdleTimeout: redfish.NoIdleTimeout, ClockOffset: -25 * 365 * 24 * time.Hour},
		"iLO 4":                 {Generation: 4},
	} {
		t.Run(name, func(t *testing.T) {
			for n, l := 1, new(life); l.left == 0; n++ {
				l = &life{left: n}
				synctest.Test(t, func(t *testing.T) {
					o.Foreign = foreign
					m := newMachine(t, o)
					m.state = ""
					m.process(l, up(time.Now()), m.get1)
					m.clean(up(m.reboot()))
					if got := len(m.service.Sessions()); got != len(foreign) {
						t.Errorf("%d sessions, want %d", got, len(foreign))
					}
				})
				if t.Failed() || n > 200 {
					t.Fatalf("reset after %d steps", n)
				}
			}
		})
	}
}

// What may be in use stays, and the table is read once in a boot.
func TestReapBeforeBoot(t *testing.T) {
	for name, c := range map[string]struct {
		then    func(m *machine, s *Session) // between the login of the other program and the start of ours
		failing bool                         // the uptime is not known
		unnamed bool                         // the boot has no id
		booted  time.Duration                // by so much before that login; negative: after it
		reaped  bool
	}{
		"of an earlier boot":      {booted: -time.Minute, reaped: true},
		"of this boot":            {booted: time.Minute},
		"just before the boot":    {reaped: true},
		"just after the boot":     {booted: 3 * time.Second},
		"uptime unknown":          {booted: -time.Minute, failing: true},
		"boot without id":         {booted: -time.Minute, unnamed: true},
		"used since":              {booted: -time.Minute, then: func(m *machine, s *Session) { m.use(s) }},
		"iLO's clock is put back": {booted: -time.Minute, then: func(m *machine, _ *Session) { m.service.SetClock(m.service.Now().Add(-time.Hour)) }},
	} {
		bubble(t, name, func(t *testing.T) {
			m := newMachine(t, redfish.Options{})
			m.state = ""
			other := m.other()
			boot := time.Now().Add(-c.booted)
			time.Sleep(5 * time.Minute)
			if c.then != nil {
				c.then(m, other)
			}
			boots := []func(*KeeperOptions){up(boot)}
			if c.failing {
				boots = append(boots, func(o *KeeperOptions) {
					o.Uptime = func() (time.Duration, error) { return 0, errors.ErrUnsupported }
				})
			}
			if c.unnamed {
				boots = append(boots, func(o *KeeperOptions) { o.Boot = "" })
			}
			k := m.keeper(boots...)
			if err := k.Recover(t.Context()); (err != nil) != c.failing {
				t.Error(err)
			}
			if deletes := m.service.Stats().Deletes; c.reaped != (deletes == 1) {
				t.Errorf("%d sessions deleted", deletes)
			}
			closeKeeper(t, k)
			if err := other.Close(t.Context()); err != nil {
				t.Error(err)
			}
			if c.failing {
				return
			}
			logins := m.service.Stats().Logins
			k = m.keeper(boots...)
			if err := k.Recover(t.Context()); err != nil {
				t.Error(err)
			}
			closeKeeper(t, k)
			if again := m.service.Stats().Logins - logins; again != 0 {
				t.Errorf("the second start of a boot logs in %d times", again)
			}
		})
	}
}
