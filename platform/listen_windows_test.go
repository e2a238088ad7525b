package platform

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/windows"
)

// Wine has one user and checks no access: what the descriptors of pipe and
// directories keep out can only be seen on Windows.

func pipeOf(t *testing.T) string {
	return fmt.Sprintf(`%s-test-%d-%s`, Pipe, os.Getpid(), t.Name())
}

func listenOn(t *testing.T, path string) net.Listener {
	t.Helper()
	l, err := new(Lock).Listen(t.Context(), path, "no such group", "S-1-5-32-545")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// TestPipeServesHTTP has 20 clients ask at once, over connections that are used
// again, closed with data on the way, and left idle.
func TestPipeServesHTTP(t *testing.T) {
	path := pipeOf(t)
	l := listenOn(t, path)
	server := &http.Server{IdleTimeout: 500 * time.Millisecond, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		_, _ = fmt.Fprintf(w, "%s %s%s", r.URL.Path, body, strings.Repeat("x", 1<<20))
	})}
	served := make(chan error)
	go func() { served <- server.Serve(l) }()
	var clients sync.WaitGroup
	for i := range 20 {
		clients.Go(func() {
			transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return Dial(ctx, path) }}
			defer transport.CloseIdleConnections()
			client := &http.Client{Transport: transport}
			for j := range 5 {
				body := strings.Repeat(fmt.Sprint(i, j), 50_000)
				req, err := http.NewRequest(http.MethodGet, fmt.Sprintf("http://ilo/%d/%d", i, j), strings.NewReader(body))
				if err != nil {
					t.Error(err)
					return
				}
				resp, err := client.Do(req)
				if err != nil {
					t.Error(err)
					return
				}
				got, err := io.ReadAll(resp.Body)
				_ = resp.Body.Close()
				if want := fmt.Sprintf("/%d/%d %s", i, j, body); err != nil || len(got) != len(want)+1<<20 || string(got[:len(want)]) != want {
					t.Errorf("%d bytes, %v", len(got), err)
				}
				if j == 2 {
					time.Sleep(2 * server.IdleTimeout) // the server leaves first
				}
			}
		})
	}
	clients.Wait()
	if err := server.Close(); err != nil {
		t.Error(err)
	}
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		t.Error(err)
	}
	if c, err := Dial(t.Context(), path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("after the end: %v, %v", c, err)
	}
}

// talking returns the connections of l on which something comes. Of others it may be
// that Accept passes over them, or that they end at once.
func talking(l net.Listener) <-chan net.Conn {
	conns := make(chan net.Conn)
	go func() {
		defer close(conns)
		for conn, err := l.Accept(); err == nil; conn, err = l.Accept() {
			if n, _ := conn.Read(make([]byte, 1)); n == 1 {
				conns <- conn
			} else {
				_ = conn.Close()
			}
		}
	}()
	return conns
}

// talk connects to a listener with talking.
func talk(t *testing.T, path string, conns <-chan net.Conn) (client, conn net.Conn) {
	t.Helper()
	client, err := Dial(t.Context(), path)
	if err == nil {
		_, err = client.Write([]byte{1})
	}
	if err != nil {
		t.Fatal(err)
	}
	return client, <-conns
}

func TestPipeIsMadeOnce(t *testing.T) {
	path := pipeOf(t)
	l := listenOn(t, path)
	conns := talking(l)
	again := func() {
		t.Helper()
		if _, err := new(Lock).Listen(t.Context(), path, ""); err == nil || !strings.Contains(err.Error(), "serves it") {
			t.Errorf("a second one: %v", err)
		}
	}
	again()
	client, conn := talk(t, path, conns)
	again()
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	<-conns
	again() // while there is a connection
	if err := errors.Join(client.Close(), conn.Close()); err != nil {
		t.Error(err)
	}
	listenOn(t, path)
}

