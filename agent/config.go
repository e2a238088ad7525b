// Package agent is the engine of ilod. It stacks the rooms that a request passes on
// its way to the iLO, and it starts and stops them.
//
// Each room is an http.RoundTripper over the next one. The packages, in the order of
// a request: gateway (who may do what), clients (client sessions), transaction (staged
// writes), freshness (the cached tree), schedule (who is next), ilosession (the one
// session on the iLO), and package chif, outside of the agent, down to the device. The
// answer comes back the same way. ARCHITECTURE.md draws it.
package agent

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/BurntSushi/toml"
	"github.com/sirupsen/logrus"

	"github.com/ilod/ilod/agent/plaintext"
)

// Config is the whole configuration. Its zero value is not useful: begin with
// DefaultConfig.
type Config struct {
	Device          string   `toml:"device"`           // the iLO's address, as chif.ParseDevice takes it
	StateDir        string   `toml:"state-dir"`        // for what must survive a boot
	RuntimeDir      string   `toml:"runtime-dir"`      // for what must not
	Socket          string   `toml:"socket"`           // the agent's Unix socket or named pipe; empty: ilod.sock in RuntimeDir
	Timeout         Duration `toml:"timeout"`          // limit of one command's work
	Channels        int      `toml:"channels"`         // how many CHIF channels may be open at once, 1 to 4
	CredentialsFile string   `toml:"credentials-file"` // see Config.Credentials; empty: log in without any

	Cache   CacheConfig   `toml:"cache"`
	Session SessionConfig `toml:"session"`
	Clients ClientsConfig `toml:"clients"`
	Roles   RolesConfig   `toml:"roles"`
	TLS     TLSConfig     `toml:"tls"`
	Log     LogConfig     `toml:"log"`
}

// CacheConfig is about the cached tree.
type CacheConfig struct {
	Disabled      bool     `toml:"nocache"`        // write nothing outside RuntimeDir: bounded memory instead
	MaxSize       Size     `toml:"max-size"`       // of what is stored
	SweepInterval Duration `toml:"sweep-interval"` // how often the tree is compared with the iLO's while it is used
}

// SessionConfig is about the one session on the iLO.
type SessionConfig struct {
	Linger         Duration `toml:"session-linger"`   // unused for so long it is deleted
	KeepAlive      Duration `toml:"keep-alive"`       // in use it is refreshed so often, until its idle timeout is known
	ReapForeign    Duration `toml:"reap-foreign"`     // at start, delete other programs' in-band sessions idle for longer; 0: never
	ReapBeforeBoot bool     `toml:"reap-before-boot"` // at the first start after a boot, delete in-band sessions from before it
	LimitPolicy    string   `toml:"limit-policy"`     // when the iLO's table is full: one of LimitPolicies
}

// LimitPolicies are what to do when the iLO's session table is full: refuse,
// refuse with a list to choose from, or end the in-band session idle for longest.
var LimitPolicies = []string{"reject", "ask", "oldest-idle-inband"}

// ClientsConfig is about the client sessions of the agent, until an admin sets
// something else.
type ClientsConfig struct {
	MaxSessions        int      `toml:"max-sessions"`          // 0: any number
	MaxSessionsPerUser int      `toml:"max-sessions-per-user"` // 0: any number
	InactivityTimeout  Duration `toml:"inactivity-timeout"`    // 0: a client session is for one request
	Lifetime           Duration `toml:"lifetime"`              // 0: no bound
	TransactionTimeout Duration `toml:"transaction-timeout"`   // of one that nobody goes on with
	ForceSessions      bool     `toml:"force-sessions"`        // refuse requests that name no client session
	WhenFull           string   `toml:"when-full"`             // one of WhenFull
	StrictJSON         bool     `toml:"strict-json"`           // refuse writes whose JSON could be read in two ways
}

// WhenFull are what to do when there are as many client sessions as there may be:
// refuse, end the one idle for longest, or refuse with a list to choose from.
var WhenFull = []string{"reject", "oldest-idle", "ask"}

// RolesConfig says who may do what. Root is always an admin.
type RolesConfig struct {
	Admin    Members `toml:"admin"`    // everything
	Operator Members `toml:"operator"` // reads and writes resources
	Reader   Members `toml:"reader"`   // reads resources
}

// Members are those who have a role.
type Members struct {
	Users  []string `toml:"users"`
	Groups []string `toml:"groups"`
}

// TLSConfig is about the listener for tools that need https://host:port.
type TLSConfig struct {
	Listen      string `toml:"listen"`      // a loopback address and port; empty: none
	Certificate string `toml:"certificate"` // a PEM file; empty: one is made
	Key         string `toml:"key"`         // a PEM file
}

// LogConfig is about the log.
type LogConfig struct {
	Level  string `toml:"level"`  // one of logrus's
	Format string `toml:"format"` // one of LogFormats
}

