package agentsocket

import (
	"errors"
	"io/fs"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ilod/ilod/platform"
)

// TestWindowsDial has a server of which the first connections are dead.
func TestWindowsDial(t *testing.T) {
	defer func(g []time.Duration) { greetings = g }(greetings)
	path := platform.Pipe + "-" + t.Name()
	if _, err := dial(t.Context(), path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("nobody there: %v", err)
	}
	l, err := new(platform.Lock).Listen(t.Context(), path, "no such group")
	if err != nil {
		t.Fatal(err)
	}
	dead := make(chan net.Conn, 10)
	for range 2 {
		go func() {
			conn, err := l.Accept()
			if err != nil {
				t.Error(err)
			}
			dead <- conn
		}()
	}
	served := make(chan error)
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusForbidden)
	})}
	greetings = []time.Duration{20 * time.Millisecond, 20 * time.Millisecond, time.Minute}
	connected := make(chan net.Conn)
	go func() {
		conn, err := dial(t.Context(), path)
		if err != nil {
			t.Error(err)
		}
		connected <- conn
	}()
	_ = (<-dead).Close()
	last := <-dead
	go func() { served <- server.Serve(l) }()
	conn := <-connected
	_ = last.Close()
	if conn == nil {
		t.Fatal("no connection")
	}
	if err := greet(conn, time.Minute); err != nil { // it is as good as new
		t.Error(err)
	}
	if err := errors.Join(conn.Close(), server.Close()); err != nil {
		t.Error(err)
	}
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		t.Error(err)
	}

	if l, err = new(platform.Lock).Listen(t.Context(), path, "no such group"); err != nil {
		t.Fatal(err)
	}
	go func() {
		for conn, err := l.Accept(); err == nil; conn, err = l.Accept() {
			dead <- conn
		}
		close(dead)
	}()
	greetings = []time.Duration{time.Millisecond, time.Millisecond}
	if _, err := dial(t.Context(), path); !errors.Is(err, errDumb) || !strings.Contains(err.Error(), path) {
		t.Errorf("all are dead: %v", err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	for conn := range dead {
		_ = conn.Close()
	}
}
