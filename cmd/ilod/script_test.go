package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/ilod/ilod/chif"
	"github.com/ilod/ilod/chif/chiftest"
	"github.com/ilod/ilod/chif/chiftest/redfish"
	"github.com/ilod/ilod/chif/chiftest/tree"
)

// raceAtExit keeps processes under the race detector from ending a second late.
const raceAtExit = "atexit_sleep_ms=0"

func TestMain(m *testing.M) {
	os.Setenv("GORACE", raceAtExit)
	if filepath.Base(os.Args[0]) != "ilod" {
		// nohup has the tests ignore it, and so the programs that they start. Those do not
		// ignore what is caught here.
		signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP)
	}
	testscript.Main(m, map[string]func(){"ilod": main})
}

// TestScript runs the transcripts in testdata/script. Beside testscript's own
// commands they have:
//
//	ilo [KEY=VALUE...]     start a simulated iLO and point ILOD_DEVICE at it; tree=NAME
//	                       is the tree of a real server
//	faults JSON            faults of its channel (chiftest.Faults)
//	answers JSON           faults of its Redfish service (redfish.Faults)
//	reset DURATION         reset it
//	hold PATH...           keep requests for these paths, or "METHOD PATH", waiting
//	held                   wait until one is
//	release PATH           let those for PATH go on
//	sessions N             assert the number of sessions of ours
//	logins N               assert the number of logins so far
//	serving                wait until an agent listens
//	settle                 wait until no session of ours and no channel is left
//	foreign KIND           set ID to the id of a foreign session of that kind
//	keep NAME [END]        set NAME to the last standard output, up to END
//	deleted ID             assert that a foreign session was, for which the script asked
//	exits CODE ARGS...     run ilod, which must exit with CODE and show no token of the iLO
//	signal NAME [last]     send a signal to the first program in the background, or the last
//	ended CODE             after wait: assert its exit code
//	unread CODE ARGS...    exits, with nobody reading its standard output
//	spells ARGS...         run ilod with --json, and examine how its documents are spelled
//
// and the condition [root]. At the end of each script no session of ours and no
// channel may be left.
func TestScript(t *testing.T) { runScripts(t, "testdata/script") }

// testdata is the variable that says where the trees of real servers are.
const testdata = "ILOD_TESTDATA"

// TestScriptReal runs the transcripts in testdata/real, on the trees of real servers.
func TestScriptReal(t *testing.T) {
	t.Setenv(testdata, tree.Testdata(t))
	runScripts(t, "testdata/real")
}

func runScripts(t *testing.T, dir string) {
	testscript.Run(t, testscript.Params{
		Dir:                 dir,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(e *testscript.Env) error {
			f := &fixture{dir: e.WorkDir}
			e.Setenv("GORACE", raceAtExit)
			e.Setenv("ILOD_CONFIG", filepath.Join(e.WorkDir, "ilod.toml"))
			config, err := os.OpenFile(filepath.Join(e.WorkDir, "ilod.toml"), os.O_CREATE, 0o600)
			if err != nil {
				return err
			}
			if err := config.Close(); err != nil {
				return err
			}
			e.Setenv("ILOD_STATE_DIR", filepath.Join(e.WorkDir, "state"))
			e.Setenv("ILOD_RUNTIME_DIR", filepath.Join(e.WorkDir, "run"))
			e.Values[fixtureKey{}] = f
			e.Defer(func() {
				if err := f.end(); err != nil {
					t.Errorf("%s: %v", filepath.Base(e.WorkDir), err)
				}
			})
			return nil
		},
		Condition: func(name string) (bool, error) {
			if name != "root" {
				return false, fmt.Errorf("unknown condition %s", name)
			}
			return os.Geteuid() == 0, nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"ilo":      command((*fixture).start),
			"faults":   command((*fixture).setFaults),
			"answers":  command((*fixture).setAnswers),
			"reset":    command((*fixture).reset),
			"hold":     command((*fixture).hold),
			"held":     command((*fixture).held),
			"release":  command((*fixture).release),
			"sessions": command((*fixture).sessions),
			"foreign":  command((*fixture).foreign),
			"logins":   command((*fixture).logins),
			"serving":  command((*fixture).serving),
			"settle":   command((*fixture).settle),
			"keep":     command((*fixture).keep),
			"deleted":  command((*fixture).wasDeleted),
			"exits":    command((*fixture).exits),
			"signal":   command((*fixture).signal),
			"ended":    command((*fixture).ended),
			"unread":   command((*fixture).unread),
			"spells":   command((*fixture).spells),
		},
	})
}

