package chiftest

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ilod/ilod/chif"
)

func TestStatus(t *testing.T) {
	st := chif.Status{
		FirmwareMajor: 3, FirmwareMinor: 11, HardwareRevision: 7, Serial: "SERIAL0123456789ABCD",
		Class: 7, Subclass: 2, Application: 5, SecurityState: chif.SecurityHigh,
	}
	h := newHost(t, newRaw(t, Options{Status: &st}))
	a := h.code(header(commandStatus, 8), statusLen, chif.CodeSuccess)
	want := make([]byte, statusLen-12)
	want[16-12], want[17-12] = 11, 3
	want[30-12] = 7
	copy(want[34-12:], st.Serial)
	want[68-12], want[69-12], want[71-12], want[72-12] = 7, 2, 5, 4
	if !bytes.Equal(a[12:], want) {
		t.Errorf("status\n% x, want\n% x", a[12:], want)
	}
	if a := h.code(header(commandState, 8), 16, chif.CodeSuccess); !bytes.Equal(a[12:], []byte{4, 0, 0, 0}) {
		t.Errorf("security state % x", a[12:])
	}
}

func TestPingEchoes(t *testing.T) {
	h := newHost(t, newRaw(t, Options{}))
	p := header(commandPing, 16)
	copy(p[8:], "ABCDEFGH")
	if a := h.exchange(p); !bytes.Equal(a[8:], p[8:]) || le.Uint16(a[4:]) != 0x8FFF {
		t.Errorf("ping answered % x", a)
	}
}

// TestRefusedCommands: PROTOCOL.md §1 gives both forms.
func TestRefusedCommands(t *testing.T) {
	h := newHost(t, newRaw(t, Options{}))
	list := header(0x0108, 41)
	copy(list[8:], "\x07\x00\x19\x00")
	negotiate := header(0x0140, 10)
	negotiate[7], negotiate[8] = 1, 1
	for _, p := range [][]byte{list, negotiate, header(0x0070, 8), blobPacket(8, "k", 64), blobPacket(0, "k", 64)} {
		a := h.exchange(p)
		if le.Uint16(a[4:]) != commandBad || string(a[8:]) != "\x00\x00\xff\xffBad command\x00" {
			t.Errorf("command %#x answered % x", le.Uint16(p[4:]), a)
		}
	}
	other := header(0x0001, 97)
	other[6] = 0x12
	a := h.exchange(other)
	if len(a) != 101 || le.Uint16(a[4:]) != 0x8001 || a[6] != 0 || le.Uint32(a[8:]) != 0xFFFF0000 {
		t.Errorf("unknown service answered % x", a)
	}
	other = header(0x0001, chif.MaxPacket)
	other[6] = 0x12
	if a := h.exchange(other); len(a) != chif.MaxPacket {
		t.Errorf("unknown service answered %d bytes", len(a))
	}
}

func TestBlobRules(t *testing.T) {
	h := newHost(t, newRaw(t, Options{BlobLimit: 100}))
	h.code(writePacket("a", 0, []byte("x")), 12, chif.CodeNotFound)
	h.code(finalizePacket("a"), 16, chif.CodeNotFound)
	h.code(infoPacket("a"), 16, chif.CodeNotFound)
	h.code(readPacket("a", 0, 10), 16, chif.CodeNotFound)
	h.code(deletePacket("a"), 16, chif.CodeNotModified)

	h.code(createPacket("a"), 16, chif.CodeSuccess)
	h.code(createPacket("a"), 16, chif.CodeNotModified)
	h.code(writePacket("a", 1, []byte("x")), 12, chif.CodeBadParameter)
	h.code(writePacket("a", 0, []byte("hello ")), 12, chif.CodeSuccess)
	h.code(writePacket("a", 0, []byte("again")), 12, chif.CodeBadParameter)
	h.code(writePacket("a", 6, []byte("world")), 12, chif.CodeSuccess)
	h.code(writePacket("a", 11, make([]byte, 90)), 12, chif.CodeTooLarge)
	h.code(finalizePacket("a"), 16, chif.CodeSuccess)
	h.code(writePacket("a", 11, []byte("x")), 12, chif.CodeReadOnly)

	info := h.code(infoPacket("a"), infoAnswerLen, chif.CodeSuccess)
	if le.Uint32(info[12:]) != 11 || len(bytes.Trim(info[16:], "\x00")) > 0 {
		t.Errorf("INFO % x", info)
	}
	for _, r := range []struct {
		offset, count uint32
		want          string
	}{{0, 11, "hello world"}, {6, 3, "wor"}, {6, 100, "world"}, {11, 5, ""}, {1 << 31, 5, ""}} {
		a := h.code(readPacket("a", r.offset, r.count), 16+len(r.want), chif.CodeSuccess)
		if string(a[16:]) != r.want || int(le.Uint32(a[12:])) != len(r.want) {
			t.Errorf("READ %d+%d: %q", r.offset, r.count, a[12:])
		}
	}
	h.code(deletePacket("a"), 16, chif.CodeSuccess)
	h.code(deletePacket("a"), 16, chif.CodeNotModified)
	h.code(createPacket("b"), 16, chif.CodeSuccess)
	h.code(writePacket("b", 0, make([]byte, 100)), 12, chif.CodeSuccess)
}

