package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ilod/ilod/agent/api"
	"github.com/ilod/ilod/agent/ilosession"
	"github.com/ilod/ilod/chif/chiftest"
)

// patience is how long a process may take for what it does in a second. It ends
// tests that would hang; nothing is measured by it.
const patience = 2 * time.Minute

// abandoned is how long, by the iLO's clock, a session of a killed process is left
// alone that may as well be another program's.
const abandoned = 31 * time.Second

// setting is a number that an environment variable may change.
func setting(tb testing.TB, variable string, usual int) int {
	tb.Helper()
	value := os.Getenv(variable)
	if value == "" {
		return usual
	}
	n, err := strconv.Atoi(value)
	if err != nil {
		tb.Fatalf("%s: %v", variable, err)
	}
	return n
}

// site is a host: an iLO simulated by a process of its own, on which others have
// sessions and which has room for few more, and the directories of an ilod that
// gets killed.
type site struct {
	t       *testing.T
	ilod    string // the program
	dir     string
	env     []string
	ilo     chiftest.Client
	foreign []string // ids of the sessions of others
	wards   []int    // process ids of guardians that may be at work

	neighbour   string                  // the last step of its session's path, while it idles
	credentials *ilosession.Credentials // that the iLO wants, nil: none
}

// newSite starts ilosim with further arguments. The programs are those of programs.
func newSite(t *testing.T, programs string, args ...string) *site {
	t.Helper()
	s := &site{t: t, ilod: filepath.Join(programs, "ilod"), dir: t.TempDir()}
	s.env = append(os.Environ(), "ILOD_CONFIG="+s.path("ilod.toml"), "ILOD_DEVICE=unix:"+s.path("ilo"),
		"ILOD_STATE_DIR="+s.path("state"), "ILOD_RUNTIME_DIR="+s.path("run"), "GOMAXPROCS=2")
	if err := os.WriteFile(s.path("ilod.toml"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	sim := exec.Command(filepath.Join(programs, "ilosim"), append([]string{
		"--listen", "unix:" + s.path("ilo"), "--control", "unix:" + s.path("control"), "--foreign-sessions", "6",
	}, args...)...)
	var log bytes.Buffer
	ready := &notify{w: &log, written: make(chan struct{})}
	sim.Stderr = ready
	if err := sim.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- sim.Wait() }()
	t.Cleanup(func() {
		_ = sim.Process.Signal(syscall.SIGTERM)
		if err := <-ended; err != nil {
			t.Errorf("%v: %s", err, &log)
		}
	})
	select {
	case <-ready.written:
	case err := <-ended:
		ended <- err
		t.Fatalf("%v: %s", err, &log)
	}
	control := dialing(s.path("control"))
	t.Cleanup(control.CloseIdleConnections)
	s.ilo = chiftest.Client{Transport: control}
	_, s.foreign = s.sessions()
	return s
}

// dialing is HTTP on a Unix socket.
func dialing(path string) *http.Transport {
	return &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}}
}

// client is a client of the agent.
func (s *site) client() *http.Transport { return dialing(s.path("run/ilod.sock")) }

// notify tells when something is written for the first time.
type notify struct {
	w       io.Writer
	once    sync.Once
	written chan struct{}
}

func (n *notify) Write(p []byte) (int, error) {
	defer n.once.Do(func() { close(n.written) })
	return n.w.Write(p)
}

// programs builds ilod and ilosim as they are shipped.
func programs(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", dir+"/", ".", "../ilosim")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return dir
}

func (s *site) path(name string) string { return filepath.Join(s.dir, name) }