// LogFormats are the forms of the log: the journal if standard error is that,
// else text; text; JSON.
var LogFormats = []string{"auto", "text", "json"}

// DefaultConfig is the configuration without file, environment and flags.
func DefaultConfig(stateDir, runtimeDir string) Config {
	return Config{
		Device: "auto", StateDir: stateDir, RuntimeDir: runtimeDir,
		Timeout: Duration(time.Minute), Channels: 2,
		Cache:   CacheConfig{MaxSize: 64 << 20, SweepInterval: Duration(time.Minute)},
		Session: SessionConfig{Linger: Duration(10 * time.Minute), KeepAlive: Duration(5 * time.Minute), LimitPolicy: "reject"},
		Clients: ClientsConfig{MaxSessions: 4096, MaxSessionsPerUser: 1024, InactivityTimeout: Duration(30 * time.Minute), TransactionTimeout: Duration(5 * time.Minute), WhenFull: "reject", StrictJSON: true},
		Log:     LogConfig{Level: "info", Format: "auto"},
	}
}

// ErrConfig: the configuration, or the file of credentials, is not usable as it
// is.
var ErrConfig = errors.New("configuration")

// maxFile bounds a file of the configuration, in bytes.
const maxFile = 1 << 20

// ReadFile adds what the file says to c. A key that is not known is an error, and
// so is a file that does not exist, unless it is optional.
func (c *Config) ReadFile(name string, optional bool) error {
	text, err := plaintext.ReadFile(name, maxFile)
	if optional && errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrConfig, err)
	}
	return decode(name, text, c)
}

// decode is a strict reading of TOML: it names the line of what is wrong.
func decode(name string, file []byte, into any) error {
	decoded, err := plaintext.Decode(file)
	if err != nil {
		return fmt.Errorf("%w: %s: %w", ErrConfig, name, err)
	}
	text := string(decoded)
	meta, err := toml.Decode(text, into)
	if parse, ok := errors.AsType[toml.ParseError](err); ok {
		err = fmt.Errorf("%s:%d: %s", name, parse.Position.Line, cmp.Or(parse.Message, parse.Error()))
	} else if unknown := meta.Undecoded(); err == nil && len(unknown) > 0 {
		err = fmt.Errorf("%s:%d: unknown key %s", name, lineOf(text, unknown[0]), unknown[0])
	} else if err != nil {
		err = fmt.Errorf("%s: %w", name, err)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrConfig, err)
	}
	return nil
}

// lineOf finds the line on which a key ends: the first one up to which the text
// defines it.
func lineOf(text string, key toml.Key) int {
	lines := strings.SplitAfter(text, "\n")
	for n := range lines {
		var ignored map[string]any
		meta, err := toml.Decode(strings.Join(lines[:n+1], ""), &ignored)
		if err == nil && meta.IsDefined(key...) {
			return n + 1
		}
	}
	return len(lines)
}

