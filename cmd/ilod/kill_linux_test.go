package main

import (
	"bytes"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"github.com/ilod/ilod/chif/chiftest/redfish"
)

// TestKilled kills agents and commands at random moments and starts a command
// after each: then no session of ours may be left, and none of others may be
// gone. There are ILOD_TEST_KILLS of them, or 30.
func TestKilled(t *testing.T) {
	kills := 30
	if n := os.Getenv("ILOD_TEST_KILLS"); n != "" {
		var err error
		if kills, err = strconv.Atoi(n); err != nil {
			t.Fatalf("ILOD_TEST_KILLS: %v", err)
		}
	}
	device, service := simulator(t, redfish.Options{Foreign: redfish.EveryKind()})
	env := environment(t, device)
	ilod := func(args ...string) (*exec.Cmd, *bytes.Buffer) {
		var stderr bytes.Buffer
		cmd := exec.Command("ilod", args...)
		cmd.Env, cmd.Stderr = env, &stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		return cmd, &stderr
	}
	get := []string{"get", "--fresh", "/redfish/v1/Systems/1/", "/redfish/v1/Chassis/", "/redfish/v1/Managers/"}
	killed := 0
	for n := range kills {
		var victim, client *exec.Cmd
		var clientErrors *bytes.Buffer
		// A client of an agent that dies may end as it likes.
		if n%2 == 0 {
			victim, _ = ilod(get...)
		} else {
			victim, _ = ilod("agent")
			client, clientErrors = ilod(get...)
		}
		time.Sleep(rand.N(120 * time.Millisecond))
		_ = victim.Process.Kill() // a command may have ended
		if err := victim.Wait(); err != nil && victim.ProcessState.ExitCode() == -1 {
			killed++
		}
		if client != nil {
			_ = client.Wait()
		}
		next, stderr := ilod(get...)
		if err := next.Wait(); err != nil {
			t.Fatalf("%d: after %v: %v: %s", n, victim.Args, err, stderr)
		}
		// Guardians may still be at work.
		for deadline := time.Now().Add(time.Minute); ours(service) > 0; time.Sleep(10 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%d: after %v: %d sessions of ours are left: %+v\n%s", n, victim.Args, ours(service), service.Sessions(), clientErrors)
			}
		}
	}
	t.Logf("%d killed, %d logins", killed, service.Stats().Logins)
	if killed == 0 {
		t.Error("none was killed in time")
	}
}

// ours is the number of sessions of ours.
func ours(service *redfish.Service) (n int) {
	for _, s := range service.Sessions() {
		if !s.Foreign {
			n++
		}
	}
	return n
}
