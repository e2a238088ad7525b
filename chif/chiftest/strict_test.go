package chiftest

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ilod/ilod/chif"
)

// TestLateAnswersGoToTheNextOwner: what a channel's host did not wait for, the next
// host of that channel gets, whether it opens before the answer comes or after;
// not that of another channel, and nobody after a reset.
func TestLateAnswersGoToTheNextOwner(t *testing.T) {
	for _, openBefore := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			s := New(t, Options{Handler: echo})
			setRules(t, s, Rule{Fault: FaultDelay, Op: OpREST, Duration: Duration(time.Minute), Times: 1})
			first := newHost(t, s)
			first.send(restPacket("r", get("/10")))
			synctest.Wait()
			first.port.Close()
			if !openBefore {
				time.Sleep(2 * time.Minute)
			}
			next, other := newHost(t, s), newHost(t, s)
			if next.port.Number() != first.port.Number() {
				t.Fatal("another channel")
			}
			if a := next.receive(); le.Uint16(a[2:]) != first.seq || le.Uint16(a[4:]) != commandBlob|responseBit {
				t.Errorf("the next owner got % x", a[:8])
			}
			time.Sleep(2 * time.Minute)
			if len(other.port.Answers())+len(next.port.Answers()) > 0 {
				t.Error("an answer came twice, or to another channel")
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		s := New(t, Options{Handler: echo})
		setRules(t, s, Rule{Fault: FaultDelay, Op: OpREST, Duration: Duration(time.Minute)})
		for _, after := range []time.Duration{time.Second, 2 * time.Minute} {
			h := newHost(t, s)
			h.send(restPacket("r", get("/10")))
			synctest.Wait()
			h.port.Close()
			time.Sleep(after)
			s.Reset(0)
			time.Sleep(2 * time.Minute)
			h = newHost(t, s)
			if len(h.port.Answers()) > 0 {
				t.Error("an answer outlived a reset")
			}
			h.port.Close()
		}
	})
}

// TestStall: an iLO that takes no packets has room for three, and goes on where it
// stopped.
func TestStall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newRaw(t, Options{})
		h := newHost(t, s)
		setRules(t, s, Rule{Fault: FaultStall, Op: OpPing})
		h.exchange(header(commandStatus, 8))
		synctest.Wait() // the answer comes a moment before there is room for the next packet
		for range queueLen {
			h.send(header(commandPing, 8))
		}
		time.Sleep(time.Hour)
		if err := h.port.Submit(header(commandPing, 8)); err != syscall.EBUSY || len(h.port.Answers()) > 0 {
			t.Errorf("fourth packet: %v; %d answers", err, len(h.port.Answers()))
		}
		setRules(t, s)
		for i := range uint16(queueLen) {
			if a := h.receive(); le.Uint16(a[2:]) != h.seq-queueLen+1+i {
				t.Errorf("answer %d has sequence %#x", i, le.Uint16(a[2:]))
			}
		}
		setRules(t, s, Rule{Fault: FaultStall})
		h.send(header(commandPing, 8))
		s.Reset(0)
		<-h.port.Resets()
	})
}

// TestSerial: with Serial an iLO executes one REST request at a time, on whatever
// channel, and answers other packets meanwhile.
func TestSerial(t *testing.T) {
	for _, serial := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			var now, most atomic.Int32
			s := New(t, Options{Serial: serial, Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
				most.Store(max(most.Load(), now.Add(1)))
				time.Sleep(time.Second)
				now.Add(-1)
			})})
			hosts := []*host{newHost(t, s), newHost(t, s), newHost(t, s)}
			for i, h := range hosts {
				h.send(restPacket(fmt.Sprint("r", i), get("/")))
			}
			newHost(t, s).exchange(header(commandStatus, 8))
			for _, h := range hosts {
				h.receive()
			}
			if got, want := most.Load(), map[bool]int32{true: 1, false: 3}[serial]; got != want {
				t.Errorf("serial %v: %d at a time, want %d", serial, got, want)
			}
		})
	}
}

// TestAnswersAreChunked: unless the handler gives a length, as an iLO 5 does.
func TestAnswersAreChunked(t *testing.T) {
	h := newHost(t, New(t, Options{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/length" {
			w.Header().Set("Content-Length", "2")
		}
		io.WriteString(w, "{}")
	})}))
	const kind = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{}"
	chunked := strings.Replace(strings.Replace(kind, "Content-Length: 2\r\n", "", 1), "\r\n\r\n{}", "\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", 1)
	for _, c := range []struct {
		path, want string
		rules      []Rule
	}{
		{"/", chunked, nil}, {"/length", kind, nil}, {"/", kind, []Rule{{Fault: FaultLength}}}, {"/length", chunked, []Rule{{Fault: FaultChunked}}},
	} {
		h.faults(c.rules...)
		if got := h.inline(h.exchange(restPacket("r", get(c.path)))); got != c.want {
			t.Errorf("%s, %v: %q, want %q", c.path, c.rules, got, c.want)
		}
	}
}

