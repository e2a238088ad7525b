package platform

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// The functions that look at the system take its root directory: "/" but in
// tests.

// LoadModule has modprobe(8) load a module of the kernel.
func LoadModule(ctx context.Context, name string) error {
	out, err := exec.CommandContext(ctx, "modprobe", "--", name).CombinedOutput()
	if err != nil {
		return fmt.Errorf("modprobe %s: %w %s", name, err, bytes.TrimSpace(out))
	}
	return nil
}

// modprobeDirs are where modprobe.d(5) looks.
var modprobeDirs = []string{"etc/modprobe.d", "run/modprobe.d", "usr/local/lib/modprobe.d", "usr/lib/modprobe.d", "lib/modprobe.d"}

// ModuleBlocked returns what tells the system not to load a module, with its
// place, such as "'blacklist hpilo' in /etc/modprobe.d/x.conf"; empty if nothing
// does.
func ModuleBlocked(root, name string) string {
	line, _ := os.ReadFile(filepath.Join(root, "proc/cmdline"))
	for word := range strings.FieldsSeq(string(line)) {
		key, list, _ := strings.Cut(word, "=")
		if (key == "modprobe.blacklist" || key == "module_blacklist") && slices.Contains(strings.Split(list, ","), name) {
			return fmt.Sprintf("'%s' in the kernel's command line", word)
		}
	}
	for _, dir := range modprobeDirs {
		files, _ := filepath.Glob(filepath.Join(root, dir, "*.conf"))
		for _, file := range files {
			text, _ := os.ReadFile(file)
			for line := range strings.Lines(string(text)) {
				word := strings.Fields(line)
				if len(word) >= 2 && word[1] == name && (word[0] == "blacklist" || word[0] == "install") {
					shown, _ := filepath.Rel(root, file)
					return fmt.Sprintf("'%s' in /%s", strings.Join(word, " "), shown)
				}
			}
		}
	}
	return ""
}

// ModuleInstalled tells whether the running kernel has a module: as a file, or
// built in. Kernel is that kernel's release. It fails where the system does not
// list its modules.
func ModuleInstalled(root, name string) (installed bool, kernel string, err error) {
	release, err := os.ReadFile(filepath.Join(root, "proc/sys/kernel/osrelease"))
	if err != nil {
		return false, "", err
	}
	kernel = strings.TrimSpace(string(release))
	dir := filepath.Join(root, "lib/modules", kernel)
	lists := 0
	for _, list := range []string{"modules.dep", "modules.builtin"} {
		file, err := os.Open(filepath.Join(dir, list))
		if err != nil {
			continue
		}
		lists++
		for lines := bufio.NewScanner(file); lines.Scan(); {
			path, _, _ := strings.Cut(lines.Text(), ":")
			installed = installed || strings.HasPrefix(filepath.Base(path), name+".ko")
		}
		_ = file.Close()
	}
	if lists == 0 {
		return false, kernel, &fs.PathError{Op: "read", Path: dir, Err: fs.ErrNotExist}
	}
	return installed, kernel, nil
}

// PCIFunction is a function on the PCI bus.
type PCIFunction struct {
	Address       string // such as "0000:01:00.2"
	ID, Subsystem string // vendor and device, such as "103c:3307"
	Driver        string // empty: none
}

// PCIFunctions are those that sysfs shows, in order of their addresses.
func PCIFunctions(root string) (functions []PCIFunction) {
	dirs, _ := filepath.Glob(filepath.Join(root, "sys/bus/pci/devices/*"))
	for _, dir := range dirs {
		id := func(vendor, device string) string {
			v, _ := os.ReadFile(filepath.Join(dir, vendor))
			d, _ := os.ReadFile(filepath.Join(dir, device))
			return strings.TrimPrefix(strings.TrimSpace(string(v)), "0x") + ":" + strings.TrimPrefix(strings.TrimSpace(string(d)), "0x")
		}
		f := PCIFunction{Address: filepath.Base(dir), ID: id("vendor", "device"), Subsystem: id("subsystem_vendor", "subsystem_device")}
		if driver, err := os.Readlink(filepath.Join(dir, "driver")); err == nil {
			f.Driver = filepath.Base(driver)
		}
		functions = append(functions, f)
	}
	return functions
}
