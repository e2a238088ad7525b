package platform

import (
	"os"
	"path/filepath"
	"reflect"
	"testing"
)

func TestModuleBlocked(t *testing.T) {
	for _, c := range []struct{ file, content, want string }{
		{"proc/cmdline", "quiet modprobe.blacklist=floppy,hpilo", "'modprobe.blacklist=floppy,hpilo' in the kernel's command line"},
		{"proc/cmdline", "module_blacklist=hpilo2 hpilo", ""},
		{"proc/cmdline", "module_blacklist=hpilo", "'module_blacklist=hpilo' in the kernel's command line"},
		{"proc/cmdline", "other=hpilo", ""},
		{"etc/modprobe.d/x.conf", "# blacklist hpilo\nblacklist  hpilo\n", "'blacklist hpilo' in /etc/modprobe.d/x.conf"},
		{"usr/lib/modprobe.d/x.conf", "install hpilo /bin/false", "'install hpilo /bin/false' in /usr/lib/modprobe.d/x.conf"},
		{"etc/modprobe.d/x.conf", "options hpilo max_ccb=24\nblacklist hpwdt\n", ""},
		{"etc/modprobe.d/x.bak", "blacklist hpilo", ""},
	} {
		root := t.TempDir()
		write(t, root, map[string]string{c.file: c.content})
		if got := ModuleBlocked(root, "hpilo"); got != c.want {
			t.Errorf("%s with %q: %q, want %q", c.file, c.content, got, c.want)
		}
	}
}

func TestModuleInstalled(t *testing.T) {
	root := t.TempDir()
	if _, _, err := ModuleInstalled(root, "hpilo"); err == nil {
		t.Error("without procfs")
	}
	write(t, root, map[string]string{"proc/sys/kernel/osrelease": "6.1.0\n"})
	if _, kernel, err := ModuleInstalled(root, "hpilo"); err == nil || kernel != "6.1.0" {
		t.Errorf("without a list: kernel %q, %v", kernel, err)
	}
	for line, want := range map[string]bool{
		"kernel/drivers/misc/hpilo.ko: kernel/x.ko\n":    true,
		"kernel/drivers/misc/hpilo.ko.xz:\n":             true,
		"kernel/drivers/misc/x.ko: kernel/hpilo.ko\n":    false,
		"kernel/drivers/misc/hpilo2.ko:\nkernel/y.ko:\n": false,
	} {
		write(t, root, map[string]string{"lib/modules/6.1.0/modules.dep": line})
		if got, _, err := ModuleInstalled(root, "hpilo"); got != want || err != nil {
			t.Errorf("%q: %v, %v", line, got, err)
		}
	}
	write(t, root, map[string]string{"lib/modules/6.1.0/modules.builtin": "kernel/drivers/misc/hpilo.ko\n"})
	if got, _, err := ModuleInstalled(root, "hpilo"); !got || err != nil {
		t.Errorf("built in: %v, %v", got, err)
	}
}

func TestLoadModule(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	if err := LoadModule(t.Context(), "hpilo"); err == nil {
		t.Error("loaded without modprobe")
	}
	for script, want := range map[string]string{
		`[ "$*" = "-- hpilo" ]`:       "",
		`echo "not found" >&2; false`: "modprobe hpilo: exit status 1 not found",
	} {
		bin := t.TempDir()
		if err := os.WriteFile(filepath.Join(bin, "modprobe"), []byte("#!/bin/sh\n"+script+"\n"), 0o700); err != nil {
			t.Fatal(err)
		}
		t.Setenv("PATH", bin)
		if err := LoadModule(t.Context(), "hpilo"); want == "" && err != nil || want != "" && (err == nil || err.Error() != want) {
			t.Errorf("%s: %v, want %q", script, err, want)
		}
	}
}

func TestPCIFunctions(t *testing.T) {
	root := t.TempDir()
	write(t, root, map[string]string{
		"sys/bus/pci/devices/0000:01:00.2/vendor": "0x103c\n", "sys/bus/pci/devices/0000:01:00.2/device": "0x3307\n",
		"sys/bus/pci/devices/0000:01:00.2/subsystem_vendor": "0x103c\n", "sys/bus/pci/devices/0000:01:00.2/subsystem_device": "0x3381\n",
		"sys/bus/pci/devices/0000:00:00.0/vendor": "0x8086\n", "sys/bus/pci/devices/0000:00:00.0/device": "0x1237\n",
	})
	link(t, root, map[string]string{"sys/bus/pci/devices/0000:01:00.2/driver": "../../../../bus/pci/drivers/hpilo"})
	want := []PCIFunction{{"0000:00:00.0", "8086:1237", ":", ""}, {"0000:01:00.2", "103c:3307", "103c:3381", "hpilo"}}
	if got := PCIFunctions(root); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v", got)
	}
}
