//go:build linux

package ilosession

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
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
	// Tests that run side by side wait most of their time for processes.
	if err := flag.Set("test.parallel", "16"); err != nil {
		panic(err)
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
	dir := memoryDir(t)
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

// What becomes of processes that are killed, and what their guardians do. They are
// killed in rows side by side, each row on a machine of its own, since guardians wait
// most of their time. These tests come last in the package: they cost most.
func TestGuardianOfProcess(t *testing.T) {
	for name, set := range map[string]func(*order){
		"ledger":    func(*order) {},
		"nocache":   func(o *order) { o.StateDir = "" },
		"no ledger": func(o *order) { o.NoLedger = true },
	} {
		t.Run("at each step, "+name, func(t *testing.T) { t.Parallel(); killedAtEachStep(t, set) })
	}
	kills, rows := 10, 6
	if testing.Short() {
		rows = 1
	}
	for row := range rows {
		t.Run(fmt.Sprintf("at a random time, %d", row), func(t *testing.T) { t.Parallel(); killedAtRandom(t, kills) })
		t.Run(fmt.Sprintf("beside the next command, %d", row), func(t *testing.T) { t.Parallel(); killedBesideNext(t, kills/2) })
	}
	t.Run("as others see it", func(t *testing.T) { t.Parallel(); guardianAsOthersSeeIt(t) })
	t.Run("after a failed logout", func(t *testing.T) { t.Parallel(); afterFailedLogout(t) })
}

// A command kills itself at each step: before and after each request, and before
// each change of a file.
func killedAtEachStep(t *testing.T, set func(*order)) {
	const atOnce = 8
	for first := 1; ; first += atOnce {
		steps := 0 // of a process that was not killed
		t.Run(fmt.Sprintf("from %d", first), func(t *testing.T) {
			var mu sync.Mutex
			for n := first; n < first+atOnce; n++ {
				t.Run(fmt.Sprint(n), func(t *testing.T) {
					t.Parallel()
					v := newVictims(t, redfish.Options{})
					set(&v.order)
					o := v.order
					o.Steps, o.Keepers = n, 1
					x := v.start(o)
					how := x.gone()
					x.end()
					v.clean("in the end")
					switch {
					case how.Exited() && how.ExitStatus() == 0:
						mu.Lock()
						defer mu.Unlock()
						if steps == 0 || n-1 < steps {
							steps = n - 1
						}
					case !how.Signaled() || n > 100:
						t.Errorf("%v: %s", how, &x.log)
					}
				})
			}
		})
		switch {
		case steps > 0 && steps < 7:
			t.Errorf("only %d steps", steps)
		case steps == 0 && !t.Failed():
			continue
		}
		return
	}
}

// Commands one after the other are killed with their process group at a random
// time.
func killedAtRandom(t *testing.T, kills int) {
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
func killedBesideNext(t *testing.T, kills int) {
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
func guardianAsOthersSeeIt(t *testing.T) {
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
func afterFailedLogout(t *testing.T) {
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
