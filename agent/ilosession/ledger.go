package ilosession

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	ledgerDir     = "sessions" // below the state and the runtime directory
	ledgerVersion = 1
	entrySuffix   = ".json"
	tempPrefix    = ".new-"
	badSuffix     = ".bad"
	maxEntry      = 64 << 10 // bytes; a larger file is none of ours
)

// Ledger is the durable record of the iLO sessions that we made. Each login has
// one entry, a small file named after a nonce: an intent before the POST, which
// becomes a session record after it and goes away once the session is certainly
// gone (architecture §5).
//
// Entries lie in the state directory without the session's token; a copy with
// the token lies in the runtime directory. What cannot be written to either is
// kept in memory: see Err. A Ledger is safe for concurrent use; of several
// processes only the one that holds the instance lock, and its guardian, may
// write.
type Ledger struct {
	// Seal and Unseal protect a token at rest where the runtime directory is not
	// in memory, as DPAPI does on Windows. Nil: the file's mode is enough. They
	// are set before the first use.
	Seal, Unseal func([]byte) ([]byte, error)

	state, runtime string // the ledger's own directories, empty: none

	mu         sync.Mutex
	memory     map[string]entry // what could not be written
	err        error            // why the state directory is not used
	reapedBoot bool             // see reaped
	warn       func(msg string, err error)
	step       func(op, name string) error // called before each change of a file; tests let it fail
}

// entry is one login of ours. It is an intent as long as Path is empty.
type entry struct {
	Version  int       `json:"version"`
	Nonce    string    `json:"nonce"`
	Identity Identity  `json:"ilo"`
	Boot     string    `json:"boot,omitempty"`     // the host's boot id
	User     string    `json:"user"`               // whose session it is on the iLO
	Time     time.Time `json:"time"`               // of the intent, by the host's clock
	ILOTime  time.Time `json:"iloTime,omitzero"`   // the same by the iLO's
	End      time.Time `json:"end,omitzero"`       // when the answer to the login was given up, or its process known to be dead, by the host's clock
	Guardian bool      `json:"guardian,omitempty"` // a guardian's own login
	Before   []string  `json:"before,omitempty"`   // ids known to have existed before the login
	Path     string    `json:"path,omitempty"`     // of the session, escaped
	Opened   time.Time `json:"opened,omitzero"`    // by the host's clock

	// authorize adds the token to a request; nil if it is not known. As in
	// Session, a closure keeps it from every printed form.
	authorize func(http.Header)
}

// storedEntry is the form of an entry in the runtime directory.
type storedEntry struct {
	entry
	Token []byte `json:"token,omitempty"` // sealed
}

// OpenLedger prepares the ledger's directories, below stateDir and runtimeDir,
// with mode 0700. An empty stateDir keeps entries in the runtime directory only;
// one that cannot be used does the same, and without a runtime directory the
// ledger is in memory: Err tells. OpenLedger fails only if both are the same
// directory, where the token would be stored beside the record.
func OpenLedger(stateDir, runtimeDir string) (*Ledger, error) {
	if stateDir != "" && filepath.Clean(stateDir) == filepath.Clean(runtimeDir) {
		return nil, fmt.Errorf("session ledger: state and runtime directory are both %s", stateDir)
	}
	l := &Ledger{memory: map[string]entry{}, warn: func(string, error) {}}
	var errs []error
	for _, d := range []struct {
		parent string
		dir    *string
	}{{stateDir, &l.state}, {runtimeDir, &l.runtime}} {
		if d.parent == "" {
			continue
		}
		*d.dir = filepath.Join(d.parent, ledgerDir)
		errs = append(errs, prepare(d.parent, *d.dir))
	}
	// Even of a directory that cannot be written the entries can be read.
	l.err = errors.Join(errs...)
	return l, nil
}

