package ilosession

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ilod/ilod/chif"
	"github.com/ilod/ilod/chif/chiftest"
	"github.com/ilod/ilod/chif/chiftest/redfish"
)

var errKilled = errors.New("the process was killed")

// life counts what a process does to the world, changes of ledger files and
// requests to the iLO, and ends it after so many of them: nothing after that
// reaches disk or iLO, and the answer to the last request is not seen.
type life struct {
	mu   sync.Mutex
	left int // negative: for ever
	used int
}

func (l *life) step() (last bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.left == 0 {
		return false, errKilled
	}
	l.left--
	l.used++
	return l.left == 0, nil
}

// limit makes a keeper's options those of a process with this life.
func (l *life) limit(o *KeeperOptions) {
	next := o.Next
	o.Ledger.step = func(string, string) error {
		_, err := l.step()
		return err
	}
	o.Next = roundTripper(func(r *http.Request) (*http.Response, error) {
		last, err := l.step()
		if err != nil {
			return nil, fmt.Errorf("%w: %w", chif.ErrNotSent, err)
		}
		resp, err := next.RoundTrip(r)
		if last {
			if err == nil {
				_ = resp.Body.Close()
			}
			return nil, errKilled
		}
		return resp, err
	})
}

// process runs a whole process with this life on a machine.
func (m *machine) process(l *life, set func(*KeeperOptions), work func(k *Keeper)) {
	k := m.keeper(func(o *KeeperOptions) {
		if set != nil {
			set(o)
		}
		l.limit(o)
	})
	_ = k.Recover(m.t.Context())
	work(k)
	_ = k.Close(m.t.Context())
}

// clean runs a process that must leave nothing, neither on the iLO nor in the
// ledger.
func (m *machine) clean(set ...func(*KeeperOptions)) {
	m.t.Helper()
	k := m.keeper(set...)
	if err := k.Recover(m.t.Context()); err != nil {
		m.t.Errorf("recover: %v", err)
	}
	time.Sleep(2 * lateness) // until logins without a trace are given up
	synctest.Wait()
	closeKeeper(m.t, k)
}

// works are what a process may be doing when it is killed.
var works = map[string]func(m *machine, k *Keeper){
	"get": func(m *machine, k *Keeper) { _, _ = do(m.t.Context(), k, "GET", system, "") },
	"session killed": func(m *machine, k *Keeper) {
		_, _ = do(m.t.Context(), k, "GET", system, "")
		for _, s := range m.service.Sessions() {
			if !s.Foreign {
				m.service.EndSession(s.ID)
			}
		}
		_, _ = do(m.t.Context(), k, "GET", system, "")
		synctest.Wait()
	},
	"linger": func(m *machine, k *Keeper) {
		_, _ = do(m.t.Context(), k, "GET", system, "")
		time.Sleep(11 * time.Minute)
		_, _ = do(m.t.Context(), k, "GET", system, "")
		synctest.Wait()
	},
}

// A process is killed after each of its changes to a file and each of its
// requests, and the one that recovers is killed in the same way. Whatever comes
// next leaves nothing.
func TestKilledAnywhere(t *testing.T) {
	type world struct {
		deep      bool // vary the second life as well
		options   redfish.Options
		powerLoss bool // the runtime directory goes with the process
		nocache   bool // no state directory
		other     bool // a program logs in when the first process is dead, and takes its time
	}
	worlds := map[string]world{
		"plain":                 {deep: true},
		"another program":       {deep: true, other: true},
		"power loss":            {deep: true, powerLoss: true},
		"nocache":               {nocache: true},
		"no idle timeout, 2001": {options: redfish.Options{IdleTimeout: redfish.NoIdleTimeout, ClockOffset: -25 * 365 * 24 * time.Hour}},
		"older firmware":        {options: redfish.Options{LoginBody: redfish.BodyCreated, LocationBlank: true, DeleteAnswer: redfish.DeleteNoContent, NoQueryOptions: true}},
		"iLO 4":                 {options: redfish.Options{Generation: 4}, powerLoss: true},
	}
	for name, w := range worlds {
		for work, f := range works {
			if w.other && work == "session killed" {
				continue // that of the other program would be
			}
			t.Run(name+", "+work, func(t *testing.T) {
				runs := 0
				deep := w.deep && work == "get" && !testing.Short()
				for n, first := 1, new(life); first.left == 0; n++ {
					for n2, second := 0, new(life); second.left == 0 && (n2 == 0 || deep); n2++ {
						first, second = &life{left: n}, &life{left: n2}
						synctest.Test(t, func(t *testing.T) {
							o := w.options
							o.Foreign = redfish.EveryKind()
							m := newMachine(t, o)
							if w.nocache {
								m.state = ""
							}
							for _, l := range []*life{first, second} {
								m.process(l, nil, func(k *Keeper) { f(m, k) })
								if w.powerLoss {
									_ = os.RemoveAll(m.runtime)
								}
								if w.other && l == first {
									defer m.slow()()
								}
							}
							m.clean()
						})
						if runs++; t.Failed() || n > 200 || n2 > 200 {
							t.Fatalf("killed after %d steps, then after %d", n, n2)
						}
					}
				}
				t.Logf("%d runs", runs)
			})
		}
	}
}

