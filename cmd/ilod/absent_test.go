package main

import (
	"fmt"
	"os"
	"os/exec"
	"testing"
)

// need skips the test if a program is not installed.
func need(t *testing.T, program, debian string) {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		absent(t, fmt.Sprintf("%v: apt-get install --no-install-recommends %s", err, debian))
	}
}

// absent skips the test, or fails it if ILOD_TEST_STRICT is 1.
func absent(t *testing.T, why string) {
	t.Helper()
	if os.Getenv("ILOD_TEST_STRICT") == "1" {
		t.Fatal(why)
	}
	t.Skip(why)
}