type fixtureKey struct{}

// fixture is the simulated iLO of one script.
type fixture struct {
	dir        string
	server     *chiftest.Server
	service    *gate
	background *exec.Cmd
	deleted    string // the id of a foreign session
}

func command(run func(*fixture, *testscript.TestScript, []string) error) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, neg bool, args []string) {
		if neg {
			ts.Fatalf("! is not supported")
		}
		ts.Check(run(ts.Value(fixtureKey{}).(*fixture), ts, args))
	}
}

// gate is a Redfish service that can keep requests waiting, and that has one
// resource which is not JSON.
type gate struct {
	*redfish.Service
	issuing
	held    atomic.Value // a map[string]chan struct{}: closed when the path is released
	arrived chan struct{}
}

func newGate(service *redfish.Service) *gate {
	return &gate{Service: service, issuing: issuing{next: service}, arrived: make(chan struct{}, 16)}
}

func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	held, _ := g.held.Load().(map[string]chan struct{})
	if released := cmp.Or(held[r.URL.Path], held[r.Method+" "+r.URL.Path]); released != nil {
		g.arrived <- struct{}{}
		select {
		case <-released:
		case <-r.Context().Done():
		}
	}
	if r.URL.Path == "/redfish/v1/text" {
		fmt.Fprintln(w, `not "JSON"`)
		return
	}
	g.issuing.ServeHTTP(w, r)
}

func (f *fixture) start(ts *testscript.TestScript, args []string) error {
	var o redfish.Options
	var c chiftest.Options
	status := chiftest.DefaultStatus()
	for _, arg := range args {
		key, value, _ := strings.Cut(arg, "=")
		if key == "tree" {
			var err error
			if o.Tree, err = realTree(value); err != nil {
				return err
			}
			continue
		}
		n, err := strconv.Atoi(value)
		if err != nil {
			return err
		}
		switch key {
		case "generation":
			o.Generation = n
		case "max-sessions":
			o.MaxSessions = n
		case "limit-status":
			o.LimitStatus = n
		case "foreign-sessions": // so many of each kind
			o.Foreign = slices.Repeat(redfish.EveryKind(), n)
		case "max-channels":
			c.MaxChannels = n
		case "clock-offset": // seconds
			o.ClockOffset = time.Duration(n) * time.Second
		case "host-authentication":
			o.RequireHostAuthentication = n != 0
		case "security-state":
			o.SecurityState, status.SecurityState = n, chif.SecurityState(n)
		default:
			return fmt.Errorf("unknown option %s", key)
		}
	}
	service, err := redfish.New(o)
	if err != nil {
		return err
	}
	f.service = newGate(service)
	c.Handler, c.Status = f.service, &status
	c.Allow = []chiftest.HostRule{chiftest.RuleBlobs} // scripts kill processes
	if f.server, err = chiftest.NewServer(c); err != nil {
		return err
	}
	ts.Setenv("ILOD_DEVICE", "unix:"+filepath.Join(f.dir, "ilo.sock"))
	return f.server.ListenUnix(filepath.Join(f.dir, "ilo.sock"))
}

// realTree loads the tree of a real server, the name of whose file begins so.
func realTree(name string) (*tree.Tree, error) {
	files, err := filepath.Glob(filepath.Join(os.Getenv(testdata), "trees", name+"*.jsonl.gz"))
	if err != nil || len(files) == 0 {
		return nil, fmt.Errorf("no tree %s: %w", name, err)
	}
	return tree.Load(files[0])
}

func (f *fixture) end() error {
	if f.server == nil {
		return nil
	}
	closing, err := f.server.Close(), f.server.Check()
	if f.deleted != "" && err != nil && strings.HasPrefix(err.Error(), fmt.Sprintf("foreign session %q", f.deleted)) && strings.Count(err.Error(), "\n") == 0 {
		err = nil
	}
	return errors.Join(closing, err)
}

func (f *fixture) wasDeleted(_ *testscript.TestScript, args []string) error {
	f.deleted = args[0]
	for _, s := range f.service.Sessions() {
		if s.ID == f.deleted {
			return fmt.Errorf("session %s is there", s.ID)
		}
	}
	return nil
}

func (f *fixture) setFaults(_ *testscript.TestScript, args []string) error {
	var faults chiftest.Faults
	if err := json.Unmarshal([]byte(strings.Join(args, " ")), &faults); err != nil {
		return err
	}
	return f.server.SetFaults(faults)
}

