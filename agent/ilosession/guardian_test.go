//go:build linux

package ilosession

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ilod/ilod/chif"
	"github.com/ilod/ilod/chif/chiftest"
	"github.com/ilod/ilod/chif/chiftest/redfish"
)

// The test binary is also the programs of these tests.
const (
	guardianVerb = "serve-guardian"
	victimVerb   = "be-killed"
)

func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case guardianVerb:
			lateness = time.Second
			err := ServeGuardian(context.Background(), os.Stdin, GuardianOptions{Transport: openTransport, NotSent: notSent})
			if err != nil {
				os.Exit(1)
			}
			os.Exit(0)
		case victimVerb:
			lateness = time.Second
			beKilled()
		}
	}
	os.Exit(m.Run())
}

func openTransport(device string) (http.RoundTripper, io.Closer, error) {
	d, err := chif.ParseDevice(device)
	if err != nil {
		return nil, nil, err
	}
	t, err := chif.NewTransport(d, chif.TransportOptions{})
	return t, t, err
}

// order tells the victim what to do.
type order struct {
	GuardianConfig
	Steps    int  // changes of files and requests until it kills itself; 0: it waits to be killed
	Keepers  int  // processes that it plays, one after the other; 0: for ever
	NoLedger bool // the ledger is in memory only
}

