package tree

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/ilod/ilod/chif/chiftest/need"
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
		need.Absent(tb, "no test data at "+dir+": set ILOD_TESTDATA to the directory that holds trees/")
	}
	return dir
}
