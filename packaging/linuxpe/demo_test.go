//go:build linux

package linuxpe

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ilod/ilod/chif/chiftest/redfish"
	"github.com/ilod/ilod/chif/chiftest/vm"
)

// TestDemo boots an initrd of somebody else with the overlay appended, on the real
// driver: once to deploy with the agent and to be reset in the middle of its work,
// once to start the agent again, and once to deploy without agent.
func TestDemo(t *testing.T) {
	asked(t, "ILOD_TEST_LINUXPE", "linuxpe-demo", "busybox", "cpio", "gzip", "xz", "zstd", "lz4")
	kernel, release := kernel(t)
	appendix := overlay(t, program(t), kernel.Module, release)
	server, service := ilo(t)
	base := vm.Initramfs(initrd(t)...)
	microcode := vm.Initramfs(vm.File{Path: "/kernel/x86/microcode/none", Mode: 0o644, Data: []byte("x")})

	for _, b := range []struct {
		job            string
		initrd         []byte
		logins, left   int
		said           []string
		what, packedAs string
	}{
		{"deploy", append(microcode, packed(t, base, "xz", "-0", "--check=crc32")...), 1, 1, []string{`"Model": "ProLiant`, "committed"}, "the agent, then 'reboot -f' while it is at work", "microcode, xz"},
		{"start", packed(t, base, "zstd", "-1"), 2, 0, []string{"RESTHost", "Web UI"}, "the next boot, whose agent finds what is left", "zstd"},
		{"batch", append(packed(t, base, "lz4", "-l", "-1"), make([]byte, 512)...), 3, 0, []string{"AssetTag=deployed by ilod"}, "one batch, without agent and with / read-only", "lz4, zeros"},
	} {
		t.Logf("== %s (an initrd packed by %s)", b.what, b.packedAs)
		said := boot(t, vm.Machine{Kernel: kernel, Initramfs: append(b.initrd, appendix...), Arguments: []string{b.job}, ILO: server})
		for _, want := range append(b.said, "job "+b.job+": exit status 0") {
			if !strings.Contains(said, want) {
				t.Errorf("the console does not say %q", want)
			}
		}
		logins, left := service.Stats().Logins, 0
		for _, s := range service.Sessions() {
			if !s.Foreign {
				left++
			}
		}
		t.Logf("%d logins so far, %d sessions of ilod and %d of others on the iLO", logins, left, len(service.Sessions())-left)
		if logins != b.logins || left != b.left || len(service.Sessions())-left != len(others()) {
			t.Errorf("want %d, %d and %d", b.logins, b.left, len(others()))
		}
		if t.Failed() {
			return
		}
		time.Sleep(2 * time.Second) // a server's self test takes longer
	}
	deployed(t, service)
}

// deployed checks that the iLO was told everything that is in deploy.ilod.
func deployed(t *testing.T, service *redfish.Service) {
	t.Helper()
	requests := service.Stats().Requests
	for _, request := range []string{"PATCH /redfish/v1/Systems/1", "PATCH /redfish/v1/systems/1/bios/settings"} {
		if requests[request] == 0 {
			t.Errorf("%s was not sent: %v", request, requests)
		}
	}
}

// initrd are the files of somebody else's initrd.
func initrd(t *testing.T) []vm.File {
	t.Helper()
	busybox := read(t, "/bin/busybox")
	if bytes.Contains(busybox, []byte("/ld-linux")) {
		t.Fatal("/bin/busybox needs libraries: apt-get install busybox-static")
	}
	files := []vm.File{{Path: "/bin/busybox", Mode: 0o755, Data: busybox}}
	for _, name := range []string{"init", "job/deploy", "job/start", "job/batch"} {
		files = append(files, vm.File{Path: "/" + name, Mode: 0o755, Data: read(t, filepath.Join("testdata/initrd", name))})
	}
	return files
}

// packed compresses data.
func packed(t *testing.T, data []byte, program string, args ...string) []byte {
	t.Helper()
	file := write(t, filepath.Join(t.TempDir(), "data"), 0o600, data)
	out := run(t, program, append(args, "--stdout", file)...)
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	return out
}
