package ilosession

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// maxPacked and maxUnpacked bound a compressed answer, in bytes: all of one is looked
// through before anything of it is passed on. The largest that was seen on an iLO, a
// registry, has less than a tenth.
const (
	maxPacked   = 16 << 20
	maxUnpacked = 64 << 20
)

// errShown: a compressed answer of the iLO has the token of its session in it, or
// cannot be looked through.
var errShown = errors.New("the iLO's answer is withheld: it may contain the token of the session")

// hide takes the session's token out of an answer: some servers show the request that
// they refuse. Whoever has the token is the iLO's administrator. Its place is filled
// with asterisks, so that the length stays.
func (s *Session) hide(req *http.Request, resp *http.Response) error {
	h := http.Header{}
	s.authorize(h)
	token := h.Get(tokenHeader)
	if token == "" {
		return nil
	}
	for _, values := range resp.Header {
		for i := range values {
			values[i] = strings.ReplaceAll(values[i], token, strings.Repeat("*", len(token)))
		}
	}
	if resp.Body == nil || resp.Body == http.NoBody {
		return nil
	}
	if !strings.EqualFold(resp.Header.Get("Content-Encoding"), "gzip") {
		resp.Body = &hiding{body: resp.Body, token: []byte(token)}
		return nil
	}
	packed, err := io.ReadAll(io.LimitReader(resp.Body, maxPacked+1))
	if err = errors.Join(err, resp.Body.Close()); err != nil {
		return err
	}
	resp.Body = io.NopCloser(bytes.NewReader(packed))
	if len(packed) == 0 { // as in an answer to HEAD
		return nil
	}
	if len(packed) > maxPacked || shows(packed, []byte(token)) {
		return fmt.Errorf("%s %s: %w", req.Method, req.URL.Path, errShown)
	}
	return nil
}

// shows tells whether a token is in what was compressed. What is no gzip at all is
// looked through as it is.
func shows(packed, token []byte) bool {
	if bytes.Contains(packed, token) {
		return true
	}
	unpacking, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return false
	}
	n := 0
	var window []byte
	chunk := make([]byte, 32<<10)
	for {
		got, err := unpacking.Read(chunk)
		window = append(window, chunk[:got]...)
		if n += got; n > maxUnpacked || bytes.Contains(window, token) {
			return true
		}
		window = append(window[:0], window[max(0, len(window)-len(token)+1):]...)
		if err != nil {
			return false
		}
	}
}

// hiding is a body without a token.
type hiding struct {
	body  io.ReadCloser
	token []byte
	held  []byte // read and looked through
	err   error  // of body
}

func (b *hiding) Read(p []byte) (int, error) {
	for {
		ready := len(b.held)
		if b.err == nil { // the end of what is held may be the beginning of a token
			ready = max(0, ready-len(b.token)+1)
		}
		if ready > 0 || len(p) == 0 {
			n := copy(p, b.held[:ready])
			b.held = b.held[n:]
			return n, nil
		}
		if b.err != nil {
			return 0, b.err
		}
		chunk := make([]byte, max(len(p), 512))
		var n int
		n, b.err = b.body.Read(chunk)
		b.held = append(b.held[:len(b.held):len(b.held)], chunk[:n]...)
		if bytes.Contains(b.held, b.token) {
			b.held = bytes.ReplaceAll(b.held, b.token, bytes.Repeat([]byte("*"), len(b.token)))
		}
	}
}

func (b *hiding) Close() error { return b.body.Close() }
