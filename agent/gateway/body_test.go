package gateway

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ilod/ilod/agent/budget"
)

// TestRequestBodiesTakeWhatHasArrived: a body that was only announced, or may yet
// become long, keeps no memory from the others.
func TestRequestBodiesTakeWhatHasArrived(t *testing.T) {
	for name, header := range map[string]string{"chunked": "Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n", "announced": fmt.Sprintf("Content-Length: %d\r\n\r\nx", maxBody)} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newGateway(t, Options{})
				l, _, _ := serveCounted(t, g)
				const clients = maxRunning - 1
				for _, c := range l.connect(operator, clients) {
					go func() {
						_, _ = io.WriteString(c, "PATCH /redfish/v1/Systems/x HTTP/1.1\r\nHost: x\r\n"+header)
						_, _ = io.Copy(io.Discard, c)
					}()
				}
				synctest.Wait()
				if got := g.budget.Held(); got == 0 || got > clients*8<<10 {
					t.Errorf("%d bytes are taken", got)
				}
				for _, p := range []Peer{operator, root} {
					if w := ask(g, &p, "PATCH", "/redfish/v1/Systems/x", `{"a":1}`); w.Code != 200 {
						t.Errorf("another body of %s: %d %s", p.User, w.Code, w.Body)
					}
				}
				time.Sleep(bodyTimeout + time.Second)
				if got := g.budget.Held(); got != 0 {
					t.Errorf("%d bytes are taken in the end", got)
				}
			})
		})
	}
}

// TestBodiesMustKeepARate: who sends a byte now and then loses its connection, who
// sends steadily does not.
func TestBodiesMustKeepARate(t *testing.T) {
	for _, c := range []struct {
		bytes  int // a second
		status string
	}{{1, "408"}, {bodyRate / 2, "408"}, {bodyRate * 2, "200"}} {
		t.Run(fmt.Sprint(c.bytes), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l, _, _ := serveCounted(t, newGateway(t, Options{}))
				conn := l.connect(operator, 1)[0]
				sent := make(chan struct{})
				go func() {
					defer close(sent)
					size := 40 * c.bytes
					_, _ = fmt.Fprintf(conn, "PATCH /redfish/v1/Systems/x HTTP/1.1\r\nHost: x\r\nContent-Type: application/octet-stream\r\nContent-Length: %d\r\n\r\n", size)
					for range 40 {
						time.Sleep(time.Second)
						if _, err := io.WriteString(conn, strings.Repeat("x", c.bytes)); err != nil {
							return
						}
					}
				}()
				b := make([]byte, 12)
				if _, err := io.ReadFull(conn, b); err != nil || string(b[9:]) != c.status {
					t.Errorf("%q, %v", b, err)
				}
				_ = conn.Close()
				<-sent
			})
		})
	}
}

// big is an iLO whose answers are large, each a copy of its own.
func big(size int) *next {
	return &next{answer: func(r *http.Request) (*http.Response, error) {
		resp := respond(200, strings.Repeat("x", size))
		if r.Method == "HEAD" {
			resp.Body = http.NoBody
		}
		return resp, nil
	}}
}

// askAll has a user ask on n connections, and not read.
func askAll(l *pipes, user Peer, n int, request string) (conns []net.Conn) {
	conns = l.connect(user, n)
	for _, c := range conns {
		go func() { _, _ = io.WriteString(c, request) }()
	}
	synctest.Wait()
	return conns
}

// first is the status of the answer on a connection, and its header.
func first(t *testing.T, c net.Conn) (status, header string) {
	t.Helper()
	b := make([]byte, 512)
	n, err := io.ReadAtLeast(c, b, 100)
	if err != nil {
		return err.Error(), ""
	}
	return string(b[9:12]), string(b[:n])
}

const get = "GET /redfish/v1/Systems HTTP/1.1\r\nHost: x\r\n\r\n"

// TestAnswersThatNobodyReadsAreBounded: in total and for each user, with a place
// left for admins; what does not fit is refused with 503 and Retry-After.
func TestAnswersThatNobodyReadsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size = 1 << 20
		b := budget.New(10*size, 2*size, 5*size)
		g := newGateway(t, Options{Next: big(size), budget: b})
		l, _, _ := serveCounted(t, g)
		all := askAll(l, reader, 6, get)
		if got := b.Held(); got != 5*size {
			t.Errorf("a reader has %d bytes", got)
		}
		refused := 0
		for _, c := range all {
			status, header := first(t, c)
			if status == "503" && strings.Contains(header, "\r\nRetry-After: 5\r\n") {
				refused++
			} else if status != "200" {
				t.Errorf("%s", status)
			}
		}
		if refused != 1 {
			t.Errorf("%d of 6 are refused", refused)
		}
		more := askAll(l, operator, 4, get)
		if got := b.Held(); got != 8*size {
			t.Errorf("both have %d bytes", got)
		}
		for _, c := range more {
			_ = c.Close()
		}
		synctest.Wait()
		for _, c := range askAll(l, root, 2, get) {
			if status, _ := first(t, c); status != "200" {
				t.Errorf("root gets %s", status)
			}
		}
		for _, c := range all {
			_ = c.Close()
		}
	})
}

