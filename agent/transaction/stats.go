package transaction

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
	case Committed, InProgress, Unchanged:
		m.stats.Committed++
	case RolledBack:
		m.stats.RolledBack++
	case PartlyRolledBack:
		m.stats.PartlyRolledBack++
	default:
		m.stats.Unknown++
	}
}
