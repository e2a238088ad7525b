package ilosession

import (
	"context"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/sirupsen/logrus/hooks/test"

	"github.com/ilod/ilod/agent/api"
	"github.com/ilod/ilod/chif/chiftest/redfish"
	"github.com/ilod/ilod/platform/ownedfile"
)

// How many entries there are is known from their names, before any is read; whatever
// the name of the directory, what a crash has left of a file is removed.
func TestLedgerIsFoundBelowAnyName(t *testing.T) {
	dir := t.TempDir() + "/[a]"
	state, runtime := dir+"/state", dir+"/run"
	l := openLedger(t, state, runtime)
	l.put(anIntent)
	l.put(aSession)
	other := anIntent
	other.Nonce = "N2"
	l.put(other)
	left := state + "/" + ledgerDir + "/" + ownedfile.TempPrefix + "N3" + entrySuffix
	for _, name := range []string{left, state + "/" + ledgerDir + "/README"} {
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	l = openLedger(t, state, runtime)
	if n := l.count(); n != 2 {
		t.Errorf("%d entries by name", n)
	}
	if n := len(l.entries()); n != 2 || l.count() != 2 || l.Err() != nil {
		t.Errorf("%d entries, %d, %v", n, l.count(), l.Err())
	}
	if _, err := os.Lstat(left); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the temporary file is left: %v", err)
	}
	l.remove(other.Nonce)
	if l.count() != 1 {
		t.Errorf("%d entries after one was removed", l.count())
	}
}

