//go:build linux

package guest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ilod/ilod/chif"
)

const (
	agentSocket = "/run/ilod/ilod.sock"
	agentConfig = `[roles.reader]
users = ["1001"]
`
	ilodGroup = 900
)

// agent is a running ilod agent, with the /dev/hpilo that it finds by itself.
type agent struct {
	cmd  *exec.Cmd
	log  bytes.Buffer
	http *http.Client
}

func startAgent(t *testing.T) *agent {
	t.Helper()
	for name, text := range map[string]string{"/tmp/ilod.toml": agentConfig, "/etc/group": fmt.Sprintf("ilod:x:%d:\n", ilodGroup)} {
		if err := errors.Join(os.MkdirAll("/etc", 0o755), os.WriteFile(name, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	transport := &http.Transport{MaxIdleConnsPerHost: clients, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", agentSocket)
	}}
	a := &agent{cmd: command("--config", "/tmp/ilod.toml", "agent"), http: &http.Client{Transport: transport}}
	a.cmd.Stderr = &a.log
	if err := a.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		if a.cmd.ProcessState == nil {
			a.kill(t)
		}
		if t.Failed() {
			t.Logf("the agent's log:\n%s", &a.log)
		}
	})
	for {
		conn, err := net.Dial("unix", agentSocket)
		if err == nil {
			conn.Close()
			return a
		}
		var end unix.Siginfo
		if err := unix.Waitid(unix.P_PID, a.cmd.Process.Pid, &end, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil); err != nil || end.Signo != 0 {
			t.Fatalf("the agent has ended: %v", err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func (a *agent) kill(t *testing.T) {
	t.Helper()
	if err := a.cmd.Process.Kill(); err != nil {
		t.Error(err)
	}
	_ = a.cmd.Wait() // which tells of the signal
}

// stop stops the agent with a command; nothing of it may be left.
func (a *agent) stop(t *testing.T) {
	t.Helper()
	a.http.CloseIdleConnections()
	if o := finish(t, command("agent", "stop")); o.code != 0 || o.stdout != "" || !strings.HasSuffix(o.stderr, " has ended\n") {
		t.Errorf("agent stop: %+v", o)
	}
	if err := a.cmd.Wait(); err != nil {
		t.Errorf("the agent: %v", err)
	}
	checkILO(t)
	refused(t, finish(t, command("agent", "status")), 94, "no agent is running")
}

// do sends a request and reads the answer.
func (a *agent) do(method, path, token, body string) (*http.Response, string, error) {
	req, err := http.NewRequest(method, "http://localhost"+path, strings.NewReader(body))
	if err != nil {
		return nil, "", err
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		req.Header.Set("X-Auth-Token", token)
	}
	if method == http.MethodGet {
		req.Header.Set("Cache-Control", "no-cache") // so that the channel has work
	}
	resp, err := a.http.Do(req)
	if err != nil {
		return nil, "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return resp, string(text), err
}

// agentStatus is what the tests want of the agent's own status.
type agentStatus struct {
	Agent struct {
		PID    int    `json:"pid"`
		Device string `json:"device"`
	} `json:"agent"`
	Session struct {
		Session       string `json:"session"`
		Logins        int    `json:"logins"`
		LedgerEntries int    `json:"ledgerEntries"`
		InUse         int    `json:"inUse"`
	} `json:"session"`
}

// checkStatus compares the agent's own status with what the iLO says.
func (a *agent) checkStatus(t *testing.T, logins int) {
	t.Helper()
	var s agentStatus
	out := succeed(t, "agent", "status", "--json")
	if err := json.Unmarshal([]byte(out), &s); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if s.Agent.PID != a.cmd.Process.Pid || s.Agent.Device != "auto" || s.Session.Logins != logins || s.Session.InUse != 0 {
		t.Errorf("process %d and %d logins expected: %s", a.cmd.Process.Pid, logins, out)
	}
	ours := sessions(t)
	if want := min(logins, 1); len(ours) != want || s.Session.LedgerEntries != want {
		t.Errorf("the iLO has %q of us, want %d: %s", ours, want, out)
	} else if want > 0 && strings.TrimSuffix(s.Session.Session, "/") != strings.TrimSuffix(ours[0], "/") {
		t.Errorf("the iLO has %s: %s", ours[0], out)
	}
}

// sessions are the paths of those sessions on the iLO that are ours.
func sessions(t *testing.T) (ours []string) {
	t.Helper()
	all, err := control.Sessions(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range all {
		if !s.Foreign {
			ours = append(ours, s.URI)
		}
	}
	return ours
}

const clients = 20

// load has clients at work at the same time: half speak HTTP, log in and never
// out again; half are commands. It calls midway when each has had one answer, and
// then each goes on. The error of each failure goes to failed.
func (a *agent) load(t *testing.T, midway func(), failed func(client string, err error)) {
	path, small := expected(t, "/small.json")
	largePath, large := expected(t, "/large.json")
	overHTTP := func(token string) (string, error) {
		if token == "" {
			resp, body, err := a.do("POST", "/redfish/v1/SessionService/Sessions", "", `{"UserName":"any","Password":"any"}`)
			if err != nil {
				return "", err
			}
			if token = resp.Header.Get("X-Auth-Token"); resp.StatusCode != http.StatusCreated || token == "" {
				return "", fmt.Errorf("login: %s: %s", resp.Status, body)
			}
		}
		for path, want := range map[string]string{path: small, largePath: large} {
			if resp, body, err := a.do("GET", path, token, ""); err != nil {
				return token, err
			} else if resp.StatusCode != http.StatusOK || body != want {
				return token, fmt.Errorf("%s: %s: %.300s", path, resp.Status, body)
			}
		}
		return token, nil
	}
	byCommand := func(n int) error {
		args, want := []string{"get", "--fresh", path}, small
		if n%4 == 1 {
			args = []string{"raw", "GET", largePath}
			want = large
		}
		cmd := command(args...)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil || string(out) != want {
			return fmt.Errorf("ilod %q: %w: %d bytes, %s", args, err, len(out), &stderr)
		}
		return nil
	}
	var begun, done sync.WaitGroup
	begun.Add(clients)
	half := make(chan struct{})
	for n := range clients {
		done.Go(func() {
			var token string
			for round := range 3 {
				var err error
				if n%2 == 0 {
					token, err = overHTTP(token)
				} else {
					err = byCommand(n)
				}
				if err != nil {
					failed(fmt.Sprintf("client %d, round %d", n, round), err)
				}
				if round == 0 {
					begun.Done()
					<-half
				}
			}
		})
	}
	begun.Wait()
	close(half)
	midway()
	done.Wait()
}

// testAgentLoad: an iLO reset in the middle of everybody's reading goes unnoticed,
// and costs one more login.
func testAgentLoad(t *testing.T, _ int) {
	a := startAgent(t)
	a.checkStatus(t, 0)
	before := stats(t).Redfish
	a.load(t, func() {
		a.checkMax(t)
		reset(t, time.Second)
	}, func(client string, err error) { t.Errorf("%s: %v", client, err) })
	a.checkStatus(t, 2)
	if now := stats(t).Redfish; now.Logins-before.Logins != 2 || now.RefusedLogins != before.RefusedLogins {
		t.Errorf("%d logins at the iLO, want 2; %d refused", now.Logins-before.Logins, now.RefusedLogins-before.RefusedLogins)
	}
	a.stop(t)
}

// checkMax: no load opens more channels than the two that are configured.
func (a *agent) checkMax(t *testing.T) {
	t.Helper()
	if n := stats(t).ChannelsOpen; n < 1 || n > 2 {
		t.Errorf("%d channels open", n)
	}
}

// testAgentKilled: the next agent takes care of the session of one that was
// killed with requests in flight.
func testAgentKilled(t *testing.T, _ int) {
	a := startAgent(t)
	if resp, body, err := a.do("GET", systemPath, "", ""); err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%v: %s", err, body)
	}
	before := sessions(t)
	var requests sync.WaitGroup
	sent := make(chan struct{}, clients)
	for range clients {
		requests.Go(func() {
			for err := error(nil); err == nil; {
				_, _, err = a.do("GET", systemPath, "", "")
				select {
				case sent <- struct{}{}:
				default:
				}
			}
		})
	}
	for range clients {
		<-sent
	}
	a.kill(t)
	requests.Wait()
	if n := stats(t).ChannelsOpen; n != 0 {
		t.Errorf("%d channels of a killed agent are open", n)
	}
	if left := sessions(t); len(left) != 1 || left[0] != before[0] {
		t.Errorf("the iLO has %q, want %q of the killed agent", left, before)
	}

	b := startAgent(t)
	if resp, body, err := b.do("GET", systemPath, "", ""); err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%v: %s", err, body)
	}
	for now := sessions(t); len(now) != 1 || now[0] == before[0]; now = sessions(t) {
		time.Sleep(20 * time.Millisecond) // the old session is deleted beside the serving
	}
	b.checkStatus(t, 1)
	b.stop(t)
}

// testAgentUsers: the channel is root's alone; through the agent others may do
// what their role allows.
func testAgentUsers(t *testing.T, _ int) {
	a := startAgent(t)
	as := func(uid, gid uint32, args ...string) outcome {
		cmd := command(args...)
		cmd.Env = os.Environ()
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: gid}}
		return finish(t, cmd)
	}
	path, want := expected(t, "/small.json")
	if o := as(1001, ilodGroup, "get", path); o.code != 0 || o.stdout != want || o.stderr != "" {
		t.Errorf("a reader reads: exit status %d, %q, %q", o.code, o.stdout, o.stderr)
	}
	asked := func() (n int) { // an iLO 4 has slashes at the end, an iLO 5 has none
		for request, times := range stats(t).Redfish.Requests {
			if request = strings.TrimSuffix(request, "/") + "/"; request == "GET "+path || request == "PATCH "+systemPath {
				n += times
			}
		}
		return n
	}
	before := asked()
	refused := func(o outcome, code int, why string) {
		t.Helper()
		if o.code != code || !strings.Contains(o.stderr, why) {
			t.Errorf("exit status %d, stdout %q, stderr %q; want %d and %q", o.code, o.stdout, o.stderr, code, why)
		}
	}
	refused(as(1001, ilodGroup, "raw", "PATCH", systemPath, "--data", `{"AssetTag":"reader"}`), 63, "403 Forbidden")
	refused(as(1002, ilodGroup, "get", path), 63, "403 Forbidden")      // may use the socket, has no role
	refused(as(1001, 1001, "get", path), 5, chif.ErrPermission.Error()) // has a role, may not use the socket
	if n := asked() - before; before == 0 || n != 0 {
		t.Errorf("%d of what was refused went to the iLO, and %d before", n, before)
	}
	a.checkStatus(t, 1)
	a.stop(t)
}
