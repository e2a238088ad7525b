package agent

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"sync"

	"github.com/ilod/ilod/agent/gateway"
	"github.com/ilod/ilod/agent/guard"
)

// RoundTrip has the engine serve a request of its own process, without socket,
// with the rights of an admin: who runs it may use the channel anyway. Errors on
// the way to the iLO come back as they are, where a client of the socket gets an
// answer that describes them. The answer's body must be closed, which waits for
// the end of the request.
func (e *Engine) RoundTrip(req *http.Request) (*http.Response, error) {
	var failed error
	ctx := context.WithValue(gateway.WithPeer(req.Context(), gateway.Peer{User: "root", PID: uint32(os.Getpid()), Process: "ilod"}), errorKey{}, &failed)
	in := req.Clone(ctx)
	in.URL = &url.URL{Path: req.URL.Path, RawPath: req.URL.RawPath, RawQuery: req.URL.RawQuery}
	in.Host, in.RequestURI = "localhost", in.URL.RequestURI()
	in.Proto, in.ProtoMajor, in.ProtoMinor = "HTTP/1.1", 1, 1
	if in.Body == nil {
		in.Body = http.NoBody
	}
	if in.Header == nil {
		in.Header = http.Header{}
	}
	body, pipe := io.Pipe()
	w := &answer{header: http.Header{}, pipe: pipe, below: &failed, begun: make(chan struct{})}
	done := make(chan struct{})
	go func() {
		defer close(done)
		err := guard.Do("handler", func() error { e.handler.ServeHTTP(w, in); return nil })
		if p, ok := errors.AsType[*guard.PanicError](err); ok && p.Value == http.ErrAbortHandler { // no fault, see there
			err = cmp.Or(context.Cause(req.Context()), io.ErrUnexpectedEOF)
		}
		_ = in.Body.Close()
		w.end(err)
	}()
	<-w.begun
	if w.failed != nil {
		_ = body.Close()
		<-done
		if w.failed == context.Cause(req.Context()) { // that does not say what was under way
			return nil, fmt.Errorf("%s %s: %w", req.Method, req.URL.RequestURI(), w.failed)
		}
		return nil, w.failed
	}
	return &http.Response{
		Status:     fmt.Sprintf("%d %s", w.status, http.StatusText(w.status)),
		StatusCode: w.status,
		Proto:      "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header:        w.sent,
		Body:          &ownBody{body, done},
		ContentLength: -1,
		Request:       req,
	}, nil
}

// ownBody waits for the end of its request when it is closed.
type ownBody struct {
	*io.PipeReader
	done <-chan struct{}
}

// Close tells the handler that nobody reads any more.
func (b *ownBody) Close() error {
	err := b.PipeReader.Close()
	<-b.done
	return err
}

// errorKey is the key of a *error in the context of a request of RoundTrip.
type errorKey struct{}

// reporting tells RoundTrip the errors of the next room that are not the
// gateway's to answer.
type reporting struct{ next http.RoundTripper }

func (r reporting) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := r.next.RoundTrip(req)
	if p, ours := req.Context().Value(errorKey{}).(*error); ours && !gateway.Own(err) {
		*p = err
	}
	return resp, err
}

// answer is an http.ResponseWriter without network.
type answer struct {
	header http.Header
	pipe   *io.PipeWriter
	below  *error // of the rooms below the gateway; it counts more than what that one makes of it

	once   sync.Once
	begun  chan struct{} // closed when the following are valid
	sent   http.Header
	status int
	failed error // set before begun is closed if there is no answer
}

// Header is what a handler changes.
func (a *answer) Header() http.Header { return a.header }

// WriteHeader ends the header.
func (a *answer) WriteHeader(status int) {
	if status < http.StatusOK {
		return
	}
	a.begin(status, nil)
}

func (a *answer) begin(status int, err error) {
	a.once.Do(func() {
		a.status, a.sent, a.failed = status, a.header.Clone(), cmp.Or(*a.below, err)
		close(a.begun)
	})
}

// Write hands a part of the body over.
func (a *answer) Write(p []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	return a.pipe.Write(p)
}

// end is what the handler ended with: instead of an answer that has not begun, or
// of the rest of one.
func (a *answer) end(err error) {
	a.begin(http.StatusOK, err)
	_ = a.pipe.CloseWithError(err)
}

// Abort is why the rest of the answer will not come.
func (a *answer) Abort(err error) { _ = a.pipe.CloseWithError(err) }

// Flush has nothing to do: nothing is kept back.
func (a *answer) Flush() {}
