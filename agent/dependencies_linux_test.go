package agent

import (
	"os/exec"
	"strings"
	"testing"
)

const module = "github.com/ilod/ilod/"

// leaf is the package that all may import, and that imports none of this module.
const leaf = module + "platform/ownedfile"

// may is what a room may import although its rule forbids the rooms around that.
var may = map[string]string{
	// It says what acts on a terminal, and imports none of this module.
	"cmd/ilod/terminal": module + "agent/plaintext",
}

// TestDependencies keeps the rule of who may import whom.
func TestDependencies(t *testing.T) {
	// What each prefix of packages may not depend on, directly or not.
	forbidden := []struct {
		prefix   string
		never    []string // of this module, with all below
		external []string
	}{
		{"chif", []string{"agent", "cache", "platform", "cmd"}, []string{"github.com/sirupsen/logrus", "github.com/dgraph-io/badger", "github.com/coreos/go-systemd"}},
		{"platform/ownedfile", []string{"agent", "chif", "cache", "platform", "cmd"}, []string{"github.com"}},
		{"cache", []string{"agent", "chif", "platform", "cmd"}, []string{"github.com/sirupsen/logrus", "github.com/coreos/go-systemd"}},
		{"platform", []string{"agent", "chif", "cache", "cmd"}, []string{"github.com/dgraph-io/badger"}},
		{"agent", []string{"chif", "cache", "platform", "cmd"}, []string{"github.com/dgraph-io/badger", "github.com/coreos/go-systemd"}},
		// The rooms, from left to right: each knows only those to its right.
		{"agent/clients", []string{"agent/gateway"}, nil},
		{"agent/transaction", []string{"agent/gateway", "agent/clients"}, nil},
		{"agent/schema", []string{"agent/gateway", "agent/clients", "agent/transaction"}, nil},
		{"agent/freshness", []string{"agent/gateway", "agent/clients", "agent/transaction", "agent/schema"}, nil},
		{"agent/schedule", []string{"agent/gateway", "agent/clients", "agent/transaction", "agent/schema", "agent/freshness"}, nil},
		{"agent/ilosession", []string{"agent/gateway", "agent/clients", "agent/transaction", "agent/schema", "agent/freshness", "agent/schedule"}, nil},
		// The page is files; all else it gets from the agent as a client.
		{"agent/page", []string{"agent", "chif", "cache", "platform", "cmd"}, []string{"github.com"}},
		// What a server consists of and can be made to do, over any http.RoundTripper.
		{"agent/server", []string{"agent/gateway", "agent/clients", "agent/transaction", "agent/freshness", "agent/schedule", "agent/ilosession", "agent/client", "agent/api"}, nil},
		{"agent/server/health", []string{"agent/schema"}, nil},
		{"agent/api", []string{"agent/gateway", "agent/clients", "agent/transaction", "agent/freshness", "agent/schedule", "agent/ilosession", "agent/client"}, nil},
		{"agent/client", []string{"agent/gateway", "agent/clients", "agent/transaction", "agent/schema", "agent/freshness", "agent/schedule", "agent/ilosession"}, nil},
		{"agent/redfisherror", []string{"agent/gateway", "agent/freshness", "agent/schedule", "agent/ilosession"}, nil},
		// What is made for tests, or for packages, is in no program but the simulator.
		{"cmd/ilod", []string{"chif/chiftest", "cmd/ilod/internal/manual"}, []string{"testing"}},
		// What doctor finds out, and the way to an agent, know nothing of a command line.
		{"cmd/ilod/doctor", []string{"cmd/ilod/terminal"}, []string{"github.com/spf13"}},
		{"cmd/ilod/agentsocket", []string{"agent", "cache"}, []string{"github.com/spf13"}},
		// What the program knows of terminals and of scripts is not about iLOs.
		{"cmd/ilod/script", []string{"agent", "chif", "cache", "platform", "cmd"}, []string{"github.com"}},
		{"cmd/ilod/terminal", []string{"agent", "chif", "cache", "platform", "cmd"}, []string{"github.com/spf13", "github.com/sirupsen/logrus"}},
	}
	below := func(path, prefix string) bool {
		return path == prefix || strings.HasPrefix(path, prefix+"/")
	}
	for _, goos := range []string{"linux", "windows"} {
		list := exec.Command("go", "list", "-f", `{{.ImportPath}} {{join .Deps " "}}`, module+"...")
		list.Env = append(list.Environ(), "GOOS="+goos, "CGO_ENABLED=0")
		out, err := list.Output()
		if err != nil {
			t.Fatalf("%v: %v", list, err)
		}
		checked := map[string]bool{}
		for line := range strings.Lines(string(out)) {
			fields := strings.Fields(line)
			name := strings.TrimPrefix(fields[0], module)
			for _, rule := range forbidden {
				if !below(name, rule.prefix) || below(name, "chif/chiftest") {
					continue
				}
				checked[rule.prefix] = true
				for _, dep := range fields[1:] {
					for _, never := range rule.never {
						if below(dep, module+never) && dep != leaf && dep != may[rule.prefix] {
							t.Errorf("%s: %s depends on %s", goos, name, dep)
						}
					}
					for _, never := range rule.external {
						if below(dep, never) {
							t.Errorf("%s: %s depends on %s", goos, name, dep)
						}
					}
				}
			}
		}
		for _, rule := range forbidden {
			if !checked[rule.prefix] {
				t.Errorf("%s: there is no package %s", goos, rule.prefix)
			}
		}
	}
}
