// Package packaging tests the packages that 'make packages' makes.
package packaging

import (
	"bytes"
	"context"
	"errors"
	"fmt"
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

// needPackages skips a test that 'make test-packages' did not ask for.
func needPackages(t *testing.T, programs ...string) {
	t.Helper()
	asked(t, "ILOD_TEST_PACKAGES", "test-packages", programs...)
}

// asked skips a test for which a target of make has not set the variable, or whose
// programs are not installed.
func asked(t *testing.T, variable, target string, programs ...string) {
	t.Helper()
	if os.Getenv(variable) != "1" {
		t.Skipf("needs packages and root: run 'make %s'", target)
	}
	for _, program := range programs {
		if _, err := exec.LookPath(program); err != nil {
			absent(t, err.Error())
		}
	}
}

// absent skips the test, or fails it if ILOD_TEST_STRICT is 1.
func absent(t *testing.T, why string) {
	t.Helper()
	if os.Getenv("ILOD_TEST_STRICT") == "1" {
		t.Fatal(why)
	}
	t.Skip("SKIP: " + why)
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

// debianPackages is what a Debian needs to boot, to connect to its devices and to
// have its metrics scraped.
const debianPackages = "systemd,systemd-sysv,dbus,udev,kmod,prometheus-node-exporter"

// debian is a Debian with systemd in a directory of its own.
func debian(t *testing.T) string {
	t.Helper()
	tar, err := filepath.Abs("../build/debian-" + strings.ReplaceAll(debianPackages, ",", "-") + ".tar")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(tar); errors.Is(err, os.ErrNotExist) {
		work := fmt.Sprintf("%s.%d", tar, os.Getpid())
		run(t, "mmdebstrap", "--format=tar", "--variant=minbase", "--aptopt=Apt::Install-Recommends false",
			"--dpkgopt=path-exclude=/usr/share/man/*", "--dpkgopt=path-exclude=/usr/share/doc/*", "--dpkgopt=path-exclude=/usr/share/locale/*",
			"--include="+debianPackages, "bookworm", work)
		if err := os.Rename(work, tar); err != nil {
			t.Fatal(err)
		}
	}
	root := t.TempDir()
	run(t, "tar", "-C", root, "-xf", tar)
	return root
}

// newer repacks a package with a higher version and another configuration.
func newer(t *testing.T, file, to string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "deb")
	run(t, "dpkg-deb", "-R", file, dir)
	run(t, "sed", "-i", `s/^Version: .*/&+newer/`, dir+"/DEBIAN/control")
	run(t, "sed", "-i", "$ a # newer", dir+"/etc/ilod/ilod.toml")
	run(t, "dpkg-deb", "--root-owner-group", "-Znone", "-b", dir, to)
}

// devices are two device nodes that can be opened and are none of those that
// systemd allows to everybody.
func devices(t *testing.T) (one, other string) {
	t.Helper()
	names, err := filepath.Glob("/dev/loop[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	var usable []string
	for _, name := range append(names, "/dev/loop-control", "/dev/net/tun", "/dev/fuse", "/dev/kvm", "/dev/hwrng") {
		if f, err := os.Open(name); err == nil {
			_ = f.Close()
			usable = append(usable, name)
		}
	}
	if len(usable) < 2 {
		absent(t, "there are no two devices to allow and to deny, such as loop devices")
	}
	return usable[0], usable[1]
}

// ownHierarchy gives the command after it a control group hierarchy of its own.
const ownHierarchy = `umount -R /sys/fs/cgroup && mount -t cgroup2 none /sys/fs/cgroup && exec "$@"`

// installation is how README.md has a tar.gz installed.
func installation(t *testing.T, tar string) []byte {
	t.Helper()
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	lines := regexp.MustCompile(`(?m)^tar -C / (.*\n)+?\x60\x60\x60`).Find(readme)
	if lines == nil {
		t.Fatal("README.md does not say how to install a tar.gz")
	}
	return regexp.MustCompile(`build/packages/\S+`).ReplaceAll(bytes.TrimSuffix(lines, []byte("```")), []byte(tar))
}

// TestBooted installs, uses, upgrades and purges the package on a booted Debian;
// testdata/selftest.sh says how.
func TestBooted(t *testing.T) {
	needPackages(t, "mmdebstrap", "systemd-nspawn", "unshare")
	t.Parallel()
	if os.Geteuid() != 0 {
		absent(t, "containers need root")
	}
	if out, err := exec.Command("unshare", "-m", "sh", "-c", ownHierarchy, "sh", "true").CombinedOutput(); err != nil {
		absent(t, "no control group hierarchy of its own for a container: "+string(out))
	}
	allowed, denied := devices(t)
	root := debian(t)
	run(t, "cp", "../bin/ilosim", root+"/usr/bin/")
	run(t, "cp", "testdata/selftest.sh", root+"/")
	run(t, "cp", "testdata/selftest.service", root+"/etc/systemd/system/")
	run(t, "cp", one(t, "*_amd64.deb"), root+"/old.deb")
	newer(t, root+"/old.deb", root+"/new.deb")
	run(t, "cp", one(t, "*-linux-amd64.tar.gz"), root+"/files.tar.gz")
	if err := os.WriteFile(root+"/install.sh", installation(t, "/files.tar.gz"), 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, "cp", "-r", "rpm", root+"/")
	run(t, "systemctl", "--root="+root, "enable", "selftest.service")
	run(t, "systemctl", "--root="+root, "disable", "prometheus-node-exporter.service")

	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	// The right to attach the programs to control groups that keep devices from
	// services.
	out, err := exec.CommandContext(ctx, "unshare", "-m", "sh", "-c", ownHierarchy, "sh",
		"systemd-nspawn", "-q", "-D", root, "--boot", "--register=no", "--keep-unit", "--console=pipe", fmt.Sprintf("--machine=ilod-%d", os.Getpid()),
		"--capability=CAP_BPF", "--system-call-filter=bpf", "--bind="+allowed+":/dev/allowed", "--bind="+denied+":/dev/denied").CombinedOutput()
	log, _ := os.ReadFile(root + "/selftest.log")
	if !bytes.Contains(log, []byte("\npassed\n")) {
		t.Fatalf("%v\n%s\n%s", err, out, log)
	}
	t.Logf("%s", log)
}
