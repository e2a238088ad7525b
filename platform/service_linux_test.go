package platform

import (
	"path/filepath"
	"testing"
)

func TestFindService(t *testing.T) {
	root := t.TempDir()
	check := func(want Service) {
		t.Helper()
		if want.Unit != "" {
			want.Unit = filepath.Join(root, want.Unit)
		}
		if got := FindService(root, "ilod"); got != want {
			t.Errorf("%+v, want %+v", got, want)
		}
	}
	check(Service{})
	write(t, root, map[string]string{"run/systemd/system/x": "", "lib/systemd/system/ilod.service": ""})
	check(Service{Manager: "systemd", Unit: "lib/systemd/system/ilod.service"})
	link(t, root, map[string]string{"etc/systemd/system/sockets.target.wants/ilod.socket": "/lib/systemd/system/ilod.socket"})
	check(Service{Manager: "systemd", Unit: "lib/systemd/system/ilod.service", Enabled: true})
	link(t, root, map[string]string{"etc/systemd/system/ilod.service": "/dev/null"})
	check(Service{Manager: "systemd", Unit: "etc/systemd/system/ilod.service", Enabled: true, Masked: true})
}