// Something goes wrong with one packet, each in turn, of a process that works or
// of one that recovers. Whatever comes next leaves nothing, and whoever waited
// got an answer.
func TestFaultAnywhere(t *testing.T) {
	faults := map[string]chiftest.Rule{
		"delay":   {Fault: chiftest.FaultDelay, Duration: redfish.Duration(3 * time.Minute)},
		"code":    {Fault: chiftest.FaultCode, Code: chif.CodeError},
		"retry":   {Fault: chiftest.FaultCode, Code: chif.CodeRetry},
		"created": {Fault: chiftest.FaultHTTPStatus, Status: 201},
		"OK":      {Fault: chiftest.FaultHTTPStatus, Status: 200},
	}
	for _, f := range []chiftest.Fault{
		chiftest.FaultResetBefore, chiftest.FaultResetAfter, chiftest.FaultDropRequest, chiftest.FaultDropAnswer, chiftest.FaultRefuse,
		chiftest.FaultHTTPEmpty, chiftest.FaultHTTPGarbage, chiftest.FaultWrongLength, chiftest.FaultWrongSequence,
		chiftest.FaultWrongCommand, chiftest.FaultGarbage, chiftest.FaultStale, chiftest.FaultSubmitBusy,
	} {
		faults[string(f)] = chiftest.Rule{Fault: f, Bytes: 12, Duration: redfish.Duration(10 * time.Second)}
	}
	for _, status := range []int{400, 401, 403, 404, 405, 500, 502, 503} {
		faults[fmt.Sprint(status)] = chiftest.Rule{Fault: chiftest.FaultHTTPStatus, Status: status}
	}
	lives := []int{0, untilPosted, untilRecorded}
	if testing.Short() {
		lives = lives[1:2]
	}
	for name, rule := range faults {
		for _, left := range lives {
			for n := range 9 {
				bubble(t, fmt.Sprintf("%s, packet %d, after %d", name, n, left), func(t *testing.T) {
					m := newMachine(t, redfish.Options{Foreign: redfish.EveryKind()})
					if left > 0 {
						m.leave(left)
					}
					rule.Op, rule.Skip, rule.Times = chiftest.OpREST, n, 1
					// A service that says that a session is gone is believed.
					if rule.Fault == chiftest.FaultHTTPStatus && slices.Contains([]int{200, 201, 401, 404}, rule.Status) {
						rule.Method = "GET"
						if n%2 == 0 {
							rule.Method = "POST"
						}
					}
					m.rules(rule)
					m.process(&life{left: -1}, nil, func(k *Keeper) {
						for range 3 {
							ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
							_, err := do(ctx, k, "GET", system, "")
							if cancel(); err != nil {
								time.Sleep(refusedPause)
							}
						}
						time.Sleep(credentialsPause)
						synctest.Wait()
						if left := m.server.Faults().Rules; len(left) > 0 && left[0].Skip == 0 {
							return // the next would be hit
						}
						if status, err := do(t.Context(), k, "GET", system, ""); err != nil || status != 200 {
							t.Errorf("%d, %v", status, err)
						}
					})
					m.rules()
					m.clean()
				})
			}
		}
	}
}

