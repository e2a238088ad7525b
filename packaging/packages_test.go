// Package packaging tests the contents of its directories: packages, units, and the
// files that use ilod from Puppet, Chef, Ansible and Windows PE. Each tier is a target
// of make.
package packaging

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/ilod/ilod/agent"
)

// TestConfiguration: what the file of the package has as comments are the
// defaults.
func TestConfiguration(t *testing.T) {
	text, err := os.ReadFile("ilod.toml")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "ilod.toml")
	if err := os.WriteFile(file, regexp.MustCompile(`(?m)^#(\S)`).ReplaceAll(text, []byte("$1")), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]agent.Config{"as it is": agent.DefaultConfig("/var/lib/ilod", "/run/ilod"), "uncommented": {}} {
		got, read := want, "ilod.toml"
		if name == "uncommented" {
			want, read = agent.DefaultConfig("/var/lib/ilod", "/run/ilod"), file
			want.Socket = "/run/ilod/ilod.sock"
		}
		if err := got.ReadFile(read, false); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got, want := written(t, got), written(t, want); got != want {
			t.Errorf("%s: %s\nwant %s", name, got, want)
		}
	}
}

func written(t *testing.T, c agent.Config) string {
	t.Helper()
	var b bytes.Buffer
	if err := c.Write(&b); err != nil {
		t.Fatal(err)
	}
	return strings.NewReplacer("users = []\n", "", "groups = []\n", "").Replace(b.String())
}

// TestConfinement: systemd finds the service well confined.
func TestConfinement(t *testing.T) {
	needPackages(t, "systemd-analyze")
	for _, unit := range []string{"systemd/ilod.service", "node-exporter/ilod-textfile.service"} {
		run(t, "systemd-analyze", "security", "--offline=true", "--threshold=20", unit)
	}
}

// TestScripts: the scripts are POSIX, and the packages have them.
func TestScripts(t *testing.T) {
	for _, pattern := range []string{"deb/p*", "rpm/p*", "build.sh", "testdata/*.sh"} {
		names, err := filepath.Glob(pattern)
		if err != nil || len(names) == 0 {
			t.Fatalf("%s: %v, %v", pattern, names, err)
		}
		for _, name := range names {
			run(t, "sh", "-n", name)
		}
	}
	needPackages(t, "rpm")
	scripts := run(t, "rpm", "-qp", "--scripts", one(t, "*.x86_64.rpm"))
	for _, want := range []string{"postinstall scriptlet", "preuninstall scriptlet", "postuninstall scriptlet"} {
		if !strings.Contains(scripts, want) {
			t.Errorf("no %s", want)
		}
	}
}

// TestLint: lintian and rpmlint find nothing but what lintian-overrides and
// rpmlint.toml explain.
func TestLint(t *testing.T) {
	needPackages(t, "lintian", "rpmlint")
	t.Parallel()
	if out := run(t, "lintian", "--allow-root", "--tag-display-limit=0", one(t, "*_amd64.deb"), one(t, "*_arm64.deb")); out != "" {
		t.Error(out)
	}
	if out := run(t, "rpmlint", "-c", "rpm/rpmlint.toml", one(t, "*.x86_64.rpm"), one(t, "*.aarch64.rpm")); !strings.Contains(out, "packages: 2\n\n 2 packages and 0 specfiles checked; 0 errors, 0 warnings,") {
		t.Error(out)
	}
}

// TestRPM: a package of the other kind has the same files in the same places, and
// leaves what is the administrator's.
func TestRPM(t *testing.T) {
	needPackages(t, "rpm")
	t.Parallel()
	for _, arch := range []string{"x86_64", "aarch64"} {
		file := one(t, "*."+arch+".rpm")
		root := t.TempDir()
		run(t, "rpm", "--root", root, "--initdb")
		run(t, "rpm", "--root", root, "--nodeps", "--noscripts", "--ignorearch", "-i", file)
		for _, name := range []string{"/usr/bin/ilod", "/usr/lib/systemd/system/ilod.service", "/usr/share/man/man1/ilod.1.gz", "/usr/share/licenses/ilod/LICENSE"} {
			if _, err := os.Stat(root + name); err != nil {
				t.Error(err)
			}
		}
		config := root + "/etc/ilod/ilod.toml"
		if err := os.WriteFile(config, []byte("# mine\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		run(t, "rpm", "--root", root, "--nodeps", "--noscripts", "--ignorearch", "-U", "--replacepkgs", file)
		if text, err := os.ReadFile(config); string(text) != "# mine\n" {
			t.Errorf("a new version took the configuration: %q, %v", text, err)
		}
		run(t, "rpm", "--root", root, "--noscripts", "-e", "ilod")
		if left := strings.Fields(run(t, "find", root, "-iname", "*ilod*")); len(left) != 2 || left[1] != config+".rpmsave" {
			t.Errorf("left: %v", left)
		}
	}
}

// TestOtherArchitecture starts the program of the arm64 package.
func TestOtherArchitecture(t *testing.T) {
	needPackages(t, "qemu-aarch64-static")
	t.Parallel()
	root := t.TempDir()
	run(t, "tar", "-C", root, "-xzf", one(t, "*-linux-arm64.tar.gz"))
	if out := run(t, "qemu-aarch64-static", root+"/usr/bin/ilod", "version"); !strings.Contains(out, "linux/arm64") {
		t.Error(out)
	}
}
