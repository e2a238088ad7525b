package chif

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/textproto"
	"slices"
	"strconv"
	"strings"
)

const (
	// maxRequest bounds an HTTP request in bytes: the volatile space of an iLO is
	// small and its size unknown (PROTOCOL.md §9).
	maxRequest = 32 << 20
	// maxAnswer bounds an HTTP answer in bytes, as stored and again when inflated.
	maxAnswer = 16 << 20
)

// hopHeaders are the header fields that concern a connection, which CHIF does
// not have, and those that this package sets itself.
var hopHeaders = []string{
	"Connection", "Content-Length", "Expect", "Host", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization",
	"Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade",
}

// message is an HTTP request ready for the channel.
type message struct {
	method string
	path   string // origin form: absolute path and query
	header http.Header
	body   []byte
	gunzip bool // the caller left Accept-Encoding to us
	plain  bool // ask for an answer without gzip
}

// newMessage reads all of r, closing its body, and checks what cannot be put on
// the channel. With an error, the message is good for its name only. closing
// ends the wait for the body, as r's context does.
func newMessage(r *http.Request, closing <-chan struct{}) (*message, error) {
	m := &message{method: r.Method, header: r.Header.Clone()}
	if m.method == "" {
		m.method = http.MethodGet
	}
	if m.header == nil {
		m.header = http.Header{}
	}
	if r.URL != nil {
		m.path = foldSlashes(r.URL.RequestURI())
	}
	var err error
	if m.body, err = readBody(r, closing); err != nil {
		return m, err
	}
	if err := m.check(); err != nil {
		return m, err
	}
	for _, name := range hopHeaders {
		m.header.Del(name)
	}
	if m.header.Get("Accept-Encoding") == "" {
		m.gunzip = true
		m.header.Set("Accept-Encoding", "gzip")
	}
	return m, nil
}

// check finds what cannot be put on the channel.
func (m *message) check() error {
	if !isToken(m.method) {
		return fmt.Errorf("%w: method %q", ErrInvalidRequest, m.method)
	}
	if !strings.HasPrefix(m.path, "/") || strings.ContainsFunc(m.path, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		return fmt.Errorf("%w: path %q is not absolute or holds blanks or control characters", ErrInvalidRequest, m.path)
	}
	for name, values := range m.header {
		if !isToken(name) {
			return fmt.Errorf("%w: header name %q", ErrInvalidRequest, name)
		}
		for _, v := range values {
			if strings.ContainsAny(v, "\r\n\x00") {
				return fmt.Errorf("%w: the value of header %s holds a line break or NUL", ErrInvalidRequest, name)
			}
		}
	}
	return nil
}

// readBody reads and closes the body of r. A body that NewRequest made from
// memory is read here; any other one might never come, so that is read by a
// goroutine which closing or r's context leave alone with it.
func readBody(r *http.Request, closing <-chan struct{}) ([]byte, error) {
	if r.Body == nil || r.Body == http.NoBody {
		return nil, nil
	}
	if r.GetBody != nil {
		return readAll(r)
	}
	type result struct {
		body []byte
		err  error
	}
	read := make(chan result, 1)
	go func() {
		body, err := readAll(r)
		read <- result{body, err}
	}()
	select {
	case got := <-read:
		return got.body, got.err
	case <-closing:
		go r.Body.Close()
		return nil, ErrClosed
	case <-r.Context().Done():
		go r.Body.Close() // which may wait for the read
		return nil, fmt.Errorf("the request body has not come: %w", r.Context().Err())
	}
}

func readAll(r *http.Request) ([]byte, error) {
	defer r.Body.Close()
	body, err := io.ReadAll(io.LimitReader(r.Body, maxRequest+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read the request body: %w", err)
	case len(body) > maxRequest:
		return nil, fmt.Errorf("%w: request body over %d MiB", ErrTooLarge, maxRequest>>20)
	case r.ContentLength > 0 && int64(len(body)) != r.ContentLength:
		return nil, fmt.Errorf("%w: a request body of %d bytes, announced with %d", ErrInvalidRequest, len(body), r.ContentLength)
	}
	return body, nil
}

// foldSlashes turns runs of slashes in the path into one, as HPE's client does
// (PROTOCOL.md §3). The query stays.
func foldSlashes(uri string) string {
	path, query, found := strings.Cut(uri, "?")
	for strings.Contains(path, "//") {
		path = strings.ReplaceAll(path, "//", "/")
	}
	if found {
		return path + "?" + query
	}
	return path
}

// isToken is RFC 9110's token.
func isToken(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune("\"(),/:;<=>?@[\\]{}", r)
	})
}

// idempotent reports the methods that may be sent again when an answer is lost.
func idempotent(method string) bool { return method == http.MethodGet || method == http.MethodHead }

// bytes serialises the request with the lines, and in the order, of HPE's
// client (PROTOCOL.md §3); other fields follow, sorted.
func (m *message) bytes() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: \r\n", m.method, m.path)
	fields := m.header.Clone()
	line := func(name, fallback string) {
		values := fields.Values(name)
		if len(values) == 0 && fallback != "" {
			values = []string{fallback}
		}
		for _, v := range values {
			fmt.Fprintf(&b, "%s: %s\r\n", name, v)
		}
		fields.Del(name)
	}
	// Without OData-Version an iLO 4 answers in its legacy format
	// (agent/ILO.md §5).
	version := "4.0"
	if strings.HasPrefix(m.path, "/rest/") {
		version = ""
	}
	if m.plain {
		fields.Set("Accept-Encoding", "identity")
	}
	line("Accept-Encoding", "")
	line("X-Auth-Token", "")
	line("OData-Version", version)
	line("Accept", "*/*")
	b.WriteString("Connection: Keep-Alive\r\n")
	line("Content-Type", "")
	if len(m.body) > 0 || !idempotent(m.method) && m.method != http.MethodDelete {
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(m.body))
	}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		line(name, "")
	}
	b.WriteString("\r\n")
	b.Write(m.body)
	return b.Bytes()
}

