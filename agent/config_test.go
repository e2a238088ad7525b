package agent

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ilod/ilod/agent/plaintext"
)

func write(t *testing.T, text string, mode os.FileMode) (name string) {
	t.Helper()
	name = filepath.Join(t.TempDir(), "file.toml")
	if err := os.WriteFile(name, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	return name
}

// unixPaths skips a test whose paths are absolute on Unix only.
func unixPaths(t *testing.T) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("its paths are those of Unix")
	}
}

func TestConfigReadFile(t *testing.T) {
	unixPaths(t)
	c := DefaultConfig("/state", "/run/x")
	if err := c.ReadFile(write(t, `
device = "unix:/ilo"
channels = 3
[cache]
max-size = "16 MiB"
sweep-interval = "90s"
[session]
limit-policy = "ask"
reap-foreign = "1h"
reap-before-boot = true
[clients]
max-sessions-per-user = 8
inactivity-timeout = "0s"
force-sessions = true
when-full = "ask"
[roles.operator]
users = ["puppet"]
groups = ["ilod", "wheel"]
[tls]
listen = "[::1]:8443"
`, 0o600), false); err != nil {
		t.Fatal(err)
	}
	want := DefaultConfig("/state", "/run/x")
	want.Device, want.Channels = "unix:/ilo", 3
	want.Cache.MaxSize, want.Cache.SweepInterval = 16<<20, Duration(90*time.Second)
	want.Session.LimitPolicy, want.Session.ReapForeign, want.Session.ReapBeforeBoot = "ask", Duration(time.Hour), true
	want.Clients.MaxSessionsPerUser, want.Clients.InactivityTimeout, want.Clients.ForceSessions, want.Clients.WhenFull = 8, 0, true, "ask"
	want.Roles.Operator = Members{Users: []string{"puppet"}, Groups: []string{"ilod", "wheel"}}
	want.TLS.Listen = "[::1]:8443"
	if diff := cmp.Diff(want, c); diff != "" {
		t.Error(diff)
	}
	if err := c.Validate(); err != nil {
		t.Error(err)
	}
	if got := c.SocketPath(); got != "/run/x/ilod.sock" {
		t.Error(got)
	}

	// What is written says the same when it is read.
	var text strings.Builder
	if err := c.Write(&text); err != nil {
		t.Fatal(err)
	}
	var again Config
	if err := again.ReadFile(write(t, text.String(), 0o600), false); err != nil {
		t.Fatalf("%v in\n%s", err, &text)
	}
	if diff := cmp.Diff(c, again, cmp.Transformer("nil", func(s []string) string { return strings.Join(s, ",") })); diff != "" {
		t.Errorf("%s\n%s", diff, &text)
	}
}

func TestConfigErrors(t *testing.T) {
	for text, want := range map[string]string{
		"device = \"auto\"\nsocke = 1":                        "file.toml:2: unknown key socke",
		"[cache]\n\n# x\nmax-size=\"1GiB\"\nsize = [\n1,\n2]": "file.toml:7: unknown key cache.size",
		"[chache]\nmax-size = \"1GiB\"":                       "file.toml:1: unknown key chache",
		"channels = \"two\"":                                  "file.toml:",
		"\ntimeout = \"a minute\"":                            `file.toml:2: "a minute" is not a duration such as 90s or 10m`,
		"[cache]\nmax-size = \"-1\"":                          `file.toml:2: "-1" is not a size such as 64MiB`,
		"[cache]\nmax-size = \"99999999999GiB\"":              "is not a size",
		"device = ":                                           "file.toml:1: ",
		"device = \"auto\"\n\ndevice = \"auto\"":              "file.toml:3: ",
	} {
		c := DefaultConfig("/s", "/r")
		if err := c.ReadFile(write(t, text, 0o600), false); !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
	var c Config
	if err := c.ReadFile(write(t, strings.Repeat("\n", maxFile+1), 0o600), false); !errors.Is(err, ErrConfig) || !errors.Is(err, plaintext.ErrTooLarge) {
		t.Errorf("a file without end: %v", err)
	}
	missing := filepath.Join(t.TempDir(), "none")
	if err := c.ReadFile(missing, true); err != nil {
		t.Errorf("an optional one: %v", err)
	}
	if err := c.ReadFile(missing, false); !errors.Is(err, ErrConfig) || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing one: %v", err)
	}
}

