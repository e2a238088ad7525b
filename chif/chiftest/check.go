package chiftest

import "errors"

// Check is the assertion of every test: no channel is open (after Close: none
// was open when it was called), no host has broken one of HostRules, no session of
// ours is left, and no foreign session was touched. The error lists all that it
// found.
func (s *Server) Check() error {
	s.mu.Lock()
	open := s.leaked
	if !s.closed {
		open = s.open()
	}
	errs := s.checkRules()
	s.mu.Unlock()
	for _, name := range open {
		errs = append(errs, errors.New(name))
	}
	if s.redfish != nil {
		errs = append(errs, s.redfish.Check())
	}
	return errors.Join(errs...)
}