// TestPipeOfAnother: nobody uses a pipe that somebody else has made, nor makes his own
// beside it.
func TestPipeOfAnother(t *testing.T) {
	sd, err := windows.SecurityDescriptorFromString("O:BUD:(A;;FA;;;WD)")
	if err != nil {
		t.Fatal(err)
	}
	p := &pipeListener{path: pipeOf(t), sd: sd}
	if p.next, err = p.instance(windows.FILE_FLAG_FIRST_PIPE_INSTANCE); err != nil {
		t.Skipf("this user may not give his pipe away: %v", err)
	}
	defer func() { _ = windows.CloseHandle(p.next) }()
	if c, err := Dial(t.Context(), p.path); !errors.Is(err, ErrNotOurs) || !strings.Contains(err.Error(), "Users") {
		t.Errorf("dial: %v, %v", c, err)
	}
	next, err := p.instance(0) // for the next client
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = windows.CloseHandle(next) }()
	if _, err := new(Lock).Listen(t.Context(), p.path, ""); !errors.Is(err, ErrNotOurs) {
		t.Errorf("listen: %v", err)
	}
}

func TestPipeCloseEndsAccept(t *testing.T) {
	l := listenOn(t, pipeOf(t))
	ended := make(chan error)
	go func() {
		_, err := l.Accept()
		ended <- err
	}()
	time.Sleep(20 * time.Millisecond) // more often than not it waits by then
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	for _, err := range []error{<-ended, l.Close()} {
		if !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
	}
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
}

func TestPipeErrors(t *testing.T) {
	path := pipeOf(t)
	l := listenOn(t, path)
	gone, err := Dial(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	if err := gone.Close(); err != nil {
		t.Fatal(err)
	}
	client, conn := talk(t, path, talking(l))
	if err := client.SetReadDeadline(time.Now().Add(time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	_, err = client.Read(make([]byte, 1))
	if timeout, ok := errors.AsType[net.Error](err); !ok || !timeout.Timeout() {
		t.Errorf("too late: %v", err)
	}
	if err := client.Close(); err != nil {
		t.Error(err)
	}
	if _, err := client.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	if _, err := conn.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("of a client that has left: %v", err)
	}
	if err := conn.Close(); err != nil {
		t.Error(err)
	}
	now, cancel := context.WithCancel(t.Context())
	cancel()
	quiet := listenOn(t, path+"-quiet")
	first, err := Dial(now, quiet.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	if c, err := Dial(now, quiet.Addr().String()); !errors.Is(err, context.Canceled) {
		t.Errorf("while nobody accepts: %v, %v", c, err)
	}
}

func TestPeerOf(t *testing.T) {
	path := pipeOf(t)
	l := listenOn(t, path)
	client, err := Dial(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	p, err := PeerOf(conn)
	if err != nil {
		t.Fatal(err)
	}
	own, err := ownSID()
	if err != nil {
		t.Fatal(err)
	}
	admin, err := elevated(0)
	if err != nil {
		t.Fatal(err)
	}
	name := os.Args[0][strings.LastIndexAny(os.Args[0], `\/`)+1:]
	if p.SID != own.String() || (p.UID == 0) != admin || p.PID != uint32(os.Getpid()) || p.Process != name || p.User == "" || len(p.GroupSIDs) == 0 {
		t.Errorf("%+v, admin %v, want %v", p, admin, own)
	}
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	if p, err := PeerOf(conn); err == nil {
		t.Errorf("of a closed connection: %+v", p)
	}
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	if p, err := PeerOf(a); err == nil {
		t.Errorf("of another kind of connection: %+v", p)
	}
}

func TestAccounts(t *testing.T) {
	ids, err := AccountIDs([]string{"S-1-5-18", `BUILTIN\Administrators`})
	if err != nil || ids[0] != "S-1-5-18" || ids[1] != "S-1-5-32-544" {
		t.Errorf("%q, %v", ids, err)
	}
	for _, name := range []string{"", "no such account", "S-1-x"} {
		if ids, err := AccountIDs([]string{name}); err == nil {
			t.Errorf("%q is %q", name, ids)
		}
	}
}