// The session table is full of sessions that are not ours, but for the one that
// the last process left: its token is the only way in.
func TestRecoverTableFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t, redfish.Options{Foreign: redfish.EveryKind(), MaxSessions: 7})
		m.process(&life{left: 9}, nil, m.get1)
		m.expect(1, 0, 7)
		k := m.keeper()
		if err := k.Recover(t.Context()); err != nil {
			t.Fatal(err)
		}
		m.get(k)
		if got := m.service.Stats().RefusedLogins; got != 0 {
			t.Errorf("%d refusals", got)
		}
		m.expect(2, 1, 7)
		closeKeeper(t, k)
	})
}

func (m *machine) get1(k *Keeper) { _, _ = do(m.t.Context(), k, "GET", system, "") }

// steps of a process up to a point; TestKilledAnywhere would fail first if they
// changed.
const (
	untilIntent   = 3 // the iLO has not seen anything of the login
	untilPosted   = 4 // the iLO has opened a session, nobody knows
	untilRecorded = 9 // the first request in it is made
)

// leave is a process that is killed.
func (m *machine) leave(steps int) { m.process(&life{left: steps}, nil, m.get1) }

// other is another program on the host: it logs in and stays.
func (m *machine) other() *Session {
	m.t.Helper()
	transport := chiftest.NewTransport(m.t, m.server.Device(), chif.TransportOptions{})
	m.t.Cleanup(func() { _ = transport.Close() })
	s, err := Login(m.t.Context(), transport, Options{})
	if err != nil {
		m.t.Fatal(err)
	}
	return s
}

// slow is another program that uses its session now and then, until stop is called.
func (m *machine) slow() (stop func()) {
	s := m.other()
	ctx, cancel := context.WithCancel(m.t.Context())
	var program sync.WaitGroup
	program.Go(func() {
		for ctx.Err() == nil {
			select {
			case <-time.After(lateness - time.Second):
				m.use(s)
			case <-ctx.Done():
			}
		}
	})
	return func() {
		cancel()
		program.Wait()
		if err := s.Close(context.Background()); err != nil {
			m.t.Error(err)
		}
	}
}

func (m *machine) use(s *Session) {
	m.t.Helper()
	if status, err := do(m.t.Context(), s, "GET", system, ""); err != nil || status != 200 {
		m.t.Fatalf("the other program: %d, %v", status, err)
	}
}

func TestRecoverNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t, redfish.Options{})
		k := m.keeper()
		if err := k.Recover(t.Context()); err != nil {
			t.Error(err)
		}
		if got := m.service.Stats().Requests; len(got) != 0 {
			t.Errorf("requests %v", got)
		}
		closeKeeper(t, k)
		if err := k.Recover(t.Context()); !errors.Is(err, ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
	})
}

// Between the crash and the next start anything may happen to the iLO.
func TestRecoverAfter(t *testing.T) {
	past := time.Date(1981, 11, 5, 0, 0, 0, 0, time.UTC) // a bubble is in 2000
	for name, f := range map[string]func(m *machine){
		"nothing":           func(m *machine) {},
		"reset":             func(m *machine) { m.server.Reset(20 * time.Second) },
		"reset and 1981":    func(m *machine) { m.server.Reset(0); m.service.SetClock(past) },
		"clock jumps ahead": func(m *machine) { m.service.SetClock(m.service.Now().Add(20 * time.Minute)) },
		"clock jumps back":  func(m *machine) { m.service.SetClock(past) },
		"expired":           func(m *machine) { time.Sleep(time.Hour); m.service.ForgiveExpired() },
		"channels taken": func(m *machine) {
			m.rules(chiftest.Rule{Fault: chiftest.FaultOpenBusy, For: redfish.Duration(10 * time.Second)})
		},
		"host boots":     func(m *machine) { _ = os.RemoveAll(m.runtime); time.Sleep(5 * time.Minute) },
		"session killed": func(m *machine) { m.service.EndSession(m.service.Sessions()[0].ID) },
		"bad files":      func(m *machine) { _ = os.WriteFile(m.state+"/sessions/x.json", nil, 0o600) },
		"other program": func(m *machine) {
			s := m.other()
			time.Sleep(3 * time.Second)
			m.use(s)
			m.t.Cleanup(func() { _ = s.Close(context.Background()) })
		},
		"other program, 2nd": func(m *machine) {
			time.Sleep(4 * time.Minute)
			s := m.other()
			m.t.Cleanup(func() { _ = s.Close(context.Background()) })
		},
	} {
		for _, steps := range []int{untilPosted, untilRecorded} {
			bubble(t, fmt.Sprintf("%s, %d", name, steps), func(t *testing.T) {
				m := newMachine(t, redfish.Options{})
				m.leave(steps)
				m.expect(1, 0, 1)
				f(m)
				m.clean()
			})
		}
	}
}

