//go:build linux

package vm

import (
	"bytes"
	"fmt"
	"io/fs"
	"path"
)

// File is a regular file of an initial RAM file system. It belongs to root.
type File struct {
	Path string // absolute
	Mode fs.FileMode
	Data []byte
}

// Mode bits of a cpio entry.
const (
	cpioDirectory = 0o040000
	cpioRegular   = 0o100000
)

// Initramfs makes an initial RAM file system of files and the directories that
// lead to them, in the "newc" cpio format (the kernel's initramfs buffer format).
func Initramfs(files ...File) []byte {
	var b bytes.Buffer
	pad := func() { b.Write(make([]byte, -b.Len()&3)) }
	inode := 0
	entry := func(name string, mode fs.FileMode, data []byte) {
		// magic, inode, mode, uid, gid, links, mtime, size, device and rdevice
		// (major, minor each), size of the name with its NUL, check
		fmt.Fprintf(&b, "070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%s\x00",
			inode, uint32(mode), 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name)+1, 0, name)
		pad()
		b.Write(data)
		pad()
		inode++
	}
	made := map[string]bool{"/": true}
	var directory func(name string)
	directory = func(name string) {
		if !made[name] {
			made[name] = true
			directory(path.Dir(name))
			entry(name[1:], cpioDirectory|0o755, nil)
		}
	}
	for _, f := range files {
		name := path.Clean("/" + f.Path)
		directory(path.Dir(name))
		entry(name[1:], cpioRegular|f.Mode.Perm(), f.Data)
	}
	entry("TRAILER!!!", 0, nil)
	return b.Bytes()
}