func TestConfigValidate(t *testing.T) {
	unixPaths(t)
	for want, spoil := range map[string]func(*Config){
		"device is empty":            func(c *Config) { c.Device = "" },
		"an absolute path":           func(c *Config) { c.StateDir = "state" },
		"timeout is -1s":             func(c *Config) { c.Timeout = Duration(-time.Second) },
		"session-linger is 0s":       func(c *Config) { c.Session.Linger = 0 },
		"channels is 5":              func(c *Config) { c.Channels = 5 },
		"max-size is 1KiB":           func(c *Config) { c.Cache.MaxSize = 1 << 10 },
		"reap-foreign is 1s":         func(c *Config) { c.Session.ReapForeign = Duration(time.Second) },
		"keep-alive is 2h":           func(c *Config) { c.Session.KeepAlive = Duration(2 * time.Hour) },
		"keep-alive is 0s":           func(c *Config) { c.Session.KeepAlive = 0 },
		"limit-policy is fifo":       func(c *Config) { c.Session.LimitPolicy = "fifo" },
		"max-sessions is negative":   func(c *Config) { c.Clients.MaxSessions = -1 },
		"lifetime is negative":       func(c *Config) { c.Clients.Lifetime = -1 },
		"when-full is fifo":          func(c *Config) { c.Clients.WhenFull = "fifo" },
		"transaction-timeout is 0s":  func(c *Config) { c.Clients.TransactionTimeout = 0 },
		"log.level is loud":          func(c *Config) { c.Log.Level = "loud" },
		"log.format is xml":          func(c *Config) { c.Log.Format = "xml" },
		"a certificate without":      func(c *Config) { c.TLS.Certificate = "/c" },
		"tls.listen is 0.0.0.0:8443": func(c *Config) { c.TLS.Listen = "0.0.0.0:8443" },
		"tls.listen is localhost:1":  func(c *Config) { c.TLS.Listen = "localhost:1" },
		"tls.listen is 127.0.0.1":    func(c *Config) { c.TLS.Listen = "127.0.0.1" },
	} {
		c := DefaultConfig("/s", "/r")
		if err := c.Validate(); err != nil {
			t.Fatal(err)
		}
		spoil(&c)
		if err := c.Validate(); !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

func TestCredentials(t *testing.T) {
	none := func(string) string { return "" }
	var c Config
	if got, err := c.Credentials(none); got != nil || err != nil {
		t.Errorf("without any: %v, %v", got, err)
	}
	const good = "username = \"Administrator\"\npassword = \"pa$$word\"\n"
	c.CredentialsFile = write(t, good, 0o600)
	got, err := c.Credentials(none)
	if err != nil || got.UserName != "Administrator" || got.Password != "pa$$word" {
		t.Errorf("%v, %v", got, err)
	}
	for _, text := range []string{"", "username = \"a\"", "password = \"pa$$word", good + "host = \"pa$$word\"", good + "pa$$word"} {
		c.CredentialsFile = write(t, text, 0o600)
		if got, err := c.Credentials(none); !errors.Is(err, ErrConfig) || strings.Contains(err.Error(), "pa$$word") {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	c.CredentialsFile = write(t, good, 0o640)
	if err := os.Chmod(c.CredentialsFile, 0o640); err != nil {
		t.Fatal(err)
	}
	if got, err := c.Credentials(none); runtime.GOOS != "windows" && (!errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), "chmod 600")) {
		t.Errorf("readable by a group: %v, %v", got, err)
	}

	// systemd's directory.
	c.CredentialsFile = ""
	dir := t.TempDir()
	systemd := func(name string) string { return map[string]string{"CREDENTIALS_DIRECTORY": dir}[name] }
	if got, err := c.Credentials(systemd); got != nil || err != nil {
		t.Errorf("an empty directory: %v, %v", got, err)
	}
	if err := os.WriteFile(filepath.Join(dir, "ilo-credentials"), []byte(good), 0o440); err != nil {
		t.Fatal(err)
	}
	if got, err := c.Credentials(systemd); err != nil || got == nil {
		t.Errorf("%v, %v", got, err)
	}
}

func TestDuration(t *testing.T) {
	for want, d := range map[string]time.Duration{
		"0s": 0, "1m30s": 90 * time.Second, "10m": 10 * time.Minute, "1h": time.Hour, "1h1m": 61 * time.Minute, "250ms": 250 * time.Millisecond,
	} {
		if got := Duration(d).String(); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

// TestConfigurationReference: the file that CONFIGURATION.md shows has all keys and the defaults.
func TestConfigurationReference(t *testing.T) {
	unixPaths(t)
	readme, err := os.ReadFile("CONFIGURATION.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(readme), "```toml\n")
	text, _, found := strings.Cut(text, "```")
	if !found {
		t.Fatal("CONFIGURATION.md shows no configuration")
	}
	var shown Config
	if err := decode("CONFIGURATION.md", []byte(text), &shown); err != nil {
		t.Fatal(err)
	}
	want := DefaultConfig("/var/lib/ilod", "/run/ilod")
	want.Socket = want.SocketPath()
	if diff := cmp.Diff(want, shown, cmp.Transformer("nil", func(s []string) string { return strings.Join(s, ",") })); diff != "" {
		t.Error(diff)
	}
}
