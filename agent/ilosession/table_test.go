package ilosession

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ilod/ilod/agent/api"
	"github.com/ilod/ilod/chif/chiftest/redfish"
)

func TestTable(t *testing.T) {
	for name, o := range map[string]redfish.Options{
		"expanded":       {},
		"no $expand":     {NoQueryOptions: true},
		"iLO 4":          {Generation: 4},
		"1975, no limit": {ClockOffset: -25 * 365 * 24 * time.Hour, IdleTimeout: redfish.NoIdleTimeout},
	} {
		bubble(t, name, func(t *testing.T) {
			o.Foreign = append(redfish.EveryKind(), redfish.Foreign{UserTag: "WSMgmt", Age: time.Hour, Idle: 10 * time.Minute})
			m := newMachine(t, o)
			k := m.keeper()
			if err := m.service.SetFaults(redfish.Faults{VanishedSessions: 1}); err != nil && !o.NoQueryOptions {
				t.Fatal(err)
			}
			if _, err := k.Table(t.Context()); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Minute)
			table, err := k.Table(t.Context())
			if err != nil || len(table) != 8 {
				t.Fatalf("%v, %v", table, err)
			}
			for _, e := range table {
				ours := e.ID == sessionID(k.Status().Session)
				inBand := ours || e.Kind == inBandTag
				if e.Ours != ours || e.Current != ours || e.InBand != inBand {
					t.Errorf("%+v", e)
				}
				if login, ok := loginTime(e.ID, e.UserName); !ok || !login.Equal(e.Login) {
					t.Errorf("%s: login %v, by the id %v", e.ID, e.Login, login)
				}
				switch {
				case ours && (time.Duration(e.Age) != time.Minute || e.Idle != 0),
					e.Kind == "WSMgmt" && (time.Duration(e.Age) != 61*time.Minute || time.Duration(e.Idle) != 11*time.Minute):
					t.Errorf("age %v, idle %v: %+v", e.Age, e.Idle, e)
				}
			}
		})
	}
}

