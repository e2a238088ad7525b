package platform

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strings"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/windows"
)

// Pipe is where the system's agent listens.
const Pipe = `\\.\pipe\ilod`

const (
	// clientAccess is what a client needs: to read and to write. It lacks
	// FILE_APPEND_DATA, which for a pipe is the right to serve it.
	clientAccess = (windows.FILE_GENERIC_READ | windows.FILE_GENERIC_WRITE) &^ windows.FILE_APPEND_DATA
	// pipeBuffer is how much of an answer waits for a slow reader, in bytes.
	pipeBuffer = 64 << 10
	// pipePoll is how often a pipe is tried again whose next instance is being made.
	pipePoll = 5 * time.Millisecond
)

// Listen makes a named pipe at path that SYSTEM and Administrators may use, with
// the group of that name, if there is one, and with members, by their SIDs. It
// fails if the pipe exists. Programs on other computers are refused.
func (l *Lock) Listen(_ context.Context, path, group string, members ...string) (net.Listener, error) {
	if sid, err := accountSID(group); err == nil {
		members = append(members, sid.String())
	}
	var more strings.Builder
	for _, sid := range members {
		fmt.Fprintf(&more, "(A;;%#x;;;%s)", clientAccess, sid)
	}
	sd, err := privateSD("", more.String())
	if err != nil {
		return nil, fmt.Errorf("pipe %s: %w", path, err)
	}
	if err := absent(path); err != nil {
		return nil, fmt.Errorf("pipe %s: %w", path, err)
	}
	p := &pipeListener{path: path, sd: sd}
	if p.next, err = p.instance(windows.FILE_FLAG_FIRST_PIPE_INSTANCE); err != nil {
		return nil, fmt.Errorf("pipe %s: %w", path, err)
	}
	if p.closed, err = windows.CreateEvent(nil, 1, 0, nil); err != nil {
		return nil, errors.Join(err, windows.CloseHandle(p.next))
	}
	return p, nil
}

// absent says who has a pipe. That it is not made twice is up to the system, but
// its error does not tell, and Wine's has none.
func absent(path string) error {
	now, cancel := context.WithCancel(context.Background())
	cancel()
	conn, err := Dial(now, path)
	switch {
	case err == nil:
		return errors.Join(errors.New("another program serves it"), conn.Close())
	case errors.Is(err, context.Canceled):
		return errors.New("another program serves it")
	case errors.Is(err, fs.ErrNotExist):
		return nil
	}
	return err
}

// pipeListener always has one instance of its pipe that waits for a client, so
// that nobody else can make the pipe meanwhile.
type pipeListener struct {
	path   string
	sd     *windows.SECURITY_DESCRIPTOR
	closed windows.Handle // an event

	accept     sync.Mutex
	next       windows.Handle
	overlapped windows.Overlapped // here, since the system writes to it
	closing    sync.Once
}

// instance makes one more instance of the pipe.
func (p *pipeListener) instance(flags uint32) (windows.Handle, error) {
	name, err := windows.UTF16PtrFromString(p.path)
	if err != nil {
		return 0, err
	}
	sa := windows.SecurityAttributes{SecurityDescriptor: p.sd}
	sa.Length = uint32(unsafe.Sizeof(sa))
	return windows.CreateNamedPipe(name, windows.PIPE_ACCESS_DUPLEX|windows.FILE_FLAG_OVERLAPPED|flags,
		windows.PIPE_TYPE_BYTE|windows.PIPE_REJECT_REMOTE_CLIENTS, windows.PIPE_UNLIMITED_INSTANCES, pipeBuffer, pipeBuffer, 0, &sa)
}

// Accept waits for a client.
func (p *pipeListener) Accept() (net.Conn, error) {
	p.accept.Lock()
	defer p.accept.Unlock()
	for {
		connecting := p.connect()
		if errors.Is(connecting, net.ErrClosed) {
			return nil, p.failed("accept", connecting)
		}
		next, err := p.instance(0)
		if err != nil {
			return nil, p.failed("accept", err)
		}
		var current windows.Handle
		current, p.next = p.next, next
		if connecting == nil {
			return newPipeConn(current, p.path), nil
		}
		if err := windows.CloseHandle(current); err != nil || !errors.Is(connecting, windows.ERROR_NO_DATA) {
			return nil, p.failed("accept", errors.Join(connecting, err))
		} // else the client has left already
	}
}

