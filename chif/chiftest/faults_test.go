package chiftest

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ilod/ilod/chif"
)

func setRules(tb testing.TB, s *Server, rules ...Rule) {
	tb.Helper()
	if err := s.SetFaults(Faults{Rules: rules}); err != nil {
		tb.Fatal(err)
	}
}

// TestAnswerFaults shows each fault of the answer packet on the wire.
func TestAnswerFaults(t *testing.T) {
	s := newRaw(t, Options{Handler: echo})
	h := newHost(t, s)
	h.exchange(createPacket("b"))
	h.exchange(writePacket("b", 0, []byte("blob")))
	rest := restPacket("r", get("/10"))
	good := h.exchange(bytes.Clone(rest))
	good = good[:len(good):len(good)]
	// with is the good answer with the number at an offset changed.
	u32 := func(p []byte, off int, v uint32) []byte { p = bytes.Clone(p); le.PutUint32(p[off:], v); return p }
	u16 := func(p []byte, off int, v uint16) []byte { p = bytes.Clone(p); le.PutUint16(p[off:], v); return p }
	info := h.exchange(infoPacket("b"))
	code := func(n int, c chif.Code) []byte {
		p := make([]byte, n)
		le.PutUint16(p, uint16(n))
		le.PutUint16(p[4:], 0x811C)
		return u32(p, 8, uint32(c))
	}
	for _, c := range []struct {
		rule   Rule
		packet []byte
		want   [][]byte // padded; with sequence 0 where it is that of the request
	}{
		{Rule{Fault: FaultCode, Code: 15}, rest, [][]byte{code(20, 15)}},
		{Rule{Fault: FaultCode, Code: 2, Op: OpInfo}, infoPacket("b"), [][]byte{code(16, 2)}},
		{Rule{Fault: FaultSetCode, Code: 20}, rest, [][]byte{u32(good, 8, 20)}},
		{Rule{Fault: FaultMode2}, rest, [][]byte{u32(good, 12, 2)}},
		{Rule{Fault: FaultInlineLength, Bytes: 5000}, rest, [][]byte{u32(good, 16, uint32(len(good)-20+5000))}},
		{Rule{Fault: FaultInlineLength, Bytes: -7}, rest, [][]byte{u32(good, 16, uint32(len(good)-27))}},
		{Rule{Fault: FaultWrongSequence}, rest, [][]byte{u16(good, 2, 0xFFFF)}},
		{Rule{Fault: FaultWrongCommand}, rest, [][]byte{u16(good, 4, 0x866B)}},
		{Rule{Fault: FaultWrongSize, Bytes: 100}, rest, [][]byte{u16(good, 0, uint16(len(good)+100))}},
		{Rule{Fault: FaultWrongSize, Bytes: -20}, rest, [][]byte{u16(good, 0, uint16(len(good)-20))}},
		{Rule{Fault: FaultGarbage, Bytes: 8}, rest, [][]byte{append(bytes.Clone(good[:8]), bytes.Repeat([]byte{0xA5}, len(pad(good))-8)...)}},
		{Rule{Fault: FaultGarbage}, rest, [][]byte{bytes.Repeat([]byte{0xA5}, len(pad(good)))}},
		{Rule{Fault: FaultStale}, rest, [][]byte{u16(good, 2, 0xFFFF), good}},
		{Rule{Fault: FaultInfoSize, Bytes: -3}, infoPacket("b"), [][]byte{u32(info, 12, 1)}},
		{Rule{Fault: FaultInfoSize, Bytes: -5}, infoPacket("b"), [][]byte{u32(info, 12, 1<<32-1)}},
		{Rule{Fault: FaultReadShort, Bytes: 2}, readPacket("b", 0, 4), [][]byte{append(u32(u16(code(16, 0), 0, 18), 12, 2), "bl"...)}},
		{Rule{Fault: FaultReadShort}, readPacket("b", 0, 4), [][]byte{code(16, 0)}},
		{Rule{Fault: FaultReadMore, Bytes: 2}, readPacket("b", 0, 4), [][]byte{append(u32(u16(code(16, 0), 0, 22), 12, 6), "blob\x00\x00"...)}},
		{Rule{Fault: FaultExisting, Code: 1}, createPacket("b"), [][]byte{code(16, 1)}},
		{Rule{Fault: FaultMissing, Code: 12}, deletePacket("none"), [][]byte{code(16, 12)}},
		{Rule{Fault: FaultVanish}, infoPacket("b"), [][]byte{info}},
	} {
		t.Run(string(c.rule.Fault), func(t *testing.T) {
			h := &host{TB: t, port: h.port, seq: h.seq}
			c.rule.Times = 1
			setRules(t, s, c.rule)
			h.send(c.packet)
			for i, want := range c.want {
				want = pad(bytes.Clone(want))
				switch le.Uint16(want[2:]) {
				case 0xFFFF:
					le.PutUint16(want[2:], ^h.seq)
				case 0xA5A5:
				default:
					le.PutUint16(want[2:], h.seq)
				}
				if diff := cmp.Diff(want, h.receive()); diff != "" {
					t.Errorf("packet %d, -want +got:\n%s", i, diff)
				}
			}
			if left := s.Faults().Rules; len(left) > 0 {
				t.Errorf("left after one use: %v", left)
			}
		})
		h.seq += 10
	}
	setRules(t, s, Rule{Fault: FaultSetCode, Code: 1}) // a bare header has no code to set
	if a := h.exchange(header(commandPing, 8)); len(a) != 8 {
		t.Errorf("ping answered % x", a)
	}
	setRules(t, s)
	h.code(readPacket("b", 0, 4), 16, chif.CodeNotFound) // the last fault was vanish
	setRules(t, s, Rule{Fault: FaultReadMore, Bytes: 1 << 30})
	h.exchange(createPacket("b"))
	h.exchange(readPacket("b", 0, 4))
	setRules(t, s, Rule{Fault: FaultRefuse})
	if a := h.exchange(header(commandStatus, 8)); le.Uint16(a[4:]) != commandBad {
		t.Errorf("refused status answered % x", a)
	}
	for _, n := range []int{1, 7, 12, 4095} {
		setRules(t, s, Rule{Fault: FaultTruncate, Bytes: n})
		h.send(bytes.Clone(rest))
		if a := h.receive(); len(a) != min(n, len(pad(good))) {
			t.Errorf("truncated to %d: %d bytes", n, len(a))
		}
	}
}

