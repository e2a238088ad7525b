package transaction

import (
	"encoding/hex"
	"errors"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/ilod/ilod/platform/ownedfile"
)

// openSuffix ends the names of files that say which client sessions have an open
// transaction. What it holds is in memory only; that there is one must outlive the
// process, or the writes still to come would be sent at once by the next one.
const openSuffix = ".open"

// remember brings the file of a client session in line with what is open. It is
// called without mu after each change, and returns when the name is there.
func (m *Manager) remember(session string) {
	if m.o.Dir == "" {
		return
	}
	m.disk.Lock()
	defer m.disk.Unlock()
	m.mu.Lock()
	open := m.open[session] != nil
	m.mu.Unlock()
	name := filepath.Join(m.o.Dir, hex.EncodeToString([]byte(session))+openSuffix)
	var err error
	if open {
		if m.noting != nil {
			m.noting()
		}
		err = ownedfile.Replace(name, nil, 0o600, false)
	} else if err = ownedfile.Remove(name); errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	if err != nil {
		m.o.Log.WithError(err).Warn("after a restart the agent may not know which transactions were open")
	}
}

// takeOverOpen reads that a client session had an open transaction when a former
// process ended. Its time has passed when that is long ago.
func (m *Manager) takeOverOpen(name string) {
	session, err := hex.DecodeString(strings.TrimSuffix(filepath.Base(name), openSuffix))
	info, gone := ownedfile.Lstat(name)
	if err != nil || gone != nil || m.o.Now().Sub(info.ModTime()) > reportAge {
		_ = ownedfile.Remove(name) // else the next process does it
		return
	}
	m.open[string(session)] = &transaction{session: string(session), ended: ErrLost, over: true, turn: make(chan struct{}, 1)}
}