// connect waits until a client has the next instance.
func (p *pipeListener) connect() error {
	event, err := windows.CreateEvent(nil, 1, 0, nil)
	if err != nil {
		return err
	}
	defer func() { _ = windows.CloseHandle(event) }()
	if signaled, _ := windows.WaitForSingleObject(p.closed, 0); signaled == windows.WAIT_OBJECT_0 {
		return net.ErrClosed
	}
	p.overlapped = windows.Overlapped{HEvent: event}
	switch err := windows.ConnectNamedPipe(p.next, &p.overlapped); {
	case errors.Is(err, windows.ERROR_PIPE_CONNECTED):
		return nil
	case !errors.Is(err, windows.ERROR_IO_PENDING):
		return err
	}
	first, err := windows.WaitForMultipleObjects([]windows.Handle{event, p.closed}, false, windows.INFINITE)
	if err == nil && first != windows.WAIT_OBJECT_0 {
		err = net.ErrClosed
	}
	if err != nil {
		_ = windows.CancelIoEx(p.next, &p.overlapped)
	}
	var none uint32
	return errors.Join(err, windows.GetOverlappedResult(p.next, &p.overlapped, &none, true))
}

// Close ends Accept. The connections stay.
func (p *pipeListener) Close() (err error) {
	err = net.ErrClosed
	p.closing.Do(func() {
		err = windows.SetEvent(p.closed)
		p.accept.Lock()
		defer p.accept.Unlock()
		err = errors.Join(err, windows.CloseHandle(p.next))
	})
	return err
}

func (p *pipeListener) Addr() net.Addr { return pipeAddr(p.path) }

func (p *pipeListener) failed(op string, err error) error {
	return &net.OpError{Op: op, Net: p.Addr().Network(), Addr: p.Addr(), Err: err}
}

// pipeAddr is the name of a pipe.
type pipeAddr string

func (pipeAddr) Network() string { return "pipe" }

func (a pipeAddr) String() string { return string(a) }

// pipeConn is one end of a pipe.
type pipeConn struct {
	file *os.File
	addr pipeAddr
}

func newPipeConn(handle windows.Handle, path string) *pipeConn {
	return &pipeConn{os.NewFile(uintptr(handle), path), pipeAddr(path)}
}

// failed makes the error one of a connection: net/http looks for those.
func (c *pipeConn) failed(op string, err error) error {
	path, ok := errors.AsType[*os.PathError](err)
	if !ok {
		return err // io.EOF and nil
	}
	if err = path.Err; errors.Is(err, os.ErrClosed) {
		err = net.ErrClosed
	}
	return &net.OpError{Op: op, Net: c.addr.Network(), Addr: c.addr, Err: err}
}

func (c *pipeConn) Read(b []byte) (int, error) {
	n, err := c.file.Read(b)
	return n, c.failed("read", err)
}

func (c *pipeConn) Write(b []byte) (int, error) {
	n, err := c.file.Write(b)
	return n, c.failed("write", err)
}

func (c *pipeConn) Close() error                  { return c.failed("close", c.file.Close()) }
func (c *pipeConn) LocalAddr() net.Addr           { return c.addr }
func (c *pipeConn) RemoteAddr() net.Addr          { return c.addr }
func (c *pipeConn) SetDeadline(t time.Time) error { return c.failed("set", c.file.SetDeadline(t)) }
func (c *pipeConn) SetReadDeadline(t time.Time) error {
	return c.failed("set", c.file.SetReadDeadline(t))
}
func (c *pipeConn) SetWriteDeadline(t time.Time) error {
	return c.failed("set", c.file.SetWriteDeadline(t))
}

// handle calls f with the pipe's handle, which is not closed meanwhile.
func (c *pipeConn) handle(f func(windows.Handle) error) (err error) {
	raw, err := c.file.SyscallConn()
	if err != nil {
		return err
	}
	return errors.Join(raw.Control(func(fd uintptr) { err = f(windows.Handle(fd)) }), err)
}

// Dial connects to a pipe that Listen made, and fails with ErrNotOurs if
// somebody else serves it. The server may learn who this is, and not act as him.
func Dial(ctx context.Context, path string) (net.Conn, error) {
	name, err := windows.UTF16PtrFromString(path)
	if err != nil {
		return nil, err
	}
	for {
		handle, err := windows.CreateFile(name, clientAccess, 0, nil, windows.OPEN_EXISTING,
			windows.FILE_FLAG_OVERLAPPED|windows.SECURITY_SQOS_PRESENT|windows.SECURITY_IDENTIFICATION, 0)
		if err == nil {
			sd, err := windows.GetSecurityInfo(handle, windows.SE_KERNEL_OBJECT, windows.OWNER_SECURITY_INFORMATION)
			if err == nil {
				err = ours(sd)
			}
			if err != nil {
				return nil, errors.Join(fmt.Errorf("pipe %s: %w", path, err), windows.CloseHandle(handle))
			}
			return newPipeConn(handle, path), nil
		}
		if !errors.Is(err, windows.ERROR_PIPE_BUSY) {
			return nil, &net.OpError{Op: "dial", Net: "pipe", Addr: pipeAddr(path), Err: err}
		}
		timer := time.NewTimer(pipePoll)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil, &net.OpError{Op: "dial", Net: "pipe", Addr: pipeAddr(path), Err: context.Cause(ctx)}
		}
	}
}
