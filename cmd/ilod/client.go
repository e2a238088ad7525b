package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"syscall"

	"github.com/ilod/ilod/chif"
)

// agentClient is the way to a running agent.
type agentClient struct {
	*http.Transport
	first chan net.Conn // holds the connection that found the agent, until it is used
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

// dialAgent connects to the agent; it returns nil if there is none.
func (a *app) dialAgent(ctx context.Context) (*agentClient, error) {
	path := a.config.SocketPath()
	conn, err := new(net.Dialer).DialContext(ctx, "unix", path)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return nil, nil
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("the agent's socket %s: %w", path, chif.ErrPermission)
	case err != nil:
		return nil, fmt.Errorf("the agent's socket: %w", err)
	}
	first := make(chan net.Conn, 1)
	first <- conn
	return &agentClient{first: first, Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			select {
			case conn := <-first:
				return conn, nil
			default:
				return new(net.Dialer).DialContext(ctx, "unix", path)
			}
		},
	}}, nil
}
