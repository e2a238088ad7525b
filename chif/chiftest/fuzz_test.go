package chiftest

import (
	"encoding/hex"
	"testing"

	"github.com/ilod/ilod/chif"
)

// FuzzPort hands any packet to a port. The port must answer under the packet's
// sequence with a legal packet, or not at all to what has no header, and must
// then still answer a ping.
func FuzzPort(f *testing.F) {
	for _, p := range [][]byte{
		{}, make([]byte, 8), header(commandStatus, 8), header(commandPing, 16), createPacket("a"),
		writePacket("a", 0, []byte("data")), finalizePacket("a"), infoPacket("a"), readPacket("a", 0, 4), deletePacket("a"),
		restPacket("r", get("/10")), restPacket("r", get("/10000")), restBlobPacket("a", "r"),
	} {
		f.Add(p)
	}
	for _, d := range loadDialogues(f) {
		for _, p := range d.Packets {
			if packet, err := hex.DecodeString(p.Hex); err == nil && p.Dir == "req" {
				f.Add(packet)
			}
		}
	}
	s := newRaw(f, Options{Handler: echo, BlobLimit: 1 << 20})
	f.Fuzz(func(t *testing.T, packet []byte) {
		h := newHost(t, s)
		defer h.port.Close()
		if err := h.port.Submit(packet); err != nil {
			t.Fatal(err)
		}
		if len(packet) >= headerLen && le.Uint16(packet) >= headerLen {
			a := h.receive()
			command := le.Uint16(a[4:])
			if size := int(le.Uint16(a)); size < headerLen || size > len(a) || len(a) > chif.MaxPacket || len(a)%8 != 0 {
				t.Errorf("answer of %d bytes with size field %d", len(a), size)
			}
			if le.Uint16(a[2:]) != le.Uint16(packet[2:]) || command != le.Uint16(packet[4:])|responseBit && command != commandBad {
				t.Errorf("% x answered % x", packet[:8], a[:8])
			}
		}
		h.exchange(header(commandPing, 16))
	})
}
