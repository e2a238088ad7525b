package ilosession

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/ilod/ilod/platform/ownedfile"
)

const secretToken = "ab810a29761d65cfdd5dbe8a57e6da1e"

var (
	anIntent = entry{
		Nonce: "N1", Identity: Identity{UUID: "u", Serial: "s"}, Boot: "b", User: inBandUser,
		Time: time.Unix(1700000000, 0).UTC(), ILOTime: time.Unix(1000000000, 0).UTC(), Before: []string{"x", "y"},
	}
	aSession = func() entry {
		e := anIntent
		e.Path = sessions + "/System%20Administrator000000005b6da206f020c3c9/"
		e.Opened = e.Time.Add(time.Second)
		e.authorize = authorizer(secretToken)
		return e
	}()
)

func openLedger(t *testing.T, state, runtime string) *Ledger {
	t.Helper()
	l, err := OpenLedger(state, runtime)
	if err != nil {
		t.Fatal(err)
	}
	l.setWarn(func(msg string, err error) { t.Logf("%s: %v", msg, err) })
	return l
}

func (e entry) token() string {
	if e.authorize == nil {
		return ""
	}
	h := http.Header{}
	e.authorize(h)
	return h.Get(tokenHeader)
}

func expectEntry(t *testing.T, l *Ledger, want entry, token string) {
	t.Helper()
	all := l.entries()
	if len(all) != 1 {
		t.Fatalf("%d entries", len(all))
	}
	if diff := cmp.Diff(want, all[0], cmpopts.IgnoreUnexported(entry{}), cmpopts.IgnoreFields(entry{}, "Version")); diff != "" {
		t.Error(diff)
	}
	if got := all[0].token(); got != token {
		t.Errorf("token %q, want %q", got, token)
	}
}

// files lists all below a directory with mode and content.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || name == dir {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(dir, name)
		all[rel] = info.Mode().String()
		if !d.IsDir() {
			content, err := os.ReadFile(name)
			all[rel] += " " + string(content)
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestLedger(t *testing.T) {
	dir := t.TempDir()
	state, runtime := dir+"/state", dir+"/run"
	l := openLedger(t, state, runtime)
	l.put(anIntent)
	expectEntry(t, openLedger(t, state, runtime), anIntent, "")
	l.put(aSession)
	expectEntry(t, openLedger(t, state, runtime), aSession, secretToken)
	for name, f := range files(t, dir) {
		mode, content, _ := strings.Cut(f, " ")
		if strings.HasSuffix(name, ".json") && mode != "-rw-------" || strings.HasSuffix(name, "sessions") && mode != "drwx------" {
			t.Errorf("%s has mode %s", name, mode)
		}
		if strings.HasPrefix(name, "state") && strings.Contains(content, "oken") {
			t.Errorf("a token in %s: %s", name, content)
		}
	}
	if l.Err() != nil || len(l.memory) != 0 {
		t.Errorf("%v, %v", l.Err(), l.memory)
	}

	if err := os.RemoveAll(runtime); err != nil { // power loss
		t.Fatal(err)
	}
	l = openLedger(t, state, runtime)
	expectEntry(t, l, aSession, "")
	l.remove(aSession.Nonce)
	if left := openLedger(t, state, runtime).entries(); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
	for name, f := range files(t, dir) {
		if !strings.HasPrefix(f, "d") {
			t.Errorf("file %s is left", name)
		}
	}
}

// Wherever the disk ends, the ledger goes on elsewhere and says so.
func TestLedgerDirectories(t *testing.T) {
	for name, c := range map[string]struct {
		state, runtime func(dir string) string
		intent, record string // what is still known by files alone
		err            bool
	}{
		"nocache":              {none, sub("run"), "intent", "token", false},
		"nowhere":              {none, none, "", "", false},
		"no runtime":           {sub("state"), none, "intent", "record", false},
		"state is file":        {sub("file"), sub("run"), "intent", "token", true},
		"runtime below a file": {sub("state"), sub("file/run"), "intent", "record", true},
		"both are files":       {sub("file"), sub("file"), "", "", true},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(dir+"/file", nil, 0o600); err != nil {
				t.Fatal(err)
			}
			state, runtime := c.state(dir), c.runtime(dir)
			if name == "both are files" {
				runtime += "/."
				state += "/x"
			}
			l := openLedger(t, state, runtime)
			if (l.Err() != nil) != c.err {
				t.Errorf("Err: %v", l.Err())
			}
			known := func() string {
				all := openLedger(t, state, runtime).entries()
				switch {
				case len(all) == 0:
					return ""
				case all[0].Path == "":
					return "intent"
				case all[0].token() == "":
					return "record"
				}
				return "token"
			}
			l.put(anIntent)
			expectEntry(t, l, anIntent, "")
			if got := known(); got != c.intent {
				t.Errorf("after a crash %q, want %q", got, c.intent)
			}
			l.put(aSession)
			expectEntry(t, l, aSession, secretToken)
			if got := known(); got != c.record {
				t.Errorf("after a crash %q, want %q", got, c.record)
			}
			l.remove(aSession.Nonce)
			if len(l.entries()) != 0 || known() != "" {
				t.Errorf("left: %v, %q", l.entries(), known())
			}
		})
	}
	if _, err := OpenLedger("/x", "/x/"); err == nil {
		t.Error("one directory for both")
	}
}

