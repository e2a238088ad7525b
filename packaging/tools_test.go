package packaging

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ilod/ilod/chif/chiftest/need"
)

const built = "../build/packages"

// needPackages skips a test that 'make test-packages' did not ask for.
func needPackages(t *testing.T, programs ...string) {
	t.Helper()
	asked(t, "ILOD_TEST_PACKAGES", "test-packages", programs...)
}

// needIntegration skips a test that 'make test-integration' did not ask for.
func needIntegration(t *testing.T, programs ...string) {
	t.Helper()
	asked(t, "ILOD_TEST_INTEGRATION", "test-integration", programs...)
}

// asked skips a test for which a target of make has not set the variable, or whose
// programs are not installed.
func asked(t *testing.T, variable, target string, programs ...string) {
	t.Helper()
	if os.Getenv(variable) != "1" {
		t.Skipf("run 'make %s'", target)
	}
	installed(t, programs...)
}

// installed skips a test whose programs are not there.
func installed(t *testing.T, programs ...string) {
	t.Helper()
	for _, program := range programs {
		if _, err := exec.LookPath(program); err != nil {
			need.Absent(t, err.Error())
		}
	}
}

// one is the only file of a name.
func one(t *testing.T, pattern string) string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(built, pattern))
	if err != nil || len(names) != 1 {
		t.Fatalf("%s: %v, %v", pattern, names, err)
	}
	return names[0]
}

// run is the output of a program that must succeed, within five minutes.
func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}