// beKilled is a one-shot command, or a row of them. File 3 is open as long as it
// or its guardian lives, as an instance lock would be.
func beKilled() {
	var o order
	if err := json.NewDecoder(os.Stdin).Decode(&o); err != nil {
		panic(err)
	}
	transport, _, err := openTransport(o.Device)
	if err != nil {
		panic(err)
	}
	var steps atomic.Int32
	step := func(string, string) error {
		if int(steps.Add(1)) == o.Steps {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
		return nil
	}
	for n := 0; o.Keepers == 0 || n < o.Keepers; n++ {
		cmd := exec.Command(os.Args[0], guardianVerb)
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		cmd.ExtraFiles = []*os.File{os.NewFile(3, "lock")}
		config := o.GuardianConfig
		g, err := StartGuardian(cmd, config)
		if err != nil {
			panic(err)
		}
		if o.NoLedger {
			o.StateDir, o.RuntimeDir = "", ""
		}
		ledger, err := OpenLedger(o.StateDir, o.RuntimeDir)
		if err != nil {
			panic(err)
		}
		ledger.step = step
		k := NewKeeper(KeeperOptions{Ledger: ledger, Guardian: g, NotSent: notSent, Next: roundTripper(func(r *http.Request) (*http.Response, error) {
			_ = step("", "")
			resp, err := transport.RoundTrip(r)
			_ = step("", "")
			return resp, err
		})})
		_ = k.Recover(context.Background())
		fmt.Println(cmd.Process.Pid)
		_, err = do(context.Background(), k, "GET", system, "")
		if err := errors.Join(err, k.Close(context.Background()), g.Close()); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	os.Exit(0)
}

// victims are processes on a simulated iLO behind a socket.
type victims struct {
	t       *testing.T
	service *redfish.Service
	server  *chiftest.Server
	order   order
}

func newVictims(t *testing.T, o redfish.Options) *victims {
	t.Helper()
	o.Tree, o.Foreign = smallTree(5), redfish.EveryKind()
	service, err := redfish.New(o)
	if err != nil {
		t.Fatal(err)
	}
	v := &victims{t: t, service: service, server: chiftest.New(t, chiftest.Options{Handler: service})}
	dir := t.TempDir()
	if err := v.server.ListenUnix(dir + "/ilo"); err != nil {
		t.Fatal(err)
	}
	v.order.GuardianConfig = GuardianConfig{Device: "unix:" + dir + "/ilo", StateDir: dir + "/state", RuntimeDir: dir + "/run"}
	return v
}

// victim is a running process.
type victim struct {
	t    *testing.T
	cmd  *exec.Cmd
	out  *bufio.Reader
	lock *os.File // ends when it and its guardian have ended
	log  bytes.Buffer
}

func (v *victims) start(o order) *victim {
	v.t.Helper()
	text, err := json.Marshal(o)
	if err != nil {
		v.t.Fatal(err)
	}
	read, write, err := os.Pipe()
	if err != nil {
		v.t.Fatal(err)
	}
	defer write.Close()
	x := &victim{t: v.t, cmd: exec.Command(os.Args[0], victimVerb), lock: read}
	x.cmd.Stdin, x.cmd.ExtraFiles, x.cmd.Stderr = bytes.NewReader(text), []*os.File{write}, &x.log
	x.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	x.cmd.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0 "+os.Getenv("GORACE")) // else each process ends a second late
	out, err := x.cmd.StdoutPipe()
	if err != nil {
		v.t.Fatal(err)
	}
	x.out = bufio.NewReader(out)
	if err := x.cmd.Start(); err != nil {
		v.t.Fatal(err)
	}
	return x
}

// guardian is the process id of a guardian that the victim has started.
func (x *victim) guardian() (pid int) {
	x.t.Helper()
	if _, err := fmt.Fscanln(x.out, &pid); err != nil {
		x.t.Fatalf("%v: %s", err, &x.log)
	}
	return pid
}

// kill kills its whole process group.
func (x *victim) kill() { _ = syscall.Kill(-x.cmd.Process.Pid, syscall.SIGKILL) }

// gone waits for the end of the victim, and says how it came.
func (x *victim) gone() syscall.WaitStatus {
	x.t.Helper()
	// Its output ends with it: the guardian holds none of that open.
	if _, err := io.Copy(io.Discard, x.out); err != nil {
		x.t.Error(err)
	}
	_ = x.cmd.Wait()
	return x.cmd.ProcessState.Sys().(syscall.WaitStatus)
}

// end waits for the end of its guardian.
func (x *victim) end() {
	x.t.Helper()
	if _, err := io.Copy(io.Discard, x.lock); err != nil {
		x.t.Error(err)
	}
	_ = x.lock.Close()
}

// clean must hold when a victim and its guardian have ended.
func (v *victims) clean(when string) {
	v.t.Helper()
	for _, s := range v.service.Sessions() {
		if !s.Foreign {
			v.t.Errorf("%s: session %s is left", when, s.ID)
		}
	}
	for _, e := range openLedger(v.t, v.order.StateDir, v.order.RuntimeDir).entries() {
		v.t.Errorf("%s: entry %+v is left", when, e)
	}
}

// A command kills itself at each step: before and after each request, and before
// each change of a file.
func TestGuardianAtEachStep(t *testing.T) {
	t.Parallel()
	for name, set := range map[string]func(*order){
		"ledger":    func(*order) {},
		"nocache":   func(o *order) { o.StateDir = "" },
		"no ledger": func(o *order) { o.NoLedger = true },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := newVictims(t, redfish.Options{})
			set(&v.order)
			for n := 1; ; n++ {
				o := v.order
				o.Steps, o.Keepers = n, 1
				x := v.start(o)
				how := x.gone()
				x.end()
				v.clean(fmt.Sprintf("killed at step %d", n))
				if how.Exited() && how.ExitStatus() == 0 {
					if n < 8 {
						t.Errorf("only %d steps", n-1)
					}
					return
				}
				if !how.Signaled() || n > 100 || t.Failed() {
					t.Fatalf("step %d: %v: %s", n, how, &x.log)
				}
			}
		})
	}
}

// Commands one after the other are killed with their process group at a random
// time.
func TestGuardianRandomKills(t *testing.T) {
	kills := 60
	if testing.Short() {
		kills = 10
	}
	t.Parallel()
	v := newVictims(t, redfish.Options{LocationBlank: true})
	for n := range kills {
		x := v.start(v.order)
		x.guardian()
		pause := time.Duration(rand.IntN(40_000)) * time.Microsecond
		time.Sleep(pause) // not waiting for anything: the time of the kill is what is tested
		x.kill()
		if how := x.gone(); !how.Signaled() {
			t.Fatalf("%v: %s", how, &x.log)
		}
		x.end()
		if v.clean(fmt.Sprintf("kill %d after %v", n, pause)); t.Failed() {
			return
		}
	}
	t.Logf("%d kills, %d logins", kills, v.service.Stats().Logins)
}

