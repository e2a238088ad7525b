// Package need skips a test on a machine that lacks what the test needs. If
// ILOD_TEST_STRICT is 1, as in CI, it fails the test instead, so no test is left out
// unnoticed.
package need

import (
	"fmt"
	"os"
	"os/exec"
	"testing"
)

// Root is for a test that changes users, owners or mounts.
func Root(tb testing.TB) {
	tb.Helper()
	if os.Geteuid() != 0 {
		Absent(tb, "only root can do what this test does")
	}
}

// Absent ends a test; why says what there is not, and how to have it.
func Absent(tb testing.TB, why string) {
	tb.Helper()
	if os.Getenv("ILOD_TEST_STRICT") == "1" {
		tb.Fatal(why)
	}
	tb.Skip("SKIP: " + why)
}

// Program is for a test that runs a program of a Debian package.
func Program(tb testing.TB, program, debian string) {
	tb.Helper()
	if _, err := exec.LookPath(program); err != nil {
		Absent(tb, fmt.Sprintf("%v: apt-get install --no-install-recommends %s", err, debian))
	}
}
