package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"syscall"

	"github.com/ilod/ilod/agent"
	"github.com/ilod/ilod/chif"
	"github.com/ilod/ilod/platform"
)

// agentClient is the way to a running agent.
type agentClient struct {
	*http.Transport
	path  string
	first chan net.Conn // holds the connection that found the agent, until it is used
}

// RoundTrip says of a write whose answer is lost that its outcome is unknown.
func (c *agentClient) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := c.Transport.RoundTrip(req)
	if err == nil {
		return resp, nil
	}
	if errors.Is(err, errOverdue) { // of which of the two is not known
		err = fmt.Errorf("the agent, or the iLO behind it, did not answer in time: %w", context.DeadlineExceeded)
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) {
		err = fmt.Errorf("%w: the connection has ended: %w", errNoAgent, err)
	}
	err = fmt.Errorf("%s %s: the agent: %w", req.Method, req.URL.RequestURI(), err)
	dial, ok := errors.AsType[*net.OpError](err)
	if req.Method == http.MethodGet || req.Method == http.MethodHead || ok && dial.Op == "dial" {
		return nil, err
	}
	return nil, fmt.Errorf("%w: %w", chif.ErrOutcomeUnknown, err)
}

// server is the process that listens, by the connection that found it.
func (c *agentClient) server() (platform.Peer, error) {
	select {
	case conn := <-c.first:
		defer func() { c.first <- conn }()
		return platform.PeerOf(conn)
	default:
		return platform.Peer{}, errors.ErrUnsupported
	}
}

// close leaves no connection to the agent.
func (c *agentClient) close() {
	select {
	case conn := <-c.first:
		_ = conn.Close()
	default:
	}
	c.CloseIdleConnections()
}

// dialAgent connects to the user's own agent or else to that of the system,
// unless the socket was named; it returns nil if there is none.
func (a *app) dialAgent(ctx context.Context) (*agentClient, error) {
	client, err := dialSocket(ctx, a.config.SocketPath())
	if client != nil || err != nil || a.config.Socket != "" || a.config.RuntimeDir != platform.DefaultDirectories().Runtime {
		return client, err
	}
	system := agent.Config{RuntimeDir: platform.SystemDirectories().Runtime}
	return dialSocket(ctx, system.SocketPath())
}

func dialSocket(ctx context.Context, path string) (*agentClient, error) {
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
	return &agentClient{path: path, first: first, Transport: &http.Transport{
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
