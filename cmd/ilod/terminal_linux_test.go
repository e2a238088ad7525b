package main

import (
	"bytes"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/ilod/ilod/chif/chiftest/need"
	"github.com/ilod/ilod/chif/chiftest/redfish"
)

// shownCommands are commands with all the kinds of output for people, and a text
// that is in each.
var shownCommands = map[string]string{
	"get PowerState --select ComputerSystem.": "PowerState=On",
	"types":        "ComputerSystem",
	"session list": "REQUESTS",
	"agent status": "cache",
	"health":       "processors",
	"doctor":       "session table",
	"cache warm":   "resources",
}

// TestTerminal shows commands in 80 columns of tmux, on a serial line that knows
// neither its width nor escape sequences, without colours, and in a pipe.
func TestTerminal(t *testing.T) {
	device, _ := simulator(t, redfish.Options{Foreign: redfish.EveryKind()})
	ilod := &timed{program: release(t), env: environment(t, device)}
	startAgent(t, ilod)
	ilod.run(t, "session", "new", "--name", "inventory of the whole rack, each night")
	for command, want := range shownCommands {
		t.Run("pipe/"+command, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			cmd := exec.Command(ilod.program, strings.Fields(command)...)
			cmd.Env, cmd.Stdout, cmd.Stderr = ilod.env, &stdout, &stderr
			_ = cmd.Run() // doctor's code is that of what it finds
			if stderr.Len() > 0 {
				t.Errorf("on stderr: %s", &stderr)
			}
			if strings.ContainsAny(stdout.String(), "\x1b\r") || !strings.Contains(stdout.String(), want) {
				t.Errorf("%q", &stdout)
			}
		})
		t.Run("tmux/"+command, func(t *testing.T) {
			need.Program(t, "tmux", "tmux")
			fits(t, inTmux(t, ilod, command), want)
		})
		for kind, variables := range map[string][]string{"dumb": {"TERM=dumb"}, "NO_COLOR": {"TERM=xterm", "NO_COLOR=1"}} {
			t.Run(kind+"/"+command, func(t *testing.T) {
				x := onTerminal(t, append(ilod.env, variables...), strings.Fields(command)...)
				text, _ := io.ReadAll(x) // ends with an error, as a terminal's other end does
				_ = x.cmd.Wait()
				if bytes.ContainsRune(text, '\x1b') || strings.Contains(x.stderr.String(), "\x1b") {
					t.Errorf("escape sequences: %q %q", text, &x.stderr)
				}
				fits(t, strings.ReplaceAll(string(text), "\r\n", "\n"), want)
			})
		}
	}
}

// fits wants a text, and no line of more than 80 columns.
func fits(t *testing.T, shown, want string) {
	t.Helper()
	if !strings.Contains(shown, want) {
		t.Errorf("no %q in %q", want, shown)
	}
	for line := range strings.Lines(shown) {
		if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > 80 {
			t.Errorf("%d columns: %s", n, line)
		}
	}
}

// inTmux runs a command in a window of 80 columns, and says what is in it, lines
// that are too long for it in one piece.
func inTmux(t *testing.T, ilod *timed, command string) string {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "tmux")
	tmux := func(args ...string) string {
		t.Helper()
		cmd := exec.Command("tmux", append([]string{"-u", "-S", socket, "-f", "/dev/null"}, args...)...)
		cmd.Env = append(ilod.env, "TERM=xterm-256color")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("tmux %s: %v\n%s", args[0], err, out)
		}
		return string(out)
	}
	tmux("new-session", "-d", "-x", "80", "-y", "50", fmt.Sprintf("%s %s; tmux wait-for -S done; exec sleep 600", ilod.program, command))
	defer tmux("kill-server")
	tmux("wait-for", "done")
	return tmux("capture-pane", "-p", "-J", "-S", "-")
}
