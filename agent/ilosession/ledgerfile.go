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
	"runtime"
	"strings"
	"syscall"
)

// storedEntry is the form of an entry in the runtime directory.
type storedEntry struct {
	entry
	Token []byte `json:"token,omitempty"` // sealed
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
