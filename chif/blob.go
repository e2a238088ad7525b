package chif

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// operation is the u32 at offset 8 of a BlobStore2 request (PROTOCOL.md §2).
type operation uint32

// The operations of BlobStore2.
const (
	opCreate   operation = 1
	opWrite    operation = 2
	opInfo     operation = 3
	opRead     operation = 4
	opDelete   operation = 5
	opFinalize operation = 6
	opREST     operation = 7
)

var operationNames = [...]string{"", "CREATE", "WRITE", "INFO", "READ", "DELETE", "FINALIZE", "REST"}

// String is the operation's name, such as "CREATE".
func (o operation) String() string {
	if o >= opCreate && o <= opREST {
		return operationNames[o]
	}
	return fmt.Sprintf("operation %d", uint32(o))
}

// Sizes of requests in bytes, as the header's size field says (PROTOCOL.md
// §2): READ, WRITE and immediate REST add their count.
const (
	createSize   = 492
	writeSize    = 196
	infoSize     = 60
	readSize     = 132
	deleteSize   = 64
	finalizeSize = 64
	restSize     = 68
	restBlobSize = 116
)

// Limits in bytes (PROTOCOL.md §2, derived from the sizes that HPE's
// library reports).
const (
	maxWrite     = 3304 // data of one WRITE
	maxReadCount = 3868 // count of one READ
	maxImmediate = 3567 // HTTP request carried inside a REST packet
	maxNamespace = 15   // characters; 16 with the NUL
	maxKey       = 31   // characters; 32 with the NUL
)

// blobName is the address of a blob in the iLO's blob store, padded with zeros
// as it stands in a packet.
type blobName struct {
	namespace [maxNamespace + 1]byte
	key       [maxKey + 1]byte
}

// makeBlobName refuses, with ErrInvalidRequest, what does not fit with its NUL:
// HPE's library copies keys without a limit and damages the packet (PROTOCOL.md
// §2).
func makeBlobName(namespace, key string) (n blobName, err error) {
	if len(namespace) > maxNamespace || len(key) > maxKey {
		return n, fmt.Errorf("%w: blob name %q/%q is longer than %d/%d characters",
			ErrInvalidRequest, namespace, key, maxNamespace, maxKey)
	}
	copy(n.namespace[:], namespace)
	copy(n.key[:], key)
	return n, nil
}

// append adds the 48 bytes of the name to dst.
func (n blobName) append(dst []byte) []byte {
	return append(append(dst, n.namespace[:]...), n.key[:]...)
}

func appendString(dst []byte, s string, size int) []byte {
	return appendZeros(append(dst, s...), size-len(s))
}

func appendZeros(dst []byte, n int) []byte {
	for n > 0 {
		k := min(n, len(zeros))
		dst = append(dst, zeros[:k]...)
		n -= k
	}
	return dst
}

var zeros [512]byte

func appendUint32(dst []byte, v uint32) []byte { return binary.LittleEndian.AppendUint32(dst, v) }

// appendNamed adds the prefix that all operations but REST share: header,
// operation, namespace @12, key @28 (PROTOCOL.md §2). size is cut to 16
// bits, as HPE's library does.
func appendNamed(dst []byte, seq uint16, size uint32, op operation, n blobName) []byte {
	dst = Header{Size: uint16(size), Sequence: seq, Command: commandBlob}.append(dst)
	dst = appendUint32(dst, uint32(op))
	return n.append(dst)
}

// appendCreate adds a CREATE request. The five strings are constants of HPE's
// library whose meaning is not known (PROTOCOL.md §2).
func appendCreate(dst []byte, seq uint16, n blobName) []byte {
	dst = appendNamed(dst, seq, createSize, opCreate, n)
	dst = appendUint32(dst, 2)
	dst = appendString(dst, "text/plain", 64)
	dst = appendString(dst, "ascii", 32)
	dst = appendString(dst, "12345", 64)
	dst = appendString(dst, "python", 64)
	return appendString(dst, "test data", 204)
}

// appendWrite adds a WRITE request up to its data: the count bytes themselves
// must follow (PROTOCOL.md §2).
func appendWrite(dst []byte, seq uint16, n blobName, offset, count uint32) []byte {
	dst = appendNamed(dst, seq, writeSize+count, opWrite, n)
	dst = appendZeros(dst, 64)
	dst = appendUint32(dst, offset)
	dst = appendUint32(dst, count)
	return appendZeros(dst, 64)
}

