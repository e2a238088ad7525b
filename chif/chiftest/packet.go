package chiftest

import (
	"bytes"
	"context"
	"encoding/binary"
	"net/http"

	"github.com/ilod/ilod/chif"
)

// Op names what a packet asks for, in statistics and fault rules.
type Op string

// The operations. The BlobStore2 ones share command 0x011C (PROTOCOL.md §2).
const (
	OpStatus   Op = "STATUS"   // command 0x0002
	OpSecurity Op = "SECURITY" // command 0x0139
	OpPing     Op = "PING"     // command 0x0FFF
	OpCreate   Op = "CREATE"
	OpWrite    Op = "WRITE"
	OpInfo     Op = "INFO"
	OpRead     Op = "READ"
	OpDelete   Op = "DELETE"
	OpFinalize Op = "FINALIZE"
	OpREST     Op = "REST"
	OpUnknown  Op = "UNKNOWN" // any other command or service, and 0x011C with an unknown operation code
	OpInvalid  Op = "INVALID" // no header, or one whose size field is below 8
	OpOpen     Op = "OPEN"    // not a packet: the opening of a channel, for fault rules
)

var blobOps = [...]Op{1: OpCreate, 2: OpWrite, 3: OpInfo, 4: OpRead, 5: OpDelete, 6: OpFinalize, 7: OpREST}

// Offsets and sizes in bytes, all integers little-endian (PROTOCOL.md §1,
// §2).
const (
	headerLen     = 8
	commandStatus = 0x0002
	commandBlob   = 0x011C
	commandState  = 0x0139
	commandPing   = 0x0FFF
	commandBad    = 0xFFFF
	responseBit   = 0x8000
	serviceSMIF   = 0

	namespaceLen = 16
	keyLen       = 32
	createLen    = 492
	infoLen      = 60
	deleteLen    = 64 // FINALIZE too
	readLen      = 132
	writeLen     = 196
	restLen      = 68
	restBlobLen  = 116

	maxRead   = 3868 // data bytes of one READ answer
	maxInline = 4000 // HTTP bytes of an inline REST answer
)

var le = binary.LittleEndian

// blobName addresses one blob.
type blobName struct{ namespace, key string }

// request is one parsed packet.
type request struct {
	op       Op
	sequence uint16
	command  uint16
	service  uint8
	message  []byte          // behind the header, cut to the size field
	boot     context.Context // that of the iLO which has got the packet

	// BlobStore2 only. badSize: the size field is not what the operation
	// prescribes, or the packet ends before its fixed part.
	badSize       bool
	blob          blobName // of REST: the response blob
	offset, count uint32
	data          []byte // of WRITE; of REST: the HTTP request
	byBlob        bool   // REST whose HTTP request is the blob named source
	source        blobName
	sourceCode    chif.Code     // what the blob store says to source
	http          *http.Request // nil without httpError: no REST, or no source
	httpError     error         // why data is no HTTP
}

// parseRequest reads a packet as an iLO does. It accepts what old clients send
// on the wire: 132 bytes of a READ, 124 of a DELETE or FINALIZE, and 7 stale
// bytes behind any packet (PROTOCOL.md §5, §9).
func parseRequest(packet []byte) request {
	if len(packet) < headerLen {
		return request{op: OpInvalid}
	}
	size := int(le.Uint16(packet))
	r := request{
		op:       OpUnknown,
		sequence: le.Uint16(packet[2:]),
		command:  le.Uint16(packet[4:]),
		service:  packet[6],
	}
	if size < headerLen {
		r.op = OpInvalid
		return r
	}
	r.message = packet[headerLen:min(size, len(packet))]
	if r.service != serviceSMIF {
		return r
	}
	switch r.command {
	case commandStatus:
		r.op = OpStatus
	case commandState:
		r.op = OpSecurity
	case commandPing:
		r.op = OpPing
	case commandBlob:
		r.parseBlob(packet[:headerLen+len(r.message)], size)
	}
	return r
}

