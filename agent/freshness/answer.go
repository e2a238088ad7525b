package freshness

import (
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// answer is a document and how it was come by.
type answer struct {
	doc    *document
	class  Class
	age    time.Duration
	ttl    time.Duration // how long it is still good; negative: was
	reason string        // why it was forwarded; empty: it was not
	stored bool
	joined bool // the exchange was another request's
}

func (a *answer) response(r *http.Request) (*http.Response, error) {
	if a.doc == nil {
		return gatewayTimeout(r), nil
	}
	b := make([]byte, 0, 64)
	b = append(b, "ilod; "...)
	if a.reason == "" {
		b = append(b, "hit"...)
	} else {
		b = append(append(b, "fwd="...), a.reason...)
		if a.joined {
			b = append(b, "; collapsed"...)
		}
		if a.stored {
			b = append(b, "; stored"...)
		}
	}
	if a.reason == "" || a.stored {
		b = append(b, "; ttl="...)
		b = strconv.AppendInt(b, int64(floorSeconds(a.ttl)), 10)
	}
	b = append(append(b, "; detail="...), a.class.String()...)
	return a.doc.response(r, strconv.FormatInt(int64(max(0, floorSeconds(a.age))), 10), string(b))
}

// floorSeconds rounds down, also below zero.
func floorSeconds(d time.Duration) time.Duration {
	s := d / time.Second
	if d < 0 && d%time.Second != 0 {
		s--
	}
	return s
}

// gatewayTimeout is the answer to only-if-cached without one (RFC 9111 §5.2.1.7).
func gatewayTimeout(r *http.Request) *http.Response {
	const text = `{"error":{"code":"Base.1.0.GeneralError","message":"The cache holds no answer that is fresh enough, and the request forbids asking the iLO."}}`
	resp := &http.Response{
		Status: statusLine(http.StatusGatewayTimeout), StatusCode: http.StatusGatewayTimeout, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{
			"Content-Type": {"application/json; charset=utf-8"}, "Odata-Version": {"4.0"},
			"Cache-Status": {"ilod; detail=only-if-cached"}, "Content-Length": {strconv.Itoa(len(text))},
		},
		Body: http.NoBody, ContentLength: int64(len(text)), Request: r,
	}
	if r.Method != http.MethodHead {
		resp.Body = io.NopCloser(strings.NewReader(text))
	}
	return resp
}
