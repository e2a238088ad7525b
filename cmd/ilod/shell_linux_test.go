package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/ilod/ilod/chif/chiftest"
	"github.com/ilod/ilod/chif/chiftest/redfish"
)

const (
	ctrlC   = "\x03"
	ctrlD   = "\x04"
	arrowUp = "\x1b[A"
)

// shellOnTerminal starts a shell on a terminal of a kind.
func shellOnTerminal(t *testing.T, env []string, kind string) *pseudoTerminal {
	t.Helper()
	x := onTerminal(t, append(env, "TERM="+kind), "shell")
	x.until(t, prompt)
	return x
}

// types something, and reads what comes up to a text and the prompt behind it.
func (x *pseudoTerminal) types(t *testing.T, keys, text string) {
	t.Helper()
	if _, err := fmt.Fprint(x, keys); err != nil {
		t.Fatal(err)
	}
	if text != "" {
		x.until(t, text)
	}
	x.until(t, prompt)
}

func TestShell(t *testing.T) {
	service, err := redfish.New(redfish.Options{})
	if err != nil {
		t.Fatal(err)
	}
	const slow = "/redfish/v1/Managers/1/NetworkProtocol/"
	g := newGate(service)
	released := make(chan struct{})
	g.held.Store(map[string]chan struct{}{"GET " + slow: released})
	socket := filepath.Join(t.TempDir(), "ilo.sock")
	if err := chiftest.New(t, chiftest.Options{Handler: g}).ListenUnix(socket); err != nil {
		t.Fatal(err)
	}
	env := environment(t, "unix:"+socket)

	x := shellOnTerminal(t, env, "vt100")
	x.types(t, "session set active-path /redfish/v1/Systems/1/\r", "active-path")
	x.types(t, "get /redfish/v1/ 'A quoted name'\r", "")
	x.types(t, "get /redfish/v1/\r", `"RedfishVersion"`)
	x.types(t, "get /redfish/v1/Syst\t\r", `"Members":[`)
	x.types(t, "vers\t\r", "go1.")
	x.types(t, arrowUp+"\r", "go1.")
	x.types(t, "tx \t", "begin  commit  ")
	x.types(t, "x"+ctrlC, "")
	if _, err := fmt.Fprint(x, "get --fresh "+slow+"\r"); err != nil {
		t.Fatal(err)
	}
	<-g.arrived
	x.types(t, ctrlC, "")
	close(released)
	x.types(t, "batch file\r", "")
	x.types(t, "get '\r", "")
	x.types(t, "session end\r", "")
	x.types(t, "session show\r", "")
	x.types(t, "session show\r", "/redfish/v1/\r\n")
	x.types(t, "session set active-path /redfish/v1/Systems/1/\r", "recursive")
	x.types(t, "tx begin\r", "open in client session")
	x.types(t, "raw PATCH . --data '{\"AssetTag\":\"s3cret\"}'\r", `{"staged":1,`)
	fmt.Fprint(x, ctrlD)
	x.ends(t, 0, "ended by a signal (interrupt)")
	for _, text := range []string{`"A quoted name" is a property`, "batch cannot be run here", "a quote ' has no end", "SessionTerminated", "the client session is a new one"} {
		if !strings.Contains(x.stderr.String(), text) {
			t.Errorf("%q is not in %s", text, &x.stderr)
		}
	}
	for _, text := range []string{"unknown" /* "tx x" was thrown away */, "is left"} {
		if strings.Contains(x.stderr.String(), text) {
			t.Errorf("%q is in %s", text, &x.stderr)
		}
	}
	if s := service.Stats(); s.Logins != 1 || s.Sessions != 0 {
		t.Errorf("%d logins, %d sessions", s.Logins, s.Sessions)
	}
	filepath.WalkDir(filepath.Dir(socket), func(path string, d os.DirEntry, err error) error {
		if text, _ := os.ReadFile(path); strings.Contains(string(text), "s3cret") {
			t.Errorf("%s has what was typed", path)
		}
		return err
	})

	x = shellOnTerminal(t, env, "dumb")
	x.types(t, "version\n", "go1.")
	fmt.Fprintln(x, "exit")
	x.ends(t, 0, "")

	for _, kind := range []string{"vt100", "dumb"} {
		x = shellOnTerminal(t, env, kind)
		if err := x.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		x.ends(t, 143, "ended by a signal (terminated)")
	}
}
