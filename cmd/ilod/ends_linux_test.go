package main

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/spf13/cobra"

	"github.com/ilod/ilod/chif/chiftest"
	"github.com/ilod/ilod/chif/chiftest/redfish"
)

// needs is what a command cannot do without.
type needs int

const (
	neither  needs = iota // works alone
	theILO                // works on the iLO, with or without an agent
	theAgent              // fails without an agent
)

// ending is one command in the form in which TestEveryCommandEndsInOrder runs it.
type ending struct {
	args  string
	needs needs
	write bool // what it asks the iLO first is a write, whose outcome is unknown if the answer is lost
}

// endings has every command that can be run but those of internal, which are run by
// others, and the agent, which the scripts end in all ways.
var endings = map[string]ending{
	"agent metrics":          {"agent metrics", theAgent, false},
	"agent status":           {"agent status", theAgent, false},
	"agent stop":             {"agent stop", theAgent, true},
	"batch":                  {"batch " + linesFile, theILO, false},
	"cache clear":            {"cache clear", neither, false},
	"cache status":           {"cache status", neither, false},
	"cache warm":             {"cache warm", theILO, false},
	"commit":                 {"commit", theAgent, false},
	"completion":             {"completion bash", neither, false},
	"config show":            {"config show", neither, false},
	"delete":                 {"delete --recursive --yes /redfish/v1/AccountService/Accounts/", theILO, false},
	"doctor":                 {"doctor", neither, false},
	"get":                    {"get --fresh /redfish/v1/Systems/1/", theILO, false},
	"health":                 {"health --fresh", theILO, false},
	"ilo-sessions list":      {"ilo-sessions list", theILO, false},
	"ilo-sessions show":      {"ilo-sessions show x", theILO, false},
	"ilo-sessions terminate": {"ilo-sessions terminate x", theILO, false},
	"iloreset":               {"iloreset", theILO, false},
	"info":                   {"info --select ComputerSystem.", theILO, false},
	"limits reset":           {"limits reset max-sessions", theAgent, true},
	"limits set":             {"limits set max-sessions=7", theAgent, true},
	"limits show":            {"limits show", theAgent, false},
	"list":                   {"list --select ComputerSystem.", theILO, false},
	"load":                   {"load -f " + settingsFile, theILO, false},
	"login":                  {"login", theILO, false},
	"logout":                 {"logout", neither, false},
	"pending":                {"pending", theILO, false},
	"raw":                    {"raw GET /redfish/v1/Systems/1/", theILO, false},
	"rawdelete":              {"rawdelete /redfish/v1/Systems/1/", theILO, true},
	"rawget":                 {"rawget /redfish/v1/Systems/1/", theILO, false},
	"rawhead":                {"rawhead /redfish/v1/Systems/1/", theILO, false},
	"rawpatch":               {"rawpatch " + requestFile, theILO, true},
	"rawpost":                {"rawpost " + requestFile, theILO, true},
	"rawput":                 {"rawput " + requestFile, theILO, true},
	"reboot":                 {"reboot", theILO, false},
	"results":                {"results", theILO, false},
	"save":                   {"save --select ComputerSystem. -f -", theILO, false},
	"select":                 {"select ComputerSystem.", theAgent, false},
	"serverinfo":             {"serverinfo", theILO, false},
	"session end":            {"session end", theAgent, true},
	"session list":           {"session list", theAgent, false},
	"session new":            {"session new", theAgent, true},
	"session log":            {"session log", theAgent, true},
	"session rotate-key":     {"session rotate-key", theAgent, true},
	"session set":            {"session set output json", theAgent, true},
	"session show":           {"session show", theAgent, false},
	"session terminate":      {"session terminate x", theAgent, true},
	"session terminate-user": {"session terminate-user x", theAgent, true},
	"session use":            {"session use x", theAgent, true},
	"set":                    {"set AssetTag=x --select ComputerSystem. --commit", theILO, false},
	"shell":                  {"shell", theILO, false},
	"status":                 {"status", theAgent, false},
	"tx begin":               {"tx begin", theAgent, true},
	"tx commit":              {"tx commit", theAgent, true},
	"tx diff":                {"tx diff", theAgent, false},
	"tx rollback":            {"tx rollback", theAgent, true},
	"tx run":                 {"tx run " + opsFile, theILO, false},
	"tx status":              {"tx status", theAgent, false},
	"types":                  {"types", theILO, false},
	"version":                {"version", neither, false},
}

const linesFile, settingsFile, requestFile, opsFile = "batch", "saved.json", "write.json", "operations.json"

