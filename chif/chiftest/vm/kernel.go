//go:build linux

package vm

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"strings"
)

// kernelMetaPackage depends on Debian's current kernel for amd64.
const kernelMetaPackage = "linux-image-amd64"

// Kernel is a kernel with its hpilo driver, out of one Debian package.
type Kernel struct {
	Package string // name and version, joined by "_"
	Image   string // path of what QEMU starts
	Module  string // path of hpilo.ko
}

// tools are the programs that this package runs and their Debian packages.
var tools = []struct{ program, pkg string }{
	{"qemu-system-x86_64", "qemu-system-x86"},
	{"xz", "xz-utils"},
	{"dpkg-deb", "dpkg"},
	{"apt-get", "apt"},
}

// CheckTools returns an error that names the missing programs and the
// packages that have them.
func CheckTools() error {
	var missing, packages []string
	for _, t := range tools {
		if _, err := exec.LookPath(t.program); err != nil {
			missing, packages = append(missing, t.program), append(packages, t.pkg)
		}
	}
	if missing == nil {
		return nil
	}
	return fmt.Errorf("missing %s: run 'apt-get install --no-install-recommends %s'",
		strings.Join(missing, ", "), strings.Join(packages, " "))
}

// FindKernel returns the kernel behind the distribution's package
// linux-image-amd64. It keeps what it unpacks in a directory of dir named
// after package and version, and downloads the package (71 MB) when that is
// missing.
func FindKernel(ctx context.Context, dir string) (Kernel, error) {
	pkg, version, err := kernelPackage(ctx)
	if err != nil {
		return Kernel{}, err
	}
	home := filepath.Join(dir, pkg+"_"+version)
	k := Kernel{Package: pkg + "_" + version, Image: filepath.Join(home, "vmlinux"), Module: filepath.Join(home, "hpilo.ko")}
	if _, err := os.Stat(home); err == nil {
		return k, nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return Kernel{}, err
	}
	work, err := os.MkdirTemp(dir, "unpack-")
	if err != nil {
		return Kernel{}, err
	}
	defer os.RemoveAll(work)
	if _, err := output(ctx, work, "apt-get", "--quiet=2", "download", pkg+"="+version); err != nil {
		return Kernel{}, err
	}
	debs, err := filepath.Glob(filepath.Join(work, "*.deb"))
	if err != nil || len(debs) != 1 {
		return Kernel{}, fmt.Errorf("apt-get download %s left %d packages", pkg, len(debs))
	}
	unpacked := filepath.Join(work, "kernel")
	if err := os.Mkdir(unpacked, 0o755); err != nil {
		return Kernel{}, err
	}
	if err := unpackKernel(ctx, debs[0], unpacked); err != nil {
		return Kernel{}, fmt.Errorf("%s: %w", filepath.Base(debs[0]), err)
	}
	if err := os.Rename(unpacked, home); err != nil && !errors.Is(err, os.ErrExist) {
		return Kernel{}, err
	}
	return k, nil
}

var kernelDependency = regexp.MustCompile(`(?m)^Depends:.*?\b(linux-image-\d\S*) \(= ([^)]+)\)`)

// kernelPackage asks apt which package linux-image-amd64 stands for.
func kernelPackage(ctx context.Context) (name, version string, err error) {
	meta, err := output(ctx, "", "apt-cache", "show", "--no-all-versions", kernelMetaPackage)
	if err != nil {
		return "", "", fmt.Errorf("%w (has 'apt-get update' been run?)", err)
	}
	match := kernelDependency.FindSubmatch(meta)
	if match == nil {
		return "", "", fmt.Errorf("apt-cache: %s depends on no kernel", kernelMetaPackage)
	}
	return string(match[1]), string(match[2]), nil
}

// unpackKernel writes vmlinux and hpilo.ko of a kernel package to dir.
func unpackKernel(ctx context.Context, deb, dir string) (err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	cmd := exec.CommandContext(ctx, "dpkg-deb", "--fsys-tarfile", deb)
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	// The rest of the package is not waited for.
	defer cmd.Wait()
	defer cancel()

	archive := tar.NewReader(pipe)
	for image, module := false, false; !image || !module; {
		h, err := archive.Next()
		if err != nil {
			return fmt.Errorf("looking for vmlinuz and hpilo.ko: %w", err)
		}
		name := path.Base(h.Name)
		switch {
		case strings.HasPrefix(name, "vmlinuz-"):
			image = true
			err = writeKernelFile(ctx, archive, filepath.Join(dir, "vmlinux"), vmlinux)
		case name == "hpilo.ko" || name == "hpilo.ko.xz":
			module = true
			err = writeKernelFile(ctx, archive, filepath.Join(dir, "hpilo.ko"), unxz)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

func writeKernelFile(ctx context.Context, r io.Reader, to string, transform func(context.Context, []byte) ([]byte, error)) error {
	data, err := io.ReadAll(r)
	if err == nil {
		data, err = transform(ctx, data)
	}
	if err != nil {
		return err
	}
	return os.WriteFile(to, data, 0o644)
}

var xzMagic = []byte("\xfd7zXZ\x00")

// vmlinux returns the ELF kernel out of a bzImage: started directly it is 6 s
// faster than what unpacks itself. A bzImage that is packed otherwise is
// returned as it is; QEMU starts that, too.
func vmlinux(ctx context.Context, bzImage []byte) ([]byte, error) {
	i := bytes.Index(bzImage, xzMagic)
	if i < 0 {
		return bzImage, nil
	}
	return unxz(ctx, bzImage[i:])
}

// unxz unpacks data if they are an XZ stream, whatever follows it.
func unxz(ctx context.Context, data []byte) ([]byte, error) {
	if !bytes.HasPrefix(data, xzMagic) {
		return data, nil
	}
	cmd := exec.CommandContext(ctx, "xz", "--decompress", "--stdout", "--single-stream")
	cmd.Stdin = bytes.NewReader(data)
	return run(cmd)
}

func output(ctx context.Context, dir, name string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	return run(cmd)
}

func run(cmd *exec.Cmd) ([]byte, error) {
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %s", strings.Join(cmd.Args, " "), err, bytes.TrimSpace(stderr.Bytes()))
	}
	return out, nil
}