// appendInfo adds an INFO request (PROTOCOL.md §2).
func appendInfo(dst []byte, seq uint16, n blobName) []byte {
	return appendNamed(dst, seq, infoSize, opInfo, n)
}

// appendRead adds the 132 bytes of a READ request that carry information. Its
// size field promises count bytes more, which HPE's library fills from its heap
// and we with zeros (PROTOCOL.md §2).
func appendRead(dst []byte, seq uint16, n blobName, offset, count uint32) []byte {
	dst = appendNamed(dst, seq, readSize+count, opRead, n)
	dst = appendUint32(dst, offset)
	dst = appendUint32(dst, count)
	return appendZeros(dst, 64)
}

// appendDelete adds a DELETE request (PROTOCOL.md §2).
func appendDelete(dst []byte, seq uint16, n blobName) []byte {
	return appendUint32(appendNamed(dst, seq, deleteSize, opDelete, n), 0)
}

// appendFinalize adds a FINALIZE request (PROTOCOL.md §2).
func appendFinalize(dst []byte, seq uint16, n blobName) []byte {
	return appendUint32(appendNamed(dst, seq, finalizeSize, opFinalize, n), 0)
}

// appendREST adds what both forms of REST share: operation, mode, response
// namespace @16, response key @32, length @64 (PROTOCOL.md §2).
func appendREST(dst []byte, seq uint16, size, mode uint32, rsp blobName, length uint32) []byte {
	dst = Header{Size: uint16(size), Sequence: seq, Command: commandBlob}.append(dst)
	dst = appendUint32(dst, uint32(opREST))
	dst = appendUint32(dst, mode)
	return appendUint32(rsp.append(dst), length)
}

// appendRESTImmediate adds an immediate REST request up to its HTTP request,
// whose length bytes must follow.
func appendRESTImmediate(dst []byte, seq uint16, rsp blobName, length uint32) []byte {
	return appendREST(dst, seq, restSize+length, 0, rsp, length)
}

// appendRESTBlob adds a REST request whose HTTP request lies in the finalized
// blob req.
func appendRESTBlob(dst []byte, seq uint16, req, rsp blobName) []byte {
	return req.append(appendREST(dst, seq, restBlobSize, 1, rsp, 0))
}

// answerCode returns the return code of a BlobStore2 answer's message, the u32
// at packet offset 8, and what follows it.
func answerCode(op operation, msg []byte) (Code, []byte, error) {
	if len(msg) < 4 {
		return 0, nil, fmt.Errorf("%w: %s answer has no return code", ErrProtocol, op)
	}
	return Code(binary.LittleEndian.Uint32(msg)), msg[4:], nil
}

// blobSize reads the u32 @12 of an INFO answer.
func blobSize(body []byte) (uint32, error) {
	if len(body) < 4 {
		return 0, fmt.Errorf("%w: INFO answer has no size", ErrProtocol)
	}
	return binary.LittleEndian.Uint32(body), nil
}

// readData cuts the data out of a READ answer: u32 count @12, data @16.
func readData(body []byte, asked uint32) ([]byte, error) {
	if len(body) < 4 {
		return nil, fmt.Errorf("%w: READ answer has no count", ErrProtocol)
	}
	n := binary.LittleEndian.Uint32(body)
	if n > asked || int64(n) > int64(len(body)-4) {
		return nil, fmt.Errorf("%w: READ answer claims %d bytes, asked %d, packet holds %d", ErrProtocol, n, asked, len(body)-4)
	}
	return body[4 : 4+n], nil
}

// restAnswer is the part of a REST answer behind its return code.
type restAnswer struct {
	inBlob bool   // the HTTP answer lies under the response key
	inline []byte // the HTTP answer otherwise
}

// parseRESTAnswer reads receive mode @12, inline length @16, HTTP bytes @20.
func parseRESTAnswer(body []byte) (restAnswer, error) {
	if len(body) < 8 {
		return restAnswer{}, fmt.Errorf("%w: REST answer ends before its length", ErrProtocol)
	}
	mode, n := binary.LittleEndian.Uint32(body), binary.LittleEndian.Uint32(body[4:])
	switch {
	case mode == 1:
		return restAnswer{inBlob: true}, nil
	case mode != 0:
		return restAnswer{}, fmt.Errorf("%w: REST answer has receive mode %d", ErrProtocol, mode)
	case int64(n) > int64(len(body)-8):
		return restAnswer{}, fmt.Errorf("%w: REST answer claims %d inline bytes, packet holds %d", ErrProtocol, n, len(body)-8)
	}
	return restAnswer{inline: bytes.Clone(body[8 : 8+n])}, nil
}
