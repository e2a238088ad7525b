//go:build linux

package vm

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// Commands of QEMU's x-pci-proxy-dev (PROTOCOL.md §10).
const (
	commandSyncMemory = iota
	commandReturn
	commandConfigWrite
	commandConfigRead
	commandBARWrite
	commandBARRead
	commandSetInterruptFDs
	commandDeviceReset
)

const (
	messageHeader = 16 // u32 command, 4 bytes of padding, u64 size of the body; little-endian
	maxSections   = 8
	maxBody       = maxSections * 3 * 8
)

// message is one message of the proxy protocol. Its files belong to the receiver.
type message struct {
	command uint32
	body    []byte
	files   []int
}

func (m message) u64(offset int) uint64 { return binary.LittleEndian.Uint64(m.body[offset:]) }
func (m message) u32(offset int) uint32 { return binary.LittleEndian.Uint32(m.body[offset:]) }

func (m message) closeFiles() {
	for _, fd := range m.files {
		unix.Close(fd)
	}
}

// receive reads one message; io.EOF when QEMU has gone.
func receive(conn *net.UnixConn) (m message, err error) {
	header := make([]byte, messageHeader)
	rights := make([]byte, unix.CmsgSpace(maxSections*4))
	n, rightsLength, _, _, err := conn.ReadMsgUnix(header, rights)
	if n == 0 && (err == nil || errors.Is(err, syscall.ECONNRESET)) {
		return m, io.EOF
	}
	if err != nil {
		return m, err
	}
	defer func() {
		if err != nil {
			m.closeFiles()
		}
	}()
	controls, err := unix.ParseSocketControlMessage(rights[:rightsLength])
	if err != nil {
		return m, err
	}
	for _, c := range controls {
		files, err := unix.ParseUnixRights(&c)
		if err != nil {
			return m, err
		}
		m.files = append(m.files, files...)
	}
	if _, err := io.ReadFull(conn, header[n:]); err != nil {
		return m, err
	}
	m.command = binary.LittleEndian.Uint32(header)
	size := binary.LittleEndian.Uint64(header[8:])
	if size > maxBody {
		return m, fmt.Errorf("proxy command %d with a body of %d bytes", m.command, size)
	}
	m.body = make([]byte, size)
	_, err = io.ReadFull(conn, m.body)
	return m, err
}

// answer sends the RET message with its value.
func answer(conn *net.UnixConn, value uint64) error {
	b := make([]byte, messageHeader+8)
	binary.LittleEndian.PutUint32(b, commandReturn)
	binary.LittleEndian.PutUint64(b[8:], 8)
	binary.LittleEndian.PutUint64(b[messageHeader:], value)
	_, err := conn.Write(b)
	return err
}

// serve answers QEMU until it closes the connection or something breaks. QEMU
// sends one message at a time and the guest's processor stands still until the
// answer.
func (f *function) serve(conn *net.UnixConn) error {
	for {
		m, err := receive(conn)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("proxy connection: %w", err)
		}
		value, answered, err := f.handle(m)
		m.closeFiles()
		if err == nil && answered {
			err = answer(conn, value)
		}
		if err != nil {
			return fmt.Errorf("proxy command %d: %w", m.command, err)
		}
	}
}

// bodySize is the least size of each command's body in bytes.
var bodySize = [...]int{
	commandSyncMemory: maxBody, commandReturn: 8, commandConfigWrite: 12, commandConfigRead: 12,
	commandBARWrite: 24, commandBARRead: 24, commandSetInterruptFDs: 0, commandDeviceReset: 0,
}

// handle carries out one message; answered tells whether QEMU waits for a value.
func (f *function) handle(m message) (value uint64, answered bool, err error) {
	if int(m.command) >= len(bodySize) || m.command == commandReturn {
		return 0, false, errors.New("unknown command")
	}
	if len(m.body) < bodySize[m.command] {
		return 0, false, fmt.Errorf("body of %d bytes", len(m.body))
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	switch m.command {
	case commandSyncMemory:
		return 0, false, f.memory.update(m)
	case commandSetInterruptFDs: // without KVM nobody listens to them
		return 0, false, nil
	case commandConfigWrite:
		f.config.write(m.u32(0), m.u32(4), int32(m.u32(8)))
	case commandConfigRead:
		value = uint64(f.config.read(m.u32(0), int32(m.u32(8))))
	case commandBARWrite:
		f.write(m.u64(0), m.u64(8), m.u32(16), m.body[20] != 0)
	case commandBARRead:
		value = f.read(m.u64(0), m.u32(16), m.body[20] != 0)
	case commandDeviceReset:
		f.powerOn()
	}
	return value, true, f.err
}

// update takes over the sections of a SYNC_SYSMEM message: 8 guest addresses,
// 8 sizes, 8 offsets in the file of the same index.
func (m *memory) update(sync message) error {
	if len(sync.files) > maxSections {
		return fmt.Errorf("%d sections of guest memory", len(sync.files))
	}
	m.sections = m.sections[:0]
	for i, fd := range sync.files {
		data, err := m.mapFile(fd)
		if err != nil {
			return err
		}
		address, size, offset := sync.u64(i*8), sync.u64((maxSections+i)*8), sync.u64((2*maxSections+i)*8)
		if offset > uint64(len(data)) || size > uint64(len(data))-offset {
			return fmt.Errorf("section of %d bytes at %d in a file of %d", size, offset, len(data))
		}
		m.sections = append(m.sections, section{address, data[offset:][:size]})
	}
	return nil
}
