package chiftest

import (
	"maps"

	"github.com/ilod/ilod/chif/chiftest/redfish"
)

// Stats counts what a Server has done since its start.
type Stats struct {
	Packets      map[Op]int64  `json:"packets"`      // received, by operation
	ChannelsOpen int           `json:"channelsOpen"` // now
	ChannelsMax  int           `json:"channelsMax"`  // open at the same time, at most
	OpensRefused int           `json:"opensRefused"`
	Blobs        int           `json:"blobs"`            // stored now
	Redfish      redfish.Stats `json:"redfish,omitzero"` // zero with a plain handler
}

// Stats returns the counters.
func (s *Server) Stats() Stats {
	var rf redfish.Stats
	if s.redfish != nil {
		rf = s.redfish.Stats()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return Stats{
		Redfish:      rf,
		Packets:      maps.Clone(s.packets),
		ChannelsOpen: len(s.open()),
		ChannelsMax:  s.maxOpen,
		OpensRefused: s.refused,
		Blobs:        s.blobs.len(),
	}
}
