package packaging

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ilod/ilod/chif/chiftest"
	"github.com/ilod/ilod/chif/chiftest/need"
	"github.com/ilod/ilod/chif/chiftest/redfish"
	"github.com/ilod/ilod/chif/chiftest/vm"
)

// TestDriver boots a Debian with the package on the real driver: systemd loads it,
// udev gives its channels to the user ilod, and the unit as it is can open them, but
// nothing else. testdata/driver.sh looks.
func TestDriver(t *testing.T) {
	asked(t, "ILOD_TEST_DRIVER", "test-driver", "mmdebstrap", "cpio", "zstd")
	if err := vm.CheckTools(); err != nil {
		need.Absent(t, err.Error())
	}
	if os.Geteuid() != 0 {
		need.Absent(t, "a Debian of its own needs root")
	}
	kernel, err := vm.FindKernel(t.Context(), "../build/vm")
	if err != nil {
		t.Fatal(err)
	}
	name, _, _ := strings.Cut(kernel.Package, "_")
	release := strings.TrimPrefix(name, "linux-image-")

	root := debian(t)
	run(t, "cp", one(t, "*_amd64.deb"), root+"/ilod.deb")
	run(t, "chroot", root, "dpkg", "-i", "/ilod.deb")
	run(t, "install", "-D", "-t", filepath.Join(root, "lib/modules", release, "misc"), kernel.Module)
	run(t, "chroot", root, "depmod", release)
	run(t, "cp", "testdata/driver.sh", root+"/selftest.sh")
	run(t, "cp", "testdata/selftest.service", root+"/etc/systemd/system/")
	run(t, "sed", "-i", "s,append:/selftest.log,file:/dev/ttyS0,; s,poweroff,reboot,", root+"/etc/systemd/system/selftest.service")
	run(t, "systemctl", "--root="+root, "enable", "selftest.service")
	run(t, "systemctl", "--root="+root, "mask",
		"dbus.socket", "dbus.service", "e2scrub_reap.service", "getty@.service", "prometheus-node-exporter.service", "serial-getty@.service", "systemd-logind.service", "timers.target")
	// All of it is in the machine's memory.
	run(t, "sh", "-c", `cd "$1" && ln -s lib/systemd/systemd init && rm -rf *.deb usr/bin/prometheus* usr/share usr/lib/*/perl* var/cache var/lib/apt &&
		find . -xdev | cpio --quiet -o -H newc | zstd -q -1 >"$1.initrd"`, "sh", root)
	initramfs, err := os.ReadFile(root + ".initrd")
	if err != nil {
		t.Fatal(err)
	}

	service, err := redfish.New(redfish.Options{Generation: 5, Foreign: redfish.EveryKind()})
	if err != nil {
		t.Fatal(err)
	}
	var console bytes.Buffer
	machine := vm.Machine{
		Kernel: kernel, Initramfs: initramfs, Parameters: []string{"rdinit=/init systemd.show_status=0"},
		Layout: vm.ILO5, ILO: chiftest.New(t, chiftest.Options{Handler: service, Allow: []chiftest.HostRule{chiftest.RuleBlobs}}), Console: &console,
	}
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	defer cancel()
	started := time.Now()
	err = machine.Run(ctx)
	t.Logf("%d MB, %v\n%s", len(initramfs)>>20, time.Since(started).Round(time.Second), &console)
	if err != nil || !strings.Contains(console.String(), "\npassed") {
		t.Fatalf("it did not pass: %v", err)
	}
	if logins, left := service.Stats().Logins, len(service.Sessions())-len(redfish.EveryKind()); logins != 1 || left != 0 {
		t.Errorf("%d logins, %d sessions left", logins, left)
	}
}