// The ledger's own directories are for us alone, also if they were there and were not;
// those above are as usual.
func TestLedgerDirectoriesAreOurs(t *testing.T) {
	dir := t.TempDir()
	for _, err := range []error{
		os.MkdirAll(dir+"/run/"+ledgerDir, 0o755), os.Chmod(dir+"/run/"+ledgerDir, 0o755),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if l := openLedger(t, dir+"/state", dir+"/run"); l.Err() != nil {
		t.Error(l.Err())
	}
	for name, want := range map[string]fs.FileMode{"state": 0o755, "state/" + ledgerDir: 0o700, "run/" + ledgerDir: 0o700} {
		info, err := os.Stat(dir + "/" + name)
		if err != nil || info.Mode().Perm()&^0o022 != want { // whatever the umask
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}
}

// Err is about the last attempt: a disk that works again is no error.
func TestLedgerErrClears(t *testing.T) {
	dir := t.TempDir()
	l := openLedger(t, dir+"/state", dir+"/run")
	l.step = func(string, string) error { return errors.New("no space left on device") }
	l.put(anIntent)
	if l.Err() == nil || len(l.memory) != 1 {
		t.Errorf("%v, %v", l.Err(), l.memory)
	}
	l.step = nil
	l.put(aSession)
	if l.Err() != nil || len(l.memory) != 0 {
		t.Errorf("%v, %v", l.Err(), l.memory)
	}
	l.remove(aSession.Nonce)
	if n := len(l.entries()); n != 0 {
		t.Errorf("%d entries", n)
	}
}

// What goes wrong with a file is told, once for each, and nothing else is.
func TestLedgerWarns(t *testing.T) {
	for name, c := range map[string]struct {
		do   func(t *testing.T, l *Ledger, dir string)
		want string // of the warnings, joined
	}{
		"nothing": {func(_ *testing.T, l *Ledger, _ string) { l.put(aSession); l.entries(); l.remove(aSession.Nonce) }, ""},
		"remove fails": {func(_ *testing.T, l *Ledger, _ string) {
			l.put(anIntent)
			l.step = func(string, string) error { return errors.New("busy") }
			l.remove(anIntent.Nonce)
		}, "a file cannot be removed, a file cannot be removed"},
		"write fails": {func(_ *testing.T, l *Ledger, _ string) {
			l.step = func(_, name string) error {
				if strings.Contains(name, "/state/") {
					return errors.New("full")
				}
				return nil
			}
			l.put(anIntent)
		}, "a file cannot be written"},
		"directory is gone": {func(t *testing.T, l *Ledger, dir string) {
			if err := os.RemoveAll(dir + "/run"); err != nil {
				t.Fatal(err)
			}
			l.entries()
		}, ""},
		"directory is below a file": {func(t *testing.T, l *Ledger, dir string) {
			if err := errors.Join(os.RemoveAll(dir+"/run"), os.WriteFile(dir+"/run", nil, 0o600)); err != nil {
				t.Fatal(err)
			}
			l.entries()
			l.remove("N1")
		}, ""},
		"directory is a circle": {func(t *testing.T, l *Ledger, dir string) {
			if err := errors.Join(os.RemoveAll(dir+"/run"), os.Symlink(dir+"/run", dir+"/run")); err != nil {
				t.Fatal(err)
			}
			l.entries()
		}, "the directory cannot be read"},
		"token of another user": {func(_ *testing.T, l *Ledger, _ string) {
			l.put(aSession)
			l.Unseal = func([]byte) ([]byte, error) { return nil, errors.New("another user's") }
			l.entries()
		}, "a token cannot be read"},
		"sealing fails": {func(_ *testing.T, l *Ledger, _ string) {
			l.Seal = func([]byte) ([]byte, error) { return nil, errors.New("no key") }
			l.put(aSession)
		}, "a file cannot be written"},
		"a mark cannot be written": {func(_ *testing.T, l *Ledger, _ string) {
			l.step = func(string, string) error { return errors.New("full") }
			l.setReaped("b")
		}, "a file cannot be written"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			l := openLedger(t, dir+"/state", dir+"/run")
			var told []string
			l.setWarn(func(msg string, err error) {
				if err == nil {
					t.Errorf("%s without an error", msg)
				}
				told = append(told, strings.TrimPrefix(msg, "session ledger: "))
			})
			if c.do(t, l, dir); strings.Join(told, ", ") != c.want {
				t.Errorf("told %q, want %q", told, c.want)
			}
		})
	}
}

// What a ledger warns of is in the log of its Keeper.
func TestKeeperLogsWhatItsLedgerWarnsOf(t *testing.T) {
	log, hook := test.NewNullLogger()
	dir := t.TempDir()
	l := openLedger(t, dir+"/state", dir+"/run")
	l.step = func(string, string) error { return errors.New("no space left on device") }
	k := NewKeeper(KeeperOptions{Next: http.DefaultTransport, Ledger: l, Log: log})
	l.put(anIntent)
	l.remove(anIntent.Nonce)
	if told(hook, logrus.WarnLevel, "no space left on device") == 0 {
		t.Error("the log has nothing of it")
	}
	if err := k.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

// The sessions from before a boot are looked for once, also without a directory that
// could remember it, and in the next boot once more.
func TestReapedOncePerBoot(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir) // nothing is written there
	full := openLedger(t, "", t.TempDir())
	full.step = func(string, string) error { return errors.New("full") }
	if full.setReaped("b"); !full.reaped("b") {
		t.Error("forgotten by a process that cannot write it down")
	}
	memory := openLedger(t, "", "")
	for _, want := range []bool{false, true, true} {
		if got := memory.reaped("b"); got != want {
			t.Errorf("in memory: %v", got)
		}
		memory.setReaped("b")
	}
	if left := files(t, dir); len(left) != 0 {
		t.Errorf("files %v", left)
	}
	openLedger(t, "", dir).setReaped("b")
	l := openLedger(t, "", dir)
	for range 2 {
		if !l.reaped("b") {
			t.Error("forgotten")
		}
	}
	if openLedger(t, "", dir).reaped("c") {
		t.Error("of another boot")
	}
}

// Only a session of a host program that is not ours, whose times are known, and which
// was neither opened nor used since, is from before the boot.
func TestBeforeBoot(t *testing.T) {
	read := time.Date(2024, 1, 1, 12, 0, 0, 0, time.UTC)
	old := api.ILOSession{InBand: true, Read: read, Login: read.Add(-2 * time.Hour), Access: read.Add(-2 * time.Hour)}
	if !beforeBoot(old, time.Hour) {
		t.Error("it is from before the boot")
	}
	for name, change := range map[string]func(e *api.ILOSession){
		"opened since":     func(e *api.ILOSession) { e.Login = read.Add(-59 * time.Minute) },
		"used since":       func(e *api.ILOSession) { e.Access = read.Add(-59 * time.Minute) },
		"at the boot":      func(e *api.ILOSession) { e.Access = read.Add(clockSlack - time.Hour) },
		"opened then":      func(e *api.ILOSession) { e.Login = read.Add(clockSlack - time.Hour) },
		"not in-band":      func(e *api.ILOSession) { e.InBand = false },
		"in the ledger":    func(e *api.ILOSession) { e.Ours = true },
		"in use here":      func(e *api.ILOSession) { e.Current = true },
		"no Date":          func(e *api.ILOSession) { e.Read = time.Time{} },
		"no login time":    func(e *api.ILOSession) { e.Login = time.Time{} },
		"no time of a use": func(e *api.ILOSession) { e.Access = time.Time{} },
	} {
		e := old
		if change(&e); beforeBoot(e, time.Hour) {
			t.Errorf("%s: taken for one from before the boot", name)
		}
	}
}

// A session that ends while the table is read one by one is not in it.
func TestVanishedSessionIsNotListed(t *testing.T) {
	vanished := sessions + "/gone/"
	rt := roundTripper(func(r *http.Request) (*http.Response, error) {
		status, text := 200, `{"UserName":"u","Oem":{"Hp":{}}}`
		switch r.URL.Path {
		case sessions + "/":
			text = `{"Members":[{"@odata.id":"` + vanished + `"},{"@odata.id":"` + sessions + `/here/"}]}`
		case vanished:
			status, text = 404, `{}`
		}
		return &http.Response{StatusCode: status, Header: http.Header{}, Body: readCloser{strings.NewReader(text)}, Request: r}, nil
	})
	table, err := readTable(t.Context(), rt)
	if err != nil || len(table) != 1 || table[0].ID != "here" {
		t.Errorf("%+v, %v", table, err)
	}
	vanished = sessions + "/other/" // is refused below
	if _, err := readTable(t.Context(), roundTripper(func(r *http.Request) (*http.Response, error) {
		resp, err := rt.RoundTrip(r)
		if resp.StatusCode == 404 {
			resp.StatusCode = 403
		}
		return resp, err
	})); !isStatus(err, 403) {
		t.Error(err)
	}
}

// Each login notes the sessions that were there before it, once each, as they were
// listed last.
func TestLoginNotesWhatWasThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t, redfish.Options{Foreign: redfish.EveryKind()})
		k := m.keeper()
		for range 2 {
			if _, err := k.Table(t.Context()); err != nil {
				t.Error(err)
			}
		}
		if err := k.Logout(t.Context()); err != nil {
			t.Error(err)
		}
		m.get(k)
		if before := k.current.entry.Before; len(before) != 7 { // with ours of then
			t.Errorf("%d: %q", len(before), before)
		}
		if err := k.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
}