// TestWriteAnswersAreAlwaysTold: that a write was executed is never lost for lack
// of memory.
func TestWriteAnswersAreAlwaysTold(t *testing.T) {
	const size = 1 << 20
	b := budget.New(2*size, 0, 2*size)
	g := newGateway(t, Options{Next: big(size), budget: b})
	hold := b.Purse("uid:1001", false, nil)
	if err := hold.Take(2 * size); err != nil {
		t.Fatal(err)
	}
	wantFailure(t, ask(g, &operator, "GET", "/redfish/v1/Systems", ""), 503, "ServiceTemporarilyUnavailable")
	if w := ask(g, &operator, "POST", "/redfish/v1/Systems", ""); w.Code != 200 || w.Body.Len() != size {
		t.Errorf("a write: %d, %d bytes", w.Code, w.Body.Len())
	}
	if w := ask(g, &operator, "HEAD", "/redfish/v1/Systems", ""); w.Code != 200 {
		t.Errorf("what has no body: %d", w.Code)
	}
	if got := b.Held(); got != 2*size {
		t.Errorf("%d bytes are taken", got)
	}
	hold.Close()
	if w := ask(g, &operator, "GET", "/redfish/v1/Systems", ""); w.Code != 200 || b.Held() != 0 {
		t.Errorf("afterwards: %d, and %d bytes are taken", w.Code, b.Held())
	}
}

// TestWhoDoesNotReadGivesWay: an answer that is not taken ends soon once somebody
// else is refused for it, and after the usual time otherwise.
func TestWhoDoesNotReadGivesWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size = 1 << 20
		b := budget.New(8*size, 0, 8*size)
		l, _, _ := serveCounted(t, newGateway(t, Options{Next: big(size), budget: b}))
		askAll(l, reader, 4, get)
		time.Sleep(pressedTimeout + time.Second)
		if got := b.Held(); got != 4*size {
			t.Fatalf("%d bytes while there is room", got)
		}
		askAll(l, operator, 5, get)
		for range 3 { // which does not put the end off
			time.Sleep(pressedTimeout / 4)
			askAll(l, operator, 5, get)
		}
		time.Sleep(pressedTimeout/4 + time.Second)
		if status, _ := first(t, askAll(l, operator, 1, get)[0]); status != "200" || b.Held() > 5*size {
			t.Errorf("%s, %d bytes", status, b.Held())
		}
		time.Sleep(writeTimeout + time.Second)
		if got := b.Held(); got != 0 {
			t.Errorf("%d bytes in the end", got)
		}
	})
}

// TestSharedBodiesCountOnce: what the cache gives to several answers.
func TestSharedBodiesCountOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size = 1 << 20
		b := budget.New(2*size, 0, 2*size)
		doc := new(int)
		n := &next{answer: func(*http.Request) (*http.Response, error) {
			resp := respond(200, strings.Repeat("x", size))
			resp.Body = sharedBody{resp.Body, doc}
			return resp, nil
		}}
		l, _, _ := serveCounted(t, newGateway(t, Options{Next: n, budget: b}))
		for _, c := range askAll(l, reader, maxRunning, get) {
			if status, _ := first(t, c); status != "200" {
				t.Fatal(status)
			}
		}
		if got := b.Held(); got != size {
			t.Errorf("%d bytes", got)
		}
		time.Sleep(writeTimeout + time.Second)
		if got := b.Held(); got != 0 {
			t.Errorf("%d bytes in the end", got)
		}
	})
}

type sharedBody struct {
	io.ReadCloser
	of any
}

func (d sharedBody) Document() any { return d.of }

// TestOwnAnswersCountToo: a list of the agent's own that is long.
func TestOwnAnswersCountToo(t *testing.T) {
	b := budget.New(1<<20, 0, 1<<20)
	g := newGateway(t, Options{budget: b, Cache: &Cache{Stats: func() any { return strings.Repeat("x", 64<<10) }}})
	hold := b.Purse("uid:1002", false, nil)
	if err := hold.Take(1<<20 - 32<<10); err != nil {
		t.Fatal(err)
	}
	w := ask(g, &reader, "GET", "/ilod/v1/cache", "")
	wantFailure(t, w, 503, "ServiceTemporarilyUnavailable")
	if w.Header().Get("Retry-After") != "5" {
		t.Error(w.Header())
	}
	hold.Close()
	if w := ask(g, &reader, "GET", "/ilod/v1/cache", ""); w.Code != 200 || b.Held() != 0 {
		t.Errorf("%d, %d bytes", w.Code, b.Held())
	}
}

// TestLateAnswersHurryWhenLittleIsLeft: what is begun while most of the memory is
// taken must be read soon.
func TestLateAnswersHurryWhenLittleIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size = 1 << 20
		b := budget.New(4*size, 0, 4*size)
		l, _, _ := serveCounted(t, newGateway(t, Options{Next: big(size), budget: b}))
		askAll(l, reader, 3, get)
		askAll(l, reader, 1, get)
		time.Sleep(pressedTimeout + time.Second)
		if got := b.Held(); got != 3*size {
			t.Errorf("%d bytes", got)
		}
	})
}

// TestWriteAnswersCount: nothing refuses them, and others are refused for them.
func TestWriteAnswersCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size = 1 << 20
		b := budget.New(2*size, 0, 2*size)
		l, _, _ := serveCounted(t, newGateway(t, Options{Next: big(size), budget: b}))
		askAll(l, operator, 3, "POST /redfish/v1/Systems/x HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
		if got := b.Held(); got != 3*size {
			t.Errorf("%d bytes", got)
		}
		if status, _ := first(t, askAll(l, operator, 1, get)[0]); status != "503" {
			t.Errorf("a read then: %s", status)
		}
	})
}
