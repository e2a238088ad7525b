package chiftest

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/textproto"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/ilod/ilod/chif"
)

// InBand is the RemoteAddr of every request that a Server hands to its handler.
const InBand = "chif"

// parseHTTP reads the HTTP request of a REST packet (PROTOCOL.md §3). It is
// more lenient than net/http where an iLO's Redfish service has to give the
// answer: the request target may hold a literal space or be no path at all
// (PROTOCOL.md §3). Bytes behind the body are ignored.
func parseHTTP(ctx context.Context, raw []byte) (*http.Request, error) {
	head := bufio.NewReader(bytes.NewReader(raw))
	tp := textproto.NewReader(head)
	line, err := tp.ReadLine()
	if err != nil {
		return nil, errors.New("no request line")
	}
	method, rest, _ := strings.Cut(line, " ")
	i := strings.LastIndexByte(rest, ' ')
	if method == "" || i <= 0 || !strings.HasPrefix(rest[i+1:], "HTTP/1.") {
		return nil, fmt.Errorf("malformed request line %.80q", line)
	}
	target := rest[:i]
	path, query, _ := strings.Cut(target, "?")
	plain, err := url.PathUnescape(path)
	if err != nil {
		return nil, fmt.Errorf("malformed request target %.80q", target)
	}
	header, err := tp.ReadMIMEHeader()
	if err != nil {
		return nil, fmt.Errorf("malformed header: %w", err)
	}
	var length uint64
	if v := header.Get("Content-Length"); v != "" {
		if length, err = strconv.ParseUint(v, 10, 31); err != nil {
			return nil, fmt.Errorf("malformed Content-Length %.20q", v)
		}
	}
	body, err := io.ReadAll(io.LimitReader(head, int64(length)))
	if err != nil || uint64(len(body)) < length {
		return nil, fmt.Errorf("body of %d bytes ends before Content-Length %d", len(body), length)
	}
	r := &http.Request{
		Method: method, Proto: rest[i+1:], ProtoMajor: 1, ProtoMinor: 1,
		URL:        &url.URL{Path: plain, RawPath: path, RawQuery: query},
		Header:     http.Header(header),
		Host:       header.Get("Host"),
		Body:       io.NopCloser(bytes.NewReader(body)),
		RemoteAddr: InBand, RequestURI: target,
		ContentLength: int64(length),
	}
	r.Header.Del("Host")
	return r.WithContext(ctx), nil
}

// reply is an HTTP answer before it is put into bytes.
type reply struct {
	status int
	header http.Header
	body   []byte
	noBody bool // HEAD, 204, 304: the header speaks of a body that is not sent
}

// serve runs one request through the handler.
func serve(h http.Handler, r *http.Request) reply {
	w := httptest.NewRecorder()
	w.Body = new(bytes.Buffer)
	h.ServeHTTP(w, r)
	a := reply{status: w.Code, header: w.Result().Header, body: w.Body.Bytes()}
	a.noBody = r.Method == http.MethodHead || a.status == http.StatusNoContent || a.status == http.StatusNotModified
	return a
}

// framing says how the end of a body is told.
type framing int

const (
	byChunks framing = iota // as an iLO 5 does, unless the handler sets Content-Length
	byLength
	byEnd // neither Content-Length nor chunks: the body ends with the message
)

// bytes is the answer as an iLO puts it into a packet or blob. A Content-Length
// that the handler set stays as it is, right or wrong.
func (a reply) bytes(f framing) []byte {
	h := maps.Clone(a.header)
	bodyless := a.status == http.StatusNoContent || a.status == http.StatusNotModified
	if f == byChunks && (bodyless || h.Get("Content-Length") != "") {
		f = byLength
	}
	switch {
	case f == byChunks:
		h.Del("Content-Length")
		h.Set("Transfer-Encoding", "chunked")
	case f == byEnd:
		h.Del("Content-Length")
	case h.Get("Content-Length") == "" && !bodyless:
		h.Set("Content-Length", strconv.Itoa(len(a.body)))
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "HTTP/1.1 %d %s\r\n", a.status, http.StatusText(a.status))
	for _, name := range slices.Sorted(maps.Keys(h)) {
		for _, v := range h[name] {
			fmt.Fprintf(&b, "%s: %s\r\n", name, v)
		}
	}
	b.WriteString("\r\n")
	switch {
	case a.noBody:
	case f == byChunks:
		for part := range slices.Chunk(a.body, 1000) {
			fmt.Fprintf(&b, "%x\r\n%s\r\n", len(part), part)
		}
		b.WriteString("0\r\n\r\n")
	default:
		b.Write(a.body)
	}
	return b.Bytes()
}

// errorReply is an answer of the iLO's own with its envelope (agent/ILO.md §4).
func errorReply(status int) reply {
	id := map[int]string{
		http.StatusBadRequest:   "Base.1.4.MalformedJSON",
		http.StatusUnauthorized: "Base.1.4.NoValidSession",
	}[status]
	if id == "" {
		id = "Base.1.4.GeneralError"
	}
	return reply{
		status: status,
		header: http.Header{"Content-Type": {"application/json; charset=utf-8"}},
		body: []byte(`{"error":{"code":"iLO.0.10.ExtendedInfo","message":"See @Message.ExtendedInfo for more information.",` +
			`"@Message.ExtendedInfo":[{"MessageId":"` + id + `"}]}}`),
	}
}

// restAnswer carries an HTTP message: inline when it fits, else as a blob under
// the response key (PROTOCOL.md §2, §9).
func (s *Server) restAnswer(r *request, message []byte, asBlob bool) []byte {
	if len(message) > maxInline || asBlob {
		code := s.blobs.put(r.boot, r.blob, message)
		p := r.code(code)
		if code == chif.CodeSuccess {
			le.PutUint32(p[12:], 1)
		}
		return p
	}
	p := append(r.code(chif.CodeSuccess), message...)
	le.PutUint16(p, uint16(len(p)))
	le.PutUint32(p[16:], uint32(len(message)))
	return p
}
