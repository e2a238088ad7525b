package packaging

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ilod/ilod/chif/chiftest"
	"github.com/ilod/ilod/chif/chiftest/redfish"
	"github.com/ilod/ilod/chif/chiftest/tree"
)

// host is a server with an iLO, and with an agent if a test starts one.
type host struct {
	t       *testing.T
	dir     string // of the host's own files
	iLO     *redfish.Service
	server  *chiftest.Server
	environ []string
}

// newHost starts the iLO, at whose end no session of ours and no channel may be
// left. PATH has the ilod of 'make build' first.
func newHost(t *testing.T, o redfish.Options) *host {
	t.Helper()
	bin, err := filepath.Abs("../bin")
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "ilod") // the path of a socket is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	h := &host{t: t, dir: dir}
	if h.iLO, err = redfish.New(o); err != nil {
		t.Fatal(err)
	}
	if h.server, err = chiftest.NewServer(chiftest.Options{Handler: h.iLO, Allow: []chiftest.HostRule{chiftest.RuleBlobs}}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(h.server.Close(), h.server.Check()); err != nil {
			t.Error(err)
		}
	})
	if err := h.server.ListenUnix(dir + "/ilo.sock"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir+"/ilod.toml", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	h.environ = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), "HOME="+dir,
		"ILOD_DEVICE=unix:"+dir+"/ilo.sock", "ILOD_CONFIG="+dir+"/ilod.toml", "ILOD_STATE_DIR="+dir+"/state", "ILOD_RUNTIME_DIR="+dir+"/run")
	return h
}

// startAgent starts an agent, which is stopped at the end of the test.
func (h *host) startAgent(args ...string) {
	h.t.Helper()
	cmd := h.command(context.Background(), "ilod", append([]string{"agent"}, args...)...)
	log := &strings.Builder{}
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() {
		if err := errors.Join(cmd.Process.Signal(syscall.SIGTERM), cmd.Wait()); err != nil {
			h.t.Errorf("agent: %v\n%s", err, log)
		}
	})
	for limit := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if _, err := os.Stat(h.dir + "/run/ilod.sock"); err == nil {
			return
		}
		if time.Now().After(limit) {
			h.t.Fatal("no agent")
		}
	}
}

// command is a program on the host.
func (h *host) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	h.t.Helper()
	path := name
	if name == "ilod" {
		path = "../bin/ilod"
	}
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env = h.environ
	return cmd
}

// run is what a program on the host prints and its exit code. It has two minutes.
func (h *host) run(name string, args ...string) (string, int) {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(h.t.Context(), 2*time.Minute)
	defer cancel()
	cmd := h.command(ctx, name, args...)
	out, err := cmd.CombinedOutput()
	if exit, is := errors.AsType[*exec.ExitError](err); err != nil && (!is || ctx.Err() != nil) {
		h.t.Fatalf("%s: %v\n%s", name, cmp.Or(ctx.Err(), err), out)
	} else if is {
		return string(out), exit.ExitCode()
	}
	return string(out), 0
}

// logins is the number of iLO sessions that were opened so far, by anybody.
func (h *host) logins() int { return h.iLO.Stats().Logins }

// outOfBand sends a request to the iLO over its network, past the host.
func (h *host) outOfBand(method, path, body string) string {
	h.t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.SetBasicAuth("Administrator", "password")
	w := httptest.NewRecorder()
	h.iLO.ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		h.t.Fatalf("%s %s: %d %s", method, path, w.Code, w.Body)
	}
	return w.Body.String()
}

// flatBIOS is an iLO 4, whose BIOS has the attributes as properties.
func flatBIOS(t *testing.T) redfish.Options {
	t.Helper()
	resources := tree.Generate(tree.GenerateOptions{Generation: 4}).Resources()
	for i, r := range resources {
		resources[i].Body = bytes.ReplaceAll(r.Body, []byte(`"#Bios.`), []byte(`"#HpBios.`)) // in the directory, too
		if !strings.HasPrefix(strings.ToLower(r.URI), "/redfish/v1/systems/1/bios") {
			continue
		}
		var body map[string]any
		if err := json.Unmarshal(resources[i].Body, &body); err != nil {
			t.Fatal(err)
		}
		attributes, is := body["Attributes"].(map[string]any)
		if !is {
			continue
		}
		delete(body, "Attributes")
		maps.Copy(body, attributes)
		var err error
		if resources[i].Body, err = json.Marshal(body); err != nil {
			t.Fatal(err)
		}
	}
	flat, err := tree.New(resources)
	if err != nil {
		t.Fatal(err)
	}
	return redfish.Options{Tree: flat}
}

// TestHost: a change behind the host's back is seen, and a whole run has one login.
func TestHost(t *testing.T) {
	needIntegration(t)
	h := newHost(t, redfish.Options{})
	h.startAgent()
	const file = `{"operations":[{"method":"PATCH","path":"/redfish/v1/Systems/1/","body":{"AssetTag":"rack 7"}}]}`
	if err := os.WriteFile(h.dir+"/run.json", []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"committed"`, `"unchanged"`} {
		if out, code := h.run("ilod", "tx", "run", "--needed", "--json", h.dir+"/run.json"); code != 0 || !strings.Contains(out, want) {
			t.Fatalf("%d %s", code, out)
		}
	}
	h.outOfBand("PATCH", "/redfish/v1/Systems/1/", `{"AssetTag":"another"}`)
	if out, code := h.run("ilod", "tx", "run", "--needed", "--json", h.dir+"/run.json"); code != 0 || !strings.Contains(out, `"from":"another"`) {
		t.Fatalf("%d %s", code, out)
	}
	if n := h.logins(); n != 1 {
		t.Errorf("%d logins", n)
	}
}
