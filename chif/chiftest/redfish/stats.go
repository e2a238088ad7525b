package redfish

import (
	"maps"
	"strings"
	"time"
)

// Stats count what happened to a service since New.
type Stats struct {
	Logins         int            `json:"logins"`         // sessions opened through the service
	RefusedLogins  int            `json:"refusedLogins"`  // POSTs of credentials or none that opened none
	Deletes        int            `json:"deletes"`        // sessions deleted through the service
	ForeignDeleted int            `json:"foreignDeleted"` // those of them that were foreign
	Expired        int            `json:"expired"`        // sessions of ours that the idle timeout ended
	Sessions       int            `json:"sessions"`       // live now, foreign ones included
	MaxSessions    int            `json:"maxSessions"`    // live at most at one time
	Requests       map[string]int `json:"requests"`       // by method and path: "GET /redfish/v1"
}

// Stats returns the counts. In Requests a resource of the tree appears under
// its URI there, and every session under the one path that ends in "{session}".
func (s *Service) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expire(s.clock.now())
	st := s.stats
	st.Sessions = len(s.table.live)
	st.Requests = maps.Clone(st.Requests)
	return st
}

// count records a request and asks for the fault that meets it.
func (s *Service) count(q *request) (answer *reply, delay time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	path := q.path
	if strings.HasPrefix(q.key, sessionsKey+"/") {
		path = sessionsURI + "/{session}"
	} else if q.key == sessionsKey {
		path = sessionsURI
	} else if x := s.resources[q.key]; x != nil {
		path = x.uri
	}
	s.stats.Requests[q.Method+" "+path]++
	return s.fault(q)
}
