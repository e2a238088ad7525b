package transaction

import "github.com/ilod/ilod/agent/api"

// Stats returns the counts.
func (m *Manager) Stats() api.TransactionStats {
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
func (m *Manager) count(v api.Verdict) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch v {
	case api.Committed, api.InProgress, api.Unchanged:
		m.stats.Committed++
	case api.RolledBack:
		m.stats.RolledBack++
	case api.PartlyRolledBack:
		m.stats.PartlyRolledBack++
	default:
		m.stats.Unknown++
	}
}
