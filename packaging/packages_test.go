// Package packaging tests the packages that 'make packages' makes.
package packaging

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/ilod/ilod/agent"
)

const built = "../build/packages"

// needPackages skips a test that was not asked for.
func needPackages(t *testing.T) {
	t.Helper()
	if os.Getenv("ILOD_TEST_PACKAGES") != "1" {
		t.Skip("needs packages and root: run 'make test-packages'")
	}
}

// one is the only file of a name.
func one(t *testing.T, pattern string) string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(built, pattern))
	if err != nil || len(names) != 1 {
		t.Fatalf("%s: %v, %v", pattern, names, err)
	}
	return names[0]
}

// run is the output of a program that must succeed, within five minutes.
func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

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
	needPackages(t)
	run(t, "systemd-analyze", "security", "--offline=true", "--threshold=20", "systemd/ilod.service")
}

// TestScripts: the scripts are POSIX, and the packages have them.
func TestScripts(t *testing.T) {
	for _, pattern := range []string{"deb/p*", "rpm/*", "build.sh", "testdata/*.sh"} {
		names, err := filepath.Glob(pattern)
		if err != nil || len(names) == 0 {
			t.Fatalf("%s: %v, %v", pattern, names, err)
		}
		for _, name := range names {
			run(t, "sh", "-n", name)
		}
	}
	needPackages(t)
	scripts := run(t, "rpm", "-qp", "--scripts", one(t, "*.x86_64.rpm"))
	for _, want := range []string{"postinstall scriptlet", "preuninstall scriptlet", "postuninstall scriptlet"} {
		if !strings.Contains(scripts, want) {
			t.Errorf("no %s", want)
		}
	}
}

// TestLintian finds nothing but what lintian-overrides explains.
func TestLintian(t *testing.T) {
	needPackages(t)
	for _, arch := range []string{"amd64", "arm64"} {
		out := run(t, "lintian", "--allow-root", "--fail-on=error,warning", "--tag-display-limit=0", one(t, "*_"+arch+".deb"))
		for line := range strings.Lines(out) {
			if strings.HasPrefix(line, "E:") || strings.HasPrefix(line, "W:") {
				t.Error(line)
			}
		}
	}
}

// TestRPM: a package of the other kind has the same files in the same places,
// and what is the administrator's is marked so.
func TestRPM(t *testing.T) {
	needPackages(t)
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
		if got := strings.TrimSpace(run(t, "rpm", "-qpc", file)); got != "/etc/ilod/ilod.toml" {
			t.Errorf("configuration files: %s", got)
		}
	}
}

// TestOtherArchitecture starts the program of the arm64 package.
func TestOtherArchitecture(t *testing.T) {
	needPackages(t)
	root := t.TempDir()
	run(t, "tar", "-C", root, "-xzf", one(t, "*-linux-arm64.tar.gz"))
	if out := run(t, "qemu-aarch64-static", root+"/usr/bin/ilod", "version"); !strings.Contains(out, "linux/arm64") {
		t.Error(out)
	}
}

// debian is a Debian with systemd in a directory of its own.
func debian(t *testing.T) string {
	t.Helper()
	tar, err := filepath.Abs("../build/debian.tar")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(tar); errors.Is(err, os.ErrNotExist) {
		run(t, "mmdebstrap", "--variant=minbase", "--aptopt=Apt::Install-Recommends false",
			"--dpkgopt=path-exclude=/usr/share/man/*", "--dpkgopt=path-exclude=/usr/share/doc/*", "--dpkgopt=path-exclude=/usr/share/locale/*",
			"--include=systemd,systemd-sysv,dbus,udev,kmod", "bookworm", tar+".new")
		if err := os.Rename(tar+".new", tar); err != nil {
			t.Fatal(err)
		}
	}
	root := t.TempDir()
	run(t, "tar", "-C", root, "-xf", tar)
	return root
}

// newer repacks a package with a higher version.
func newer(t *testing.T, file, to string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "deb")
	run(t, "dpkg-deb", "-R", file, dir)
	run(t, "sed", "-i", `s/^Version: .*/&+newer/`, dir+"/DEBIAN/control")
	run(t, "dpkg-deb", "--root-owner-group", "-Znone", "-b", dir, to)
}

// TestBooted installs, uses, upgrades and purges the package on a booted Debian;
// testdata/selftest.sh says how.
func TestBooted(t *testing.T) {
	needPackages(t)
	root := debian(t)
	run(t, "cp", "../bin/ilosim", root+"/usr/bin/")
	run(t, "cp", "testdata/selftest.sh", root+"/")
	run(t, "cp", "testdata/selftest.service", root+"/etc/systemd/system/")
	run(t, "cp", one(t, "*_amd64.deb"), root+"/old.deb")
	newer(t, root+"/old.deb", root+"/new.deb")
	run(t, "cp", one(t, "*-linux-amd64.tar.gz"), root+"/files.tar.gz")
	run(t, "cp", "-r", "rpm", root+"/")
	run(t, "systemctl", "--root="+root, "enable", "selftest.service")

	// A control group hierarchy of its own, and the right to attach the programs
	// to it that keep devices from services.
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, "unshare", "-m", "sh", "-c", `umount -R /sys/fs/cgroup; mount -t cgroup2 none /sys/fs/cgroup
exec systemd-nspawn -q -D "$1" --boot --register=no --keep-unit --console=pipe --machine=ilod-packages \
	--capability=CAP_BPF --system-call-filter=bpf --bind=/dev/loop6:/dev/allowed --bind=/dev/loop7:/dev/denied`, "sh", root).CombinedOutput()
	log, _ := os.ReadFile(root + "/selftest.log")
	if !bytes.Contains(log, []byte("\npassed\n")) {
		t.Fatalf("%v\n%s\n%s", err, out, log)
	}
	t.Logf("%s", log)
}