// An iLO that cannot be reached at the start is asked again without anybody's
// doing.
func TestRecoverUnreachable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t, redfish.Options{})
		m.leave(untilRecorded)
		m.rules(chiftest.Rule{Fault: chiftest.FaultOpenBusy, For: redfish.Duration(10 * time.Minute)})
		k := m.keeper()
		if err := k.Recover(t.Context()); !errors.Is(err, chif.ErrBusy) {
			t.Error(err)
		}
		if s := k.Status(); s.LedgerEntries != 1 || s.LastError == "" {
			t.Errorf("status %+v", s)
		}
		time.Sleep(9 * time.Minute)
		m.expect(1, 0, 1)
		time.Sleep(11 * time.Minute)
		synctest.Wait()
		m.expect(1, 1, 0)
		closeKeeper(t, k)
	})
}

// An intent never costs another program its session: not one that it uses, nor
// one of two that cannot be told apart.
func TestRecoverAmbiguous(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t, redfish.Options{})
		m.leave(untilPosted)
		other := m.other()
		k := m.keeper()
		if err := k.Recover(t.Context()); err != nil {
			t.Error(err)
		}
		m.expect(2, 0, 2) // the lost one, the other program's
		time.Sleep(3 * time.Second)
		m.use(other)
		time.Sleep(time.Minute)
		synctest.Wait()
		m.expect(3, 1, 2)
		m.use(other)
		closeKeeper(t, k)
		if err := other.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// A session that another program opened when ours might have been opened is not
// taken for it before that program had the time to use it, whatever the clocks do.
func TestRecoverSparesTheYoung(t *testing.T) {
	jump := func(by time.Duration) func(m *machine, next http.RoundTripper) http.RoundTripper {
		return func(m *machine, next http.RoundTripper) http.RoundTripper {
			m.service.SetClock(m.service.Now().Add(by))
			return next
		}
	}
	for name, start := range map[string]func(m *machine, next http.RoundTripper) http.RoundTripper{
		"clocks agree":       jump(0),
		"clock jumps":        jump(365 * 24 * time.Hour),
		"clock jumps back":   jump(-365 * 24 * time.Hour),
		"clock is corrected": jump(-3 * time.Second),
		"no Date": func(_ *machine, next http.RoundTripper) http.RoundTripper {
			return roundTripper(func(r *http.Request) (*http.Response, error) {
				resp, err := next.RoundTrip(r)
				if err == nil {
					resp.Header.Del("Date")
				}
				return resp, err
			})
		},
	} {
		for _, c := range []struct {
			orphan bool
			after  time.Duration
		}{{false, 0}, {true, 0}, {false, 20 * time.Second}, {true, 20 * time.Second}} {
			bubble(t, fmt.Sprintf("%s, %+v", name, c), func(t *testing.T) {
				m := newMachine(t, redfish.Options{IdleTimeout: redfish.NoIdleTimeout})
				m.leave(map[bool]int{false: untilIntent, true: untilPosted}[c.orphan])
				var other *Session
				if c.after == 0 {
					other = m.other()
				}
				k := m.keeper(func(o *KeeperOptions) { o.Next = start(m, o.Next) })
				if err := k.Recover(t.Context()); err != nil {
					t.Error(err)
				}
				if c.after > 0 {
					time.Sleep(c.after)
					other = m.other()
				}
				time.Sleep(lateness - time.Second)
				synctest.Wait()
				m.use(other)
				time.Sleep(2 * lateness)
				synctest.Wait()
				if got := m.service.Stats().Deletes; got != map[bool]int{true: 1}[c.orphan] {
					t.Errorf("%d deletes", got)
				}
				m.use(other)
				closeKeeper(t, k)
				if err := other.Close(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// What is opened long after a process is known to be dead is not its.
func TestRecoverAfterTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t, redfish.Options{})
		m.leave(untilPosted)
		k := m.keeper()
		if err := k.Recover(t.Context()); err != nil {
			t.Error(err)
		}
		if err := k.Close(t.Context()); err != nil { // a short command
			t.Error(err)
		}
		time.Sleep(lateness + 2*clockSlack)
		other := m.other()
		time.Sleep(lateness + 2*clockSlack)
		m.clean()
		m.expect(3, 2, 1)
		m.use(other)
		if err := other.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// Sessions that were seen before a login are not its session.
func TestRecoverSeenBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t, redfish.Options{})
		other := m.other()
		k := m.keeper()
		if _, err := k.Table(t.Context()); err != nil {
			t.Fatal(err)
		}
		if !m.service.EndSession(sessionID(k.Status().Session)) {
			t.Fatal("no session")
		}
		m.rules(chiftest.Rule{Fault: chiftest.FaultDropRequest, Method: "POST", Times: 1})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, _ = do(ctx, k, "GET", system, "")
		time.Sleep(10 * time.Minute)
		m.get(k)
		time.Sleep(time.Minute)
		synctest.Wait()
		closeKeeper(t, k)
		m.expect(3, 1, 1)
		if err := other.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// Several logins whose answers were lost are found together.
func TestRecoverSeveralIntents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t, redfish.Options{})
		for range 3 {
			l := &life{left: untilPosted}
			m.keeper(l.limit).get1(m)
		}
		m.expect(3, 0, 3)
		m.clean()
	})
}