// sessions are the ids of the sessions on the iLO: ours and those of others.
func (s *site) sessions() (ours, foreign []string) {
	s.t.Helper()
	all, err := s.ilo.Sessions(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	for _, x := range all {
		if path.Base(x.URI) == s.neighbour {
			continue
		}
		if x.Foreign {
			foreign = append(foreign, x.ID)
		} else {
			ours = append(ours, x.ID)
		}
	}
	return ours, foreign
}

// process is a program that was started.
type process struct {
	*exec.Cmd
	out  bytes.Buffer
	done chan struct{} // closed when it has ended
}

// ended reports whether a process has ended.
func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

func (s *site) start(program string, args ...string) *process {
	s.t.Helper()
	p := &process{Cmd: exec.Command(program, args...), done: make(chan struct{})}
	p.Env, p.Stdout, p.Stderr = s.env, &p.out, &p.out
	if err := p.Start(); err != nil {
		s.t.Fatal(err)
	}
	go func() {
		_ = p.Wait() // ProcessState says it
		close(p.done)
	}()
	s.t.Cleanup(func() { // after a failure
		_ = p.Process.Kill()
		<-p.done
	})
	return p
}

// wait waits for the end of a process.
func (s *site) wait(p *process) *os.ProcessState {
	s.t.Helper()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-p.done:
	case <-timer.C:
		_ = p.Process.Signal(syscall.SIGQUIT) // it shows its goroutines
		<-p.done
		s.t.Fatalf("%v did not end: %s", p.Args, &p.out)
	}
	return p.ProcessState
}

// run runs ilod to its end.
func (s *site) run(args ...string) (code int, out string) {
	s.t.Helper()
	p := s.start(s.ilod, args...)
	return s.wait(p).ExitCode(), p.out.String()
}

// age makes the sessions on the iLO look abandoned that nobody uses.
func (s *site) age() {
	s.t.Helper()
	if err := s.ilo.AdvanceClock(s.t.Context(), abandoned); err != nil {
		s.t.Fatal(err)
	}
}

