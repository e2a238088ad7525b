package ilosession

import "time"

// Status is what a Keeper does and has done.
type Status struct {
	Session       string    `json:"session,omitempty"` // path of the session in use
	Since         time.Time `json:"since,omitzero"`
	LastUse       time.Time `json:"lastUse,omitzero"`
	InUse         int       `json:"inUse"` // requests in flight in the session
	Logins        int       `json:"logins"`
	Replays       int       `json:"replays"`
	Refusals      int       `json:"refusals"`              // logins that failed, for whatever reason
	LastError     string    `json:"lastError,omitempty"`   // of logins and of left sessions, until they succeed
	LedgerEntries int       `json:"ledgerEntries"`         // sessions that the iLO may have of ours, with the one in use
	LedgerError   string    `json:"ledgerError,omitempty"` // why the ledger is not where it should be
	Recovered     time.Time `json:"recovered,omitzero"`    // when what was left was last put in order, without an error
}

// Status tells what the Keeper does. It sends nothing to the iLO, and waits neither
// for that nor for a disk.
func (k *Keeper) Status() Status {
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
