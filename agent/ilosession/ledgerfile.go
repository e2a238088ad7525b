package ilosession

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/ilod/ilod/platform/ownedfile"
)

// storedEntry is the form of an entry in the runtime directory.
type storedEntry struct {
	entry
	Token []byte `json:"token,omitempty"` // sealed
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
	l.view.setErr(err)
	return err
}

// replace gives a file new content so that a crash or a power loss leaves the
// old or the new one.
func (l *Ledger) replace(dir, name string, content []byte) error {
	name = filepath.Join(dir, name)
	if err := l.before("create", name); err != nil {
		return err
	}
	return ownedfile.ReplaceIf(name, content, 0o600, true, func() error { return l.before("rename", name) })
}

func (l *Ledger) before(op, name string) error {
	if l.step == nil {
		return nil
	}
	return l.step(op, name)
}

// entryNonce is the nonce in the name of an entry's file; ours is false for other
// names, also for that of a file that is not written yet.
func entryNonce(name string) (nonce string, ours bool) {
	nonce, ours = strings.CutSuffix(name, entrySuffix)
	return nonce, ours && !strings.HasPrefix(nonce, ownedfile.TempPrefix)
}

// read yields the entries of one directory.
func (l *Ledger) read(dir string) func(func(entry) bool) {
	return func(yield func(entry) bool) {
		if dir == "" {
			return
		}
		files, err := ownedfile.ReadDir(dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR) {
			l.warn("session ledger: the directory cannot be read", err)
		}
		for _, f := range files {
			nonce, ours := entryNonce(f.Name())
			if !ours {
				continue
			}
			name := filepath.Join(dir, f.Name())
			e, err := l.readEntry(name, nonce)
			switch {
			case errors.Is(err, errNoEntry):
				l.warn("session ledger: a file is set aside", err)
				if err := ownedfile.Rename(name, nonce+badSuffix); err != nil {
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
	f, err := ownedfile.Open(name, os.O_RDONLY)
	if errors.Is(err, ownedfile.ErrPlanted) {
		return no("%v", err)
	}
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
		return no("this is not a token")
	}
	if len(token) > 0 {
		e.authorize = authorizer(string(token))
	}
	return e, nil
}
