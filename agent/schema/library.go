package schema

import (
	"bytes"
	"container/list"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

const (
	maxDocuments    = 96              // that are kept parsed
	maxDocumentSize = 16 << 20        // in bytes
	recheck         = 5 * time.Second // after this, it is asked whether a document is the same
)

// errDocument marks what is not the document that it should be. It allows
// everything, and is kept as such.
var errDocument = errors.New("not understood")

// library keeps parsed documents, those used last. Each is read and parsed by one
// caller at a time.
type library struct {
	next http.RoundTripper
	now  func() time.Time
	seed maphash.Seed

	mu    sync.Mutex
	order list.List // of *entry, the one used last in front
	byURI map[string]*list.Element
}

type entry struct {
	uri  string
	turn chan struct{} // whoever has put something in it may use the rest

	checked  time.Time // zero if it was never read
	etag     string
	sum      uint64
	document any // nil if there is none, or it is not understood
}

func newLibrary(next http.RoundTripper) *library {
	return &library{next: next, now: time.Now, seed: maphash.MakeSeed(), byURI: map[string]*list.Element{}}
}

func (l *library) entry(uri string) *entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e, ok := l.byURI[uri]; ok {
		l.order.MoveToFront(e)
		return e.Value.(*entry)
	}
	e := &entry{uri: uri, turn: make(chan struct{}, 1)}
	l.byURI[uri] = l.order.PushFront(e)
	if l.order.Len() > maxDocuments {
		delete(l.byURI, l.order.Remove(l.order.Back()).(*entry).uri)
	}
	return e
}

// load returns the document at a path, nil if there is none that parse
// understands. The error is that of a request that got no answer.
func load[T any](ctx context.Context, l *library, uri string, parse func([]byte) (T, error)) (none T, err error) {
	e := l.entry(uri)
	select {
	case e.turn <- struct{}{}:
		defer func() { <-e.turn }()
	case <-ctx.Done():
		return none, context.Cause(ctx)
	}
	if e.checked.IsZero() || l.now().Sub(e.checked) >= recheck {
		asked := l.now()
		status, etag, body, err := l.read(ctx, uri, e.etag)
		if err != nil {
			return none, err
		}
		switch sum := maphash.Bytes(l.seed, body); {
		case status == http.StatusNotModified:
		case status != http.StatusOK:
			e.document, e.etag, e.sum = nil, "", 0
		case e.document == nil || sum != e.sum:
			e.document, e.etag, e.sum = nil, etag, sum
			if d, err := parse(body); err == nil {
				e.document = d
			}
		default:
			e.etag = etag
		}
		e.checked = asked
	}
	d, _ := e.document.(T)
	return d, nil
}

// read gets a resource, whose body is empty if it has the ETag.
func (l *library) read(ctx context.Context, uri, etag string) (status int, newETag string, body []byte, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://ilo"+uri, nil)
	if err != nil {
		return http.StatusNotFound, "", nil, nil // the URI of a document that is not as it should be
	}
	if etag != "" {
		req.Header.Set("If-None-Match", etag)
	}
	resp, err := l.next.RoundTrip(req)
	if err != nil {
		return 0, "", nil, fmt.Errorf("read %s: %w", uri, err)
	}
	defer resp.Body.Close()
	body, err = io.ReadAll(io.LimitReader(resp.Body, maxDocumentSize+1))
	if err != nil {
		return 0, "", nil, fmt.Errorf("read %s: %w", uri, err)
	}
	if len(body) > maxDocumentSize {
		body = nil // allows everything
	}
	return resp.StatusCode, resp.Header.Get("ETag"), bytes.TrimSpace(body), nil
}

// isPath reports whether a URI out of a document is one of this iLO.
func isPath(uri string) bool {
	return strings.HasPrefix(uri, "/") && !strings.HasPrefix(uri, "//") && !strings.ContainsAny(uri, "?#\\")
}