// kill stops a process at once, notes the guardian that it has and kills both, or
// the process alone. It reports false if the process had ended.
func (s *site) kill(p *process, guardians bool) bool {
	s.t.Helper()
	_ = p.Process.Signal(syscall.SIGSTOP) // it may have ended
	wards := children(p.Process.Pid)
	if guardians {
		for _, pid := range wards {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
	s.wards = append(s.wards, wards...)
	_ = p.Process.Kill()
	return s.wait(p).ExitCode() == -1
}

// children are the processes that a process has started.
func children(pid int) (pids []int) {
	lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, name := range lists {
		text, _ := os.ReadFile(name) // the thread may have ended
		for field := range strings.FieldsSeq(string(text)) {
			if n, err := strconv.Atoi(field); err == nil {
				pids = append(pids, n)
			}
		}
	}
	return pids
}

// guarded reports whether a guardian is at work.
func (s *site) guarded() bool {
	s.wards = slices.DeleteFunc(s.wards, func(pid int) bool {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		_, state, _ := strings.Cut(string(text), ") ")
		return err != nil || strings.HasPrefix(state, "Z")
	})
	return len(s.wards) > 0
}

// until waits for a condition that processes of ours bring about.
func (s *site) until(what string, holds func() bool) {
	s.t.Helper()
	end := time.Now().Add(patience)
	for !holds() {
		if time.Now().After(end) {
			s.t.Errorf("%s: not after %v; sessions, ledger and guardians: %s", what, patience, s.state())
			s.t.FailNow()
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// unsettled reports whether the ledger has a login without a record.
func (s *site) unsettled() bool {
	return slices.ContainsFunc(s.ledger(), func(name string) bool {
		text, err := os.ReadFile(name)
		return err == nil && !bytes.Contains(text, []byte(`"path":`))
	})
}

// state is what is left, for people.
func (s *site) state() string {
	var b strings.Builder
	ours, foreign := s.sessions()
	fmt.Fprintf(&b, "%q, %d foreign, %v\n", ours, len(foreign), s.wards)
	for _, name := range s.ledger() {
		text, _ := os.ReadFile(name)
		fmt.Fprintf(&b, "%s: %s", name, text)
	}
	return b.String()
}

// ledger are the names of the ledger's entries.
func (s *site) ledger() []string {
	state, _ := filepath.Glob(s.path("state/sessions/*.json"))
	runtime, _ := filepath.Glob(s.path("run/sessions/*.json"))
	return append(state, runtime...)
}

// serving reports whether an agent listens.
func (s *site) serving() bool {
	conn, err := net.Dial("unix", s.path("run/ilod.sock"))
	if err != nil {
		return false
	}
	return conn.Close() == nil
}

// agent starts an agent and waits until it listens or has ended.
func (s *site) agent() *process {
	s.t.Helper()
	p := s.start(s.ilod, "agent")
	s.until("the agent listens", func() bool { return p.ended() || s.serving() })
	return p
}

// againByAgent is what must make up for a kill: the start of an agent, which looks
// for what is left, and its stop.
func (s *site) againByAgent(what string) {
	s.t.Helper()
	left, _ := s.sessions()
	p := s.agent()
	s.until(what+", then an agent: it has looked for sessions that are left", func() bool { return p.ended() || s.recovered() })
	s.until(what+", then an agent: the sessions are deleted", func() bool {
		ours, _ := s.sessions()
		return !slices.ContainsFunc(ours, func(id string) bool { return slices.Contains(left, id) })
	})
	_ = p.Process.Signal(syscall.SIGTERM)
	if state := s.wait(p); state.ExitCode() != 0 {
		s.t.Errorf("%s, then an agent: %v: %s", what, state, &p.out)
	}
}

// recovered reports whether the agent has looked at the iLO's sessions once, to the
// end, and deleted those that it takes for its own.
func (s *site) recovered() bool {
	client := s.client()
	defer client.CloseIdleConnections()
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, "http://ilo/ilod/v1/status", nil)
	if err != nil {
		s.t.Fatal(err)
	}
	resp, err := client.RoundTrip(req)
	if err != nil {
		return false // it has just ended
	}
	defer resp.Body.Close()
	var status api.Status
	return json.NewDecoder(resp.Body).Decode(&status) == nil && !status.Session.Recovered.IsZero()
}

// againByCommand is the same by a command without agent. While a guardian is at
// work there may be no room for a session.
func (s *site) againByCommand(what string) {
	s.t.Helper()
	for {
		code, out := s.run("get", "--fresh", "/redfish/v1/Chassis/")
		if code == 0 {
			return
		}
		if code != 91 || !s.guarded() {
			s.t.Fatalf("%s, then a command: exit code %d: %s\n%s", what, code, out, s.state())
		}
	}
}

// left are the sessions when no guardian is at work at them any more: it also logs in
// itself, and out again.
func (s *site) left(what string) (ours, foreign []string) {
	s.t.Helper()
	if ours, foreign = s.sessions(); len(ours) > 0 && s.guarded() {
		s.until(what+": the guardian is done", func() bool { ours, foreign = s.sessions(); return len(ours) == 0 || !s.guarded() })
	}
	if len(ours) > 0 { // what it was still to delete may be gone with it
		ours, foreign = s.sessions()
	}
	return ours, foreign
}

// clean must hold after a kill and what makes up for it.
func (s *site) clean(what string) {
	s.t.Helper()
	if ours, _ := s.left(what); len(ours) > 0 && s.unsettled() { // by a login that was executed after age
		s.age()
		s.againByAgent(what)
	}
	ours, foreign := s.left(what)
	stats, err := s.ilo.Stats(s.t.Context())
	if len(ours) > 0 || !slices.Equal(foreign, s.foreign) || err != nil || stats.Redfish.ForeignDeleted > 0 || stats.Redfish.Expired > 0 {
		s.t.Fatalf("%s: foreign sessions were %q, %v: %s%+v", what, s.foreign, err, s.state(), stats.Redfish)
	}
}

// end waits for the guardians. Later nothing of ours may be left anywhere.
func (s *site) end() {
	s.t.Helper()
	s.until("the last guardian ends", func() bool { return !s.guarded() })
	s.clean("at the end")
	p := s.agent()
	s.until("every login is settled", func() bool { return !s.unsettled() })
	_ = p.Process.Signal(syscall.SIGTERM)
	s.wait(p)
	s.clean("after all")
	if left := s.ledger(); len(left) > 0 {
		s.t.Errorf("entries are left: %s", s.state())
	}
	if err := s.ilo.Check(s.t.Context()); err != nil {
		s.t.Error(err)
	}
}

// abandon ends the guardians that wait for logins that never came.
func (s *site) abandon() {
	for s.guarded() {
		for _, pid := range s.wards {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		time.Sleep(time.Millisecond)
	}
}

// TestKillCampaign kills ilod with SIGKILL at random points, the agent under load as
// well as single commands; sometimes with its guardian; sometimes the runtime
// directory is gone then, as after a power loss. Meanwhile another program logs in,
// uses its session once and idles. Whatever starts next must leave no session of
// ours and all of others, every time.
//
// There are ILOD_TEST_KILLS of them, or 24; ILOD_TEST_SEED repeats a run. With
// ILOD_TEST_KILLS it also waits until each guardian has ended, which takes half a
// minute after a kill just before a login, and the ledger is empty.
func TestKillCampaign(t *testing.T) {
	kills := setting(t, "ILOD_TEST_KILLS", 24)
	seed := setting(t, "ILOD_TEST_SEED", int(time.Now().UnixNano()&0xFFFFFF))
	t.Logf("ILOD_TEST_SEED=%d", seed)
	built := programs(t)
	for i, c := range []struct {
		name    string
		args    []string
		config  string
		powered bool // the power stays on
		resets  bool
	}{
		{name: "iLO 5", args: []string{"--max-sessions", "10"}},
		{name: "iLO 4", args: []string{"--max-sessions", "10", "--generation", "4"}},
		{name: "no idle timeout", args: []string{"--max-sessions", "9", "--idle-timeout", "0", "--limit-status", "503"}},
		{name: "nocache", args: []string{"--max-sessions", "9"}, config: "[cache]\nnocache = true\n", powered: true},
		{name: "credentials", args: []string{"--max-sessions", "9", "--require-credentials"}, config: "device = \"unix:%[1]s/ilo\"\ncredentials-file = \"%[1]s/login\"\n"},
		{name: "resets", args: []string{"--max-sessions", "10"}, resets: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, built, append(c.args, "--latency", "2ms")...)
			if strings.Contains(c.config, "%[1]s") {
				c.config = fmt.Sprintf(c.config, s.dir)
				s.credentials = &ilosession.Credentials{UserName: "Administrator", Password: "password"}
				login := []byte("username = \"Administrator\"\npassword = \"password\"\n")
				if err := os.WriteFile(s.path("login"), login, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.WriteFile(s.path("ilod.toml"), []byte(c.config), 0o600); err != nil {
				t.Fatal(err)
			}
			k := &killer{site: s, Rand: rand.New(rand.NewPCG(uint64(seed), uint64(i))), powered: c.powered, resets: c.resets}
			s.againByCommand("at first") // and makes the cache
			start := time.Now()
			s.againByCommand("at first")
			k.usual = time.Since(start)
			for n := 0; n < (kills+5)/6; {
				if k.once(n) {
					n++
				}
			}
			if os.Getenv("ILOD_TEST_KILLS") != "" {
				s.end()
			}
			s.abandon()
			stats, err := s.ilo.Stats(t.Context())
			t.Logf("%d kills, %d logins, %d refused: %v, %v", (kills+5)/6, stats.Redfish.Logins, stats.Redfish.RefusedLogins, k.seen, err)
		})
	}
}

// killer kills at random.
type killer struct {
	*site
	*rand.Rand
	powered, resets bool
	usual           time.Duration  // of a whole command
	seen            map[string]int // what was killed, and what it left
}

func (k *killer) chance(percent int) bool { return k.IntN(100) < percent }

// pause lets a process come to a random point; what happens when is what is
// tested.
func (k *killer) pause(longest time.Duration) time.Duration {
	d := time.Duration(k.Int64N(int64(longest)))
	time.Sleep(d)
	return d
}

// once kills one process; it reports false if that had ended.
func (k *killer) once(n int) (killed bool) {
	k.t.Helper()
	guardians, loss := k.chance(40), !k.powered && k.chance(20)
	guardians = guardians || loss
	var kind string
	var after time.Duration
	other := k.moveIn(time.Duration(k.Int64N(int64(2 * k.usual))))
	switch k.IntN(3) {
	case 0:
		kind = "agent"
		after, killed = k.killAgent()
	case 1:
		kind = "get"
		p := k.start(k.ilod, "get", "--fresh", "/redfish/v1/Systems/1/", "/redfish/v1/Chassis/1/")
		after = k.pause(k.usual * 5 / 4)
		killed = k.kill(p, guardians)
	default:
		kind = "raw"
		p := k.start(k.ilod, "raw", "PATCH", "/redfish/v1/Systems/1/", "--data", fmt.Sprintf(`{"AssetTag":"%d"}`, n))
		after = k.pause(k.usual * 5 / 4)
		killed = k.kill(p, guardians)
	}
	what := fmt.Sprintf("kill %d, of %s after %v, guardian too: %v, power loss: %v", n, kind, after, guardians, loss)
	other.idle()
	reset := k.resets && k.chance(40)
	if reset {
		what += ", reset"
		if err := k.ilo.Reset(k.t.Context(), time.Duration(k.IntN(300))*time.Millisecond); err != nil {
			k.t.Fatal(err)
		}
		k.foreign = nil // they have ended, too
	}
	if loss {
		for k.guarded() { // their end is part of it
			k.abandon()
		}
		if err := os.RemoveAll(k.path("run")); err != nil {
			k.t.Fatal(err)
		}
	}
	ours, _ := k.sessions()
	if k.seen == nil {
		k.seen = map[string]int{}
	}
	if killed {
		k.seen[kind]++
		k.seen[fmt.Sprintf("%d left", len(ours))]++
	}
	k.age()
	if k.chance(50) {
		k.againByAgent(what)
	} else {
		k.againByCommand(what)
	}
	k.clean(what)
	other.moveOut(what, reset)
	return killed
}

// killAgent kills an agent in its start, under load or in its stop.
func (k *killer) killAgent() (after time.Duration, killed bool) {
	k.t.Helper()
	starting := k.chance(20)
	var p *process
	if starting {
		p = k.start(k.ilod, "agent")
	} else {
		p = k.agent()
	}
	ctx, cancel := context.WithCancel(k.t.Context())
	defer cancel()
	client := k.client()
	defer client.CloseIdleConnections()
	var clients sync.WaitGroup
	for n := range 3 {
		clients.Go(func() {
			for ctx.Err() == nil {
				_ = careless(ctx, client, n) // it is to be cut off
			}
		})
	}
	var command *process
	if k.chance(30) { // it finds the agent, or is one of its own
		command = k.start(k.ilod, "get", "--fresh", "/redfish/v1/Managers/1/")
	}
	after = k.pause(80 * time.Millisecond)
	if !starting && k.chance(30) {
		_ = p.Process.Signal(syscall.SIGTERM)
		after += k.pause(30 * time.Millisecond)
	}
	killed = k.kill(p, false)
	cancel()
	clients.Wait()
	if command != nil {
		k.wait(command)
	}
	return after, killed
}

// careless is a request of a client that never logs out.
func careless(ctx context.Context, rt http.RoundTripper, n int) error {
	method, path, body := http.MethodGet, "/redfish/v1/Systems/1/", ""
	switch n {
	case 1:
		method, body = http.MethodPatch, `{"AssetTag":"agent"}`
	case 2:
		method, path, body = http.MethodPost, "/redfish/v1/SessionService/Sessions/", `{"UserName":"a","Password":"b"}`
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://ilo"+path, strings.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Cache-Control", "no-cache")
	resp, err := rt.RoundTrip(req)
	if err != nil {
		time.Sleep(time.Millisecond) // nobody listens
		return err
	}
	_, err = io.Copy(io.Discard, resp.Body)
	return errors.Join(err, resp.Body.Close())
}