// endFiles are read by some of the commands.
var endFiles = map[string]string{
	linesFile:    "get --fresh /redfish/v1/Systems/1/\n",
	settingsFile: `[{"ComputerSystem.v1_4_0":{"/redfish/v1/Systems/1/":{"AssetTag":"x"}}}]`,
	requestFile:  `{"path":"/redfish/v1/Systems/1/","body":{"AssetTag":"x"}}`,
	opsFile:      `{"operations":[{"method":"PATCH","path":"/redfish/v1/Systems/1/","body":{"AssetTag":"x"}}]}`,
	"ilod.toml":  "",
}

func TestEveryCommandHasItsEnds(t *testing.T) {
	var walk func(*cobra.Command)
	walk = func(cmd *cobra.Command) {
		name := strings.TrimPrefix(cmd.CommandPath(), "ilod ")
		if cmd.Name() == hiddenCommand {
			return
		}
		_, listed := endings[name]
		if group := cmd.HasSubCommands(); !group && cmd.Runnable() && name != "agent" && !listed && cmd.CommandPath() != "ilod" {
			t.Errorf("%s is not in endings", name)
		}
		for _, c := range cmd.Commands() {
			walk(c)
		}
	}
	walk(newApp(os.Stdin, os.Stdout, os.Stderr).rootCommand())
}

// TestEveryCommandEndsInOrder has each command end in each of these ways, and looks
// for its exit code and for one line that says why: no trace of the program itself.
func TestEveryCommandEndsInOrder(t *testing.T) {
	t.Parallel() // it waits most of its time
	var running sync.WaitGroup
	defer running.Wait()
	places := make(chan struct{}, 16) // most of them only wait
	for name, e := range endings {
		for way, end := range ways {
			places <- struct{}{}
			running.Go(func() {
				defer func() { <-places }()
				t.Run(name+", "+way, func(t *testing.T) { end(t, e) })
			})
		}
	}
}

// ways are those in which a command can end early.
var ways = map[string]func(*testing.T, ending){
	"the iLO does not answer": func(t *testing.T, e ending) {
		c := newEndless(t, true)
		switch want := []int{33}; {
		case e.needs == theILO && e.write:
			c.run(t, e, []string{"--timeout", "1s"}, append(want, 90)...)
		case e.needs == theILO:
			c.run(t, e, []string{"--timeout", "1s"}, want...)
		}
	},
	"SIGINT":      func(t *testing.T, e ending) { endBySignal(t, e, syscall.SIGINT, 130) },
	"SIGTERM":     func(t *testing.T, e ending) { endBySignal(t, e, syscall.SIGTERM, 143) },
	"broken pipe": endByBrokenPipe,
	"no iLO": func(t *testing.T, e ending) {
		c := newEndless(t, false)
		if e.needs == theILO {
			c.run(t, e, nil, 34)
		}
	},
	"no agent": func(t *testing.T, e ending) {
		if e.needs == theAgent {
			newEndless(t, true).run(t, e, nil, 94, 24) // 24: nothing is selected, since nobody remembers it
		}
	},
	"the agent ends": func(t *testing.T, e ending) {
		if e.needs == neither {
			return
		}
		c := newEndless(t, true)
		c.dyingAgent(t)
		c.run(t, e, nil, 94, 90)
	},
}

// endless is an iLO that never answers but for logins, and directories for a command.
type endless struct {
	dir     string
	arrived chan struct{}
	answers bool // after all
	env     []string
}

