package chiftest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"syscall"

	"github.com/ilod/ilod/chif"
)

// socketBusy is what a client reads before the end of a connection that cannot
// have a channel: a bare header of size 8, sequence 0, command 0xFFFF.
var socketBusy = []byte{8, 0, 0, 0, 0xFF, 0xFF, 0, 0}

// ListenUnix serves channels on an AF_UNIX socket of type SOCK_SEQPACKET: one
// connection is one channel, one message one packet. A connection that cannot
// have a channel gets socketBusy; an iLO reset ends every connection. The file
// of a dead listener is replaced, a live one is an error. The file is removed by
// Close.
func (s *Server) ListenUnix(path string) error {
	l, err := listen("unixpacket", path)
	if err != nil {
		return err
	}
	return s.serve(l.Close, func() {
		s.accept(func() (packetConn, error) {
			c, err := l.(*net.UnixListener).AcceptUnix()
			return messages{c}, err
		})
	})
}

// accept gives each connection a channel, until Close.
func (s *Server) accept(next func() (packetConn, error)) {
	for {
		c, err := next()
		if err != nil { // closed, or out of descriptors for the moment
			if sleep(s.life, submitRetry) != nil {
				return
			}
			continue
		}
		p, err := s.openPort(-1, connection{c})
		if err != nil {
			s.wg.Go(func() { s.refuse(c) })
			continue
		}
		s.wg.Go(func() { sendAnswers(c, p) })
		s.wg.Go(func() { takeRequests(c, p) })
	}
}

// packetConn is a connection that moves one packet a Read or Write.
type packetConn interface {
	io.ReadWriteCloser
	CloseRead() error
	CloseWrite() error
	hungUp() bool
}

// messages is a packet socket.
type messages struct{ *net.UnixConn }

func (c messages) hungUp() bool { return hungUp(c) }

// connection is the line of a port on a socket.
type connection struct{ packetConn }

func (c connection) hangUp() {
	c.CloseRead() // fails only on a connection that has ended
	c.CloseWrite()
}

// ListenControl serves Control over HTTP on an AF_UNIX stream socket, with the
// file rules of ListenUnix.
func (s *Server) ListenControl(path string) error {
	l, err := listen("unix", path)
	if err != nil {
		return err
	}
	h := &http.Server{Handler: s.Control()}
	return s.serve(h.Close, func() { h.Serve(l) })
}

// serve runs a listener until stop, which Close calls.
func (s *Server) serve(stop func() error, run func()) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return errors.Join(chif.ErrClosed, stop())
	}
	s.closers = append(s.closers, stop)
	s.wg.Go(run)
	return nil
}

// listen makes a socket, in place of one that nobody serves any more.
func listen(network, path string) (net.Listener, error) {
	l, err := net.Listen(network, path)
	if !errors.Is(err, syscall.EADDRINUSE) {
		return l, err
	}
	if st, statErr := os.Lstat(path); statErr != nil || st.Mode()&fs.ModeSocket == 0 {
		return nil, err
	}
	c, dialErr := net.Dial(network, path)
	if dialErr == nil {
		c.Close()
	}
	if !errors.Is(dialErr, syscall.ECONNREFUSED) {
		return nil, fmt.Errorf("a process serves %s: %w", path, err)
	}
	if err := os.Remove(path); err != nil {
		return nil, err
	}
	return net.Listen(network, path)
}

// takeRequests hands a connection's packets to its port until either ends, then
// ends the other.
func takeRequests(c packetConn, p *Port) {
	defer p.Close()
	buf := make([]byte, chif.MaxPacket)
	for {
		n, err := c.Read(buf)
		if err != nil || p.submitWait(p.life, buf[:n]) != nil {
			return
		}
	}
}

// refuse tells a client that it can have no channel. It then reads what the
// client sends until that goes away: closing with unread packets would turn the
// sign into ECONNRESET at the other end.
func (s *Server) refuse(c packetConn) {
	defer c.Close()
	defer context.AfterFunc(s.life, func() { c.Close() })()
	c.Write(socketBusy)
	c.CloseWrite()
	io.Copy(io.Discard, c)
}

// sendAnswers writes a port's packets to its connection and ends the connection
// with the port.
func sendAnswers(c packetConn, p *Port) {
	defer c.Close()
	for {
		select {
		case packet := <-p.Answers():
			if _, err := c.Write(packet); err != nil {
				return
			}
		case <-p.life.Done():
			return
		}
	}
}