func TestTableOddities(t *testing.T) {
	const head = `{"Members":[{"@odata.id":"/redfish/v1/SessionService/Sessions/a%20b000000005b6da20612","UserName":"A b","Oem":{"Hpe":{`
	for name, c := range map[string]struct {
		body string
		want api.ILOSession
		err  bool
	}{
		"times unset": {body: head + `"AccessTime":"[NOT SET]","LoginTime":null,"UserTag":"SSH"}}}]}`, want: api.ILOSession{Kind: "SSH", Age: unknown, Idle: unknown}},
		"future":      {body: head + `"AccessTime":"2030-01-01T00:00:00Z","LoginTime":"2030-01-01T00:00:00Z"}}}]}`, want: api.ILOSession{Age: unknown, Idle: unknown}},
		"expires":     {body: head + `"AccessTime":"2018-08-10T14:32:00Z","UserExpires":"2018-08-10T15:02:00Z"}}}]}`, want: api.ILOSession{Age: unknown, Idle: api.Seconds(38 * time.Second), Expires: time.Date(2018, 8, 10, 15, 2, 0, 0, time.UTC)}},
		"never ends":  {body: head + `"AccessTime":"2018-08-10T14:32:00Z","UserExpires":"2018-08-10T14:32:00Z"}}}]}`, want: api.ILOSession{Age: unknown, Idle: api.Seconds(38 * time.Second)}},
		"no OEM tag":  {body: head + `}}}]}`, want: api.ILOSession{Age: unknown, Idle: unknown}},
		"incomplete":  {body: head + `}}}],"Members@odata.count":2}`, err: true},
		"no link":     {body: `{"Members":[{"@odata.id":"x"}]}`, err: true},
		"no JSON":     {body: `<html>`, err: true},
	} {
		rt := roundTripper(func(r *http.Request) (*http.Response, error) {
			h := http.Header{"Date": {"Fri, 10 Aug 2018 14:32:38 GMT"}}
			return &http.Response{StatusCode: 200, Header: h, Body: http.NoBody, Request: r}, nil
		})
		body := rt
		rt = func(r *http.Request) (*http.Response, error) {
			resp, err := body(r)
			resp.Body = readCloser{strings.NewReader(c.body)}
			return resp, err
		}
		table, err := readTable(t.Context(), rt)
		if c.err {
			if err == nil {
				t.Errorf("%s: %+v", name, table)
			}
			continue
		}
		if err != nil || len(table) != 1 {
			t.Errorf("%s: %+v, %v", name, table, err)
			continue
		}
		got := table[0]
		if got.ID != "a b000000005b6da20612" || got.Kind != c.want.Kind || got.Age != c.want.Age || got.Idle != c.want.Idle || !got.Expires.Equal(c.want.Expires) || got.InBand {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

type readCloser struct{ *strings.Reader }

func (readCloser) Close() error { return nil }

func TestLoginTime(t *testing.T) {
	for _, c := range []struct {
		id, user string
		want     int64 // 0: none
	}{
		{"demopaq000000005b6da206f020c3c9", "Demopaq", 0x5b6da206},
		{"administrator000000006859b3f1c51eb85", "Administrator", 0x6859b3f1},
		{"system administrator000000005b76e3a1849ba511", inBandUser, 0x5b76e3a1},
		{"user000000000000000011", "user0", 1},
		{"system administrator000000005b76e3a1", inBandUser, 0},
		{"system administrator000000005b76e3a1849ba5110", inBandUser, 0},
		{"system administrator000000005b76e3axyz", inBandUser, 0},
		{"administrator000000006859b3f1c51eb85", inBandUser, 0},
	} {
		got, ok := loginTime(c.id, c.user)
		if ok != (c.want != 0) || ok && got.Unix() != c.want {
			t.Errorf("%s: %v, %v", c.id, got, ok)
		}
	}
}

func TestTerminate(t *testing.T) {
	for _, generation := range []int{4, 5} {
		bubble(t, map[int]string{4: "iLO 4", 5: "iLO 5"}[generation], func(t *testing.T) {
			tags := []string{"Web UI", "Remote Console", "SSH", "IPMI/RMCP", "REST", "RBSU", "SM-CLP", "WSMgmt", "Telnet", "Federation", "USBFrontPort", "RIBCLHost", "Host Application"}
			if generation == 5 {
				tags = append(tags, "Unknown", "RIBCL")
			}
			var foreign []redfish.Foreign
			for _, tag := range tags {
				foreign = append(foreign, redfish.Foreign{UserTag: tag, UserName: "root", Age: time.Hour, Idle: time.Hour})
			}
			m := newMachine(t, redfish.Options{Generation: generation, Foreign: foreign, MaxSessions: redfish.Unlimited})
			other := m.other()
			k := m.keeper()
			table, err := k.Table(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			live := len(foreign) + 2
			for _, e := range table {
				if e.ID == sessionID(other.path) {
					continue
				}
				if _, err := k.Terminate(t.Context(), e.ID, TerminateOptions{}); !errors.Is(err, ErrProtected) {
					t.Errorf("%s: %v", e.Kind, err)
				}
			}
			if _, err := k.Terminate(t.Context(), "nobody", TerminateOptions{}); !errors.Is(err, ErrNoSession) {
				t.Error(err)
			}
			e, err := k.Terminate(t.Context(), other.path, TerminateOptions{DryRun: true})
			if err != nil || e.ID != sessionID(other.path) {
				t.Errorf("%+v, %v", e, err)
			}
			m.expect(2, 0, live)
			m.answers(redfish.Answer{Method: "DELETE", Status: 200, MessageID: "Success"})
			if _, err := k.Terminate(t.Context(), other.path, TerminateOptions{}); !errors.Is(err, ErrNotTerminated) {
				t.Error(err)
			}
			m.answers(redfish.Answer{Method: "DELETE", Status: 403, MessageID: "InsufficientPrivilege"})
			if _, err := k.Terminate(t.Context(), other.path, TerminateOptions{}); !isStatus(err, http.StatusForbidden) {
				t.Error(err)
			}
			m.answers()
			if _, err := k.Terminate(t.Context(), strings.ToUpper(other.path), TerminateOptions{}); err != nil {
				t.Error(err)
			}
			m.expect(2, 1, live-1)
			closeKeeper(t, k)
		})
	}
}

// Only abandoned in-band sessions are reaped, and only if asked for, whatever the
// clock does.
func TestReapForeign(t *testing.T) {
	jump := func(by time.Duration) func(m *machine) {
		return func(m *machine) { m.service.SetClock(m.service.Now().Add(by)) }
	}
	for name, c := range map[string]struct {
		after   time.Duration
		options redfish.Options
		then    func(m *machine)
		reaped  bool
	}{
		"off":              {0, redfish.Options{}, nil, false},
		"on":               {20 * time.Minute, redfish.Options{}, nil, true},
		"on, 1975":         {20 * time.Minute, redfish.Options{ClockOffset: -25 * 365 * 24 * time.Hour}, nil, true},
		"longer":           {3 * time.Hour, redfish.Options{}, nil, false},
		"clock jumps":      {3 * time.Hour, redfish.Options{}, jump(24 * 365 * time.Hour), false},
		"clock jumps back": {20 * time.Minute, redfish.Options{}, jump(-24 * 365 * time.Hour), false},
		"iLO 4":            {20 * time.Minute, redfish.Options{Generation: 4}, nil, false},
	} {
		bubble(t, name, func(t *testing.T) {
			c.options.IdleTimeout = redfish.NoIdleTimeout
			c.options.Foreign = slices.DeleteFunc(redfish.EveryKind(), func(f redfish.Foreign) bool { return f.UserTag == inBandTag })
			for i := range c.options.Foreign {
				c.options.Foreign[i].Idle = c.options.Foreign[i].Age
			}
			m := newMachine(t, c.options)
			abandoned, inUse := m.other(), m.other()
			k := m.keeper(func(o *KeeperOptions) { o.ReapForeign = c.after })
			for i := range 60 {
				m.get(k)
				m.use(inUse)
				time.Sleep(time.Minute)
				if i == 10 && c.then != nil {
					c.then(m)
				}
			}
			synctest.Wait()
			m.expect(3, map[bool]int{true: 1}[c.reaped], map[bool]int{false: 8, true: 7}[c.reaped])
			m.use(inUse)
			closeKeeper(t, k)
			for _, s := range []*Session{abandoned, inUse} {
				if err := s.Close(t.Context()); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// A full table names its sessions where they can be read, and makes room only by
// policy, never at the cost of a session in use or of another kind.
func TestSessionLimit(t *testing.T) {
	with := &Credentials{"Administrator", "password"}
	for name, c := range map[string]struct {
		credentials *Credentials
		policy      LimitPolicy
		idle        time.Duration
		global      bool // the limit is for all kinds, so that Basic authentication is refused, too
		listed, in  bool
	}{
		"blind":                     {nil, OldestIdleInBand, time.Hour, false, false, false},
		"reject":                    {with, "", time.Hour, false, true, false},
		"oldest idle":               {with, OldestIdleInBand, time.Hour, false, true, true},
		"nobody idle":               {with, OldestIdleInBand, time.Second, false, true, false},
		"refused as well":           {with, OldestIdleInBand, time.Hour, true, false, false},
		"credentials, but no right": {&Credentials{"ro", "p"}, OldestIdleInBand, time.Hour, false, true, false},
	} {
		bubble(t, name, func(t *testing.T) {
			o := redfish.Options{
				IdleTimeout: redfish.NoIdleTimeout, MaxSessionsByTag: map[string]int{inBandTag: 2},
				Foreign:  []redfish.Foreign{{UserTag: "Web UI", Age: 9 * time.Hour, Idle: 9 * time.Hour}, {UserTag: "REST", Age: 9 * time.Hour, Idle: 9 * time.Hour}},
				Accounts: []redfish.Account{{UserName: "Administrator", Password: "password"}, {UserName: "ro", Password: "p", ReadOnly: true}},
			}
			if c.global {
				o.MaxSessions = 4
			}
			m := newMachine(t, o)
			older, newer := m.other(), m.other()
			time.Sleep(time.Second)
			m.use(newer)
			time.Sleep(c.idle)
			k := m.keeper(func(o *KeeperOptions) {
				o.LimitPolicy = c.policy
				o.Credentials = func() (*Credentials, error) { return c.credentials, nil }
			})
			status, err := do(t.Context(), k, "GET", system, "")
			if c.in {
				if err != nil || status != 200 {
					t.Errorf("%d, %v", status, err)
				}
				m.expect(3, 1, 4)
				m.use(newer)
			} else {
				limit, ok := errors.AsType[*SessionLimitError](err)
				if !ok || !errors.Is(err, ErrSessionLimit) || (limit.Sessions != nil) != c.listed {
					t.Errorf("%v", err)
				}
				if blind := map[bool]string{false: "configure the credentials", true: "reading it with the configured credentials failed"}[c.credentials != nil]; !c.listed && !strings.Contains(err.Error(), blind) {
					t.Errorf("%v", err)
				}
				if c.listed && (len(limit.Sessions) != 4 || !strings.Contains(err.Error(), "1 REST, 2 RESTHost, 1 Web UI")) {
					t.Errorf("%v", err)
				}
				m.expect(2, 0, 4)
			}
			closeKeeper(t, k)
			for _, s := range []*Session{older, newer} {
				if err := s.Close(context.Background()); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// Where there is no room for a session of ours an operator makes some all the
// same, if the iLO takes requests without one.
func TestTerminateWithoutSession(t *testing.T) {
	for name, c := range map[string]struct {
		credentials *Credentials
		options     redfish.Options
		works       bool
	}{
		"Basic authentication":   {&Credentials{"Administrator", "password"}, redfish.Options{MaxSessionsByTag: map[string]int{inBandTag: 2}}, true},
		"no credentials":         {nil, redfish.Options{MaxSessionsByTag: map[string]int{inBandTag: 2}}, false},
		"no room for Basic":      {&Credentials{"Administrator", "password"}, redfish.Options{MaxSessions: 2}, false},
		"no room, 503":           {&Credentials{"Administrator", "password"}, redfish.Options{MaxSessions: 2, LimitStatus: 503, LimitMessage: "CreateLimitReachedForResource"}, false},
		"trusted without either": {nil, redfish.Options{MaxSessions: 2, AllowSessionless: true}, true},
	} {
		for _, login := range []bool{false, true} {
			bubble(t, fmt.Sprintf("%s, login %v", name, login), func(t *testing.T) {
				m := newMachine(t, c.options)
				victim, other := m.other(), m.other()
				k := m.keeper(func(o *KeeperOptions) {
					o.Credentials = func() (*Credentials, error) { return c.credentials, nil }
				})
				table, err := k.Table(t.Context())
				if works := err == nil && len(table) == 2; works != c.works {
					t.Errorf("%+v, %v", table, err)
				}
				if !c.works {
					for _, err := range []error{err, second(k.Terminate(t.Context(), victim.path, TerminateOptions{Login: login}))} {
						if _, ok := errors.AsType[*SessionLimitError](err); !ok {
							t.Error(err)
						}
					}
					m.expect(2, 0, 2)
				} else {
					if _, err := k.Terminate(t.Context(), "nobody", TerminateOptions{Login: login}); !errors.Is(err, ErrNoSession) {
						t.Error(err)
					}
					if e, err := k.Terminate(t.Context(), victim.path, TerminateOptions{Login: login}); err != nil || e.ID != sessionID(victim.path) {
						t.Errorf("%+v, %v", e, err)
					}
					if in := k.Status().Session != ""; in != login {
						t.Errorf("logged in: %v", in)
					}
					m.get(k)
					m.expect(3, 1, 2)
				}
				closeKeeper(t, k)
				m.use(other)
				for _, s := range []*Session{victim, other} {
					if err := s.Close(context.Background()); err != nil {
						t.Error(err)
					}
				}
			})
		}
	}
}

func second[T any](_ T, err error) error { return err }

// A session that is ended for a login is ended even if somebody else takes its
// place.
func TestTerminateInVain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t, redfish.Options{MaxSessionsByTag: map[string]int{inBandTag: 1}})
		victim := m.other()
		m.answers(redfish.Answer{Method: "POST", Status: 400, MessageID: "SessionLimitExceeded"})
		k := m.keeper(func(o *KeeperOptions) {
			o.LimitPolicy = "ask"
			o.Credentials = func() (*Credentials, error) { return &Credentials{"Administrator", "password"}, nil }
		})
		_, err := do(t.Context(), k, "GET", system, "")
		if limit, ok := errors.AsType[*SessionLimitError](err); !ok || len(limit.Sessions) != 1 || limit.Sessions[0].ID != sessionID(victim.path) {
			t.Error(err)
		}
		if _, err := k.Terminate(t.Context(), victim.path, TerminateOptions{Login: true}); !errors.Is(err, ErrSessionLimit) {
			t.Error(err)
		}
		m.expect(1, 1, 0)
		closeKeeper(t, k)
		if _, err := k.Table(t.Context()); !errors.Is(err, ErrClosed) {
			t.Error(err)
		}
		if _, err := k.Terminate(t.Context(), victim.path, TerminateOptions{}); !errors.Is(err, ErrClosed) {
			t.Error(err)
		}
	})
}
