package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

const ctlUsage = "usage: ilosim ctl --control unix:PATH METHOD PATH [JSON]"

// ctl is "ilosim ctl": it sends one request to the control socket of a running
// simulator and prints the answer's body, so that scripts need no curl. It
// waits up to 10 s for the socket to appear.
func ctl(args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("ilosim ctl", flag.ContinueOnError)
	flags.SetOutput(stderr)
	control := flags.String("control", "", "the control socket, unix:`PATH`")
	if err := flags.Parse(args); err != nil {
		return err
	}
	path, isUnix := strings.CutPrefix(*control, "unix:")
	if !isUnix || flags.NArg() < 2 || flags.NArg() > 3 || !strings.HasPrefix(flags.Arg(1), "/") {
		return errors.New(ctlUsage)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	client := http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return dialWhenThere(ctx, path)
	}}}
	defer client.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, strings.ToUpper(flags.Arg(0)), "http://ilosim"+flags.Arg(1), bytes.NewReader([]byte(flags.Arg(2))))
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(stdout, resp.Body); err != nil {
		return err
	}
	if resp.StatusCode >= http.StatusBadRequest {
		return fmt.Errorf("%s %s: %s", flags.Arg(0), flags.Arg(1), resp.Status)
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
