// Package client asks an agent about its own resources: client sessions, transactions,
// limits, the server's health, the cached tree, the iLO's table of sessions, and how the
// agent does. The documents are those of package api.
//
// The zero Client talks to the agent of the system. With another Transport it talks to
// any: package gateway is one behind an http.RoundTripper.
//
// Every method takes the time that its context allows. A refusal is an *Error, and
// errors.Is tells its kind, such as ErrNoTransaction. Other errors are those of the
// Transport: after such a one a write may have been carried out.
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
)

// SystemSocket is where the agent of a Linux system listens, unless it is configured
// otherwise.
const SystemSocket = "/run/ilod/ilod.sock"

// Client talks to one agent. It may be used by many goroutines, but not changed
// meanwhile.
type Client struct {
	// Transport carries the requests. Nil connects to SystemSocket. On Windows, where
	// the agent listens on a named pipe, it must be set.
	Transport http.RoundTripper
	// Handle is that of the client session to work in; it is a secret. Without one it
	// is the user's default session.
	Handle string
}

// Socket is a Transport to the agent that listens on a Unix socket.
func Socket(path string) *http.Transport {
	return &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}}
}

var system = Socket(SystemSocket)

// Paths of the agent's resources.
const (
	root        = "/ilod/v1"
	sessions    = root + "/sessions"
	sessionLog  = root + "/session-log"
	limits      = root + "/limits"
	transaction = root + "/transaction"
	iloSessions = root + "/ilo-sessions"
	cache       = root + "/cache"
)

const (
	handleHeader = "X-Auth-Token"
	// maxAnswer is in bytes. No answer about the agent's own resources is so large.
	maxAnswer = 64 << 20
)

// send sends a request, and returns the answer if it is a success. The caller closes
// its body.
func (c *Client) send(ctx context.Context, method, path string, body []byte) (*http.Response, error) {
	u, err := url.ParseRequestURI(path)
	if err != nil {
		return nil, err
	}
	u.Scheme, u.Host = "http", "ilo" // the agent looks at neither
	req := (&http.Request{Method: method, URL: u, Header: http.Header{}}).WithContext(ctx)
	if body != nil {
		req.ContentLength = int64(len(body))
		req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
		req.Body, _ = req.GetBody()
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("OData-Version", "4.0")
	if c.Handle != "" {
		req.Header.Set(handleHeader, c.Handle)
	}
	transport := c.Transport
	if transport == nil {
		transport = system
	}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	if resp.Request == nil {
		resp.Request = req
	}
	if resp.StatusCode/100 == 2 {
		return resp, nil
	}
	defer resp.Body.Close()
	text, err := readAll(resp)
	if err != nil {
		return nil, err
	}
	return nil, NewError(resp, text)
}

func readAll(resp *http.Response) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", resp.Request.Method, resp.Request.URL.RequestURI(), err)
	}
	return text, nil
}

// text sends a request with a document, unless that is nil, and returns the answer.
func (c *Client) text(ctx context.Context, method, path string, doc any) (http.Header, []byte, error) {
	var body []byte
	if doc != nil {
		var err error
		if body, err = json.Marshal(doc); err != nil {
			return nil, nil, err
		}
	}
	resp, err := c.send(ctx, method, path, body)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	text, err := readAll(resp)
	return resp.Header, text, err
}

// do sends a request and returns no answer.
func (c *Client) do(ctx context.Context, method, path string, doc any) error {
	_, _, err := c.text(ctx, method, path, doc)
	return err
}

// ask sends a request and decodes the answer. Numbers of no particular type become
// json.Number.
func ask[T any](ctx context.Context, c *Client, method, path string, doc any) (answer T, err error) {
	_, text, err := c.text(ctx, method, path, doc)
	if err != nil {
		return answer, err
	}
	return answer, decode(text, path, &answer)
}

func decode(text []byte, path string, v any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(v); err != nil {
		return fmt.Errorf("the agent's answer about %s: %w", path, err)
	}
	return nil
}
