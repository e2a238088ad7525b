package chiftest

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/netip"
	"syscall"

	"github.com/ilod/ilod/chif"
)

// ListenTCP serves channels as ListenUnix does, for tests of programs to which
// the system offers no packet socket, as Wine does. addr is a loopback address
// with a port, 0 for any; the address that is served is returned. On the
// connection the length of each packet precedes it, in two bytes, the low one
// first.
func (s *Server) ListenTCP(addr string) (net.Addr, error) {
	a, err := netip.ParseAddrPort(addr)
	if err != nil || !a.Addr().IsLoopback() {
		return nil, fmt.Errorf("%q is not a loopback address with port: whoever connects has the iLO", addr)
	}
	l, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(a))
	if err != nil {
		return nil, err
	}
	return l.Addr(), s.serve(l.Close, func() {
		s.accept(func() (packetConn, error) {
			c, err := l.AcceptTCP()
			return framed{c}, err
		})
	})
}

// framed is a TCP connection with packets in frames.
type framed struct{ *net.TCPConn }

// Read reads one packet; buf has room for the largest.
func (c framed) Read(buf []byte) (int, error) {
	var length [2]byte
	if _, err := io.ReadFull(c.TCPConn, length[:]); err != nil {
		return 0, err
	}
	n := int(binary.LittleEndian.Uint16(length[:]))
	if n > chif.MaxPacket || n > len(buf) {
		return 0, fmt.Errorf("a packet of %d bytes: %w", n, syscall.EMSGSIZE)
	}
	return io.ReadFull(c.TCPConn, buf[:n])
}

func (c framed) Write(packet []byte) (int, error) {
	frame := binary.LittleEndian.AppendUint16(nil, uint16(len(packet)))
	n, err := c.TCPConn.Write(append(frame, packet...))
	return max(n-len(frame), 0), err
}

// hungUp looks whether the end of the connection is what would be read next.
func (c framed) hungUp() bool { return atEnd(c) }
