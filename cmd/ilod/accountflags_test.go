package main

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ilod/ilod/cmd/ilod/script"
)

type headersOnly struct{ seen http.Header }

func (h *headersOnly) RoundTrip(req *http.Request) (*http.Response, error) {
	h.seen = req.Header
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(strings.NewReader("{}")), Request: req}, nil
}

// TestBIOSPassword has the digest of a BIOS password sent, at once, and nothing of
// it shown.
func TestBIOSPassword(t *testing.T) {
	file := filepath.Join(t.TempDir(), "patch.json")
	if err := os.WriteFile(file, []byte(`{"/redfish/v1/systems/1/bios/settings/":{}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	const digest = "5E884898DA28047151D0E56F8DC6292773603D0D6AABBDD62A11EF721D1542D8" // sha256sum
	for _, verb := range []string{"rawpatch", "rawput"} {
		var said strings.Builder
		h := &headersOnly{}
		a := newApp(os.Stdin, os.Stdout, &said)
		a.held = h
		if code := a.run(t.Context(), script.Statement{Words: []string{verb, "-vv", file, "--biospassword", "password"}}, ""); code != 0 {
			t.Errorf("%s: exit code %d: %s", verb, code, &said)
		}
		if h.seen.Get(biosHeader) != digest || h.seen.Get(transactionHeader) != "immediate" {
			t.Errorf("%s: %v", verb, h.seen)
		}
		if strings.Contains(strings.ToUpper(said.String()), digest) {
			t.Errorf("%s: %s", verb, &said)
		}
	}
}
