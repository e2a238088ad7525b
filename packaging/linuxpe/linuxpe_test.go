//go:build linux

// Package linuxpe tests the files that run ilod in deployment images.
package linuxpe

import (
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ilod/ilod/chif/chiftest"
	"github.com/ilod/ilod/chif/chiftest/need"
	"github.com/ilod/ilod/chif/chiftest/redfish"
	"github.com/ilod/ilod/chif/chiftest/vm"
)

// root is the repository.
const root = "../.."

// asked skips a test that no variable of the environment asks for, or whose programs
// are missing.
func asked(t *testing.T, variable, target string, programs ...string) {
	t.Helper()
	if os.Getenv(variable) != "1" {
		t.Skipf("boots virtual machines: set %s=1, or run 'make %s'", variable, target)
	}
	if err := vm.CheckTools(); err != nil {
		need.Absent(t, err.Error())
	}
	for _, program := range programs {
		if _, err := exec.LookPath(program); err != nil {
			need.Absent(t, err.Error())
		}
	}
}

// run is the standard output of a program that must succeed.
func run(t *testing.T, name string, args ...string) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s%s", name, strings.Join(args, " "), err, out, &stderr)
	}
	return out
}

func write(t *testing.T, path string, mode os.FileMode, data []byte) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, mode); err != nil {
		t.Fatal(err)
	}
	return path
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// program builds ilod as it is shipped.
func program(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "ilod")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", file, "./cmd/ilod")
	cmd.Dir, cmd.Env = root, append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64")
	if said, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, said)
	}
	return file
}

// kernel is Debian's, and what 'uname -r' says in it.
func kernel(t *testing.T) (k vm.Kernel, release string) {
	t.Helper()
	k, err := vm.FindKernel(t.Context(), filepath.Join(root, "build/vm"))
	if err != nil {
		t.Fatal(err)
	}
	name, _, _ := strings.Cut(k.Package, "_")
	return k, strings.TrimPrefix(name, "linux-image-")
}

// others are sessions on the iLO that ilod must leave alone. No program on the host
// has one.
func others() []redfish.Foreign {
	return slices.DeleteFunc(redfish.EveryKind(), func(f redfish.Foreign) bool { return f.UserTag == "RESTHost" })
}

// ilo is a simulated iLO that must have no session of ours in the end.
func ilo(t *testing.T) (*chiftest.Server, *redfish.Service) {
	t.Helper()
	service, err := redfish.New(redfish.Options{Generation: 5, Foreign: others()})
	if err != nil {
		t.Fatal(err)
	}
	return chiftest.New(t, chiftest.Options{Handler: service, Allow: []chiftest.HostRule{chiftest.RuleBlobs}}), service
}

// boot runs a machine until it is off or resets itself, and returns what it said.
func boot(t *testing.T, m vm.Machine) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	var console bytes.Buffer
	m.Layout, m.Console = vm.ILO5, io.MultiWriter(&console, os.Stdout)
	started := time.Now()
	if err := m.Run(ctx); err != nil {
		t.Errorf("%v\n%s", err, &console)
	}
	t.Logf("the machine was on for %v", time.Since(started).Round(time.Second/10))
	return console.String()
}