// TestHTTPFaults shows each fault of the HTTP message.
func TestHTTPFaults(t *testing.T) {
	s := newRaw(t, Options{Handler: echo})
	h := newHost(t, s)
	const (
		kind = "Content-Type: text/plain; charset=utf-8\r\n"
		body = "xxxxxxxxxx"
	)
	for _, c := range []struct {
		rule Rule
		want string
	}{
		{Rule{Fault: FaultHTTPEmpty}, ""},
		{Rule{Fault: FaultHTTPGarbage}, strings.Repeat("\xA5", len("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n"+kind+"\r\n"+body))},
		{Rule{Fault: FaultContinue}, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 10\r\n" + kind + "\r\n" + body},
		{Rule{Fault: FaultNoLength}, "HTTP/1.1 200 OK\r\n" + kind + "\r\n" + body},
		{Rule{Fault: FaultChunked}, "HTTP/1.1 200 OK\r\n" + kind + "Transfer-Encoding: chunked\r\n\r\na\r\n" + body + "\r\n0\r\n\r\n"},
		{Rule{Fault: FaultWrongLength, Bytes: 3}, "HTTP/1.1 200 OK\r\nContent-Length: 13\r\n" + kind + "\r\n" + body},
		{Rule{Fault: FaultWrongLength, Bytes: -3}, "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n" + kind + "\r\n" + body},
		{Rule{Fault: FaultGzipPlain}, "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 10\r\n" + kind + "\r\n" + body},
		{Rule{Fault: FaultRedirect, Location: "/5"}, "HTTP/1.1 308 Permanent Redirect\r\nLocation: /5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
	} {
		t.Run(string(c.rule.Fault), func(t *testing.T) {
			h := &host{TB: t, port: h.port}
			setRules(t, s, c.rule)
			if got := h.inline(h.exchange(restPacket("r", get("/10")))); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
	setRules(t, s, Rule{Fault: FaultHTTPStatus, Status: 401})
	if a := h.inline(h.exchange(restPacket("r", get("/10")))); !strings.HasPrefix(a, "HTTP/1.1 401 Unauthorized\r\n") || !strings.Contains(a, `"Base.1.4.NoValidSession"`) {
		t.Errorf("401 is %q", a)
	}
	setRules(t, s, Rule{Fault: FaultAsBlob})
	if a := h.exchange(restPacket("r", get("/10"))); le.Uint32(a[12:]) != 1 {
		t.Errorf("receive mode %d", le.Uint32(a[12:]))
	}
	if got := h.fetch("r"); !bytes.HasSuffix(got, []byte("\r\n\r\n"+body)) {
		t.Errorf("blob %q", got)
	}
	for _, cut := range []int{0, 1} {
		setRules(t, s, Rule{Fault: FaultGzipTruncated, Bytes: cut}, Rule{Fault: FaultLength})
		a := h.inline(h.exchange(restPacket("r", get("/1000"))))
		z, err := gzip.NewReader(strings.NewReader(a[strings.Index(a, "\r\n\r\n")+4:]))
		if err != nil || !strings.Contains(a, "Content-Encoding: gzip\r\n") {
			t.Fatalf("%v: %q", err, a)
		}
		if _, err := io.ReadAll(z); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("cut by %d: %v", cut, err)
		}
	}
}

// TestRuleMatching: operation, method, path, skip and times.
func TestRuleMatching(t *testing.T) {
	s := newRaw(t, Options{Handler: echo})
	h := newHost(t, s)
	refused := func(p []byte) bool { return le.Uint16(h.exchange(p)[4:]) == commandBad }
	setRules(t, s,
		Rule{Fault: FaultRefuse, Op: OpREST, Method: "GET", Path: "/1", Skip: 1, Times: 2},
		Rule{Fault: FaultRefuse, Op: OpInfo},
	)
	for i, c := range []struct {
		packet []byte
		want   bool
	}{
		{restPacket("r", get("/1")), false}, // skipped
		{restPacket("r", get("/2")), false},
		{restPacket("r", "PUT /1 HTTP/1.1\r\n\r\n"), false},
		{header(commandStatus, 8), false},
		{infoPacket("x"), true},
		{restPacket("r", get("/11")), true},
		{restPacket("r", get("/1")), true},
		{restPacket("r", get("/1")), false}, // used up
		{infoPacket("x"), true},
	} {
		if got := refused(c.packet); got != c.want {
			t.Errorf("packet %d refused: %v", i, got)
		}
	}
	want := []Rule{{Fault: FaultRefuse, Op: OpInfo, Times: 0}}
	if diff := cmp.Diff(want, s.Faults().Rules); diff != "" {
		t.Errorf("rules left, -want +got:\n%s", diff)
	}
	// The request of a REST by blob is looked at too.
	h.exchange(createPacket("q"))
	h.exchange(writePacket("q", 0, []byte(get("/1"))))
	h.exchange(finalizePacket("q"))
	setRules(t, s, Rule{Fault: FaultRefuse, Path: "/1"})
	if !refused(restBlobPacket("q", "r")) || refused(header(commandStatus, 8)) {
		t.Error("a rule with a path did not hit exactly the REST packet")
	}
}

func TestInvalidRules(t *testing.T) {
	s := newRaw(t, Options{})
	keep := Rule{Fault: FaultRefuse, Op: OpPing}
	setRules(t, s, keep)
	for want, r := range map[string]Rule{
		`unknown fault "x"`:              {Fault: "x"},
		`fault stale is for`:             {Fault: FaultStale, Op: OpOpen},
		`not for op "NOSUCH"`:            {Fault: FaultStale, Op: "NOSUCH"},
		`fault redirect is for [REST]`:   {Fault: FaultRedirect, Op: OpRead, Location: "/"},
		`method and path are for REST`:   {Fault: FaultVanish, Path: "/"},
		`method and path are for REST o`: {Fault: FaultStale, Op: OpRead, Method: "GET"},
		`a count or time is negative`:    {Fault: FaultStale, Times: -1},
		`bytes is 1 to 4095, not 0`:      {Fault: FaultTruncate},
		`bytes is negative`:              {Fault: FaultReadShort, Bytes: -1},
		`status is 200 to 599, not 0`:    {Fault: FaultHTTPStatus},
		`location is missing`:            {Fault: FaultRedirect},
		`or has a line end`:              {Fault: FaultRedirect, Location: "/\r\nX: y"},
	} {
		err := s.SetFaults(Faults{Rules: []Rule{{Fault: FaultStale}, r}})
		if err == nil || !strings.Contains(err.Error(), "rule 1: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: error %v, want %q", r, err, want)
		}
	}
	if diff := cmp.Diff([]Rule{keep}, s.Faults().Rules); diff != "" {
		t.Errorf("an invalid rule changed the others:\n%s", diff)
	}
}

// TestFaultsInTime: delay, life of a rule, latency, busy for a time.
func TestFaultsInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newRaw(t, Options{Handler: echo, Latency: time.Second})
		h := newHost(t, s)
		took := func(p []byte) time.Duration {
			start := time.Now()
			h.exchange(p)
			return time.Since(start)
		}
		setRules(t, s, Rule{Fault: FaultDelay, Duration: Duration(time.Minute), For: Duration(time.Hour)})
		for i, c := range []struct {
			packet []byte
			want   time.Duration
		}{{header(commandStatus, 8), time.Minute}, {restPacket("r", get("/1")), time.Minute + time.Second}} {
			if got := took(c.packet); got != c.want {
				t.Errorf("packet %d took %v, want %v", i, got, c.want)
			}
		}
		time.Sleep(time.Hour)
		if got := took(restPacket("r", get("/1"))); got != time.Second {
			t.Errorf("after the rule's life: %v, want the latency", got)
		}
		setRules(t, s, Rule{Fault: FaultOpenBusy, For: Duration(time.Second)})
		if _, err := s.OpenPort(-1); err != syscall.EBUSY {
			t.Errorf("open: %v", err)
		}
		time.Sleep(time.Second + 1)
		newHost(t, s)
		// Ports wait each for itself.
		h2 := newHost(t, s)
		start := time.Now()
		h.send(restPacket("r", get("/1")))
		h2.send(restPacket("r", get("/1")))
		h.receive()
		h2.receive()
		if got := time.Since(start); got != time.Second {
			t.Errorf("two ports took %v", got)
		}
	})
}