// prepare makes a directory for us alone, and removes what a crash left of
// files that had not got their name yet.
func prepare(parent, dir string) error {
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return &fs.PathError{Op: "open", Path: dir, Err: errors.New("not a directory")}
	}
	if info.Mode().Perm() != 0o700 {
		if err := os.Chmod(dir, 0o700); err != nil {
			return err
		}
	}
	left, err := filepath.Glob(filepath.Join(dir, tempPrefix+"*"))
	for _, name := range left {
		err = errors.Join(err, os.Remove(name))
	}
	return err
}

// Err is why entries are not where they should be, nil if they are: the error of
// the last attempt to prepare or write a file of the ledger.
func (l *Ledger) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

func (l *Ledger) setWarn(warn func(msg string, err error)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.warn = warn
}

// put stores an entry, or replaces the one with its nonce, durably. It cannot
// fail: what cannot be written stays in memory.
func (l *Ledger) put(e entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e.Version = ledgerVersion
	l.err = nil
	l.memory[e.Nonce] = e
	// The token first: a crash in between leaves it beside an intent.
	inRuntime := e.authorize != nil && l.write(l.runtime, e) == nil
	err := l.write(l.state, e)
	switch {
	case err == nil && (e.authorize == nil || inRuntime):
		delete(l.memory, e.Nonce)
	case err != nil && (inRuntime || l.write(l.runtime, e) == nil):
		delete(l.memory, e.Nonce)
	}
}

// remember adds an entry that may have no file any more.
func (l *Ledger) remember(e entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.memory[e.Nonce] = e
}

// write makes the file of an entry in one of the two directories.
func (l *Ledger) write(dir string, e entry) error {
	if dir == "" {
		return errors.ErrUnsupported
	}
	stored := storedEntry{entry: e}
	var sealing error // the rest of the entry is worth having
	if e.authorize != nil && dir == l.runtime {
		h := http.Header{}
		e.authorize(h)
		stored.Token = []byte(h.Get(tokenHeader))
		if l.Seal != nil {
			var err error
			if stored.Token, err = l.Seal(stored.Token); err != nil {
				stored.Token, sealing = nil, l.failed(fmt.Errorf("seal the token: %w", err))
			}
		}
	}
	text, err := json.Marshal(stored)
	if err != nil {
		return l.failed(err)
	}
	if err := l.replace(dir, e.Nonce+entrySuffix, append(text, '\n')); err != nil {
		return l.failed(err)
	}
	return sealing
}

func (l *Ledger) failed(err error) error {
	l.warn("session ledger: a file cannot be written", err)
	l.err = err
	return err
}

// replace gives a file new content so that a crash or a power loss leaves the
// old or the new one.
func (l *Ledger) replace(dir, name string, content []byte) (err error) {
	temp, name := filepath.Join(dir, tempPrefix+name), filepath.Join(dir, name)
	if err := l.before("create", temp); err != nil {
		return err
	}
	f, err := os.OpenFile(temp, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(temp))
		}
	}()
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := l.before("rename", name); err != nil {
		return err
	}
	if err := os.Rename(temp, name); err != nil {
		return err
	}
	// Not undone if this fails: the new content is valid, only not durable yet.
	return syncDir(dir)
}

func (l *Ledger) before(op, name string) error {
	if l.step == nil {
		return nil
	}
	return l.step(op, name)
}

// syncDir makes the names in a directory durable. Windows has no such call and
// does it by itself.
func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// remove forgets an entry, durably.
func (l *Ledger) remove(nonce string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.memory, nonce)
	for _, dir := range []string{l.state, l.runtime} {
		if dir == "" {
			continue
		}
		name := filepath.Join(dir, nonce+entrySuffix)
		err := l.before("remove", name)
		if err == nil {
			if err = os.Remove(name); err == nil {
				err = syncDir(dir)
			}
		}
		// A file that stays is harmless: its session is looked for once more.
		if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR) {
			l.warn("session ledger: a file cannot be removed", err)
		}
	}
}

