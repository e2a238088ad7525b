package ilosession

import "github.com/ilod/ilod/agent/api"

// Status tells what the Keeper does. It sends nothing to the iLO, and waits neither
// for that nor for a disk.
func (k *Keeper) Status() api.ILOStatus {
	entries, ledgerErr := k.o.Ledger.count(), k.o.Ledger.Err()
	k.mu.Lock()
	defer k.mu.Unlock()
	s := k.counts
	if h := k.current; h != nil {
		s.Session, s.Since, s.LastUse, s.InUse = h.session.path, h.since, h.lastUse, h.users
	}
	s.LastError = k.loginError
	if k.leftError != "" && s.LastError != "" {
		s.LastError += "; "
	}
	s.LastError += k.leftError
	s.LedgerEntries = entries
	if ledgerErr != nil {
		s.LedgerError = ledgerErr.Error()
	}
	return s
}