func none(string) string { return "" }

func sub(name string) func(string) string {
	return func(dir string) string { return filepath.Join(dir, name) }
}

// A disk that fills up, or becomes read-only, at any change of a file loses no
// session: all are known from what was written before, or in memory.
func TestLedgerDiskFails(t *testing.T) {
	full := errors.New("no space left on device")
	for _, which := range []string{"/state/", "/run/", "/"} {
		for n := range 8 {
			t.Run(fmt.Sprintf("%s %d", which, n), func(t *testing.T) {
				dir := t.TempDir()
				l := openLedger(t, dir+"/state", dir+"/run")
				steps := 0
				l.step = func(op, name string) error {
					if steps++; steps > n && strings.Contains(name, which) {
						return full
					}
					return nil
				}
				l.put(anIntent)
				if len(l.entries()) != 1 {
					t.Error("the intent is lost")
				}
				l.put(aSession)
				expectEntry(t, l, aSession, secretToken)
				if n == 0 && l.Err() == nil {
					t.Error("no error")
				}
				for name := range files(t, dir) {
					if strings.Contains(name, ownedfile.TempPrefix) {
						t.Errorf("%s is left", name)
					}
				}
				l.step = nil
				l.remove(aSession.Nonce)
				if left := openLedger(t, dir+"/state", dir+"/run").entries(); len(left) != 0 {
					t.Errorf("left: %v", left)
				}
			})
		}
	}
}

func TestLedgerReadOnlyDirectory(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root writes to read-only directories; TestLedgerDiskFails covers the same")
	}
	dir := t.TempDir()
	l := openLedger(t, dir+"/state", dir+"/run")
	if err := os.Chmod(dir+"/state/"+ledgerDir, 0o500); err != nil {
		t.Fatal(err)
	}
	l.put(aSession)
	if l.Err() == nil {
		t.Error("no error")
	}
	expectEntry(t, openLedger(t, "", dir+"/run"), aSession, secretToken)
}

func TestLedgerBadFiles(t *testing.T) {
	good := `{"version":1,"nonce":"NAME","ilo":{},"user":"u","time":"2024-01-01T00:00:00Z"`
	for name, content := range map[string]string{
		"empty":           ``,
		"zeros":           "\x00\x00\x00\x00",
		"cut":             good,
		"array":           `[]`,
		"null":            `null`,
		"other JSON":      `{"a":1}`,
		"version":         strings.Replace(good, `"version":1`, `"version":2`, 1) + "}",
		"nonce":           strings.Replace(good, "NAME", "OTHER", 1) + "}",
		"no time":         `{"version":1,"nonce":"NAME"}`,
		"path outside":    good + `,"path":"/etc/passwd"}`,
		"path with line":  good + `,"path":"/redfish/v1/x\r\nX: y"}`,
		"path with blank": good + `,"path":"/redfish/v1/a b"}`,
		"path with host":  good + `,"path":"https://elsewhere/redfish/v1/a"}`,
		"token with line": good + `,"path":"/redfish/v1/a","token":"YQ0KYjogYw=="}`,
		"token no base64": good + `,"path":"/redfish/v1/a","token":"%"}`,
		"huge":            good + strings.Repeat(" ", maxEntry) + "}",
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			l := openLedger(t, dir+"/state", dir+"/run")
			var warned int
			l.setWarn(func(string, error) { warned++ })
			file := dir + "/run/" + ledgerDir + "/NAME"
			if err := os.WriteFile(file+entrySuffix, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			l.put(anIntent)
			expectEntry(t, l, anIntent, "")
			expectEntry(t, l, anIntent, "")
			aside, err := os.ReadFile(file + badSuffix)
			if err != nil || !bytes.Equal(aside, []byte(content)) || warned != 1 {
				t.Errorf("%v; warned %d times; set aside: %.80s", err, warned, aside)
			}
		})
	}
}