func (f *fixture) setAnswers(_ *testscript.TestScript, args []string) error {
	var faults redfish.Faults
	if err := json.Unmarshal([]byte(strings.Join(args, " ")), &faults); err != nil {
		return err
	}
	return f.service.SetFaults(faults)
}

func (f *fixture) reset(_ *testscript.TestScript, args []string) error {
	down, err := time.ParseDuration(args[0])
	f.server.Reset(down)
	return err
}

func (f *fixture) hold(_ *testscript.TestScript, args []string) error {
	held := map[string]chan struct{}{}
	for _, path := range args {
		held[path] = make(chan struct{})
	}
	for len(f.service.arrived) > 0 { // what nobody waited for
		<-f.service.arrived
	}
	f.service.held.Store(held)
	return nil
}

func (f *fixture) held(*testscript.TestScript, []string) error {
	<-f.service.arrived
	return nil
}

func (f *fixture) release(_ *testscript.TestScript, args []string) error {
	close(f.service.held.Load().(map[string]chan struct{})[args[0]])
	return nil
}

func (f *fixture) sessions(_ *testscript.TestScript, args []string) error {
	ours := 0
	for _, s := range f.service.Sessions() {
		if !s.Foreign {
			ours++
		}
	}
	return equal("sessions", ours, args[0])
}

func (f *fixture) foreign(ts *testscript.TestScript, args []string) error {
	for _, s := range f.service.Sessions() {
		if s.Foreign && s.UserTag == args[0] {
			ts.Setenv("ID", s.ID)
			return nil
		}
	}
	return fmt.Errorf("no foreign session of kind %s", args[0])
}

func (f *fixture) logins(_ *testscript.TestScript, args []string) error {
	return equal("logins", f.service.Stats().Logins, args[0])
}

func (f *fixture) serving(ts *testscript.TestScript, args []string) error {
	path := filepath.Join(f.dir, "run", "ilod.sock")
	if len(args) > 0 {
		path = ts.MkAbs(args[0])
	}
	for {
		conn, err := net.Dial("unix", path)
		if err == nil {
			return conn.Close()
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// settle waits for processes that nobody else waits for; the limit of the tests
// ends it if they never end.
func (f *fixture) settle(*testscript.TestScript, []string) error {
	for f.server.Check() != nil {
		time.Sleep(50 * time.Millisecond)
	}
	return nil
}

func (f *fixture) keep(ts *testscript.TestScript, args []string) error {
	value := ts.ReadFile("stdout")
	if len(args) > 1 {
		value, _, _ = strings.Cut(value, args[1])
	}
	ts.Setenv(args[0], strings.TrimSpace(value))
	return nil
}

func (f *fixture) exits(ts *testscript.TestScript, args []string) error {
	if err := exitedWith(ts.Exec("ilod", args[1:]...), args[0]); err != nil || f.service == nil {
		return err
	}
	return f.service.shows(ts.ReadFile("stdout") + ts.ReadFile("stderr"))
}

func (f *fixture) signal(ts *testscript.TestScript, args []string) error {
	all := ts.BackgroundCmds()
	f.background = all[0]
	if len(args) > 1 { // "last"
		f.background = all[len(all)-1]
	}
	return f.background.Process.Signal(map[string]os.Signal{
		"INT": syscall.SIGINT, "TERM": syscall.SIGTERM, "HUP": syscall.SIGHUP, "KILL": syscall.SIGKILL,
	}[args[0]])
}

func (f *fixture) ended(_ *testscript.TestScript, args []string) error {
	return equal("exit code", f.background.ProcessState.ExitCode(), args[0])
}

func (f *fixture) unread(ts *testscript.TestScript, args []string) error {
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer w.Close()
	if err := r.Close(); err != nil {
		return err
	}
	program, err := exec.LookPath("ilod")
	if err != nil {
		return err
	}
	cmd := exec.Command(program, args[1:]...)
	cmd.Env = os.Environ()
	for _, name := range []string{"ILOD_DEVICE", "ILOD_CONFIG", "ILOD_STATE_DIR", "ILOD_RUNTIME_DIR"} {
		cmd.Env = append(cmd.Env, name+"="+ts.Getenv(name))
	}
	cmd.Stdout = w
	return exitedWith(cmd.Run(), args[0])
}

func exitedWith(err error, want string) error {
	code := 0
	if e, ok := errors.AsType[*exec.ExitError](err); ok {
		code = e.ExitCode()
	} else if err != nil {
		return err
	}
	return equal("exit code", code, want)
}

func equal(what string, got int, want string) error {
	if strconv.Itoa(got) != want {
		return fmt.Errorf("%s: %d, want %s", what, got, want)
	}
	return nil
}
