package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/ilod/ilod/chif"
)

// host describes what a Linux host shows of its iLO: the machine, the driver's
// module and its nodes in dir. The reason for which no channel could be opened
// is told at the check that it belongs to; explained reports that there is one.
func (x *findings) host(dir string, openErr error) (explained bool) {
	reasons := map[chif.NoDeviceReason]string{
		chif.VirtualMachine: "machine", chif.NoFunction: "machine",
		chif.NoModule: "hpilo module", chif.ModuleWithoutDevice: "hpilo module",
		chif.NoDirectory: "nodes", chif.NoNodes: "nodes",
	}
	var blamed string
	if e, ok := errors.AsType[*chif.NoDeviceError](openErr); ok {
		blamed = reasons[e.Reason]
	}
	for _, c := range []struct {
		check string
		look  func() string // empty: nothing there
	}{
		{"machine", machine},
		{"hpilo module", hpiloModule},
		{"nodes", func() string { return nodes(dir) }},
	} {
		switch seen := c.look(); {
		case c.check == blamed:
			x.problem(c.check, openErr)
		case seen == "":
			x.skip(c.check, "not there")
		default:
			x.ok(c.check, "%s", seen)
		}
	}
	return blamed != ""
}

// machine is what the firmware calls it.
func machine() string {
	return strings.TrimSpace(readLine("/sys/class/dmi/id/sys_vendor") + " " + readLine("/sys/class/dmi/id/product_name"))
}

// hpiloModule describes the loaded driver (chif-protocol §1.1).
func hpiloModule() string {
	if _, err := os.Stat("/sys/module/hpilo"); err != nil {
		return ""
	}
	text := "loaded"
	for _, p := range []struct{ name, file string }{{"version", "version"}, {"max_ccb", "parameters/max_ccb"}} {
		if value := readLine(filepath.Join("/sys/module/hpilo", p.file)); value != "" {
			text += ", " + p.name + " " + value
		}
	}
	return text
}

// nodes describes the channel nodes: how many, and who may open them.
func nodes(dir string) string {
	names, _ := filepath.Glob(filepath.Join(dir, "d*ccb*"))
	if len(names) == 0 {
		return ""
	}
	info, err := os.Stat(names[0])
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("%d in %s, %s", len(names), dir, info.Mode())
}

// readLine is the content of a small file of sysfs, empty if there is none.
func readLine(name string) string {
	content, _ := os.ReadFile(name)
	return strings.TrimSpace(string(content))
}