func (k *Keeper) get1(m *machine) {
	m.get1(k)
	_ = k.Close(m.t.Context())
}

// Entries of another iLO are not acted on, whatever they say, and forgotten after
// 30 days; those from the future 30 days after they were seen.
func TestRecoverOtherILO(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t, redfish.Options{})
		other := m.other()
		l := openLedger(t, m.state, m.runtime)
		for i, e := range []entry{{Path: other.path, authorize: other.authorize}, {}, {Path: other.path}} {
			e.Nonce, e.Identity, e.Time = fmt.Sprint(i), Identity{UUID: "of another"}, time.Now().AddDate(0, 0, 20*(i-1))
			e.User, e.ILOTime = inBandUser, time.Now()
			l.put(e)
		}
		for _, c := range []struct{ days, left int }{{0, 3}, {9, 3}, {2, 2}, {18, 2}, {2, 0}, {60, 0}} {
			time.Sleep(time.Duration(c.days) * 24 * time.Hour)
			m.service.ForgiveExpired()
			k := m.keeper()
			if err := k.Recover(t.Context()); err != nil {
				t.Error(err)
			}
			if got := k.Status().LedgerEntries; got != c.left {
				t.Errorf("%d days on: %d entries, want %d", c.days, got, c.left)
			}
			m.expect(1, 0, map[bool]int{true: 1}[c.days == 0])
			if err := k.Close(t.Context()); err != nil {
				t.Error(err)
			}
		}
	})
}

func TestIdentity(t *testing.T) {
	for _, c := range []struct {
		a, b Identity
		want bool
	}{
		{Identity{"A", ""}, Identity{"a", "S"}, true},
		{Identity{"A", "S"}, Identity{"B", "S"}, false},
		{Identity{"A", "S"}, Identity{"A", "T"}, false},
		{Identity{"", "S"}, Identity{"A", "T"}, false},
		{Identity{}, Identity{"A", "T"}, true},
	} {
		if c.a.is(c.b) != c.want || c.b.is(c.a) != c.want {
			t.Errorf("%v, %v", c.a, c.b)
		}
	}
}