// errTruncated: the HTTP answer ends before its framing says so.
var errTruncated = fmt.Errorf("%w: the HTTP answer is cut short", ErrProtocol)

// errBadGzip: the answer's content is not the gzip that it claims to be.
var errBadGzip = fmt.Errorf("%w: the HTTP answer's gzip content is damaged", ErrProtocol)

// errEmptyAnswer: HPE's client makes a "500" of it (PROTOCOL.md §3).
var errEmptyAnswer = fmt.Errorf("%w: the HTTP answer is empty", ErrProtocol)

// parseAnswer reads one complete HTTP answer to m. Content-Length, chunked and
// neither are all right, and so are bytes behind the end; a missing end is not.
// The answer's body may be a part of raw.
func (m *message) parseAnswer(raw []byte) (*http.Response, error) {
	switch {
	case len(raw) == 0:
		return nil, errEmptyAnswer
	case bytes.HasPrefix(raw, []byte("HTTP/")) && !bytes.Contains(raw, []byte("\n\r\n")) && !bytes.Contains(raw, []byte("\n\n")):
		return nil, errTruncated // inside the header
	}
	unread := bytes.NewReader(raw)
	r := bufio.NewReader(unread)
	resp, err := http.ReadResponse(r, &http.Request{Method: m.method})
	if err == nil && resp.StatusCode == http.StatusContinue {
		resp, err = http.ReadResponse(r, &http.Request{Method: m.method})
	}
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF):
		return nil, errTruncated
	case err != nil:
		return nil, fmt.Errorf("%w: %s", ErrProtocol, clip(err.Error()))
	case resp.ProtoMajor != 1 || resp.StatusCode < 200:
		return nil, fmt.Errorf("%w: HTTP answer begins %s %s", ErrProtocol, resp.Proto, clip(resp.Status))
	}
	left := func() int { return unread.Len() + r.Buffered() }
	body, err := content(resp, raw[len(raw)-left():], left)
	if err != nil {
		return nil, err
	}
	if m.gunzip && len(body) > 0 && strings.EqualFold(resp.Header.Get("Content-Encoding"), "gzip") {
		if body, err = inflate(body); err != nil {
			return nil, err
		}
		resp.Header.Del("Content-Encoding")
		resp.Header.Del("Content-Length")
		resp.Uncompressed = true
	}
	resp.TransferEncoding = nil
	resp.Close = false
	if m.method != http.MethodHead {
		resp.ContentLength = int64(len(body))
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return resp, nil
}

// content cuts an answer's body out of what follows its header; unread is how
// many bytes of it resp has not taken.
func content(resp *http.Response, rest []byte, unread func() int) ([]byte, error) {
	switch {
	case resp.Body == http.NoBody: // HEAD, 204, 304, length 0
		return nil, nil
	case len(resp.TransferEncoding) > 0:
		body, err := io.ReadAll(resp.Body)
		switch {
		case errors.Is(err, io.ErrUnexpectedEOF), err != nil && unread() < len("\r\n"):
			return nil, errTruncated // the last chunk's end included
		case err != nil:
			return nil, fmt.Errorf("%w: HTTP body: %s", ErrProtocol, clip(err.Error()))
		}
		return body, nil
	case resp.ContentLength < 0:
		return rest, nil
	case resp.ContentLength > int64(len(rest)):
		return nil, errTruncated
	}
	return rest[:resp.ContentLength], nil
}

// clip bounds and quotes text that comes from the iLO.
func clip(s string) string {
	if len(s) > 80 {
		s = s[:80] + "…"
	}
	return strconv.QuoteToGraphic(s)
}

func inflate(b []byte) ([]byte, error) {
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errBadGzip, err)
	}
	out, err := io.ReadAll(io.LimitReader(z, maxAnswer+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: %w", errBadGzip, err)
	case len(out) > maxAnswer:
		return nil, fmt.Errorf("%w: inflated answer over %d MiB", ErrTooLarge, maxAnswer>>20)
	}
	return out, nil
}

// redirect returns the path that a redirection asks for; only the path of
// Location counts, its scheme and host mean nothing in-band (PROTOCOL.md
// §3).
func redirect(resp *http.Response) (path string, ok bool) {
	switch resp.StatusCode {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		path = locationPath(resp.Header.Get("Location"))
	}
	return path, path != ""
}

// locationPath returns the path, and query, of a Location header as an iLO
// sends it in-band: the scheme and a useless or empty host are dropped, a
// literal blank becomes %20 (PROTOCOL.md §3, agent/ILO.md §4). It is
// empty where there is no path.
func locationPath(location string) string {
	location = textproto.TrimString(location)
	if _, rest, ok := strings.Cut(location, "://"); ok {
		slash := strings.IndexByte(rest, '/')
		if slash < 0 {
			return ""
		}
		location = rest[slash:]
	}
	if !strings.HasPrefix(location, "/") {
		return ""
	}
	return strings.ReplaceAll(foldSlashes(location), " ", "%20")
}
