package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// ctlCommand is "ilosim ctl": it sends one request to the control socket of a
// running simulator and prints the answer's body, so that scripts need no curl.
// It waits up to 10 s for the socket to appear.
func ctlCommand() *cobra.Command {
	var control socket
	cmd := &cobra.Command{
		Use:   "ctl --control unix:PATH METHOD PATH [JSON]",
		Short: "Send one request to the control socket of a running simulator",
		Args:  cobra.RangeArgs(2, 3),
		RunE: func(cmd *cobra.Command, args []string) error {
			if control == "" {
				return errors.New("--control unix:PATH is missing")
			}
			method, path, body := strings.ToUpper(args[0]), args[1], strings.Join(args[2:], "")
			if !strings.HasPrefix(path, "/") {
				return fmt.Errorf("the path %q does not begin with a slash", path)
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), 10*time.Second)
			defer cancel()
			req, err := http.NewRequestWithContext(ctx, method, "http://ilosim"+path, strings.NewReader(body))
			if err != nil {
				return err
			}
			if err := send(req, string(control), cmd.OutOrStdout()); err != nil {
				return failure{err}
			}
			return nil
		},
	}
	cmd.Flags().Var(&control, "control", "the control socket, unix:`PATH`")
	return cmd
}

// send makes one request over a socket and copies the answer's body to out.
func send(req *http.Request, socket string, out io.Writer) error {
	client := http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return dialWhenThere(ctx, socket)
	}}}
	defer client.CloseIdleConnections()
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(out, resp.Body); err != nil {
		return err
	}
	if resp.StatusCode >= http.StatusBadRequest {
		return fmt.Errorf("%s %s: %s", req.Method, req.URL.Path, resp.Status)
	}
	return nil
}

// dialWhenThere connects to a socket that may not listen yet.
func dialWhenThere(ctx context.Context, path string) (net.Conn, error) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		var d net.Dialer
		conn, err := d.DialContext(ctx, "unix", path)
		if err == nil {
			return conn, nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, err
		}
	}
}
