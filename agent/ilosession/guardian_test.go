//go:build linux

package ilosession

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ilod/ilod/chif"
	"github.com/ilod/ilod/chif/chiftest"
	"github.com/ilod/ilod/chif/chiftest/redfish"
)

// A guardian that is killed first changes nothing for its parent; Close says so.
func TestGuardianKilled(t *testing.T) {
	m := newMachine(t, redfish.Options{})
	cmd := exec.Command(os.Args[0], guardianVerb)
	g, err := StartGuardian(cmd, GuardianConfig{Device: "unix:/nowhere"})
	if err != nil {
		t.Fatal(err)
	}
	k := m.keeper(func(o *KeeperOptions) { o.Guardian = g })
	m.get(k)
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	closeKeeper(t, k)
	m.expect(1, 1, 0)
	if err := g.Close(); err == nil {
		t.Error("no error")
	}
	if err := g.Close(); err != nil {
		t.Errorf("Close again: %v", err)
	}
}

func TestGuardianDoesNotStart(t *testing.T) {
	if _, err := StartGuardian(exec.Command("/nowhere/ilod"), GuardianConfig{}); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	var none *Guardian
	none.note(entry{}, nil)
	none.gone("")
	if err := none.Close(); err != nil {
		t.Error(err)
	}
}

// What comes through the pipe may be cut anywhere, or be nonsense.
func TestServeGuardian(t *testing.T) {
	line := func(l guardianLine) string {
		text, err := json.Marshal(l)
		if err != nil {
			t.Fatal(err)
		}
		return string(text) + "\n"
	}
	told := func(m *machine, s *Session) string {
		e := entry{Nonce: "N", Time: time.Now(), ILOTime: m.service.Now(), User: inBandUser}
		config := line(guardianLine{Config: &GuardianConfig{Device: "x", StateDir: m.state, RuntimeDir: m.runtime}})
		intent := line(guardianLine{Entry: &guardedEntry{storedEntry{entry: e}, loginBody(nil)}})
		e.Path = s.path
		h := http.Header{}
		s.authorize(h)
		return config + intent + line(guardianLine{Entry: &guardedEntry{storedEntry{e, []byte(h.Get(tokenHeader))}, loginBody(nil)}})
	}
	for name, c := range map[string]struct {
		pipe  func(all string) string
		saved bool
	}{
		"all":         {func(all string) string { return all }, true},
		"cut":         {func(all string) string { return all[:len(all)-20] }, true},
		"garbage":     {func(all string) string { return all + "\x00\x01{" }, true},
		"intent":      {func(all string) string { return strings.Join(strings.SplitAfter(all, "\n")[:2], "") }, true},
		"other lines": {func(all string) string { return all + `{"new":1}` + "\n" }, true},
		"done":        {func(all string) string { return all + line(guardianLine{Done: true}) }, false},
		"gone":        {func(all string) string { return all + line(guardianLine{Gone: "N"}) }, false},
		"nothing":     {func(string) string { return "" }, false},
		"no config":   {func(all string) string { return strings.SplitAfterN(all, "\n", 2)[1] }, true},
	} {
		bubble(t, name, func(t *testing.T) {
			m := newMachine(t, redfish.Options{Foreign: redfish.EveryKind()})
			s := m.other()
			err := ServeGuardian(t.Context(), strings.NewReader(c.pipe(told(m, s))), GuardianOptions{
				Log: testLog(t),
				Transport: func(string) (http.RoundTripper, io.Closer, error) {
					transport := chiftest.NewTransport(t, m.server.Device(), chif.TransportOptions{})
					return transport, transport, nil
				},
			})
			if err != nil {
				t.Error(err)
			}
			if got := m.service.Stats().Sessions == 6; got != c.saved {
				t.Errorf("deleted: %v", got)
			}
			if err := s.Close(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

// pipe is what the guardian of a killed process was told.
func (m *machine) pipe(entries ...entry) io.Reader {
	m.t.Helper()
	var text bytes.Buffer
	out := json.NewEncoder(&text)
	lines := []guardianLine{{Config: &GuardianConfig{StateDir: m.state, RuntimeDir: m.runtime}}}
	for _, e := range entries {
		lines = append(lines, guardianLine{Entry: &guardedEntry{storedEntry: storedEntry{entry: e}, Login: loginBody(nil)}})
	}
	for _, l := range lines {
		if err := out.Encode(l); err != nil {
			m.t.Fatal(err)
		}
	}
	return &text
}

// guard serves as the guardian of a killed process until ctx ends.
func (m *machine) guard(ctx context.Context, pipe io.Reader, over ...func(http.RoundTripper) http.RoundTripper) error {
	return ServeGuardian(ctx, pipe, GuardianOptions{
		Log: testLog(m.t), NotSent: notSent,
		Transport: func(string) (http.RoundTripper, io.Closer, error) {
			transport := chiftest.NewTransport(m.t, m.server.Device(), chif.TransportOptions{})
			rt := http.RoundTripper(transport)
			for _, f := range over {
				rt = f(rt)
			}
			return rt, transport, nil
		},
	})
}

// intents are the logins in the ledger that have no record.
func (m *machine) intents() []entry {
	return slices.DeleteFunc(openLedger(m.t, m.state, m.runtime).entries(), func(e entry) bool { return e.Path != "" })
}

// slowLogin has the answers to logins come a minute after they were executed.
func slowLogin(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		resp, err := next.RoundTrip(r)
		if r.Method == http.MethodPost {
			time.Sleep(time.Minute)
		}
		return resp, err
	})
}

// Guardians of processes that were killed at the same time do not wait for each
// other, nor for a next command.
func TestGuardiansTogether(t *testing.T) {
	for _, next := range []bool{false, true} {
		bubble(t, fmt.Sprintf("next command %v", next), func(t *testing.T) {
			m := newMachine(t, redfish.Options{Foreign: redfish.EveryKind()})
			var pipes []io.Reader
			var known []string
			for range 3 {
				l := &life{left: untilPosted}
				m.keeper(l.limit).get1(m)
				for _, e := range m.intents() {
					if !slices.Contains(known, e.Nonce) {
						known = append(known, e.Nonce)
						pipes = append(pipes, m.pipe(e))
					}
				}
			}
			m.expect(3, 0, 9)
			ctx, cancel := context.WithTimeout(t.Context(), 3*lateness)
			defer cancel()
			var all sync.WaitGroup
			for _, pipe := range pipes {
				all.Go(func() {
					if err := m.guard(ctx, pipe); err != nil {
						t.Error(err)
					}
				})
			}
			if next {
				k := m.keeper()
				if err := k.Recover(t.Context()); err != nil {
					t.Error(err)
				}
				m.get(k)
				m.expect(4, 0, 10) // without having waited for anything
				if err := k.Close(t.Context()); err != nil {
					t.Error(err)
				}
			}
			all.Wait()
			if left := m.intents(); len(left) > 0 {
				t.Errorf("left: %+v", left)
			}
		})
	}
}

// A login that is under way keeps its session, however long its answer takes.
func TestGuardianSparesLoginUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t, redfish.Options{})
		m.leave(untilIntent)
		pipe := m.pipe(m.intents()...)
		k := m.keeper(func(o *KeeperOptions) { o.Next = slowLogin(o.Next) })
		var all sync.WaitGroup
		all.Go(func() { m.get(k) })
		if err := m.guard(t.Context(), pipe); err != nil {
			t.Error(err)
		}
		all.Wait()
		if s := k.Status(); s.Replays != 0 {
			t.Errorf("status %+v", s)
		}
		m.expect(2, 1, 1)
		closeKeeper(t, k)
	})
}

