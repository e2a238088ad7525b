package platform

import (
	"os"
	"path/filepath"
)

// Service is what the system knows of a service by its name.
type Service struct {
	Manager string // what runs services: "systemd"; empty: something else
	Unit    string // the unit's file; empty: none is installed
	Enabled bool   // it starts with the system
	Masked  bool   // nobody can start it
}

// unitDirs are where systemd.unit(5) looks, the more important first.
var unitDirs = []string{"etc/systemd/system", "run/systemd/system", "usr/local/lib/systemd/system", "usr/lib/systemd/system", "lib/systemd/system"}

// FindService looks for the systemd unit of a service, and for a socket that
// starts it. root is the root directory: "/" but in tests.
func FindService(root, name string) (s Service) {
	if _, err := os.Stat(filepath.Join(root, "run/systemd/system")); err == nil {
		s.Manager = "systemd"
	}
	for _, dir := range unitDirs {
		unit := filepath.Join(root, dir, name+".service")
		if _, err := os.Lstat(unit); err != nil {
			continue
		}
		target, _ := os.Readlink(unit)
		s.Unit, s.Masked = unit, target == "/dev/null"
		break
	}
	for _, wants := range []string{"*.target.wants/" + name + ".service", "sockets.target.wants/" + name + ".socket"} {
		for _, dir := range unitDirs {
			links, _ := filepath.Glob(filepath.Join(root, dir, wants))
			s.Enabled = s.Enabled || len(links) > 0
		}
	}
	return s
}
