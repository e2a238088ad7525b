package wine

import (
	"bytes"
	"encoding/base64"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ilod/ilod/chif/chiftest"
	"github.com/ilod/ilod/chif/chiftest/redfish"
)

// agent starts 'ilod agent' and waits until it serves.
func (h *host) agent() (cmd *exec.Cmd, wait func() outcome) {
	h.t.Helper()
	cmd, wait = h.start(h.exe, "agent")
	h.until("an agent", func() bool { return h.ilod("agent", "status").code == 0 })
	return cmd, wait
}

const model = "Model=ProLiant DL380 Gen10\n"

// TestAgent has 20 clients at once on the pipe. They share one session, which
// 'ilod agent stop' deletes.
func TestAgent(t *testing.T) {
	h := newHost(t, chiftest.Options{})
	_, wait := h.agent()
	if o := h.ilod("--timeout", "1s", "agent"); o.code != 92 {
		t.Errorf("a second agent: %v", o)
	}
	var clients sync.WaitGroup
	for range 20 {
		_, ended := h.start(h.exe, "get", "Model", "--select", "ComputerSystem.")
		clients.Go(func() {
			if o := ended(); o.code != 0 || o.stdout != model || o.stderr != "" {
				t.Error(o)
			}
		})
	}
	clients.Wait()
	if n := h.ilo.Stats().Redfish.Sessions; n != 1 {
		t.Errorf("%d sessions", n)
	}
	if o := h.ilod("session", "list"); o.code != 0 || !strings.Contains(o.stdout, `\`) {
		t.Errorf("client sessions, with DOMAIN\\user as owner: %v", o)
	}
	if o := h.ilod("agent", "stop"); o.code != 0 {
		t.Error(o)
	}
	if o := wait(); o.code != 0 {
		t.Error(o)
	}
	h.noSession(1)
}

// TestAgentRoles: roles are for accounts that exist. That they open the pipe to them
// can only be seen on Windows.
func TestAgentRoles(t *testing.T) {
	h := newHost(t, chiftest.Options{})
	config := filepath.Join(h.dir, "ilod.toml")
	h.env = append(h.env, "ILOD_CONFIG="+windows(config))
	for roles, missing := range map[string]string{
		"[roles.reader]\nusers = ['S-1-5-19']\ngroups = ['BUILTIN\\Users']": "",
		"[roles.operator]\nusers = ['NOWHERE\\nobody']":                     `NOWHERE\\nobody`,
		"[roles.admin]\ngroups = ['S-1-x']":                                 "S-1-x",
	} {
		if err := os.WriteFile(config, []byte(roles), 0o600); err != nil {
			t.Fatal(err)
		}
		if missing != "" {
			if o := h.ilod("agent"); o.code != 2 || !strings.Contains(o.stderr, missing) {
				t.Errorf("%s: %v", roles, o)
			}
			continue
		}
		_, wait := h.agent()
		h.must("get", "/redfish/v1/Systems/1/")
		h.stopAgent()
		if o := wait(); o.code != 0 {
			t.Error(o)
		}
	}
	h.noSession(1)
}

// overheard is an iLO of which the last token is known.
type overheard struct {
	*redfish.Service
	token atomic.Value
}

func (o *overheard) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if token := r.Header.Get("X-Auth-Token"); token != "" {
		o.token.Store(token)
	}
	o.Service.ServeHTTP(w, r)
}

// TestAgentKilled: the next agent deletes the session of one that was killed. Of its
// token only a sealed form was left.
func TestAgentKilled(t *testing.T) {
	service, err := redfish.New(redfish.Options{})
	if err != nil {
		t.Fatal(err)
	}
	ilo := &overheard{Service: service}
	h := newHost(t, chiftest.Options{Handler: ilo})
	cmd, wait := h.agent()
	if o := h.ilod("get", "/redfish/v1/Systems/1/"); o.code != 0 {
		t.Error(o)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	sealed := 0
	for _, variable := range h.env {
		name, dir, _ := strings.Cut(variable, "=")
		if name != "ILOD_STATE_DIR" && name != "ILOD_RUNTIME_DIR" {
			continue
		}
		dir = strings.ReplaceAll(strings.TrimPrefix(dir, "Z:"), `\`, "/")
		if err := fs.WalkDir(os.DirFS(dir), ".", func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			text, err := os.ReadFile(filepath.Join(dir, path))
			token := ilo.token.Load().(string)
			if bytes.Contains(text, []byte(token)) || bytes.Contains(text, []byte(base64.StdEncoding.EncodeToString([]byte(token)))) {
				t.Errorf("%s shows the token", path)
			}
			if bytes.Contains(text, []byte(`"token"`)) {
				sealed++
			}
			return err
		}); err != nil {
			t.Error(err)
		}
	}
	if sealed != 1 {
		t.Errorf("%d files with a sealed token", sealed)
	}
	wait()
	if n := h.ilo.Stats().Redfish.Sessions; n != 1 {
		t.Errorf("%d sessions", n)
	}
	_, wait = h.agent()
	h.until("no session", func() bool { return h.ilo.Stats().Redfish.Sessions == 0 })
	if o := h.ilod("agent", "stop"); o.code != 0 {
		t.Error(o)
	}
	if o := wait(); o.code != 0 {
		t.Error(o)
	}
}

// TestInterrupt: of SIGINT Wine makes the event of Ctrl-C. Go's runtime makes the
// same signals of events as of those for closing, log-off and shutdown, which Wine
// cannot send.
func TestInterrupt(t *testing.T) {
	h := newHost(t, chiftest.Options{})
	agent, wait := h.agent()
	if o := h.ilod("get", "/redfish/v1/Systems/1/"); o.code != 0 {
		t.Error(o)
	}
	if err := agent.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if o := wait(); o.code != 0 || !strings.Contains(o.stderr, "SIGINT") && !strings.Contains(o.stderr, "interrupt") {
		t.Error(o)
	}
	h.noSession(1)

	const path = "/redfish/v1/Chassis/1/"
	if err := h.ilo.SetFaults(chiftest.Faults{Rules: []chiftest.Rule{
		{Fault: chiftest.FaultDelay, Op: chiftest.OpREST, Method: http.MethodGet, Path: path, Duration: chiftest.Duration(time.Second)},
	}}); err != nil {
		t.Fatal(err)
	}
	command, wait := h.start(h.exe, "get", path)
	h.until("a session", func() bool { return h.ilo.Stats().Redfish.Sessions == 1 })
	if err := command.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if o := wait(); o.code != 130 || o.stdout != "" {
		t.Error(o)
	}
	h.noSession(2)
}