// So does that of a guardian, which a next command finds at work.
func TestNextCommandSparesGuardiansLogin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t, redfish.Options{})
		m.leave(untilIntent)
		pipe := m.pipe(m.intents()...)
		var all sync.WaitGroup
		all.Go(func() {
			if err := m.guard(t.Context(), pipe, slowLogin); err != nil {
				t.Error(err)
			}
		})
		time.Sleep(lateness + 5*time.Second) // it is logging in
		if left := m.intents(); len(left) != 2 || left[0].End.IsZero() || !left[1].Guardian {
			t.Errorf("%+v", left)
		}
		k := m.keeper()
		if err := k.Recover(t.Context()); err != nil {
			t.Error(err)
		}
		time.Sleep(lateness + 10*time.Second)
		synctest.Wait()
		m.expect(2, 0, 2)
		if left := m.intents(); len(left) != 2 || !left[1].End.IsZero() {
			t.Errorf("%+v", left)
		}
		all.Wait()
		closeKeeper(t, k)
	})
}

// A guardian notes when its parent died, although it cannot reach the iLO.
func TestGuardianNotesTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t, redfish.Options{})
		m.leave(untilPosted)
		left := m.intents()[0]
		m.rules(chiftest.Rule{Fault: chiftest.FaultOpenBusy, For: redfish.Duration(time.Hour)})
		if err := m.guard(t.Context(), m.pipe(left)); err == nil {
			t.Error("no error")
		}
		if now := m.intents()[0]; now.Nonce != left.Nonce || !now.End.Equal(left.Time) {
			t.Errorf("%+v, was %+v", now, left)
		}
		m.rules()
		m.clean()
	})
}

