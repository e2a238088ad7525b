package main

import (
	"net"
	"os/exec"
	"testing"
	"time"
)

// serve starts an agent and waits until it listens on a socket. The channel has what
// Wait returns once the agent has ended; if that comes first, the test fails.
func serve(t *testing.T, agent *exec.Cmd, socket string) (ended <-chan error) {
	t.Helper()
	if err := agent.Start(); err != nil {
		t.Fatal(err)
	}
	end := make(chan error, 1)
	go func() { end <- agent.Wait() }()
	for {
		if conn, err := net.Dial("unix", socket); err == nil {
			_ = conn.Close()
			return end
		}
		select {
		case err := <-end:
			t.Fatalf("the agent has ended: %v: %s", err, agent.Stderr)
		case <-time.After(5 * time.Millisecond):
		}
	}
}
