package freshness

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"weak"
)

// maxBody bounds what is read of an answer that may be kept, in bytes, compressed
// and not: 20 times the largest one of a real iLO.
const maxBody = 16 << 20

// document is one answer of the iLO. It does not change.
type document struct {
	status  int
	header  http.Header // as the iLO sent it, less what concerns a connection
	body    []byte      // as the iLO sent it
	gzip    bool        // which is gzip
	etag    string      // as the iLO sent it
	tag     string      // what clients get instead; empty: the body has no validator
	fetched time.Time   // when the request was sent: the body is no older

	inflating sync.Mutex
	inflated  weak.Pointer[content] // of body, as long as somebody has it
}

// content is what several answers give out.
type content struct{ bytes []byte }

// notKept are the header fields that concern a connection or an exchange.
var notKept = []string{
	"Age", "Cache-Status", "Connection", "Content-Length", "Keep-Alive", "Proxy-Authenticate",
	"Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade",
}

// readDocument takes over an answer and closes its body.
func readDocument(resp *http.Response, fetched time.Time) (*document, error) {
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read the answer: %w", err)
	case len(body) > maxBody:
		return nil, fmt.Errorf("the answer is over %d MiB", maxBody>>20)
	}
	d := &document{
		status: resp.StatusCode, header: resp.Header.Clone(), body: body, fetched: fetched,
		etag: resp.Header.Get("ETag"), gzip: strings.EqualFold(resp.Header.Get("Content-Encoding"), "gzip"),
	}
	d.tag = validator(d.etag, body)
	for _, name := range notKept {
		d.header.Del(name)
	}
	return d, nil
}

// private tells whether the answer is for its client alone.
func (d *document) private() bool {
	for _, name := range []string{"Set-Cookie", "Set-Cookie2", "X-Auth-Token", "Content-Range"} {
		if len(d.header[name]) > 0 {
			return true
		}
	}
	encoding := d.header.Get("Content-Encoding")
	return encoding != "" && !d.gzip || strings.Contains(strings.ToLower(d.header.Get("Cache-Control")), "no-store")
}

// plain is the body without gzip: one copy for all who have it at once, as long
// as they keep what of is.
func (d *document) plain() (plain []byte, of any, err error) {
	if !d.gzip || len(d.body) == 0 {
		return d.body, d, nil
	}
	d.inflating.Lock()
	defer d.inflating.Unlock()
	if one := d.inflated.Value(); one != nil {
		return one.bytes, one, nil
	}
	b, err := inflate(d.body)
	if err != nil {
		return nil, nil, err
	}
	one := &content{b}
	d.inflated = weak.Make(one)
	return one.bytes, one, nil
}

func inflate(b []byte) ([]byte, error) {
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		return nil, fmt.Errorf("the answer's gzip: %w", err)
	}
	out, err := io.ReadAll(io.LimitReader(z, maxBody+1))
	if err == nil && len(out) > maxBody {
		err = fmt.Errorf("inflated to over %d MiB", maxBody>>20)
	}
	if err != nil {
		return nil, fmt.Errorf("the answer's gzip: %w", err)
	}
	return out, nil
}

// deflaters are kept because each is most of a megabyte.
var deflaters = sync.Pool{New: func() any {
	z, _ := gzip.NewWriterLevel(nil, gzip.BestSpeed) // the level is valid
	return z
}}

func deflate(b []byte) []byte {
	var out bytes.Buffer
	z := deflaters.Get().(*gzip.Writer)
	defer deflaters.Put(z)
	z.Reset(&out)
	_, _ = z.Write(b) // a bytes.Buffer takes everything
	_ = z.Close()
	return out.Bytes()
}

// body is a document's body on its way to one client.
type body struct {
	bytes.Reader
	of any // keeps what is shared
}

// Document is the same for all answers that give out the same bytes in memory.
func (b *body) Document() any { return b.of }

func (*body) Close() error { return nil }

// response makes the answer to r. age and status are the values of the header
// fields; an empty age is left out.
func (d *document) response(r *http.Request, age, status string) (*http.Response, error) {
	h := make(http.Header, len(d.header)+5)
	for name, values := range d.header {
		h[name] = values
	}
	content, of := d.body, any(d)
	if d.gzip {
		h["Vary"] = append(slices.Clone(h["Vary"]), "Accept-Encoding")
		if !acceptsGzip(r.Header["Accept-Encoding"]) {
			var err error
			if content, of, err = d.plain(); err != nil {
				return nil, err
			}
			delete(h, "Content-Encoding")
		}
	}
	if age != "" {
		h["Age"] = []string{age}
	}
	h["Cache-Status"] = []string{status}
	if d.tag != "" {
		h["Etag"] = []string{d.tag}
	}
	a := &struct {
		http.Response
		body
	}{}
	resp := &a.Response
	resp.StatusCode, resp.Proto, resp.ProtoMajor, resp.ProtoMinor = d.status, "HTTP/1.1", 1, 1
	resp.Header, resp.Request, resp.ContentLength = h, r, int64(len(content))
	resp.Body = http.NoBody
	if none := r.Header["If-None-Match"]; len(none) > 0 && d.status == http.StatusOK && IfNoneMatch(none, d.tag) {
		resp.StatusCode, resp.ContentLength = http.StatusNotModified, 0
		delete(h, "Content-Type")
		delete(h, "Content-Encoding")
	} else {
		h["Content-Length"] = []string{strconv.Itoa(len(content))}
		if r.Method != http.MethodHead {
			a.body.Reset(content)
			a.body.of = of
			resp.Body = &a.body
		}
	}
	resp.Status = statusLine(resp.StatusCode)
	return resp, nil
}

func statusLine(code int) string {
	if code == http.StatusOK {
		return "200 OK"
	}
	return strconv.Itoa(code) + " " + http.StatusText(code)
}

// acceptsGzip reads an Accept-Encoding (RFC 9110 §12.5.3).
func acceptsGzip(values []string) bool {
	rest := false // that the header accepts what it does not name
	for _, v := range values {
		for one := range strings.SplitSeq(v, ",") {
			coding, weight, _ := strings.Cut(strings.TrimSpace(one), ";")
			_, q, _ := strings.Cut(weight, "=")
			n, err := strconv.ParseFloat(strings.TrimSpace(q), 64)
			accepted := err != nil || n > 0
			switch strings.ToLower(strings.TrimSpace(coding)) {
			case "gzip", "x-gzip":
				return accepted
			case "*":
				rest = accepted
			}
		}
	}
	return rest
}

var errEnvelope = errors.New("not an entry of this cache")