// parseBlob reads a BlobStore2 request; packet is cut to its size field.
func (r *request) parseBlob(packet []byte, size int) {
	if len(packet) < 12 {
		r.badSize = true
		return
	}
	if code := le.Uint32(packet[8:]); code > 0 && code < uint32(len(blobOps)) {
		r.op = blobOps[code]
	}
	fixed := map[Op]int{
		OpCreate: createLen, OpWrite: writeLen, OpInfo: infoLen, OpRead: readLen,
		OpDelete: deleteLen, OpFinalize: deleteLen, OpREST: restLen,
	}[r.op]
	if r.badSize = len(packet) < fixed; r.badSize || r.op == OpUnknown {
		return
	}
	if r.op == OpREST {
		r.parseREST(packet, size)
		return
	}
	r.blob = nameAt(packet[12:])
	want := uint64(fixed)
	switch r.op {
	case OpWrite:
		r.offset, r.count = le.Uint32(packet[124:]), le.Uint32(packet[128:])
		r.data = packet[writeLen:]
		want += uint64(r.count)
		r.badSize = len(packet) < size
	case OpRead:
		r.offset, r.count = le.Uint32(packet[60:]), le.Uint32(packet[64:])
		want += uint64(r.count)
	case OpDelete, OpFinalize:
		// Old Linux clients put the whole 124-byte template on the wire, with
		// the size field still 64.
	}
	r.badSize = r.badSize || uint64(size) != want
}

// parseREST reads operation 7, whose names stand elsewhere (PROTOCOL.md §2).
func (r *request) parseREST(packet []byte, size int) {
	r.blob = nameAt(packet[16:])
	switch mode, n := le.Uint32(packet[12:]), le.Uint32(packet[64:]); mode {
	case 0:
		r.data = packet[restLen:]
		r.badSize = uint64(size) != restLen+uint64(n) || len(packet) < size
	case 1:
		r.byBlob = true
		if r.badSize = size != restBlobLen || len(packet) < size; !r.badSize {
			r.source = nameAt(packet[restLen:])
		}
	default:
		r.badSize = true
	}
}

// nameAt reads a namespace and the key behind it. Both end at their first NUL or
// at their full length: HPE's client leaves old bytes behind the NUL
// (PROTOCOL.md §2).
func nameAt(b []byte) blobName {
	return blobName{text(b[:namespaceLen]), text(b[namespaceLen : namespaceLen+keyLen])}
}

func text(b []byte) string {
	s, _, _ := bytes.Cut(b, []byte{0})
	return string(s)
}

// answer starts an answer packet of the given size in bytes, zero behind the
// header.
func (r *request) answer(command uint16, size int) []byte {
	p := make([]byte, size)
	le.PutUint16(p, uint16(size))
	le.PutUint16(p[2:], r.sequence)
	le.PutUint16(p[4:], command)
	return p
}

// code answers with a return code @8 in a packet of the size that the operation
// has without data (PROTOCOL.md §2).
func (r *request) code(c chif.Code) []byte {
	size := 16
	switch r.op {
	case OpWrite, OpUnknown:
		size = 12
	case OpREST:
		size = 20
	case OpStatus:
		size = statusLen
	}
	p := r.answer(r.command|responseBit, size)
	p[6] = r.service
	le.PutUint32(p[8:], uint32(c))
	return p
}

// badCommand is an iLO's refusal of a command (PROTOCOL.md §1).
func (r *request) badCommand() []byte {
	p := r.answer(commandBad, 24)
	le.PutUint32(p[8:], uint32(chif.CodeUnknown))
	copy(p[12:], "Bad command")
	return p
}

// unknownService is the answer of HPE's BMC code to a service that it does not
// have: four bytes longer than the request, in service 0 (PROTOCOL.md §1).
func (r *request) unknownService() []byte {
	p := r.answer(r.command|responseBit, min(headerLen+len(r.message)+4, chif.MaxPacket))
	le.PutUint32(p[8:], uint32(chif.CodeUnknown))
	return p
}
