package chif

import (
	"encoding/binary"
	"fmt"
)

// headerSize is the size in bytes of the CHIF header.
const headerSize = 8

// Commands that this package knows (PROTOCOL.md §1). An answer carries its
// request's command with responseFlag set, or commandBad.
const (
	commandStatus uint16 = 0x0002 // SMIF: get status and security state
	commandBlob   uint16 = 0x011C // SMIF: BlobStore2
	commandBad    uint16 = 0xFFFF // answer: unknown or refused command
	responseFlag  uint16 = 0x8000
)

// Header is the header of every CHIF packet: 8 bytes, little-endian
// (PROTOCOL.md §1).
type Header struct {
	Size     uint16 // of the whole packet in bytes, header included, padding not
	Sequence uint16 // chosen by the host, echoed by the iLO
	Command  uint16
	Service  uint8 // 0: SMIF
	Version  uint8 // 0
}

// append adds the 8 bytes of h to dst.
func (h Header) append(dst []byte) []byte {
	dst = binary.LittleEndian.AppendUint16(dst, h.Size)
	dst = binary.LittleEndian.AppendUint16(dst, h.Sequence)
	dst = binary.LittleEndian.AppendUint16(dst, h.Command)
	return append(dst, h.Service, h.Version)
}

// ParsePacket splits a received packet into its header and its message. What
// follows the header's size is padding and is dropped. It fails with
// ErrProtocol when there is no whole header or the size lies (PROTOCOL.md
// §1 rule 2).
func ParsePacket(b []byte) (Header, []byte, error) {
	if len(b) < headerSize {
		return Header{}, nil, fmt.Errorf("%w: packet of %d bytes is shorter than its header", ErrProtocol, len(b))
	}
	h := Header{
		Size:     binary.LittleEndian.Uint16(b),
		Sequence: binary.LittleEndian.Uint16(b[2:]),
		Command:  binary.LittleEndian.Uint16(b[4:]),
		Service:  b[6],
		Version:  b[7],
	}
	if h.Size < headerSize || int(h.Size) > len(b) || h.Size > MaxPacket {
		return h, nil, fmt.Errorf("%w: header says %d bytes, packet has %d", ErrProtocol, h.Size, len(b))
	}
	return h, b[headerSize:h.Size], nil
}