// pipePrefix is before the names of pipes on Windows, which has them instead of
// sockets.
const pipePrefix = `\\.\pipe\`

// SocketPath is where the agent listens.
func (c *Config) SocketPath() string {
	path := filepath.Join(c.RuntimeDir, "ilod.sock")
	if runtime.GOOS == "windows" {
		path = pipePrefix + filepath.ToSlash(path)
	}
	return cmp.Or(c.Socket, path)
}

// DiskDir is StateDir if anything may be written there, else empty.
func (c *Config) DiskDir() string {
	if c.Cache.Disabled {
		return ""
	}
	return c.StateDir
}

// CacheDir is where the cache on disk is, unless that is disabled.
func (c *Config) CacheDir() string { return filepath.Join(c.StateDir, "cache") }

// Validate says what is wrong with the values, all of it.
func (c *Config) Validate() error {
	var errs []error
	wrong := func(key string, value any, want string) {
		errs = append(errs, fmt.Errorf("%w: %s is %v, want %s", ErrConfig, key, value, want))
	}
	for _, s := range []struct{ key, value string }{{"device", c.Device}, {"state-dir", c.StateDir}, {"runtime-dir", c.RuntimeDir}} {
		if s.value == "" {
			wrong(s.key, "empty", "a value")
		}
	}
	for _, p := range []struct{ key, path string }{
		{"state-dir", c.StateDir}, {"runtime-dir", c.RuntimeDir}, {"socket", c.Socket}, {"credentials-file", c.CredentialsFile},
		{"tls.certificate", c.TLS.Certificate}, {"tls.key", c.TLS.Key},
	} {
		if p.path != "" && !filepath.IsAbs(p.path) {
			wrong(p.key, p.path, "an absolute path")
		}
	}
	for _, d := range []struct {
		key   string
		value Duration
	}{{"timeout", c.Timeout}, {"cache.sweep-interval", c.Cache.SweepInterval}, {"session.session-linger", c.Session.Linger}, {"session.keep-alive", c.Session.KeepAlive}, {"clients.transaction-timeout", c.Clients.TransactionTimeout}} {
		if d.value <= 0 {
			wrong(d.key, d.value, "more than 0")
		}
	}
	if runtime.GOOS == "windows" && c.Socket != "" && !strings.HasPrefix(c.Socket, pipePrefix) {
		wrong("socket", c.Socket, `a pipe, such as \\.\pipe\ilod`)
	}
	if c.Channels < 1 || c.Channels > 4 {
		wrong("channels", c.Channels, "1 to 4")
	}
	if c.Cache.MaxSize < 1<<20 {
		wrong("cache.max-size", c.Cache.MaxSize, "at least 1MiB")
	}
	c.Session.validate(wrong)
	c.Clients.validate(wrong)
	c.TLS.validate(wrong)
	if _, err := logrus.ParseLevel(c.Log.Level); err != nil {
		wrong("log.level", c.Log.Level, "one of error, warn, info, debug")
	}
	if !slices.Contains(LogFormats, c.Log.Format) {
		wrong("log.format", c.Log.Format, "one of "+strings.Join(LogFormats, ", "))
	}
	return errors.Join(errs...)
}

// maxIdleTimeout is the longest idle timeout that an iLO can be given, after the
// enumeration of IdleConnectionTimeoutMinutes in its schema.
const maxIdleTimeout = Duration(2 * time.Hour)

func (c *SessionConfig) validate(wrong func(key string, value any, want string)) {
	if c.KeepAlive >= maxIdleTimeout {
		wrong("session.keep-alive", c.KeepAlive, "less than 2h, the longest idle timeout of an iLO")
	}
	if r := c.ReapForeign; r != 0 && r < Duration(time.Minute) {
		wrong("session.reap-foreign", r, "0 or at least 1m")
	}
	if !slices.Contains(LimitPolicies, c.LimitPolicy) {
		wrong("session.limit-policy", c.LimitPolicy, "one of "+strings.Join(LimitPolicies, ", "))
	}
}

func (c *ClientsConfig) validate(wrong func(key string, value any, want string)) {
	for _, n := range []struct {
		key   string
		value int64
	}{{"clients.max-sessions", int64(c.MaxSessions)}, {"clients.max-sessions-per-user", int64(c.MaxSessionsPerUser)},
		{"clients.inactivity-timeout", int64(c.InactivityTimeout)}, {"clients.lifetime", int64(c.Lifetime)}} {
		if n.value < 0 {
			wrong(n.key, "negative", "0 or more")
		}
	}
	if !slices.Contains(WhenFull, c.WhenFull) {
		wrong("clients.when-full", c.WhenFull, "one of "+strings.Join(WhenFull, ", "))
	}
}

func (c *TLSConfig) validate(wrong func(key string, value any, want string)) {
	if c.Listen != "" && !isLoopback(c.Listen) {
		wrong("tls.listen", c.Listen, "a loopback address and a port, such as 127.0.0.1:8443")
	}
	if (c.Certificate == "") != (c.Key == "") {
		wrong("tls", "a certificate without key or a key without certificate", "both or none")
	}
}

// isLoopback reports an address that only this host can reach.
func isLoopback(address string) bool {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// Write prints the configuration as a file that says the same. It has no
// secret: those are in files of their own.
func (c *Config) Write(w io.Writer) error {
	encoder := toml.NewEncoder(w)
	encoder.Indent = ""
	return encoder.Encode(c)
}

// Duration is a time.Duration written as "10m" or "1m30s".
type Duration time.Duration

func (d *Duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	if err != nil {
		return fmt.Errorf("%q is not a duration such as 90s or 10m", text)
	}
	*d = Duration(v)
	return nil
}

func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// String is the short form: "10m", not "10m0s".
func (d Duration) String() string {
	s := time.Duration(d).String()
	if strings.HasSuffix(s, "m0s") {
		s = s[:len(s)-2]
	}
	if strings.HasSuffix(s, "h0m") {
		s = s[:len(s)-2]
	}
	return s
}

// Size is a number of bytes written as "64MiB".
type Size int64

var units = []struct {
	name  string
	bytes Size
}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}}

func (s *Size) UnmarshalText(text []byte) error {
	number, factor := string(text), Size(1)
	for _, unit := range units {
		if rest, ok := strings.CutSuffix(number, unit.name); ok {
			number, factor = strings.TrimSpace(rest), unit.bytes
			break
		}
	}
	n, err := strconv.ParseUint(number, 10, 32)
	if err != nil {
		return fmt.Errorf("%q is not a size such as 64MiB", text)
	}
	*s = Size(n) * factor
	return nil
}

func (s Size) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// String is in the largest unit that makes it a whole number.
func (s Size) String() string {
	for _, unit := range units {
		if s >= unit.bytes && s%unit.bytes == 0 {
			return strconv.FormatInt(int64(s/unit.bytes), 10) + unit.name
		}
	}
	return strconv.FormatInt(int64(s), 10)
}
