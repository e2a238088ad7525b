package plaintext

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestNoInputTakesTheMemory: a reader takes what it says, and not one byte more.
func TestNoInputTakesTheMemory(t *testing.T) {
	if b, err := Read(strings.NewReader("1234"), 4); string(b) != "1234" || err != nil {
		t.Errorf("%q, %v", b, err)
	}
	if b, err := Read(strings.NewReader("12345"), 4); b != nil || !errors.Is(err, ErrTooLarge) {
		t.Errorf("%q, %v", b, err)
	}
	name := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(name, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	if b, err := ReadFile(name, 1<<20); len(b) != 1<<20 || err != nil {
		t.Errorf("%d bytes, %v", len(b), err)
	}
	if _, err := ReadFile(name, 1<<20-1); !errors.Is(err, ErrTooLarge) || !strings.Contains(err.Error(), name) {
		t.Errorf("%v", err)
	}
	if _, err := ReadFile("/dev/zero", 1<<20); err == nil {
		t.Error("a device without end has been read")
	}
}
