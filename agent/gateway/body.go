package gateway

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/ilod/ilod/agent/budget"
)

const (
	maxBody = 16 << 20 // bytes of one request's body
	// smallBody is what an answer of our own may be without being counted.
	smallBody = 4 << 10
	// A body must come at bodyRate bytes a second, once bodyPatience is over, and
	// within bodyTimeout.
	bodyRate     = 16 << 10
	bodyPatience = 10 * time.Second
	// pressedTimeout is instead of writeTimeout when others need the memory.
	pressedTimeout = 10 * time.Second
)

// pace bounds how long the client may take for the answer. The zero value is that
// of a request which has no purse.
type pace struct {
	purse *budget.Purse
	must  bool // the answer is that to a write, and never refused for lack of memory

	mu    sync.Mutex
	until time.Time // zero: nothing is being written
	set   func(time.Time) error
}

// begin starts the time in which the answer must be taken.
func (p *pace) begin() {
	within := writeTimeout
	if p.purse.Tight() {
		within = pressedTimeout
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.until = time.Now().Add(within)
	_ = p.set(p.until)
}

// hurry cuts the time short, once.
func (p *pace) hurry() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if at := time.Now().Add(pressedTimeout); !p.until.IsZero() && at.Before(p.until) {
		p.until = at
		_ = p.set(at)
	}
}

// limitWriting starts the time in which the answer must be taken. It is called
// when there is one: before that the iLO takes as long as it takes.
func limitWriting(w http.ResponseWriter) {
	if s, ok := w.(*statusWriter); ok {
		s.pace.begin()
	}
}

// open gives a request its part of the memory for bodies, which is close.
func (g *Gateway) open(w *statusWriter, c *call) {
	w.pace.must = !isRead(c.Method)
	w.pace.purse = g.budget.Purse(c.who.owner, c.who.role == Admin, w.pace.hurry)
	c.purse = w.pace.purse
}

// pay counts the body of an answer of the iLO, or closes it and fails. One that
// the cache gives to several counts once.
func (c *call) pay(resp *http.Response) error {
	err := error(nil)
	one, shared := resp.Body.(interface{ Document() any })
	switch n := resp.ContentLength; {
	case n <= smallBody, c.Method == http.MethodHead:
	case !isRead(c.Method):
		c.purse.Force(n)
	case shared && one.Document() == nil: // it has counted what it takes itself
	case shared:
		err = c.purse.Share(one.Document(), n)
	default:
		err = c.purse.Take(n)
	}
	if err != nil {
		_ = resp.Body.Close()
	}
	return err
}

// payOwn counts the body of an answer of our own.
func (p *pace) payOwn(n int) error {
	switch {
	case n <= smallBody:
	case p.must:
		p.purse.Force(int64(n))
	default:
		return p.purse.Take(int64(n))
	}
	return nil
}

// readBody reads a body of at most limit bytes before anything else is done, so
// that a client which stops in the middle holds no place at the iLO. release
// gives its memory free.
func (g *Gateway) readBody(w http.ResponseWriter, c *call, limit int64) (body []byte, release func(), bad *failure) {
	if c.ContentLength > limit {
		return nil, nil, tooLarge()
	}
	most := limit
	if c.ContentLength >= 0 {
		most = c.ContentLength
	}
	in := timedBody{http.MaxBytesReader(unwrap(w), c.Body, limit), http.NewResponseController(w), time.Now(), int(most)}
	body, err := in.all(c.purse)
	var timeout net.Error
	switch {
	case err == nil:
	case errors.Is(err, budget.ErrFull):
		return nil, nil, g.explain(c, err)
	case errors.As(err, new(*http.MaxBytesError)):
		return nil, nil, tooLarge()
	case errors.As(err, &timeout) && timeout.Timeout():
		return nil, nil, &failure{status: http.StatusRequestTimeout, key: "OperationTimeout", text: "The request's body did not come in time."}
	case c.Context().Err() != nil, errors.Is(err, context.Canceled), errors.Is(err, io.ErrUnexpectedEOF):
		panic(http.ErrAbortHandler)
	default:
		return nil, nil, &failure{status: http.StatusBadRequest, key: "MalformedJSON", text: "The request's body cannot be read: " + err.Error()}
	}
	// From here on the iLO takes its time. At the end of a body net/http takes the
	// deadline away itself, but it does not where there is none.
	_ = in.SetReadDeadline(time.Time{})
	return body, func() { c.purse.Give(int64(cap(body))) }, nil
}

// timedBody is a request's body that must come at a rate.
type timedBody struct {
	io.Reader
	*http.ResponseController
	began time.Time
	most  int // bytes that can come
}

// all reads the body. What it takes of the purse is the capacity of the result, at
// most 4 KiB or twice what has come.
func (b timedBody) all(purse *budget.Purse) (body []byte, err error) {
	for {
		if len(body) == cap(body) {
			more := max(4<<10, min(cap(body), b.most-cap(body)))
			if err := purse.Take(int64(more)); err != nil {
				return body, err
			}
			grown := make([]byte, len(body), cap(body)+more)
			copy(grown, body)
			body = grown
		}
		within := bodyPatience + time.Second*time.Duration(len(body)/bodyRate)
		_ = b.SetReadDeadline(b.began.Add(min(within, bodyTimeout)))
		n, err := b.Read(body[len(body):cap(body)])
		body = body[:len(body)+n]
		if errors.Is(err, io.EOF) {
			return body, nil
		}
		if err != nil {
			return body, err
		}
	}
}

// unwrap returns the server's own writer, which closes the connection after too
// large a body.
func unwrap(w http.ResponseWriter) http.ResponseWriter {
	if s, ok := w.(*statusWriter); ok {
		return s.ResponseWriter
	}
	return w
}

func tooLarge() *failure {
	return &failure{status: http.StatusRequestEntityTooLarge, key: "PayloadTooLarge"}
}
