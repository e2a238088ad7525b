package main

import (
	"fmt"
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
	ilod := func(args ...string) *exec.Cmd { return start(t, env, append([]string{"ilod"}, args...)...) }
	killed := 0
	for n := range kills {
		var victim, client *exec.Cmd
		if n%2 == 0 {
			victim = ilod(someReads...)
		} else {
			victim = ilod("agent")
			client = ilod(someReads...)
		}
		time.Sleep(rand.N(120 * time.Millisecond))
		_ = victim.Process.Kill() // a command may have ended
		if err := victim.Wait(); err != nil && victim.ProcessState.ExitCode() == -1 {
			killed++
		}
		if client != nil {
			_ = client.Wait() // it may end as it likes
		}
		cleanedUp(t, env, service)
	}
	t.Logf("%d killed, %d logins", killed, service.Stats().Logins)
	if killed == 0 {
		t.Error("none was killed in time")
	}
}

// TestKilledAtSystemCalls kills a command, and its guardian, at the first, second,
// … call of each system call that changes something outside them, as long as
// that happens; up to ILOD_TEST_CALLS of each, or 3.
func TestKilledAtSystemCalls(t *testing.T) {
	if err := exec.Command("strace", "--output", os.DevNull, "true").Run(); err != nil {
		t.Skipf("strace: %v", err)
	}
	calls := 3
	if n := os.Getenv("ILOD_TEST_CALLS"); n != "" {
		var err error
		if calls, err = strconv.Atoi(n); err != nil {
			t.Fatalf("ILOD_TEST_CALLS: %v", err)
		}
	}
	device, service := simulator(t, redfish.Options{Foreign: redfish.EveryKind()})
	env := environment(t, device)
	for _, call := range []string{"write", "read", "openat", "mkdirat", "fsync", "renameat", "unlinkat", "connect", "clone", "close"} {
		for n := 1; n <= calls; n++ {
			victim := start(t, env, append([]string{"strace", "--follow-forks", "--output", os.DevNull,
				"--inject", fmt.Sprintf("%s:signal=KILL:when=%d", call, n), "ilod"}, someReads...)...)
			if victim.Wait() == nil {
				break // so many there are not
			}
			cleanedUp(t, env, service)
		}
	}
	t.Logf("%d logins", service.Stats().Logins)
}

// someReads are a command that needs a session.
var someReads = []string{"get", "--fresh", "/redfish/v1/Systems/1/", "/redfish/v1/Chassis/", "/redfish/v1/Managers/"}

func start(t *testing.T, env []string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = env
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd
}

// cleanedUp runs a command, after which no session of ours may be left.
func cleanedUp(t *testing.T, env []string, service *redfish.Service) {
	t.Helper()
	next := exec.Command("ilod", someReads...)
	next.Env = env
	if out, err := next.CombinedOutput(); err != nil {
		t.Fatalf("the next command: %v: %s", err, out)
	}
	// Guardians may still be at work; the limit of the tests ends them.
	for ours(service) > 0 {
		time.Sleep(10 * time.Millisecond)
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