// TestSilentFaults: what was executed, what was not, when no answer comes.
func TestSilentFaults(t *testing.T) {
	s := newRaw(t, Options{})
	h := newHost(t, s)
	for f, executed := range map[Fault]chif.Code{FaultDropRequest: chif.CodeSuccess, FaultDropAnswer: chif.CodeNotModified} {
		setRules(t, s, Rule{Fault: f, Op: OpCreate, Times: 1})
		h.send(createPacket(string(f)))
		h.code(createPacket(string(f)), 16, executed)
	}
}

func TestResetFaults(t *testing.T) {
	for f, executed := range map[Fault]int{FaultResetBefore: 0, FaultResetAfter: 1} {
		t.Run(string(f), func(t *testing.T) {
			s := newRaw(t, Options{})
			h := newHost(t, s)
			setRules(t, s, Rule{Fault: f, Times: 1, Duration: Duration(time.Hour)})
			perm := createPacket("k") // survives a reset
			copy(perm[12:28], persistent+"\x00\x00\x00\x00")
			h.send(perm)
			<-h.port.Resets()
			if n := s.Stats().Blobs; n != executed {
				t.Errorf("%d blobs, want %d", n, executed)
			}
			if _, err := s.OpenPort(-1); err != syscall.EBUSY {
				t.Errorf("open while the iLO is down: %v", err)
			}
		})
	}
}

