//go:build linux

package linuxpe

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ilod/ilod/chif/chiftest/need"
	"github.com/ilod/ilod/chif/chiftest/vm"
)

// TestInitramfs makes images with the dracut and the initramfs-tools of a Debian,
// looks into them, and boots them on the real driver: the batch that the kernel's
// command line names runs in one session. There is no system to boot after that, so
// the images give up and reset the machine.
func TestInitramfs(t *testing.T) {
	asked(t, "ILOD_TEST_INITRAMFS", "test-initramfs", "mmdebstrap", "unshare", "tar")
	if os.Geteuid() != 0 {
		need.Absent(t, "a Debian to make images in needs root")
	}
	kernel, release := kernel(t)
	system := debian(t, kernel, release)
	install(t, system, program(t))
	for _, c := range []struct {
		name, list string
		make       []string
		parameters []string
	}{
		{"dracut", "lsinitrd", []string{
			"dracut", "--force", "--no-hostonly", "--no-early-microcode", "--compress", "gzip -1",
			// What boots without systemd; a RAM disk is the root device that it waits for.
			"--modules", "base kernel-modules rootfs-block udev-rules", "--add", "ilod", "--drivers", "brd", "--kver", release,
		}, []string{"root=/dev/ram0", "rootfstype=ext4", "rd.driver.pre=brd", "rd.shell=0"}},
		{"initramfs-tools", "lsinitramfs", []string{"mkinitramfs", "-c", "gzip", "-o"}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			image := "/image-" + c.name
			command := append(c.make, image)
			if c.name == "initramfs-tools" {
				command = append(command, release)
			}
			started := time.Now()
			inside(t, system, command...)
			data := read(t, system+image)
			t.Logf("made in %v, %d bytes", time.Since(started).Round(time.Second/10), len(data))
			list := string(inside(t, system, c.list, image))
			for _, file := range []string{"usr/bin/ilod\n", "usr/bin/ilod-pe\n", "/drivers/misc/hpilo.ko", "etc/ilod/ilod.toml\n", "etc/ilod/deploy.ilod\n"} {
				if !strings.Contains(list, file) {
					t.Errorf("the image has no %s", strings.TrimSpace(file))
				}
			}
			server, service := ilo(t)
			said := boot(t, vm.Machine{Kernel: kernel, Initramfs: data, Parameters: append(c.parameters, "ilod.batch=/etc/ilod/deploy.ilod"), ILO: server})
			if logins := service.Stats().Logins; logins != 1 {
				t.Errorf("%d logins; the console says\n%s", logins, said)
			}
			deployed(t, service)
		})
	}
}

// debian is the directory of a Debian that can make images for a kernel. It is kept
// in build.
func debian(t *testing.T, kernel vm.Kernel, release string) string {
	t.Helper()
	dir, err := filepath.Abs(filepath.Join(root, "build/linuxpe", kernel.Package))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir); err == nil || !errors.Is(err, fs.ErrNotExist) {
		return dir
	}
	started := time.Now()
	work := dir + ".new"
	if err := errors.Join(os.RemoveAll(work), os.MkdirAll(filepath.Dir(work), 0o755)); err != nil {
		t.Fatal(err)
	}
	run(t, "mmdebstrap", "--variant=apt", "--aptopt=Apt::Install-Recommends false",
		"--dpkgopt=path-exclude=/usr/share/man/*", "--dpkgopt=path-exclude=/usr/share/doc/*", "--dpkgopt=path-exclude=/usr/share/locale/*",
		"--include=dracut-core,initramfs-tools-core,kmod,mount,udev", "bookworm", work)
	// The kernel's package itself would want to make an image at once.
	run(t, "sh", "-c", `cd "$1" && apt-get -q=2 -o APT::Sandbox::User=root download "$2" && dpkg-deb --fsys-tarfile linux-image-*.deb |
		tar -x --keep-directory-symlink ./lib/modules ./boot && rm linux-image-*.deb`, "sh", work, strings.Replace(kernel.Package, "_", "=", 1))
	inside(t, work, "depmod", release)
	// All drivers take half a minute to pack.
	write(t, filepath.Join(work, "etc/initramfs-tools/conf.d/modules"), 0o644, []byte("MODULES=list\n"))
	if err := os.Rename(work, dir); err != nil {
		t.Fatal(err)
	}
	t.Logf("made a Debian in %v", time.Since(started).Round(time.Second/10))
	return dir
}

// install puts everything where README.md says.
func install(t *testing.T, system, ilod string) {
	t.Helper()
	for name, to := range map[string]string{
		ilod:        "usr/bin/ilod",
		"ilod-pe":   "usr/bin/ilod-pe",
		"ilod.toml": "usr/lib/ilod/ilod.toml", "deploy.ilod": "usr/lib/ilod/deploy.ilod",
		"dracut/90ilod/module-setup.sh":              "usr/lib/dracut/modules.d/90ilod/module-setup.sh",
		"dracut/90ilod/ilod.sh":                      "usr/lib/dracut/modules.d/90ilod/ilod.sh",
		"initramfs-tools/hooks/ilod":                 "etc/initramfs-tools/hooks/ilod",
		"initramfs-tools/scripts/init-premount/ilod": "etc/initramfs-tools/scripts/init-premount/ilod",
	} {
		run(t, "install", "-D", name, filepath.Join(system, to))
	}
}

// inside runs a program in another root directory, with file systems of the kernel
// that vanish with it.
func inside(t *testing.T, system string, command ...string) []byte {
	t.Helper()
	const script = `mount --bind /dev "$0/dev" && mount -t proc proc "$0/proc" && exec chroot "$0" "$@"`
	return run(t, "unshare", append([]string{"--mount", "sh", "-c", script, system}, command...)...)
}
