// Package agentsocket is the way to a running agent: its Unix socket, on Windows its
// named pipe.
package agentsocket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"syscall"

	"github.com/ilod/ilod/chif"
	"github.com/ilod/ilod/platform"
)

var (
	// ErrNoAgent: a command that needs the agent found none, or lost it.
	ErrNoAgent = errors.New("no agent is running")
	// ErrAgentCame: while waiting for the instance lock an agent began to serve.
	ErrAgentCame = errors.New("an agent has started")
	// ErrOverdue is the cause of a context that --timeout ended.
	ErrOverdue = fmt.Errorf("%w: %w", chif.ErrTimeout, context.DeadlineExceeded)
)

// Client sends requests to the agent.
type Client struct {
	*http.Transport
	Path  string        // of the socket
	first chan net.Conn // holds the connection that found the agent, until it is used
}

// RoundTrip says of a write whose answer is lost that its outcome is unknown.
func (c *Client) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := c.Transport.RoundTrip(req)
	if err == nil {
		return resp, nil
	}
	if errors.Is(err, ErrOverdue) { // of which of the two is not known
		err = fmt.Errorf("the agent, or the iLO behind it, did not answer in time: %w", context.DeadlineExceeded)
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) {
		err = fmt.Errorf("%w: the connection has ended: %w", ErrNoAgent, err)
	}
	err = fmt.Errorf("%s %s: the agent: %w", req.Method, req.URL.RequestURI(), err)
	dial, ok := errors.AsType[*net.OpError](err)
	if req.Method == http.MethodGet || req.Method == http.MethodHead || ok && dial.Op == "dial" {
		return nil, err
	}
	return nil, fmt.Errorf("%w: %w", chif.ErrOutcomeUnknown, err)
}

// Server is the process that listens, by the connection that found it.
func (c *Client) Server() (platform.Peer, error) {
	select {
	case conn := <-c.first:
		defer func() { c.first <- conn }()
		return platform.PeerOf(conn)
	default:
		return platform.Peer{}, errors.ErrUnsupported
	}
}

// Close leaves no connection to the agent.
func (c *Client) Close() {
	select {
	case conn := <-c.first:
		_ = conn.Close()
	default:
	}
	c.CloseIdleConnections()
}

// Dial connects to the agent that listens at path. It returns nil if nobody does, and an
// error that wraps chif.ErrPermission if this user may not ask.
func Dial(ctx context.Context, path string) (*Client, error) {
	conn, err := dial(ctx, path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("the agent's socket %s: %w", path, chif.ErrPermission)
	case err != nil && ctx.Err() != nil: // net says "operation was canceled", whatever the cause
		return nil, fmt.Errorf("the agent's socket %s: %w", path, context.Cause(ctx))
	case err != nil:
		return nil, fmt.Errorf("the agent's socket: %w", err)
	}
	first := make(chan net.Conn, 1)
	first <- conn
	return &Client{Path: path, first: first, Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			select {
			case conn := <-first:
				return conn, nil
			default:
				return dial(ctx, path)
			}
		},
	}}, nil
}