// TestStatusLengths: the sizes of status answers that HPE's library takes.
func TestStatusLengths(t *testing.T) {
	for _, n := range []int{12, 72, 73, 100} {
		h := newHost(t, New(t, Options{StatusLen: n}))
		a := h.code(header(commandStatus, 8), n, chif.CodeSuccess)
		whole := newHost(t, New(t, Options{})).exchange(header(commandStatus, 8))
		if !bytes.Equal(a[8:], whole[8:n]) {
			t.Errorf("%d bytes: % x", n, a)
		}
	}
	for _, n := range []int{-1, 11, 101} {
		if _, err := NewServer(Options{StatusLen: n}); err == nil {
			t.Errorf("a status of %d bytes is accepted", n)
		}
	}
}

// TestCodesBeforeAndAfterExecution: the same code, and the host cannot know.
func TestCodesBeforeAndAfterExecution(t *testing.T) {
	var executed int
	s := New(t, Options{BlobLimit: 5000, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		executed++
		io.WriteString(w, strings.Repeat("x", len(r.URL.Path)*4000))
	})})
	h := newHost(t, s)
	for f, want := range map[Fault]int{FaultCode: 0, FaultCodeAfter: 1} {
		executed = 0
		h.faults(Rule{Fault: f, Op: OpREST, Code: chif.CodeNoMemory})
		if a := h.code(restPacket("r", get("/")), 20, chif.CodeNoMemory); le.Uint32(a[12:]) != 0 || executed != want {
			t.Errorf("%s: executed %d times, answer % x", f, executed, a)
		}
		h.faults()
		h.exchange(deletePacket("r"))
	}
	executed = 0
	if h.code(restPacket("r", get("/2")), 20, chif.CodeTooLarge); executed != 1 {
		t.Errorf("an answer without room for its blob: executed %d times", executed)
	}
}

// TestDuplicateAndPadding: a packet that comes twice, and bytes behind its size.
func TestDuplicateAndPadding(t *testing.T) {
	s := New(t, Options{})
	h := newHost(t, s)
	h.faults(Rule{Fault: FaultDuplicate})
	h.send(header(commandPing, 8))
	if a, b := h.receive(), h.receive(); !bytes.Equal(a, b) || le.Uint16(a[2:]) != h.seq {
		t.Errorf("% x and % x", a, b)
	}
	for extra, want := range map[int]int{1: 9, 16: 24, 1 << 20: chif.MaxPacket} {
		h.faults(Rule{Fault: FaultPadding, Bytes: extra})
		h.send(header(commandPing, 8))
		if a := h.receive(); le.Uint16(a) != 8 || !bytes.Equal(a[8:], bytes.Repeat([]byte{padding}, want-8)) {
			t.Errorf("%d bytes more: % x", extra, a)
		}
	}
}

// TestExcusedBlobs: a host may leave a blob whose deletion was refused, and
// anything in an iLO that has fallen silent.
func TestExcusedBlobs(t *testing.T) {
	for _, c := range []struct {
		rule Rule
		left bool
	}{
		{Rule{Fault: FaultCode, Op: OpDelete, Code: chif.CodeError}, false},
		{Rule{Fault: FaultRefuse, Op: OpDelete}, false},
		{Rule{Fault: FaultDropRequest, Op: OpDelete}, true},
		{Rule{Fault: FaultDropRequest}, false},
		{Rule{Fault: FaultDropRequest, Times: 9}, true},
		{Rule{Fault: FaultDelay, Duration: Duration(time.Hour)}, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			s, err := NewServer(Options{})
			if err != nil {
				t.Fatal(err)
			}
			h := newHost(t, s)
			h.store("k", "x")
			setRules(t, s, c.rule)
			h.send(deletePacket("k"))
			synctest.Wait()
			h.port.Close()
			if err := s.Check(); (err != nil) != c.left {
				t.Errorf("%+v: %v", c.rule, err)
			}
			s.Close()
		})
	}
}

// TestForgedCodesTaintABlob: after a WRITE that a fault kept from being executed,
// the host cannot keep the order.
func TestForgedCodesTaintABlob(t *testing.T) {
	h := newHost(t, New(t, Options{}))
	h.exchange(createPacket("k"))
	h.faults(Rule{Fault: FaultCode, Op: OpWrite, Code: chif.CodeNotModified, Times: 1})
	h.code(writePacket("k", 0, []byte("x")), 12, chif.CodeNotModified)
	h.code(writePacket("k", 1, []byte("x")), 12, chif.CodeBadParameter)
	h.code(restBlobPacket("k", "r"), 20, chif.CodeNotFound)
	h.exchange(deletePacket("k"))
}
