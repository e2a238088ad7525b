package doctor

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/ilod/ilod/chif"
	"github.com/ilod/ilod/platform"
)

const driver = "hpilo"

// drivenFunctions are the PCI functions that hpilo drives, refusedSubsystems
// those that it leaves alone nevertheless (chif/PROTOCOL.md §5).
var (
	drivenFunctions   = []string{"103c:3307", "0e11:b204"}
	refusedSubsystems = []string{"103c:1979", "1590:0289"}
)

// host describes what a Linux host shows of its iLO: the machine, the PCI
// function, the driver's module and its nodes in dir. The reason for which no
// channel could be opened is told at the check that it belongs to; explained
// reports that there is one.
func (d *doctor) host(dir string, opening error) (explained bool) {
	var blamed string
	e, missing := errors.AsType[*chif.NoDeviceError](opening)
	switch {
	case missing:
		blamed = map[chif.NoDeviceReason]string{
			chif.VirtualMachine: "machine", chif.NoFunction: "PCI function",
			chif.NoModule: "hpilo module", chif.ModuleWithoutDevice: "hpilo module",
			chif.NoDirectory: "nodes", chif.NoNodes: "nodes",
		}[e.Reason]
	case errors.Is(opening, chif.ErrPermission):
		blamed = "permission"
	}
	for _, c := range []struct {
		check string
		look  func() string // empty: nothing there, or told already
	}{
		{"machine", d.machine},
		{"PCI function", d.function},
		{"hpilo module", d.module},
		{"nodes", func() string { return nodes(dir) }},
		{"permission", func() string { return d.permission(dir) }},
	} {
		before := len(d.findings)
		switch seen := c.look(); {
		case c.check != blamed && seen != "":
			d.ok(c.check, "%s", seen)
		case c.check == blamed && missing && e.Reason == chif.NoModule:
			d.trouble(c.check, d.moduleRemedy(e.Reason), opening)
		case c.check == blamed:
			d.problem(c.check, opening)
		case len(d.findings) == before:
			d.skip(c.check, "not there")
		}
	}
	d.channels(dir)
	if missing && (e.Reason == chif.NoFunction || e.Reason == chif.ModuleWithoutDevice) {
		addresses, _ := net.InterfaceAddrs()
		d.virtualNIC(addresses)
	}
	return blamed != ""
}

// machine is what the firmware calls it.
func (d *doctor) machine() string {
	return strings.TrimSpace(d.readLine("sys/class/dmi/id/sys_vendor") + " " + d.readLine("sys/class/dmi/id/product_name"))
}

// function describes the iLO's PCI function.
func (d *doctor) function() string {
	for _, f := range platform.PCIFunctions(d.root) {
		if !slices.Contains(drivenFunctions, f.ID) {
			continue
		}
		text := fmt.Sprintf("%s is %s, subsystem %s", f.Address, f.ID, f.Subsystem)
		if f.ID == drivenFunctions[0] && slices.Contains(refusedSubsystems, f.Subsystem) {
			d.trouble("PCI function", "use this iLO over the network", fmt.Errorf("%w: %s, which the hpilo driver does not support", chif.ErrNoDevice, text))
			return ""
		}
		if f.Driver == "" {
			return text + ", without driver"
		}
		return text + ", driver " + f.Driver
	}
	return ""
}

// module describes the loaded driver (chif/PROTOCOL.md §5).
func (d *doctor) module() string {
	dir := filepath.Join("sys/module", driver)
	if _, err := os.Stat(filepath.Join(d.root, dir)); err != nil {
		return ""
	}
	text := "loaded"
	for _, p := range []struct{ name, file string }{{"version", "version"}, {"max_ccb", "parameters/max_ccb"}} {
		if value := d.readLine(filepath.Join(dir, p.file)); value != "" {
			text += ", " + p.name + " " + value
		}
	}
	return text
}

// moduleRemedy says how to have the driver loaded.
func (d *doctor) moduleRemedy(reason chif.NoDeviceReason) string {
	if blocked := platform.ModuleBlocked(d.root, driver); blocked != "" {
		return "remove " + blocked + ", then run 'modprobe hpilo'"
	}
	if installed, kernel, err := platform.ModuleInstalled(d.root, driver); err == nil && !installed {
		return "install hpilo.ko of kernel " + kernel + "; it is in linux-modules-extra or kernel-modules-extra"
	}
	return Remedy(reason)
}

// nodes describes the channel nodes.
func nodes(dir string) string {
	names := nodesIn(dir)
	if len(names) == 0 {
		return ""
	}
	return fmt.Sprintf("%d in %s", len(names), dir)
}

func nodesIn(dir string) []string {
	names, _ := filepath.Glob(filepath.Join(dir, "d*ccb*"))
	return names
}

// permission says who may open the nodes.
func (d *doctor) permission(dir string) string {
	for _, name := range nodesIn(dir) {
		info, err := os.Stat(name)
		if err != nil {
			continue
		}
		if info.Mode()&0o006 != 0 {
			d.trouble("permission", "run 'chmod o= "+dir+"/*', and look for the udev rule that opens them",
				fmt.Errorf("%s (%s): every user can administer the iLO", name, info.Mode()))
			return ""
		}
		return info.Mode().String()
	}
	return ""
}

// channels says who holds them.
func (d *doctor) channels(dir string) {
	total := len(nodesIn(dir))
	if total == 0 {
		d.skip("channels", "needs nodes")
		return
	}
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		dir = real // as the descriptors show it
	}
	holders, unseen, err := platform.Holders(filepath.Join(d.root, "proc"), dir)
	if err != nil {
		d.skip("channels", "the processes cannot be seen: "+err.Error())
		return
	}
	held := map[string]bool{} // two processes may share one
	for _, h := range holders {
		for _, name := range h.Files {
			held[name] = true
		}
	}
	text, remedy := fmt.Sprintf("%d of %d are held", len(held), total), ""
	if unseen > 0 {
		text += fmt.Sprintf("; processes that could not be examined: %d", unseen)
		if os.Geteuid() != 0 {
			remedy = "run as root"
		}
	}
	d.advise("channels", remedy, "%s", text)
	for _, h := range holders {
		d.ok("channel holder", "%s, process %d of %s: %s", h.Command, h.PID, h.User, strings.Join(h.Files, " "))
	}
}

// virtualNIC looks for the host's end of the other way to an iLO
// (agent/ILO.md §1).
func (d *doctor) virtualNIC(addresses []net.Addr) {
	link := netip.MustParsePrefix("16.1.15.0/30")
	for _, a := range addresses {
		if p, err := netip.ParsePrefix(a.String()); err == nil && link.Contains(p.Addr()) {
			d.ok("virtual NIC", "%s: Redfish with credentials is at https://16.1.15.1", p)
			return
		}
	}
	d.skip("virtual NIC", "no address in "+link.String())
}

// readLine is the content of a small file below root, empty if there is none.
func (d *doctor) readLine(name string) string {
	content, _ := os.ReadFile(filepath.Join(d.root, name))
	return strings.TrimSpace(string(content))
}
