package chiftest

import "maps"

// Stats counts what a Server has done since its start.
type Stats struct {
	Packets      map[Op]int64 `json:"packets"`       // received, by operation
	ChannelsOpen int          `json:"channels_open"` // now
	ChannelsMax  int          `json:"channels_max"`  // open at the same time, at most
	OpensRefused int          `json:"opens_refused"`
	Blobs        int          `json:"blobs"` // stored now
}

// Stats returns the counters.
func (s *Server) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Stats{
		Packets:      maps.Clone(s.packets),
		ChannelsOpen: len(s.open()),
		ChannelsMax:  s.maxOpen,
		OpensRefused: s.refused,
		Blobs:        s.blobs.len(),
	}
}
