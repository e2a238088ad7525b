package main

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ilod/ilod/chif/chiftest/need"
	"github.com/ilod/ilod/chif/chiftest/redfish"
	"github.com/ilod/ilod/chif/chiftest/tree"
)

// TestShellCompletes has real shells complete a command line with the scripts
// that ilod makes for them.
func TestShellCompletes(t *testing.T) {
	const words = "ilod get /redfish/v1/Systems/1/Bi"
	const want = "/redfish/v1/Systems/1/Bios/"
	device, service := simulator(t, redfish.Options{})
	env := append(environment(t, device), "TERM=dumb")
	run := func(t *testing.T, stdin string, args ...string) string {
		t.Helper()
		cmd := exec.Command(args[0], args[1:]...)
		cmd.Env, cmd.Stdin = env, strings.NewReader(stdin)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%v: %v: %s%s", args, err, out, &stderr)
		}
		return string(out)
	}
	run(t, "", "ilod", "cache", "warm")
	script := func(t *testing.T, shell string) string {
		file := filepath.Join(t.TempDir(), "_ilod")
		if err := os.WriteFile(file, []byte(run(t, "", "ilod", "completion", shell)), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	for shell, ask := range map[string]func(*testing.T, string, string) string{
		"bash": func(t *testing.T, file, line string) string {
			return run(t, "", "bash", "--norc", "-c", `
				. /usr/share/bash-completion/bash_completion
				. "$1"
				COMP_LINE=$2 COMP_POINT=${#2} COMP_TYPE=9 COMP_WORDS=($2)
				COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
				__start_ilod 2>/dev/null
				printf '%s\n' "${COMPREPLY[@]}"`, "bash", file, line)
		},
		// The widgets of zsh need a terminal of its own.
		"zsh": func(t *testing.T, file, line string) string {
			return run(t, "", "zsh", "-f", "-c", `
				zmodload zsh/zpty
				zpty z 'PS1= zsh -f -i'
				zpty -w z "unsetopt zle_bracketed_paste; bindkey '^I' complete-word; autoload -U compinit && compinit -u -D; source $1; compdef _ilod ilod; PS1='rea''dy> '"
				zpty -r -m z REPLY '*ready> *' # which is when the line editor has the terminal
				zpty -w -n z "$2"$'\t'$'\x15'
				zpty -w z "print do''ne; exit"
				zpty -r -m z REPLY '*done*'
				print -r -- $REPLY`, "zsh", file, line)
		},
		"fish": func(t *testing.T, file, line string) string {
			return run(t, "", "fish", "--no-config", "-c", "source $argv[1]; complete -C $argv[2]", file, line)
		},
	} {
		t.Run(shell, func(t *testing.T) {
			need.Program(t, shell, shell)
			if _, err := os.Stat("/usr/share/bash-completion/bash_completion"); err != nil {
				need.Absent(t, err.Error())
			}
			file := script(t, shell)
			if got := ask(t, file, words); !strings.Contains(got, want) {
				t.Errorf("%s completes %q to %q", shell, words, got)
			}
			if got := ask(t, file, "ilod vers"); !strings.Contains(got, "version") {
				t.Errorf("%s completes a command to %q", shell, got)
			}
			if got := ask(t, file, "ilod get --select Bio"); !strings.Contains(got, "Bios.") {
				t.Errorf("%s completes a type to %q", shell, got)
			}
		})
	}
	if n := service.Stats().Logins; n != 1 {
		t.Errorf("%d logins, want that of cache warm alone", n)
	}
}

// TestCompletionOfDeafAgent has an agent that never answers.
func TestCompletionOfDeafAgent(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "ilod.sock")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	cmd := exec.Command("ilod", "__complete", "get", "/redfish/v1/Sy")
	cmd.Env = append(environment(t, "auto"), "ILOD_SOCKET="+socket)
	if out, err := cmd.Output(); err != nil || string(out) != ":6\n" {
		t.Errorf("%v: %s", err, out)
	}
}

// BenchmarkCompletion completes a path in a cache of 3,000 resources, with and
// without agent, and reports the median wall times, which are to be below 30 ms.
func BenchmarkCompletion(b *testing.B) {
	const documents = 3000
	program := release(b)
	device, service := simulator(b, redfish.Options{Tree: tree.Documents(documents)})
	disk := &timed{program: program, env: environment(b, device)}
	agent := &timed{program: program, env: disk.env}
	disk.run(b, "cache", "warm")
	word := strings.TrimSuffix(tree.DocumentURI(1234), "4/")
	complete := func(t *timed) {
		t.run(b, "__complete", "get", word)
		cmd := exec.Command(program, "__complete", "get", word)
		cmd.Env = t.env
		if out, err := cmd.Output(); err != nil || !bytes.HasPrefix(out, fmt.Appendf(nil, "%s/\n%s0/\n", word, word)) {
			b.Fatalf("%v: %s", err, out)
		}
	}
	logins := service.Stats().Logins
	disk.walls = nil
	for range 20 {
		complete(disk)
	}
	startAgent(b, agent)
	for b.Loop() {
		complete(agent)
	}
	if n := service.Stats().Logins; n != logins {
		b.Errorf("%d logins", n-logins)
	}
	b.ReportMetric(disk.median(), "ms/disk")
	b.ReportMetric(agent.median(), "ms/agent")
	b.ReportMetric(0, "ns/op")
}