// The next command does not wait for the guardian of the one that was killed: both
// clean up, and neither harms the other.
func TestGuardianBesideNextCommand(t *testing.T) {
	kills := 30
	if testing.Short() {
		kills = 5
	}
	t.Parallel()
	v := newVictims(t, redfish.Options{})
	for n := range kills {
		x := v.start(v.order)
		x.guardian()
		time.Sleep(time.Duration(rand.IntN(20_000)) * time.Microsecond) // as above
		x.kill()
		o := v.order
		o.Keepers = 3
		next := v.start(o)
		if how := next.gone(); how.ExitStatus() != 0 {
			t.Errorf("the next command: %v: %s", how, &next.log)
		}
		next.end()
		x.gone()
		x.end()
		if v.clean(fmt.Sprintf("kill %d", n)); t.Failed() {
			return
		}
	}
}

// What others can see of a guardian, and what it does while the iLO is away.
func TestGuardianProcess(t *testing.T) {
	v := newVictims(t, redfish.Options{})
	if err := v.service.SetFaults(redfish.Faults{Answers: []redfish.Answer{{Path: system, Latency: redfish.Duration(time.Hour)}}}); err != nil {
		t.Fatal(err)
	}
	x := v.start(v.order)
	pid := x.guardian()
	for v.service.Stats().Requests["GET /redfish/v1/Systems/1"] == 0 {
		time.Sleep(time.Millisecond)
	}
	proc := func(name string) string {
		content, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(content)
	}
	token := openLedger(t, v.order.StateDir, v.order.RuntimeDir).entries()[0].token()
	if token == "" || strings.Contains(proc("cmdline")+proc("environ"), token) ||
		strings.Contains(proc("cmdline"), "unix:") {
		t.Errorf("cmdline %q", proc("cmdline"))
	}
	open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range open {
		if to, err := os.Readlink(fmt.Sprintf("/proc/%d/fd/%s", pid, fd.Name())); err == nil && strings.HasPrefix(to, "socket:") {
			t.Errorf("file %s is %s: a channel was inherited", fd.Name(), to)
		}
	}
	if sid, err := syscallGetsid(pid); err != nil || sid != pid {
		t.Errorf("session %d of process %d, %v", sid, pid, err)
	}
	// All channels are taken for a while: the victim's output must end at once all
	// the same, and the guardian must wait for the iLO.
	if err := v.server.SetFaults(chiftest.Faults{Rules: []chiftest.Rule{{Fault: chiftest.FaultOpenBusy, Times: 3}}}); err != nil {
		t.Fatal(err)
	}
	x.kill()
	x.gone()
	x.end()
	v.clean("after a busy time")
}

// A command that cannot log out leaves that to its guardian.
func TestGuardianAfterFailedLogout(t *testing.T) {
	v := newVictims(t, redfish.Options{})
	if err := v.service.SetFaults(redfish.Faults{Answers: []redfish.Answer{{Method: "DELETE", Status: 503, Times: logoutTries + 1}}}); err != nil {
		t.Fatal(err)
	}
	o := v.order
	o.Keepers = 1
	x := v.start(o)
	if how := x.gone(); how.ExitStatus() == 0 || !strings.Contains(x.log.String(), ErrMayRemain.Error()) {
		t.Errorf("%v: %s", how, &x.log)
	}
	x.end()
	v.clean("after a failed logout")
}

func syscallGetsid(pid int) (int, error) {
	sid, _, errno := syscall.Syscall(syscall.SYS_GETSID, uintptr(pid), 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(sid), nil
}

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