func TestBusyFaults(t *testing.T) {
	s := newRaw(t, Options{MaxChannels: 4})
	setRules(t, s, Rule{Fault: FaultOpenBusy, Channels: 3})
	if _, err := s.OpenPort(2); err != syscall.EBUSY {
		t.Errorf("open of a taken channel: %v", err)
	}
	h := newHost(t, s)
	if h.port.Number() != 3 {
		t.Errorf("port %d, want the only free one", h.port.Number())
	}
	if _, err := s.OpenPort(-1); err != syscall.EBUSY {
		t.Errorf("open with all taken: %v", err)
	}
	if n := s.Stats().OpensRefused; n != 2 {
		t.Errorf("%d opens refused, want 2", n)
	}
	setRules(t, s, Rule{Fault: FaultSubmitBusy, Op: OpStatus, Times: 2})
	for range 2 {
		if err := h.port.Submit(header(commandStatus, 8)); err != syscall.EBUSY {
			t.Errorf("submit: %v", err)
		}
	}
	h.code(header(commandStatus, 8), statusLen, 0)
	setRules(t, s, Rule{Fault: FaultSubmitBusy, Path: "/1"})
	h.exchange(restPacket("r", get("/2")))
	if err := h.port.Submit(restPacket("r", get("/1"))); err != syscall.EBUSY {
		t.Errorf("submit: %v", err)
	}
}