// TestReadIsBounded: an answer never holds more than 3868 bytes of data.
func TestReadIsBounded(t *testing.T) {
	h := newHost(t, newRaw(t, Options{}))
	h.code(createPacket("a"), 16, 0)
	h.code(writePacket("a", 0, make([]byte, 3304)), 12, 0)
	h.code(writePacket("a", 3304, make([]byte, 3304)), 12, 0)
	h.code(readPacket("a", 0, 3964), 16+maxRead, 0)
}

func TestNames(t *testing.T) {
	h := newHost(t, newRaw(t, Options{}))
	long := strings.Repeat("k", 32)
	h.code(createPacket(long), 16, chif.CodeSuccess)
	h.code(createPacket(long[:31]), 16, chif.CodeSuccess)
	h.code(createPacket("short\x00left over"), 16, chif.CodeSuccess)
	h.code(deletePacket("short"), 16, chif.CodeSuccess)
	h.code(deletePacket(long[:31]), 16, chif.CodeSuccess)
	h.code(deletePacket(long), 16, chif.CodeSuccess)
	other := createPacket("k")
	copy(other[12:28], "sixteen bytes ns")
	h.code(other, 16, chif.CodeSuccess)
	h.code(createPacket("k"), 16, chif.CodeSuccess)
}

// TestSizeRules: the size field must be what the operation prescribes, the wire
// may be shorter or longer (PROTOCOL.md §9).
func TestSizeRules(t *testing.T) {
	h := newHost(t, newRaw(t, Options{}))
	resize := func(p []byte, size int) []byte {
		le.PutUint16(p, uint16(size))
		return p
	}
	h.code(createPacket("a"), 16, chif.CodeSuccess)
	data := writePacket("a", 0, []byte("data"))
	h.code(data, 12, chif.CodeSuccess)
	t.Run("accepted", func(t *testing.T) {
		h := &host{TB: t, port: h.port}
		h.code(readPacket("a", 0, 4)[:readLen], 20, chif.CodeSuccess)
		h.code(append(deletePacket("none"), make([]byte, 60)...), 16, chif.CodeNotModified)
		h.code(append(finalizePacket("a"), make([]byte, 60)...), 16, chif.CodeSuccess)
		h.code(append(infoPacket("a"), "1234567"...), infoAnswerLen, chif.CodeSuccess)
		h.exchange(append(header(commandStatus, 8), "1234567"...))
	})
	mode2 := restPacket("r", get("/1"))
	mode2[12] = 2
	wrongCount := writePacket("a", 4, []byte("data"))
	wrongCount[128]++
	hugeCount := readPacket("a", 0, 4)
	le.PutUint32(hugeCount[64:], 1<<16+4)
	wrongLength := restPacket("r", get("/1"))
	wrongLength[64]--
	for name, c := range map[string]struct {
		packet []byte
		size   int
	}{
		"CREATE larger":         {resize(append(createPacket("b"), 0), 493), 16},
		"CREATE smaller":        {resize(createPacket("b"), 491), 16},
		"CREATE cut":            {createPacket("b")[:480], 16},
		"WRITE other count":     {wrongCount, 12},
		"WRITE cut":             {writePacket("a", 4, []byte("data"))[:198], 12},
		"WRITE without fields":  {blobPacket(2, "a", 60), 12},
		"INFO larger":           {blobPacket(3, "a", 64), 16},
		"READ other size":       {resize(readPacket("a", 0, 4), 132), 16},
		"READ count wraps":      {hugeCount, 16},
		"READ cut":              {readPacket("a", 0, 4)[:131], 16},
		"DELETE as old clients": {resize(append(deletePacket("a"), make([]byte, 60)...), 124), 16},
		"FINALIZE smaller":      {blobPacket(6, "a", 60), 16},
		"REST other length":     {wrongLength, 20},
		"REST cut":              {restPacket("r", get("/1"))[:100], 20},
		"REST mode 2":           {mode2, 20},
		"REST by blob smaller":  {resize(restBlobPacket("a", "r"), 115), 20},
		"REST by blob cut":      {restBlobPacket("a", "r")[:110], 20},
		"no operation":          {header(commandBlob, 11), 12},
	} {
		t.Run(name, func(t *testing.T) {
			h := &host{TB: t, port: h.port}
			h.code(c.packet, c.size, chif.CodeBadParameter)
		})
	}
}