// An iLO that stays away is given up; its session stays in the ledger.
func TestServeGuardianGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t, redfish.Options{})
		m.leave(untilRecorded)
		left := openLedger(t, m.state, m.runtime).entries()[0]
		m.rules(chiftest.Rule{Fault: chiftest.FaultOpenBusy, For: redfish.Duration(time.Hour)})
		text, err := json.Marshal(guardianLine{Entry: &guardedEntry{storedEntry: storedEntry{entry: left}, Login: loginBody(nil)}})
		if err != nil {
			t.Fatal(err)
		}
		err = ServeGuardian(t.Context(), bytes.NewReader(text), GuardianOptions{
			Transport: func(string) (http.RoundTripper, io.Closer, error) {
				transport := chiftest.NewTransport(t, m.server.Device(), chif.TransportOptions{})
				return transport, transport, nil
			},
		})
		if !errors.Is(err, chif.ErrBusy) && !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		failing := errors.New("no device")
		err = ServeGuardian(t.Context(), bytes.NewReader(text), GuardianOptions{
			Transport: func(string) (http.RoundTripper, io.Closer, error) { return nil, nil, failing },
		})
		if !errors.Is(err, failing) {
			t.Error(err)
		}
		time.Sleep(time.Hour)
		m.service.ForgiveExpired()
		m.clean()
	})
}

// A guardian tries for five minutes, at first after a second and never less often
// than every 15 s.
func TestGuardianTriesForFiveMinutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t, redfish.Options{})
		m.leave(untilRecorded)
		left := openLedger(t, m.state, m.runtime).entries()[0]
		start := time.Now()
		var tries []time.Duration
		err := m.guard(t.Context(), m.pipe(left), func(http.RoundTripper) http.RoundTripper {
			return roundTripper(func(*http.Request) (*http.Response, error) {
				tries = append(tries, time.Since(start))
				return nil, chif.ErrBusy
			})
		})
		if took := time.Since(start); !errors.Is(err, context.DeadlineExceeded) || took != 5*time.Minute {
			t.Errorf("%v after %v", err, took)
		}
		if len(tries) < 20 || !slices.Equal(tries[:4], []time.Duration{0, time.Second, 3 * time.Second, 7 * time.Second}) {
			t.Errorf("tried at %v", tries)
		}
		for i := 1; i < len(tries); i++ {
			if tries[i]-tries[i-1] > 15*time.Second {
				t.Errorf("tried at %v", tries)
			}
		}
		m.clean()
	})
}

func FuzzServeGuardian(f *testing.F) {
	f.Add([]byte(`{"config":{"device":"x"}}` + "\n" + `{"entry":{"nonce":"a","path":"/redfish/v1/x","token":"YQ=="}}` + "\n" + `{"gone":"a"}`))
	f.Fuzz(func(t *testing.T, pipe []byte) {
		if w, _, err := readWards(bytes.NewReader(pipe)); err == nil {
			for nonce, e := range w.entries {
				if nonce == "" || nonce != e.Nonce {
					t.Errorf("%q: %+v", nonce, e)
				}
			}
		}
	})
}
