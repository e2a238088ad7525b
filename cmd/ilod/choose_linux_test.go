package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/ilod/ilod/chif/chiftest"
	"github.com/ilod/ilod/chif/chiftest/need"
	"github.com/ilod/ilod/chif/chiftest/redfish"
)

// pseudoTerminal is one with a command on it.
type pseudoTerminal struct {
	*os.File
	cmd    *exec.Cmd
	stderr bytes.Buffer
}

// onTerminal starts ilod with a terminal as its standard input and output.
func onTerminal(t *testing.T, env []string, args ...string) *pseudoTerminal {
	t.Helper()
	control, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		need.Absent(t, err.Error())
	}
	t.Cleanup(func() { control.Close() })
	fd := int(control.Fd())
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err = errors.Join(err, unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)); err != nil {
		t.Fatal(err)
	}
	tty, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer tty.Close()
	term := &pseudoTerminal{File: control, cmd: exec.Command("ilod", args...)}
	term.cmd.Env, term.cmd.Stdin, term.cmd.Stdout, term.cmd.Stderr = env, tty, tty, &term.stderr
	term.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := term.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return term
}

// until reads what the command writes to the terminal, up to a text.
func (x *pseudoTerminal) until(t *testing.T, text string) {
	t.Helper()
	var shown strings.Builder
	for b := make([]byte, 1); !strings.HasSuffix(shown.String(), text); shown.Write(b) {
		if _, err := x.Read(b); err != nil {
			t.Fatalf("%v after %q", err, shown.String())
		}
	}
}

// ends waits for the command's end.
func (x *pseudoTerminal) ends(t *testing.T, code int, text string) {
	t.Helper()
	_ = x.cmd.Wait()
	if got := x.cmd.ProcessState.ExitCode(); got != code || !strings.Contains(x.stderr.String(), text) {
		t.Errorf("exit code %d, want %d: %s", got, code, &x.stderr)
	}
}

// TestChoiceComesTooLate has the chosen session end, and another one begin,
// before the user has chosen; then the user gives up.
func TestChoiceComesTooLate(t *testing.T) {
	dir := t.TempDir()
	service, err := redfish.New(redfish.Options{})
	if err != nil {
		t.Fatal(err)
	}
	server, err := chiftest.NewServer(chiftest.Options{Handler: service, Allow: []chiftest.HostRule{chiftest.RuleBlobs}})
	if err != nil {
		t.Fatal(err)
	}
	if err := server.ListenUnix(filepath.Join(dir, "ilo.sock")); err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	env := append(os.Environ(), "ILOD_DEVICE=unix:"+filepath.Join(dir, "ilo.sock"), "ILOD_CONFIG="+os.DevNull,
		"ILOD_STATE_DIR="+filepath.Join(dir, "state"), "ILOD_RUNTIME_DIR="+filepath.Join(dir, "run"))
	run := func(args ...string) string {
		t.Helper()
		cmd := exec.Command("ilod", args...)
		cmd.Env = env
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%v: %v", args, err)
		}
		return string(out)
	}
	newSession := func() string {
		id, _, _ := strings.Cut(run("session", "new"), ".")
		return id
	}
	agent := exec.Command("ilod", "agent")
	agent.Env = env
	agent.Stderr = new(bytes.Buffer)
	ended := serve(t, agent, filepath.Join(dir, "run", "ilod.sock"))
	defer func() {
		run("agent", "stop")
		<-ended
	}()

	run("limits", "set", "max-sessions-per-user=1", "when-full=ask")
	first := newSession()
	late := onTerminal(t, env, "session", "new")
	late.until(t, "number: ")
	run("session", "end", first)
	second := newSession()
	fmt.Fprintln(late, "1")
	late.ends(t, 95, "session "+first+" was not ended, and everything is as it was: ")
	run("session", "show", second)

	gone := onTerminal(t, env, "session", "new")
	gone.until(t, "number: ")
	fmt.Fprint(gone, "\x03")
	gone.ends(t, 130, "ended by a signal (interrupt)")
	run("session", "show", second)
}
