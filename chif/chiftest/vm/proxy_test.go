//go:build linux

package vm

import (
	"encoding/binary"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// connected returns QEMU's end of a function's connection and what serve returned.
func connected(t *testing.T, f *function) (*net.UnixConn, <-chan error) {
	t.Helper()
	ours, file, err := socketPair()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ours.Close() })
	defer file.Close()
	c, err := net.FileConn(file)
	if err != nil {
		t.Fatal(err)
	}
	qemu := c.(*net.UnixConn)
	t.Cleanup(func() { qemu.Close() })
	served := make(chan error, 1)
	go func() { served <- f.serve(ours) }()
	return qemu, served
}

func send(t *testing.T, c *net.UnixConn, command uint32, body []byte, files ...int) {
	t.Helper()
	b := binary.LittleEndian.AppendUint32(nil, command)
	b = append(b, 0xaa, 0xaa, 0xaa, 0xaa) // padding of the C structure
	b = binary.LittleEndian.AppendUint64(b, uint64(len(body)))
	var rights []byte
	if files != nil {
		rights = unix.UnixRights(files...)
	}
	if _, _, err := c.WriteMsgUnix(append(b, body...), rights, nil); err != nil {
		t.Fatal(err)
	}
}

func returned(t *testing.T, c *net.UnixConn) uint64 {
	t.Helper()
	var b [messageHeader + 8]byte
	if _, err := io.ReadFull(c, b[:]); err != nil {
		t.Fatal(err)
	}
	if command, size := b[0], b[8]; command != commandReturn || size != 8 {
		t.Fatalf("not a RET message: % x", b)
	}
	return binary.LittleEndian.Uint64(b[messageHeader:])
}

func TestProxyMessages(t *testing.T) {
	guest, err := memoryFile(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer guest.Close()
	fd := int(guest.Fd())
	if _, err := guest.WriteAt([]byte("RAM of the guest"), 0x3000); err != nil {
		t.Fatal(err)
	}
	if err := guest.Truncate(0x5000); err != nil {
		t.Fatal(err)
	}
	f := newFunction(ILO5, nil, func(byte, bool) error { return nil })
	c, served := connected(t, f)

	sync := make([]byte, maxBody)
	for i, v := range []uint64{0: 0x100000, 1: 0x200000, 8: 0x2000, 9: 0x1000, 16: 0x1000, 17: 0x3000} {
		binary.LittleEndian.PutUint64(sync[i*8:], v)
	}
	for range 3 { // neither of the two is answered
		send(t, c, commandSyncMemory, sync, fd, fd)
		send(t, c, commandSetInterruptFDs, nil, fd, fd)
	}
	send(t, c, commandConfigRead, u32s(0, 0, 4))
	if got := returned(t, c); got != 0x3307103c {
		t.Errorf("ids %#x", got)
	}
	if len(f.memory.files) != 1 {
		t.Errorf("%d mappings of one file", len(f.memory.files))
	}
	if b, err := f.memory.at(0x200000, 16); err != nil || string(b) != "RAM of the guest" {
		t.Errorf("second section: %q, %v", b, err)
	}
	for _, address := range []uint64{0, 0xfffff, 0x200ff8, 0x300000, ^uint64(0)} {
		if _, err := f.memory.at(address, 16); err == nil {
			t.Errorf("16 bytes at %#x are guest memory", address)
		}
	}
	c.Close()
	if err := <-served; err != nil {
		t.Errorf("serve: %v", err)
	}
	if err := f.close(); err != nil {
		t.Error(err)
	}
}

func TestProxyBadMessages(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	empty, err := os.Create(filepath.Join(t.TempDir(), "ram"))
	if err != nil {
		t.Fatal(err)
	}
	defer empty.Close()
	if err := empty.Truncate(4096); err != nil {
		t.Fatal(err)
	}
	outside := make([]byte, maxBody)
	binary.LittleEndian.PutUint64(outside[8*8:], 4097)
	for name, try := range map[string]struct {
		command uint32
		body    []byte
		file    *os.File
		want    string
	}{
		"unknown command":  {99, nil, nil, "unknown command"},
		"return":           {commandReturn, make([]byte, 8), nil, "unknown command"},
		"short body":       {commandBARWrite, make([]byte, 23), nil, "body of 23 bytes"},
		"long body":        {commandBARWrite, make([]byte, maxBody+1), nil, "body of 193 bytes"},
		"memory in a pipe": {commandSyncMemory, make([]byte, maxBody), r, "guest memory"},
		"section too long": {commandSyncMemory, outside, empty, "4097 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFunction(ILO4, nil, func(byte, bool) error { return nil })
			var files []int
			if try.file != nil {
				files = []int{int(try.file.Fd())}
			}
			c, served := connected(t, f)
			send(t, c, try.command, try.body, files...)
			if err := <-served; err == nil || !strings.Contains(err.Error(), try.want) {
				t.Errorf("serve: %v, want %q", err, try.want)
			}
			if err := f.close(); err != nil {
				t.Error(err)
			}
		})
	}
}
