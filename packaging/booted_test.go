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
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ilod/ilod/chif/chiftest/need"
)

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
		need.Absent(t, "there are no two devices to allow and to deny, such as loop devices")
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
// testdata/booted.sh says how.
func TestBooted(t *testing.T) {
	allowed, denied := devices(t)
	root := bootable(t, "booted.sh")
	newer(t, root+"/ilod.deb", root+"/new.deb")
	run(t, "cp", one(t, "*-linux-amd64.tar.gz"), root+"/files.tar.gz")
	if err := os.WriteFile(root+"/install.sh", installation(t, "/files.tar.gz"), 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, "cp", "-r", "rpm", root+"/")
	boot(t, root, "--bind="+allowed+":/dev/allowed", "--bind="+denied+":/dev/denied")
}

// TestBootedUnderAttack attacks the package's agent on a booted Debian;
// testdata/attack.sh says how.
func TestBootedUnderAttack(t *testing.T) {
	root := bootable(t, "attack.sh")
	build := exec.Command("go", "build", "-o", root+"/attacker", "./testdata/attacker")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	boot(t, root)
}

// bootable is a Debian with the package that runs a script of testdata at its boot.
func bootable(t *testing.T, script string) (root string) {
	t.Helper()
	needPackages(t, "mmdebstrap", "systemd-nspawn", "unshare")
	t.Parallel()
	if os.Geteuid() != 0 {
		need.Absent(t, "containers need root")
	}
	if out, err := exec.Command("unshare", "-m", "sh", "-c", ownHierarchy, "sh", "true").CombinedOutput(); err != nil {
		need.Absent(t, "no control group hierarchy of its own for a container: "+string(out))
	}
	root = debian(t)
	run(t, "cp", "../bin/ilosim", root+"/usr/bin/")
	run(t, "cp", "testdata/"+script, root+"/selftest.sh")
	run(t, "cp", "testdata/lib.sh", root+"/")
	run(t, "cp", "testdata/selftest.service", root+"/etc/systemd/system/")
	run(t, "cp", one(t, "*_amd64.deb"), root+"/ilod.deb")
	run(t, "systemctl", "--root="+root, "enable", "selftest.service")
	run(t, "systemctl", "--root="+root, "disable", "prometheus-node-exporter.service")
	return root
}

// booted is held by the machine that runs: two would share the control groups of
// their services, since these have the same names.
var booted sync.Mutex

// boot runs the script, which must print "passed".
func boot(t *testing.T, root string, options ...string) {
	t.Helper()
	booted.Lock()
	defer booted.Unlock()
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
	defer cancel()
	// The right to attach the programs to control groups that keep devices from
	// services.
	out, err := exec.CommandContext(ctx, "unshare", append([]string{"-m", "sh", "-c", ownHierarchy, "sh",
		"systemd-nspawn", "-q", "-D", root, "--boot", "--register=no", "--keep-unit", "--private-network", "--console=pipe", "--machine=ilod-" + filepath.Base(filepath.Dir(root)) + strconv.Itoa(os.Getpid()),
		"--capability=CAP_BPF", "--system-call-filter=bpf"}, options...)...).CombinedOutput()
	log, _ := os.ReadFile(root + "/selftest.log")
	if !bytes.Contains(log, []byte("\npassed\n")) {
		t.Fatalf("%v\n%s\n%s", err, out, log)
	}
	t.Logf("%s", log)
}
