package tree

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

// Testdata returns the directory of test data: the environment variable
// ILOD_TESTDATA, else ../shared/testdata beside the repository. Without it the
// test is skipped, or fails if ILOD_TEST_STRICT is 1.
func Testdata(tb testing.TB) string {
	tb.Helper()
	dir := os.Getenv("ILOD_TESTDATA")
	if dir == "" {
		_, file, _, _ := runtime.Caller(0)
		dir = filepath.Join(filepath.Dir(file), "../../../../shared/testdata")
	}
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		const missing = "no test data at %s: set ILOD_TESTDATA to the directory that holds trees/"
		if os.Getenv("ILOD_TEST_STRICT") == "1" {
			tb.Fatalf(missing, dir)
		}
		tb.Skipf(missing, dir)
	}
	return dir
}
