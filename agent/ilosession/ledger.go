package ilosession

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/ilod/ilod/platform/ownedfile"
)

const (
	ledgerDir     = "sessions" // below the state and the runtime directory
	ledgerVersion = 1
	entrySuffix   = ".json"
	badSuffix     = ".bad"
	maxEntry      = 64 << 10 // bytes; a larger file is none of ours
)

// Ledger is the durable record of the iLO sessions that we made. Each login has
// one entry, a small file named after a nonce: an intent before the POST, which
// becomes a session record after it and goes away once the session is certainly
// gone.
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

	mu         sync.Mutex       // held while files are written
	memory     map[string]entry // what could not be written
	reapedBoot bool             // see reaped
	warn       func(msg string, err error)
	step       func(op, name string) error // called before each change of a file; tests let it fail

	view ledgerView
}

// ledgerView is what can be told of a Ledger while it waits for the disk.
type ledgerView struct {
	mu     sync.Mutex
	nonces map[string]struct{} // of its entries, as far as this process knows
	err    error               // why the state directory is not used
}

func (v *ledgerView) set(nonce string, present bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if delete(v.nonces, nonce); present {
		v.nonces[nonce] = struct{}{}
	}
}

func (v *ledgerView) setErr(err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.err = err
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
	Answered bool      `json:"answered,omitempty"` // the iLO answered, and not with a session that can be used
	Before   []string  `json:"before,omitempty"`   // ids known to have existed before the login
	Path     string    `json:"path,omitempty"`     // of the session, escaped
	Opened   time.Time `json:"opened,omitzero"`    // by the host's clock

	// authorize adds the token to a request; nil if it is not known. As in
	// Session, a closure keeps it from every printed form.
	authorize func(http.Header)
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
	l.view.nonces = map[string]struct{}{}
	var errs []error
	for _, d := range []struct {
		parent string
		dir    *string
	}{{stateDir, &l.state}, {runtimeDir, &l.runtime}} {
		if d.parent == "" {
			continue
		}
		*d.dir = filepath.Join(d.parent, ledgerDir)
		errs = append(errs, ownedfile.MakePrivate(*d.dir, 0o755))
		// Even of a directory that cannot be written the entries can be read.
		files, _ := ownedfile.ReadDir(*d.dir)
		for _, f := range files {
			if nonce, ours := entryNonce(f.Name()); ours {
				l.view.nonces[nonce] = struct{}{}
			}
		}
	}
	l.view.err = errors.Join(errs...)
	return l, nil
}

// Err is why entries are not where they should be, nil if they are: the error of
// the last attempt to prepare or write a file of the ledger. It does not wait for the
// disk.
func (l *Ledger) Err() error {
	l.view.mu.Lock()
	defer l.view.mu.Unlock()
	return l.view.err
}

// count is how many entries there are, as far as this process knows: it has read
// them, or knows of them by their names. It does not wait for the disk.
func (l *Ledger) count() int {
	l.view.mu.Lock()
	defer l.view.mu.Unlock()
	return len(l.view.nonces)
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
	l.view.setErr(nil)
	l.view.set(e.Nonce, true)
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

// amend replaces an entry that is still there. One that another process has removed
// meanwhile, such as a guardian, does not come back.
func (l *Ledger) amend(e entry) {
	if l.has(e.Nonce) {
		l.put(e)
	}
}

// has tells whether an entry is in memory or has a file.
func (l *Ledger) has(nonce string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, ok := l.memory[nonce]; ok {
		return true
	}
	for _, dir := range []string{l.state, l.runtime} {
		if dir == "" {
			continue
		}
		if _, err := ownedfile.Lstat(filepath.Join(dir, nonce+entrySuffix)); err == nil {
			return true
		}
	}
	return false
}

// remember adds an entry that may have no file any more.
func (l *Ledger) remember(e entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.view.set(e.Nonce, true)
	l.memory[e.Nonce] = e
}

// remove forgets an entry, durably.
func (l *Ledger) remove(nonce string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.memory, nonce)
	defer l.view.set(nonce, false)
	for _, dir := range []string{l.state, l.runtime} {
		if dir == "" {
			continue
		}
		name := filepath.Join(dir, nonce+entrySuffix)
		err := l.before("remove", name)
		if err == nil {
			if err = ownedfile.Remove(name); err == nil {
				err = ownedfile.Sync(dir)
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
	l.view.mu.Lock()
	l.view.nonces = map[string]struct{}{}
	for nonce := range all {
		l.view.nonces[nonce] = struct{}{}
	}
	l.view.mu.Unlock()
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