// TestNoHeader: a packet that does not say whom to answer gets no answer, and
// the next one does.
func TestNoHeader(t *testing.T) {
	s := newRaw(t, Options{})
	h := newHost(t, s)
	for _, p := range [][]byte{{}, make([]byte, 7), header(commandStatus, 8)} {
		if len(p) == 8 {
			p[0] = 7
		}
		if err := h.port.Submit(p); err != nil {
			t.Fatal(err)
		}
		h.code(header(commandStatus, 8), statusLen, 0)
	}
	if got := s.Stats().Packets[OpInvalid]; got != 3 {
		t.Errorf("%d invalid packets counted, want 3", got)
	}
}

func TestREST(t *testing.T) {
	h := newHost(t, newRaw(t, Options{Handler: echo}))
	answer := func(n int) string {
		return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n%s", n, strings.Repeat("x", n))
	}
	fits := maxInline - len(answer(1000)) + 1000
	for _, n := range []int{10, fits} {
		want := answer(n)
		if got := h.inline(h.code(restPacket("r", get(fmt.Sprint("/", n))), 20+len(want), 0)); got != want {
			t.Errorf("inline %q, want %q", got, want)
		}
	}
	for _, n := range []int{fits + 1, 100_000} {
		if a := h.code(restPacket("r", get(fmt.Sprint("/", n))), 20, 0); le.Uint32(a[12:]) != 1 {
			t.Fatalf("receive mode %d, want 1", le.Uint32(a[12:]))
		}
		if got := string(h.fetch("r")); got != answer(n) {
			t.Errorf("by blob %d bytes, want %d", len(got), len(answer(n)))
		}
	}
}

func TestRESTByBlob(t *testing.T) {
	h := newHost(t, newRaw(t, Options{Handler: echo}))
	h.code(restBlobPacket("q", "r"), 20, chif.CodeNotFound)
	h.code(createPacket("q"), 16, 0)
	body := strings.Repeat("y", 3000)
	h.code(writePacket("q", 0, fmt.Appendf(nil, "POST /echo HTTP/1.1\r\nContent-Length: %d\r\n\r\n%s", len(body), body)), 12, 0)
	h.code(restBlobPacket("q", "r"), 20, chif.CodeNotFound)
	h.code(finalizePacket("q"), 16, 0)
	a := h.exchange(restBlobPacket("q", "r"))
	if want := fmt.Sprintf("\r\n\r\n%x\r\n%s\r\n", 1000, body[:1000]); !strings.Contains(h.inline(a), want) {
		t.Errorf("answer %q", a)
	}
	h.code(deletePacket("q"), 16, 0)
}

// TestAnswerTooLarge: the answer does not fit into the blob store.
func TestAnswerTooLarge(t *testing.T) {
	h := newHost(t, newRaw(t, Options{Handler: echo, BlobLimit: 5000}))
	if a := h.code(restPacket("r", get("/5000")), 20, chif.CodeTooLarge); le.Uint32(a[12:]) != 0 {
		t.Errorf("receive mode %d without a blob", le.Uint32(a[12:]))
	}
}

