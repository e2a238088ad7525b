package wine

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/ilod/ilod/chif/chiftest"
)

// forServices has the stand-in find the iLO in services, too, whose environment is
// another, until end is called.
func (h *host) forServices() (end func()) {
	h.t.Helper()
	const key, name = `HKLM\Software\ilod`, "ILOD_TEST_CHIF"
	for _, variable := range h.env {
		if value, ok := strings.CutPrefix(variable, name+"="); ok {
			if o := h.wine("reg", "add", key, "/v", name, "/d", value, "/f"); o.code != 0 {
				h.t.Fatal(o)
			}
		}
	}
	return func() { h.wine("reg", "delete", key, "/f") }
}

// wine runs a program that Wine has.
func (h *host) wine(args ...string) outcome {
	h.t.Helper()
	_, wait := h.start(args...)
	return wait()
}

// must runs ilod, which must succeed.
func (h *host) must(args ...string) string {
	h.t.Helper()
	o := h.ilod(args...)
	if o.code != 0 || o.stderr != "" {
		h.t.Errorf("%q: %v", args, o)
	}
	return o.stdout
}

// stopAgent ends the agent, and is told when it has ended.
func (h *host) stopAgent() {
	h.t.Helper()
	if o := h.ilod("agent", "stop"); o.code != 0 || o.stdout != "" || !strings.Contains(o.stderr, " has ended") {
		h.t.Errorf("agent stop: %v", o)
	}
}

var running = regexp.MustCompile(`^running, process (\d+)\n$`)

// install installs the service. Wine cannot have it start again after failures
// that are no crashes.
func (h *host) install() {
	h.t.Helper()
	if o := h.ilod("service", "install"); o.code != 0 || o.stderr != "" && !strings.Contains(o.stderr, "Invalid level") {
		h.t.Errorf("install: %v", o)
	}
}

// TestService has the service manager install, start, stop and remove the service.
func TestService(t *testing.T) {
	h := newHost(t, chiftest.Options{})
	defer h.forServices()()
	for _, verb := range []string{"start", "stop", "status", "uninstall"} {
		if o := h.ilod("service", verb); o.code == 0 || !strings.Contains(o.stderr, "not installed") {
			t.Errorf("%s: %v", verb, o)
		}
	}
	if o := h.ilod("service", "run"); o.code != 2 || !strings.Contains(o.stderr, "ilod agent") {
		t.Errorf("without service manager: %v", o)
	}

	h.install()
	defer h.ilod("service", "uninstall") // it is gone unless the test fails
	if o := h.ilod("service", "install"); o.code == 0 || !strings.Contains(o.stderr, "installed already") {
		t.Errorf("again: %v", o)
	}
	if got := h.must("service", "status"); got != "stopped\n" {
		t.Errorf("installed: %q", got)
	}
	for range 2 {
		h.must("service", "start")
	}
	if got := h.must("service", "status"); !running.MatchString(got) {
		t.Errorf("started: %q", got)
	}
	if got := h.must("get", "Model", "--select", "ComputerSystem."); got != model {
		t.Errorf("get: %q", got)
	}
	if n := h.ilo.Stats().Redfish.Sessions; n != 1 {
		t.Errorf("%d sessions", n)
	}
	for range 2 {
		h.must("service", "stop")
	}
	h.noSession(1)

	h.must("service", "start")
	h.must("get", "/redfish/v1/Systems/1/", "--fresh")
	h.stopAgent()
	h.until("an end of the service", func() bool { return h.must("service", "status") == "stopped\n" })
	h.must("service", "start")
	h.must("get", "/redfish/v1/Systems/1/", "--fresh")
	h.must("service", "uninstall")
	if n := h.ilo.Stats(); n.Redfish.Sessions != 0 || n.ChannelsOpen != 0 {
		t.Errorf("%+v", n)
	}
	if o := h.ilod("service", "status"); o.code == 0 {
		t.Errorf("after the end: %v", o)
	}
}

// TestServiceKilled: the next agent deletes the session of a service that was
// killed. On Windows the service manager starts it again.
func TestServiceKilled(t *testing.T) {
	h := newHost(t, chiftest.Options{})
	defer h.forServices()()
	h.install()
	defer h.wine("sc", "delete", "ilod")
	h.must("service", "start")
	h.must("get", "/redfish/v1/Systems/1/", "--fresh")
	process := running.FindStringSubmatch(h.must("service", "status"))
	if o := h.wine("taskkill", "/f", "/pid", process[1]); o.code != 0 {
		t.Fatal(o)
	}
	if n := h.ilo.Stats().Redfish.Sessions; n != 1 {
		t.Errorf("killed: %d sessions", n)
	}
	_, wait := h.agent() // what the service manager would start, but Wine's takes the service for alive
	h.until("an end of the session", func() bool { return h.ilo.Stats().Redfish.Sessions == 0 })
	h.stopAgent()
	if o := wait(); o.code != 0 {
		t.Error(o)
	}
}

// TestServiceFails: who starts the service learns that it cannot.
func TestServiceFails(t *testing.T) {
	h := newHost(t, chiftest.Options{})
	config := filepath.Join(h.dir, "ilod.toml")
	if err := os.WriteFile(config, []byte("[roles.reader]\nusers = ['NOWHERE\\nobody']\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	h.env = append(h.env, "ILOD_CONFIG="+windows(config))
	h.install()
	if o := h.ilod("service", "start"); o.code == 0 || !strings.Contains(o.stderr, "has ended with exit code 2") {
		t.Error(o)
	}
	h.must("service", "uninstall")
	if err := os.WriteFile(config, []byte("no such key = 1"), 0o600); err != nil {
		t.Fatal(err)
	}
	if o := h.ilod("service", "install"); o.code != 2 {
		t.Error(o)
		h.ilod("service", "uninstall")
	}
}