// entries are all entries, oldest first. Files that are not ours are left alone,
// those that should be ours and cannot be read are set aside.
func (l *Ledger) entries() []entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := map[string]entry{}
	for _, dir := range []string{l.state, l.runtime} {
		for e := range l.read(dir) {
			all[e.Nonce] = merge(all[e.Nonce], e)
		}
	}
	for nonce, e := range l.memory {
		all[nonce] = merge(all[nonce], e)
	}
	return slices.SortedFunc(maps.Values(all), func(a, b entry) int {
		return cmp.Or(a.Time.Compare(b.Time), strings.Compare(a.Nonce, b.Nonce))
	})
}

// merge joins two states of one entry: what knows the session is newer than the
// intent, and only one of them may know the token.
func merge(a, b entry) entry {
	if b.Path == "" && a.Nonce != "" && (a.Path != "" || b.End.IsZero()) {
		a, b = b, a
	}
	if b.authorize == nil && a.Path == b.Path {
		b.authorize = a.authorize
	}
	return b
}

// read yields the entries of one directory.
func (l *Ledger) read(dir string) func(func(entry) bool) {
	return func(yield func(entry) bool) {
		if dir == "" {
			return
		}
		files, err := os.ReadDir(dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR) {
			l.warn("session ledger: the directory cannot be read", err)
		}
		for _, f := range files {
			nonce, ours := strings.CutSuffix(f.Name(), entrySuffix)
			if !ours || strings.HasPrefix(nonce, tempPrefix) {
				continue
			}
			name := filepath.Join(dir, f.Name())
			e, err := l.readEntry(name, nonce)
			switch {
			case errors.Is(err, errNoEntry):
				l.warn("session ledger: a file is set aside", err)
				if err := os.Rename(name, filepath.Join(dir, nonce+badSuffix)); err != nil {
					l.warn("session ledger: it stays where it is", err)
				}
			case errors.Is(err, fs.ErrNotExist): // its owner removed it meanwhile
			case err != nil:
				l.warn("session ledger: a file cannot be read", err)
			case !yield(e):
				return
			}
		}
	}
}

// errNoEntry: a file has the name of an entry and is none.
var errNoEntry = errors.New("no ledger entry")

func (l *Ledger) readEntry(name, nonce string) (entry, error) {
	no := func(format string, args ...any) (entry, error) {
		return entry{}, fmt.Errorf("%s: %w: %s", name, errNoEntry, fmt.Sprintf(format, args...))
	}
	info, err := os.Lstat(name)
	if err != nil {
		return entry{}, err
	}
	if !info.Mode().IsRegular() {
		return no("not a regular file")
	}
	f, err := os.Open(name)
	if err != nil {
		return entry{}, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxEntry+1))
	if err != nil {
		return entry{}, err
	}
	var stored storedEntry
	if len(text) > maxEntry {
		return no("over %d bytes", maxEntry)
	}
	if err := json.Unmarshal(text, &stored); err != nil {
		return no("%v", err)
	}
	e := stored.entry
	switch {
	case e.Version != ledgerVersion:
		return no("version %d is not %d", e.Version, ledgerVersion)
	case e.Nonce != nonce:
		return no("the nonce is that of another file")
	case e.Time.IsZero():
		return no("no time")
	}
	if e.Path != "" {
		// The path goes into a request: it must be what a login could have given.
		if path, err := locationPath(e.Path); err != nil || path != e.Path {
			return no("%q is not the path of a session", e.Path)
		}
	}
	token := stored.Token
	if len(token) > 0 && l.Unseal != nil {
		if token, err = l.Unseal(token); err != nil {
			l.warn("session ledger: a token cannot be read", err)
			return e, nil // its session can be deleted without
		}
	}
	if bytes.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		return no("the token is not one")
	}
	if len(token) > 0 {
		e.authorize = authorizer(string(token))
	}
	return e, nil
}
