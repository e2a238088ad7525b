package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ilod/ilod/chif/chiftest/need"
	"github.com/ilod/ilod/chif/chiftest/redfish"
)

// serviceUser is the number of a user who is neither root nor another one of this host.
const serviceUser = 64_321

// asRoot is for tests that need several users.
func asRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		need.Absent(t, "root")
	}
}

// TestNothingPlantedLeadsRootElsewhere: the service's user puts links, pipes and
// directories into its own directories, at every name that a command of root's uses.
// Each command ends, and no file of root's is read, changed, removed or given away.
func TestNothingPlantedLeadsRootElsewhere(t *testing.T) {
	asRoot(t)
	device, service := simulator(t, redfish.Options{})
	places := map[string][]string{
		"lock":        {"run/lock", "run/ilod.sock"},
		"directories": {"run/sessions", "state/cache", "state/sessions", "state/transactions"},
		"files": {"run/reaped-before-boot", "run/sessions/.new-N.json", "run/sessions/N.json", "state/cache/state", "state/cache/state.new",
			"state/cache/badger", "state/sessions/N.json", "state/transactions/A.journal", "state/transactions/6161.open"},
	}
	for kind, plant := range map[string]func(name, precious string) error{
		"symbolic link":              func(name, precious string) error { return os.Symlink(filepath.Join(precious, "file"), name) },
		"symbolic link to directory": func(name, precious string) error { return os.Symlink(precious, name) },
		"dangling link":              func(name, precious string) error { return os.Symlink(filepath.Join(precious, "none"), name) },
		"hard link":                  func(name, precious string) error { return os.Link(filepath.Join(precious, "file"), name) },
		"pipe":                       func(name, _ string) error { return syscall.Mkfifo(name, 0o666) },
	} {
		for place, names := range places {
			t.Run(kind+" for "+place, func(t *testing.T) {
				base := t.TempDir()
				precious := filepath.Join(base, "precious")
				for _, name := range append(names, "precious/badger/file", "run/file", "state/file") {
					if err := os.MkdirAll(filepath.Join(base, filepath.Dir(name)), 0o755); err != nil {
						t.Fatal(err)
					}
				}
				for _, file := range []string{"file", "state", "badger/MANIFEST"} {
					if err := os.WriteFile(filepath.Join(precious, file), []byte("precious"), 0o640); err != nil {
						t.Fatal(err)
					}
				}
				before := listing(t, precious)
				for _, name := range names {
					if err := plant(filepath.Join(base, name), precious); err != nil {
						t.Fatal(err)
					}
				}
				for _, dir := range []string{"run", "state"} {
					if err := filepath.WalkDir(filepath.Join(base, dir), func(name string, e fs.DirEntry, err error) error {
						if err != nil || e.Type().IsRegular() { // such as the second name of root's file
							return err
						}
						return os.Lchown(name, serviceUser, serviceUser)
					}); err != nil {
						t.Fatal(err)
					}
				}
				for _, command := range []string{"get /redfish/v1/Systems/1/ --fresh", "set AssetTag=x --select ComputerSystem. --commit", "cache clear", "doctor --fix", "agent stop"} {
					ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
					cmd := exec.CommandContext(ctx, "ilod", strings.Fields(command)...)
					cmd.Env = append(os.Environ(), "ILOD_DEVICE="+device, "ILOD_STATE_DIR="+filepath.Join(base, "state"), "ILOD_RUNTIME_DIR="+filepath.Join(base, "run"))
					out, _ := cmd.CombinedOutput()
					if ctx.Err() != nil {
						t.Errorf("%s does not end: %s", command, out)
					}
					cancel()
					if after := listing(t, precious); after != before {
						t.Fatalf("%s: root's files were\n%s\nand are\n%s\n%s", command, before, after, out)
					}
				}
			})
		}
	}
	t.Cleanup(func() {
		if left := len(service.Sessions()); left > 0 {
			t.Errorf("%d sessions are left", left)
		}
	})
}

// listing is all that is below a directory: names, modes, owners, contents.
func listing(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	if err := filepath.WalkDir(dir, func(name string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		var content []byte
		if info.Mode().IsRegular() {
			content, err = os.ReadFile(name)
		}
		b.WriteString(strings.Join([]string{name, info.Mode().String(), string(rune('0' + info.Sys().(*syscall.Stat_t).Uid)), string(content)}, " ") + "\n")
		return err
	}); err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return b.String()
}
