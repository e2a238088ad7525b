package agentsocket

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/ilod/ilod/platform"
)

// greetings are how long the agent may take to answer a greeting, which costs it
// nothing, on one connection after the other.
var greetings = []time.Duration{time.Second, 2 * time.Second, 4 * time.Second}

// errDumb: something has the agent's pipe and does not answer as the agent does.
var errDumb = errors.New("it does not answer")

// dial connects to the agent. An instance of a pipe may be nobody's any more: one
// on which nobody answers a greeting is left for another.
func dial(ctx context.Context, path string) (net.Conn, error) {
	var silence error
	for _, patience := range greetings {
		conn, err := platform.Dial(ctx, path)
		if err != nil {
			return nil, err
		}
		if silence = greet(conn, patience); silence == nil {
			return conn, nil
		}
		if err := conn.Close(); err != nil || ctx.Err() != nil {
			return nil, errors.Join(context.Cause(ctx), err)
		}
	}
	return nil, fmt.Errorf("%s: %w: %w", path, errDumb, silence)
}

// greet asks what may be asked of the agent's own resources, and takes any answer.
func greet(conn net.Conn, patience time.Duration) error {
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	req, err := http.NewRequest(http.MethodOptions, "http://ilo/ilod/v1", nil)
	if err != nil {
		return err
	}
	if err := req.Write(conn); err != nil {
		return err
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return err
	}
	if resp.Close {
		return fmt.Errorf("it says %s", resp.Status)
	}
	return conn.SetDeadline(time.Time{})
}