// Without the privilege to administer users a session whose token is lost
// cannot be deleted; its record stays until it is gone by itself.
func TestRecoverPrivilegeMissing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t, redfish.Options{
			RequireHostAuthentication: true, Accounts: []redfish.Account{{UserName: "ro", Password: "p", ReadOnly: true}},
		})
		as := func(o *KeeperOptions) {
			o.Credentials = func() (*Credentials, error) { return &Credentials{"ro", "p"}, nil }
		}
		m.process(&life{left: untilRecorded}, as, m.get1)
		if err := os.RemoveAll(m.runtime); err != nil {
			t.Fatal(err)
		}
		k := m.keeper(as)
		if err := k.Recover(t.Context()); !isStatus(err, http.StatusForbidden) {
			t.Error(err)
		}
		m.expect(2, 0, 2)
		time.Sleep(time.Hour)
		synctest.Wait()
		m.service.ForgiveExpired()
		if n := k.Status().LedgerEntries; n != 0 {
			t.Errorf("%d entries", n)
		}
		closeKeeper(t, k)
	})
}

// A login for which the table has no room takes the session over that an earlier
// process left, if its token works, and is that session's.
func TestAFullTableIsEnteredWithTheSessionThatWasLeft(t *testing.T) {
	for name, c := range map[string]struct {
		spoil  func(m *machine)
		enters bool
	}{
		"works":    {func(m *machine) {}, true},
		"no token": {func(m *machine) { _ = os.RemoveAll(m.runtime) }, false},
		"another's": {func(m *machine) {
			l := openLedger(m.t, m.state, m.runtime)
			e := l.entries()[0]
			s := m.other()
			l.put(entry{Nonce: e.Nonce, Identity: e.Identity, Time: e.Time, User: e.User, Path: e.Path, authorize: s.authorize})
			m.t.Cleanup(func() { _ = s.Close(context.Background()) })
		}, false},
	} {
		bubble(t, name, func(t *testing.T) {
			full := map[bool]int{false: 7, true: 8}[name == "another's"]
			m := newMachine(t, redfish.Options{Foreign: redfish.EveryKind(), MaxSessions: full})
			m.leave(untilRecorded)
			c.spoil(m)
			before := m.service.Stats()
			k := m.keeper()
			if c.enters {
				m.get(k)
			} else if _, err := do(t.Context(), k, "GET", system, ""); !errors.Is(err, ErrSessionLimit) {
				t.Error(err)
			}
			if s := m.service.Stats(); s.Logins != before.Logins || s.Deletes != before.Deletes {
				t.Errorf("%d logins, %d deletes", s.Logins-before.Logins, s.Deletes-before.Deletes)
			}
			if !c.enters { // until there is room again
				time.Sleep(time.Hour)
				m.service.ForgiveExpired()
				m.get(k)
				synctest.Wait()
			}
			closeKeeper(t, k)
		})
	}
}

func TestWindow(t *testing.T) {
	now, ilo := time.Unix(2000, 0), time.Unix(100, 0)
	for name, c := range map[string]struct {
		e        entry
		iloNow   time.Time
		from, to int64
		ok       bool
	}{
		"killed":        {entry{Time: time.Unix(1900, 0), ILOTime: time.Unix(50, 0)}, ilo, 48, 50 + 130 + 30 + 2, true},
		"given up":      {entry{Time: time.Unix(1900, 0), End: time.Unix(1905, 0), ILOTime: time.Unix(50, 0)}, ilo, 48, 50 + 5 + 30 + 2, true},
		"answered":      {entry{Time: time.Unix(1900, 0), End: time.Unix(1905, 0), ILOTime: time.Unix(50, 0), Answered: true}, ilo, 48, 50 + 5 + 2, true},
		"clock jumped":  {entry{Time: time.Unix(1900, 0), End: time.Unix(1, 0), ILOTime: time.Unix(50, 0)}, ilo, 48, 50 + 130 + 30 + 2, true},
		"no Date then":  {entry{Time: time.Unix(1900, 0)}, ilo, -2, 130 + 30 + 2, true},
		"no Date ever":  {entry{Time: time.Unix(1900, 0)}, time.Time{}, 0, 0, false},
		"from a future": {entry{Time: time.Unix(3000, 0)}, ilo, 0, 0, false},
	} {
		from, to, ok := c.e.window(now, c.iloNow)
		if ok != c.ok || ok && (from.Unix() != c.from || to.Unix() != c.to) {
			t.Errorf("%s: %d to %d, %v", name, from.Unix(), to.Unix(), ok)
		}
	}
}
