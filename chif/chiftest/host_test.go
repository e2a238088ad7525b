package chiftest

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/ilod/ilod/chif"
)

// echo answers GET /N with N bytes and everything else with its own body.
var echo = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	var n int
	if _, err := fmt.Sscanf(r.URL.Path, "/%d", &n); err == nil {
		w.Header().Set("Content-Length", fmt.Sprint(n))
		io.WriteString(w, strings.Repeat("x", n))
		return
	}
	io.Copy(w, r.Body)
})

// newRaw is New for tests whose packets no host should send.
func newRaw(tb testing.TB, o Options) *Server {
	tb.Helper()
	o.Allow = slices.Collect(maps.Keys(HostRules))
	return New(tb, o)
}

// host is the other end of a port, for tests.
type host struct {
	testing.TB
	port *Port
	seq  uint16
}

func newHost(tb testing.TB, s *Server) *host {
	tb.Helper()
	p, err := s.OpenPort(-1)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(p.Close)
	return &host{TB: tb, port: p, seq: 0x1000}
}

// send hands a packet over under a fresh sequence number.
func (h *host) send(p []byte) {
	h.Helper()
	h.seq++
	le.PutUint16(p[2:], h.seq)
	if err := h.port.Submit(p); err != nil {
		h.Fatalf("submit: %v", err)
	}
}

// receive waits for one packet as it is on the wire.
func (h *host) receive() []byte {
	h.Helper()
	select {
	case p := <-h.port.Answers():
		return p
	case <-h.port.Resets():
		h.Fatal("the port was reset")
		return nil
	}
}

// exchange returns the answer cut to its size field, and checks what holds for
// every answer that no fault has touched.
func (h *host) exchange(p []byte) []byte {
	h.Helper()
	h.send(p)
	a := h.receive()
	size := int(le.Uint16(a))
	if size < headerLen || size > len(a) || len(a) > chif.MaxPacket || len(a)%8 != 0 {
		h.Fatalf("answer of %d bytes with size field %d", len(a), size)
	}
	if pad := a[size:]; !bytes.Equal(pad, bytes.Repeat([]byte{padding}, len(pad))) {
		h.Errorf("padding % x", pad)
	}
	if got := le.Uint16(a[2:]); got != h.seq {
		h.Errorf("sequence %#x, want %#x", got, h.seq)
	}
	if got := le.Uint16(a[4:]); got != le.Uint16(p[4:])|responseBit && got != commandBad {
		h.Errorf("command %#x answered with %#x", le.Uint16(p[4:]), got)
	}
	return a[:size]
}

// code is exchange for an answer that must have the command bit, the size and
// the return code.
func (h *host) code(p []byte, size int, want chif.Code) []byte {
	h.Helper()
	a := h.exchange(p)
	if len(a) != size {
		h.Errorf("answer of %d bytes, want %d", len(a), size)
	}
	if got := chif.Code(le.Uint32(a[8:])); got != want || le.Uint16(a[4:]) == commandBad {
		h.Errorf("command %#x code %v, want %v", le.Uint16(a[4:]), got, want)
	}
	return a
}

// header makes a packet of n bytes.
func header(command uint16, n int) []byte {
	p := make([]byte, n)
	le.PutUint16(p, uint16(n))
	le.PutUint16(p[4:], command)
	return p
}

// blobPacket makes a BlobStore2 request other than REST of n bytes.
func blobPacket(op uint32, key string, n int) []byte {
	p := header(commandBlob, n)
	le.PutUint32(p[8:], op)
	copy(p[12:28], "volatile")
	copy(p[28:60], key)
	return p
}

func createPacket(key string) []byte {
	p := blobPacket(1, key, createLen)
	copy(p[60:], createConstants())
	return p
}

func infoPacket(key string) []byte     { return blobPacket(3, key, infoLen) }
func deletePacket(key string) []byte   { return blobPacket(5, key, deleteLen) }
func finalizePacket(key string) []byte { return blobPacket(6, key, deleteLen) }

func writePacket(key string, offset uint32, data []byte) []byte {
	p := append(blobPacket(2, key, writeLen), data...)
	le.PutUint16(p, uint16(len(p)))
	le.PutUint32(p[124:], offset)
	le.PutUint32(p[128:], uint32(len(data)))
	return p
}

func readPacket(key string, offset, count uint32) []byte {
	p := blobPacket(4, key, readLen+int(count))
	le.PutUint32(p[60:], offset)
	le.PutUint32(p[64:], count)
	return p
}

func restPacket(key, message string) []byte {
	p := append(header(commandBlob, restLen), message...)
	le.PutUint16(p, uint16(len(p)))
	le.PutUint32(p[8:], 7)
	copy(p[16:32], "volatile")
	copy(p[32:64], key)
	le.PutUint32(p[64:], uint32(len(message)))
	return p
}

func restBlobPacket(requestKey, responseKey string) []byte {
	p := header(commandBlob, restBlobLen)
	le.PutUint32(p[8:], 7)
	le.PutUint32(p[12:], 1)
	copy(p[16:32], "volatile")
	copy(p[32:64], responseKey)
	copy(p[68:84], "volatile")
	copy(p[84:116], requestKey)
	return p
}

func get(path string) string {
	return "GET " + path + " HTTP/1.1\r\nHost: \r\nAccept-Encoding: gzip\r\n\r\n"
}

// inline returns the HTTP message of an inline REST answer.
func (h *host) inline(p []byte) string {
	h.Helper()
	if mode := le.Uint32(p[12:]); mode != 0 {
		h.Fatalf("receive mode %d, want 0", mode)
	}
	n := int(le.Uint32(p[16:]))
	if n != len(p)-20 {
		h.Fatalf("inline length %d in a packet of %d", n, len(p))
	}
	return string(p[20:])
}

// fetch reads a blob by INFO and READ and deletes it.
func (h *host) fetch(key string) []byte {
	h.Helper()
	size := int(le.Uint32(h.code(infoPacket(key), infoAnswerLen, 0)[12:]))
	var data []byte
	for len(data) < size {
		a := h.exchange(readPacket(key, uint32(len(data)), uint32(min(size-len(data), maxRead))))
		n := int(le.Uint32(a[12:]))
		if le.Uint32(a[8:]) != 0 || n == 0 || n != len(a)-16 {
			h.Fatalf("READ answered code %d, %d bytes in a packet of %d", le.Uint32(a[8:]), n, len(a))
		}
		data = append(data, a[16:]...)
	}
	h.code(deletePacket(key), 16, chif.CodeSuccess)
	return data
}