func TestHTTPRequests(t *testing.T) {
	type seen struct{ method, target, path, query, host, body, token string }
	var got seen
	h := newHost(t, newRaw(t, Options{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b := new(bytes.Buffer)
		b.ReadFrom(r.Body)
		got = seen{r.Method, r.RequestURI, r.URL.Path, r.URL.RawQuery, r.Host, b.String(), r.Header.Get("X-Auth-Token")}
		if r.RemoteAddr != InBand {
			t.Errorf("remote address %q", r.RemoteAddr)
		}
	})}))
	for raw, want := range map[string]seen{
		"GET /a?b=c&d HTTP/1.1\r\nHost: \r\nX-Auth-Token: t\r\n\r\n":          {"GET", "/a?b=c&d", "/a", "b=c&d", "", "", "t"},
		"POST /a HTTP/1.1\r\nHost: ilo\r\nContent-Length: 2\r\n\r\n{}\x00":    {"POST", "/a", "/a", "", "ilo", "{}", ""},
		"DELETE /s/system administrator00 HTTP/1.1\nHost:\n\n":                {"DELETE", "/s/system administrator00", "/s/system administrator00", "", "", "", ""},
		"DELETE /s/system%20administrator00 HTTP/1.1\r\n\r\n":                 {"DELETE", "/s/system%20administrator00", "/s/system administrator00", "", "", "", ""},
		"DELETE ilo/redfish/v1/x HTTP/1.0\r\n\r\n":                            {"DELETE", "ilo/redfish/v1/x", "ilo/redfish/v1/x", "", "", "", ""},
		"GET https://ilo/redfish/v1/ HTTP/1.1\r\nContent-Length: 0\r\n\r\nxx": {"GET", "https://ilo/redfish/v1/", "https://ilo/redfish/v1/", "", "", "", ""},
	} {
		got = seen{}
		if a := h.inline(h.exchange(restPacket("r", raw))); !strings.HasPrefix(a, "HTTP/1.1 200 OK\r\n") {
			t.Errorf("%q answered %q", raw, a)
		}
		if got != want {
			t.Errorf("%q arrived as %+v, want %+v", raw, got, want)
		}
	}
	for _, raw := range []string{
		"", "GET\r\n\r\n", "GET /\r\n\r\n", " / HTTP/1.1\r\n\r\n", "GET / HTTP/2\r\n\r\n", "GET /%zz HTTP/1.1\r\n\r\n", "GET  HTTP/1.1\r\n\r\n",
		"GET / HTTP/1.1\r\nNo colon\r\n\r\n", "GET / HTTP/1.1\r\n", "POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
		"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nabcd", "POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
	} {
		got = seen{}
		if a := h.inline(h.exchange(restPacket("r", raw))); !strings.HasPrefix(a, "HTTP/1.1 400 Bad Request\r\n") || got != (seen{}) {
			t.Errorf("%q answered %q", raw, a)
		}
	}
}

// TestAnswersWithoutBody: HEAD, 204 and 304.
func TestAnswersWithoutBody(t *testing.T) {
	h := newHost(t, newRaw(t, Options{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var status int
		if fmt.Sscanf(r.URL.Path, "/%d", &status); status > 0 {
			w.WriteHeader(status)
			return
		}
		w.Header().Set("Content-Length", "1234")
	})}))
	for raw, want := range map[string]string{
		"HEAD / HTTP/1.1\r\n\r\n":   "HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n",
		"GET /204 HTTP/1.1\r\n\r\n": "HTTP/1.1 204 No Content\r\n\r\n",
		"GET /304 HTTP/1.1\r\n\r\n": "HTTP/1.1 304 Not Modified\r\n\r\n",
		"GET /201 HTTP/1.1\r\n\r\n": "HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	} {
		if got := h.inline(h.exchange(restPacket("r", raw))); got != want {
			t.Errorf("%q answered %q, want %q", raw, got, want)
		}
	}
}

// TestVolatileBlobsExpire: PROTOCOL.md §2; a blob of namespace perm stays, also
// over a reset.
func TestVolatileBlobsExpire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newBlobStore(100)
		perm, vol := blobName{persistent, "k"}, blobName{"volatile", "k"}
		s.put(t.Context(), perm, []byte("p"))
		s.put(t.Context(), vol, []byte("v"))
		time.Sleep(volatileLife)
		if n := s.len(); n != 2 {
			t.Errorf("%d blobs after an hour, want 2", n)
		}
		time.Sleep(time.Nanosecond)
		if _, _, code := s.read(vol, 0, 1); code != chif.CodeNotFound {
			t.Errorf("code %v for an expired blob", code)
		}
		s.put(t.Context(), vol, []byte("v"))
		s.reset()
		if _, _, code := s.read(perm, 0, 1); code != chif.CodeSuccess || s.len() != 1 || s.total != 1 {
			t.Errorf("code %v, %d blobs, %d bytes", code, s.len(), s.total)
		}
	})
}

// What an iLO was at work on when it was reset is not stored after the reset.
func TestNothingIsStoredByAnEndedBoot(t *testing.T) {
	s := newBlobStore(100)
	boot, end := context.WithCancel(t.Context())
	end()
	s.reset()
	if s.put(boot, blobName{key: "a"}, []byte("late")); len(s.blobs) != 0 || s.total != 0 {
		t.Errorf("an answer is stored: %v", s.blobs)
	}
	if s.create(boot, blobName{key: "b"}, chif.CodeNotModified); len(s.blobs) != 0 {
		t.Errorf("a blob is made: %v", s.blobs)
	}
}
