//go:build linux

package vm

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ilod/ilod/chif/chiftest/need"
)

func script(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+text), 0o755); err != nil {
		t.Fatal(err)
	}
}

// kernelDeb makes a package with a kernel packed as in a bzImage.
func kernelDeb(t *testing.T, kernel, module string) string {
	t.Helper()
	dir := t.TempDir()
	xz := exec.Command("xz", "--stdout")
	xz.Stdin = strings.NewReader(kernel)
	packed, err := run(xz)
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string]string{
		"DEBIAN/control":        "Package: linux-image-9.9-amd64\nVersion: 9.9-1\nArchitecture: amd64\nMaintainer: nobody\nDescription: none\n",
		"boot/System.map-9.9":   "not the kernel",
		"boot/vmlinuz-9.9":      "setup code" + string(packed) + "checksum",
		"lib/modules/hpilo.ko":  module,
		"lib/modules/other.ko":  "not the module",
		"usr/share/doc/hpilo.c": "not the module either",
	} {
		if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(data), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	deb := filepath.Join(t.TempDir(), "kernel.deb")
	if _, err := run(exec.Command("dpkg-deb", "--root-owner-group", "-Znone", "--build", dir, deb)); err != nil {
		t.Fatal(err)
	}
	return deb
}

func TestFindKernel(t *testing.T) {
	need.Program(t, "xz", "xz-utils")
	need.Program(t, "dpkg-deb", "dpkg")
	bin, cache := t.TempDir(), t.TempDir()
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	t.Setenv("DEB", kernelDeb(t, "ELF kernel", "ELF module"))
	script(t, bin, "apt-cache", "echo 'Package: linux-image-amd64'; echo 'Version: 1'; echo 'Depends: linux-base (>= 4), linux-image-9.9-amd64 (= 9.9-1), x'")
	script(t, bin, "apt-get", `[ "$2 $3" = "download linux-image-9.9-amd64=9.9-1" ] && cp "$DEB" .`)
	for range 2 {
		k, err := FindKernel(t.Context(), filepath.Join(cache, "vm"))
		if err != nil {
			t.Fatal(err)
		}
		if k.Package != "linux-image-9.9-amd64_9.9-1" {
			t.Errorf("package %q", k.Package)
		}
		if image := readFile(t, k.Image); string(image) != "ELF kernel" {
			t.Errorf("kernel %q", image)
		}
		if module := readFile(t, k.Module); string(module) != "ELF module" {
			t.Errorf("module %q", module)
		}
		script(t, bin, "apt-get", "echo downloaded again >&2; exit 1")
	}
	if left, err := filepath.Glob(filepath.Join(cache, "vm/*")); err != nil || len(left) != 1 {
		t.Errorf("the cache holds %q, %v; want one kernel", left, err)
	}
}

func TestFindKernelFails(t *testing.T) {
	bin := t.TempDir()
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	const depends = "echo 'Depends: linux-image-9.9-amd64 (= 9.9-1)'"
	for name, try := range map[string]struct{ cache, get, want string }{
		"no package lists": {"echo 'E: No packages found' >&2; exit 100", "", "apt-get update"},
		"no dependency":    {"echo 'Depends: linux-base'", "", "depends on no kernel"},
		"no network":       {depends, "echo 'E: Failed to fetch' >&2; exit 100", "E: Failed to fetch"},
		"no download":      {depends, "", "left 0 packages"},
		"broken package":   {depends, "echo rubbish > kernel.deb", "kernel.deb"},
	} {
		t.Run(name, func(t *testing.T) {
			script(t, bin, "apt-cache", try.cache)
			script(t, bin, "apt-get", try.get)
			dir := t.TempDir()
			if k, err := FindKernel(t.Context(), dir); err == nil || !strings.Contains(err.Error(), try.want) {
				t.Errorf("%+v, %v; want %q", k, err, try.want)
			}
			if left, _ := filepath.Glob(filepath.Join(dir, "*")); len(left) > 0 {
				t.Errorf("left behind: %q", left)
			}
		})
	}
}

func TestCheckToolsNamesPackages(t *testing.T) {
	bin := t.TempDir()
	t.Setenv("PATH", bin)
	script(t, bin, "xz", "")
	const want = "missing qemu-system-x86_64, dpkg-deb, apt-get: run 'apt-get install --no-install-recommends qemu-system-x86 dpkg apt'"
	if err := CheckTools(); err == nil || err.Error() != want {
		t.Errorf("error %v, want %q", err, want)
	}
}

func TestKernelThatIsNotPacked(t *testing.T) {
	const image = "another packing"
	if got, err := vmlinux(t.Context(), []byte(image)); err != nil || !bytes.Equal(got, []byte(image)) {
		t.Errorf("%q, %v", got, err)
	}
}