func TestLedgerForeignFiles(t *testing.T) {
	dir := t.TempDir()
	l := openLedger(t, dir+"/state", dir+"/run")
	l.put(aSession)
	in := dir + "/state/" + ledgerDir + "/"
	for _, err := range []error{
		os.WriteFile(in+"README", []byte("hello"), 0o644),
		os.WriteFile(in+ownedfile.TempPrefix+"N9.json", []byte("{"), 0o600),
		os.Mkdir(in+"dir.json", 0o700),
		os.Symlink("/etc/passwd", in+"link.json"),
		os.Symlink("/nowhere", in+"dangling.json"),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	expectEntry(t, l, aSession, secretToken)
	expectEntry(t, openLedger(t, dir+"/state", dir+"/run"), aSession, secretToken)
	if _, err := os.Lstat(in + ownedfile.TempPrefix + "N9.json"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the temporary file of a crash is left: %v", err)
	}
	if _, err := os.Lstat(in + "README"); err != nil {
		t.Error(err)
	}
}

func TestLedgerSeals(t *testing.T) {
	dir := t.TempDir()
	rot := func(b []byte) ([]byte, error) {
		b = bytes.Clone(b)
		for i := range b {
			b[i] ^= 0x80
		}
		return b, nil
	}
	l := openLedger(t, dir+"/state", dir+"/run")
	l.Seal, l.Unseal = rot, rot
	l.put(aSession)
	expectEntry(t, l, aSession, secretToken)
	l.Unseal = func([]byte) ([]byte, error) { return nil, errors.New("another user's") }
	expectEntry(t, l, aSession, "")
	l.Seal = l.Unseal
	l.put(aSession)
	if err := l.Err(); err == nil || strings.Contains(err.Error(), secretToken) {
		t.Errorf("Err: %v", err)
	}
	l.Unseal = nil
	for _, d := range []string{"/state", "/run"} { // what cannot be sealed is left out
		expectEntry(t, openLedger(t, "", dir+d), aSession, "")
	}
}

// Two processes, such as a guardian and the next command, may remove the same.
func TestLedgerRemovedByAnother(t *testing.T) {
	dir := t.TempDir()
	a, b := openLedger(t, dir+"/state", dir+"/run"), openLedger(t, dir+"/state", dir+"/run")
	a.put(aSession)
	expectEntry(t, b, aSession, secretToken)
	b.remove(aSession.Nonce)
	if left := a.entries(); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
	a.setWarn(func(msg string, err error) { t.Errorf("%s: %v", msg, err) })
	a.remove(aSession.Nonce)
}

func FuzzLedgerEntry(f *testing.F) {
	f.Add([]byte(`{"version":1,"nonce":"N","time":"2024-01-01T00:00:00Z","path":"/redfish/v1/a","token":"YQ=="}`))
	f.Add([]byte(`{"version":1,"nonce":"N","time":"2024-01-01T00:00:00Z","before":["a"],"end":"2024-01-01T00:00:00Z"}`))
	f.Fuzz(func(t *testing.T, content []byte) {
		name := filepath.Join(t.TempDir(), "N.json")
		if err := os.WriteFile(name, content, 0o600); err != nil {
			t.Fatal(err)
		}
		e, err := (&Ledger{}).readEntry(name, "N")
		if err == nil && e.Path != "" {
			if _, err := http.NewRequest(http.MethodDelete, "https://ilo"+e.Path, nil); err != nil {
				t.Errorf("%q: %v", e.Path, err)
			}
		}
	})
}

// A process that has read an entry does not bring it back after another one, such as
// a guardian, has removed it.
func TestRemovedEntryDoesNotComeBack(t *testing.T) {
	state, runtime := t.TempDir(), t.TempDir()
	for name, dirs := range map[string][2]string{"both": {state, runtime}, "runtime directory alone": {"", runtime}} {
		first, second := openLedger(t, dirs[0], dirs[1]), openLedger(t, dirs[0], dirs[1])
		e := entry{Nonce: "A", Time: time.Now()}
		first.put(e)
		e.End = e.Time.Add(time.Second)
		second.amend(e)
		if all := first.entries(); len(all) != 1 || !all[0].End.Equal(e.End) {
			t.Errorf("%s: amended: %+v", name, all)
		}
		first.remove(e.Nonce)
		second.amend(e)
		for _, l := range []*Ledger{first, second, openLedger(t, dirs[0], dirs[1])} {
			if all := l.entries(); len(all) != 0 {
				t.Errorf("%s: it is back: %+v", name, all)
			}
		}
	}
	memory := openLedger(t, "", "")
	e := entry{Nonce: "A", Time: time.Now()}
	memory.put(e)
	e.Answered = true
	if memory.amend(e); !memory.entries()[0].Answered {
		t.Error("in memory: not amended")
	}
}
