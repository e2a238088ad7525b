package transaction

// Stats count what a Manager has, and what became of the transactions since it
// was made.
type Stats struct {
	Open             int   `json:"open"`
	Committed        int64 `json:"committed"`
	RolledBack       int64 `json:"rolledBack"` // asked for, or after a failure
	PartlyRolledBack int64 `json:"partlyRolledBack"`
	Unknown          int64 `json:"unknown"`
	ThrownAway       int64 `json:"thrownAway"` // idle for too long, or the client session ended
}

// Stats returns the counts.
func (m *Manager) Stats() Stats {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.stats
	for _, t := range m.open {
		if t.ended == nil {
			s.Open++
		}
	}
	return s
}

// count adds a transaction that is over.
func (m *Manager) count(v Verdict) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch v {
	case Committed, InProgress:
		m.stats.Committed++
	case RolledBack:
		m.stats.RolledBack++
	case PartlyRolledBack:
		m.stats.PartlyRolledBack++
	default:
		m.stats.Unknown++
	}
}