func newEndless(t *testing.T, there bool) *endless {
	t.Helper()
	service, err := redfish.New(redfish.Options{})
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "ilod") // t.TempDir has the test's name, and a socket's path must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	c := &endless{dir: dir, arrived: make(chan struct{}, 1)}
	socket := filepath.Join(c.dir, "ilo.sock")
	if there {
		ilo := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasPrefix(strings.ToLower(r.URL.Path), "/redfish/v1/sessionservice/sessions") && (r.Method != http.MethodGet || r.ContentLength != 0) ||
				strings.EqualFold(r.URL.Path, "/redfish/v1/") || c.answers {
				service.ServeHTTP(w, r)
				return
			}
			select {
			case c.arrived <- struct{}{}:
			default:
			}
			<-r.Context().Done()
		})
		if err := chiftest.New(t, chiftest.Options{Handler: ilo}).ListenUnix(socket); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range endFiles {
		if err := os.WriteFile(filepath.Join(c.dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c.env = append(os.Environ(), "ILOD_DEVICE=unix:"+socket, "ILOD_CONFIG="+filepath.Join(c.dir, "ilod.toml"),
		"ILOD_STATE_DIR="+filepath.Join(c.dir, "state"), "ILOD_RUNTIME_DIR="+filepath.Join(c.dir, "run"))
	return c
}

// command is a command, with what it says.
func (c *endless) command(e ending, flags ...string) (cmd *exec.Cmd, stdout, stderr *bytes.Buffer) {
	stdout, stderr = &bytes.Buffer{}, &bytes.Buffer{}
	cmd = exec.Command("ilod", append(strings.Fields(e.args), flags...)...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = c.dir, c.env, stdout, stderr
	cmd.Stdin = strings.NewReader("get --fresh /redfish/v1/Systems/1/\n")
	return cmd, stdout, stderr
}

// run runs a command that must end with one of some codes.
func (c *endless) run(t *testing.T, e ending, flags []string, want ...int) {
	t.Helper()
	cmd, stdout, stderr := c.command(e, flags...)
	if err := cmd.Run(); cmd.ProcessState == nil {
		t.Fatal(err)
	}
	endsInOrder(t, cmd, stdout, stderr, want...)
}

// endsInOrder looks at the end of a command.
func endsInOrder(t *testing.T, cmd *exec.Cmd, stdout, stderr fmt.Stringer, want ...int) {
	t.Helper()
	said := stderr.String()
	lines := strings.Count(said, "\nilod: ")
	if strings.HasPrefix(said, "ilod: ") {
		lines++
	}
	if code := cmd.ProcessState.ExitCode(); !slices.Contains(want, code) || lines != 1 && code != 0 {
		t.Errorf("%v: %d, want one of %v and one line of reason\n%s", cmd.Args, code, want, said)
	}
	noTrace(t, cmd, said+stdout.String())
}

// noTrace looks for a stack trace.
func noTrace(t *testing.T, cmd *exec.Cmd, said string) {
	t.Helper()
	if strings.Contains(said, "goroutine ") || strings.Contains(said, "panic") {
		t.Errorf("%v shows a trace:\n%s", cmd.Args, said)
	}
}

func endBySignal(t *testing.T, e ending, signal syscall.Signal, code int) {
	if e.needs != theILO {
		return
	}
	c := newEndless(t, true)
	cmd, stdout, stderr := c.command(e)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait() // its state says how
		close(ended)
	}()
	select {
	case <-c.arrived:
	case <-ended:
		endsInOrder(t, cmd, stdout, stderr, code)
		return
	}
	if err := cmd.Process.Signal(signal); err != nil {
		t.Error(err)
	}
	<-ended
	endsInOrder(t, cmd, stdout, stderr, code)
}

// endByBrokenPipe is the end of a command whose output nobody reads, with an agent if
// it needs one. One that prints nothing does not notice.
func endByBrokenPipe(t *testing.T, e ending) {
	c := newEndless(t, true)
	c.answers = true
	if e.needs == theAgent {
		c.agent(t)
	}
	c.env = append(c.env, "ILOD_TIMEOUT=10m") // a busy machine takes its time
	cmd, _, stderr := c.command(e)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	cmd.Stdout = w
	if err := cmd.Run(); cmd.ProcessState == nil {
		t.Fatal(err)
	}
	code, silent := silentEnds[e.args]
	if !silent {
		code = general
		if said := stderr.String(); !strings.Contains(said, "standard output: ") {
			t.Errorf("%v: %s", cmd.Args, said)
		}
	}
	endsInOrder(t, cmd, &bytes.Buffer{}, stderr, code)
}

// silentEnds are the commands that print nothing on standard output here, with their
// exit codes.
var silentEnds = map[string]int{
	"agent stop": 0, "cache clear": 0, "iloreset": 0, "login": 0, "logout": 0, "reboot": 0, "select ComputerSystem.": 0,
	"session end": 0, "session rotate-key": 0, "session terminate-user x": 63, "rawpatch " + requestFile: 0,
	"commit": 8, "pending": 8, "status": 8, // there is nothing to commit
	"ilo-sessions show x": 63, "ilo-sessions terminate x": 63, "session terminate x": 63, "session use x": 63, // there is no x
	"rawdelete /redfish/v1/Systems/1/": 63, "rawpost " + requestFile: 63, "rawput " + requestFile: 63, // the iLO refuses it
	"tx commit": 97, "tx diff": 97, "tx rollback": 97, "tx status": 97, // there is no transaction
}

// agent is an agent that serves until the end of the test or until it is stopped.
func (c *endless) agent(t *testing.T) {
	t.Helper()
	agent, stdout, stderr := c.command(ending{args: "agent"})
	ended := serve(t, agent, filepath.Join(c.dir, "run", "ilod.sock"))
	t.Cleanup(func() {
		_ = agent.Process.Signal(syscall.SIGTERM) // it may have been stopped
		<-ended                                   // its state says how
		endsInOrder(t, agent, stdout, stderr, 0)
	})
}

// dyingAgent is an agent that ends in the middle of a request.
func (c *endless) dyingAgent(t *testing.T) {
	t.Helper()
	if err := os.MkdirAll(filepath.Join(c.dir, "run"), 0o700); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", filepath.Join(c.dir, "run", "ilod.sock"))
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := l.Accept()
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err == nil {
				_, _ = conn.Read(make([]byte, 1))
				_ = conn.Close()
			}
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		serving.Wait()
	})
}
