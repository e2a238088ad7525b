package agent

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ilod/ilod/agent/plaintext"
)

// TestCredentialsInEveryEncoding reads a file as Windows PowerShell writes it, and
// quotes nothing of one that it cannot read.
func TestCredentialsInEveryEncoding(t *testing.T) {
	const text = "username = \"a\"\npassword = \"secret-ü\"\n"
	wide := "\xff\xfe"
	for _, r := range text {
		wide += string([]byte{byte(r), 0})
	}
	for name, content := range map[string]string{"UTF-8": text, "mark": "\xef\xbb\xbf" + text, "UTF-16": wide, "odd": wide + "x", "Latin-1": strings.ReplaceAll(text, "ü", "\xfc")} {
		file := filepath.Join(t.TempDir(), "credentials")
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		c := Config{CredentialsFile: file}
		got, err := c.Credentials(func(string) string { return "" })
		if name == "odd" || name == "Latin-1" {
			if !errors.Is(err, ErrConfig) || !errors.Is(err, plaintext.ErrEncoding) || strings.Contains(err.Error(), "secret") {
				t.Errorf("%s: %v", name, err)
			}
		} else if err != nil || got.UserName != "a" || got.Password != "secret-ü" {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}
