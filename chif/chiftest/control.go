package chiftest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"time"

	"github.com/ilod/ilod/chif/chiftest/redfish"
)

// Faults are all faults in force, in the form that the control interface takes.
type Faults struct {
	Rules   []Rule         `json:"rules"`
	Redfish redfish.Faults `json:"redfish,omitzero"`
	// Allow are rules for hosts that may be broken while these faults are in force.
	Allow []HostRule `json:"allow,omitempty"`
}

// SetFaults replaces all faults. The error names each rule that is invalid;
// nothing changes then.
func (s *Server) SetFaults(f Faults) error {
	rules, err := newRules(f.Rules)
	if err := errors.Join(err, validRules(f.Allow)); err != nil {
		return err
	}
	if s.redfish != nil {
		if err := s.redfish.SetFaults(f.Redfish); err != nil {
			return err
		}
	} else if !reflect.ValueOf(f.Redfish).IsZero() {
		return errors.New("redfish: the handler is not the simulated Redfish service")
	}
	s.faults.set(rules)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.allow = f.Allow
	return nil
}

// Faults returns the faults in force, with what is left of each rule's Skip and
// Times.
func (s *Server) Faults() Faults {
	s.mu.Lock()
	f := Faults{Rules: s.faults.list(), Allow: s.allow}
	s.mu.Unlock()
	if s.redfish != nil {
		f.Redfish = s.redfish.Faults()
	}
	return f
}

// sessions are the live sessions, foreign ones included; none with a plain
// handler.
func (s *Server) sessions() []redfish.Session {
	if s.redfish == nil {
		return []redfish.Session{}
	}
	return s.redfish.Sessions()
}

// ResetRequest is the body of POST /reset.
type ResetRequest struct {
	Down Duration `json:"down"` // how long channels cannot be opened
}

// ClockRequest is the body of POST /clock.
type ClockRequest struct {
	Advance Duration `json:"advance"` // by how much the iLO's clock is put forward
}

// advance puts the iLO's clock forward.
func (s *Server) advance(by time.Duration) error {
	if s.redfish == nil {
		return errors.New("clock: the handler is not the simulated Redfish service")
	}
	s.redfish.SetClock(s.redfish.Now().Add(by))
	return nil
}

// Control is the server's control interface. Bodies are JSON, errors 400 with
// {"error": text}.
//
//	GET    /stats    Stats
//	GET    /sessions the live sessions in order of login
//	GET    /check    {"error": text}, empty when Check found nothing
//	POST   /reset    ResetRequest
//	POST   /clock    ClockRequest
//	GET    /faults   Faults
//	POST   /faults   Faults that replace all others; unknown fields are errors
//	DELETE /faults   no faults any more
func (s *Server) Control() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /stats", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, http.StatusOK, s.Stats()) })
	mux.HandleFunc("GET /sessions", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, http.StatusOK, s.sessions()) })
	mux.HandleFunc("GET /check", func(w http.ResponseWriter, _ *http.Request) {
		var e errorBody
		if err := s.Check(); err != nil {
			e.Error = err.Error()
		}
		writeJSON(w, http.StatusOK, e)
	})
	mux.HandleFunc("GET /faults", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, http.StatusOK, s.Faults()) })
	mux.HandleFunc("DELETE /faults", func(w http.ResponseWriter, _ *http.Request) { done(w, s.SetFaults(Faults{})) })
	mux.HandleFunc("POST /faults", func(w http.ResponseWriter, r *http.Request) {
		var f Faults
		err := readJSON(r, &f)
		if err == nil {
			err = s.SetFaults(f)
		}
		done(w, err)
	})
	mux.HandleFunc("POST /reset", func(w http.ResponseWriter, r *http.Request) {
		var q ResetRequest
		err := readJSON(r, &q)
		if err == nil {
			s.Reset(time.Duration(q.Down))
		}
		done(w, err)
	})
	mux.HandleFunc("POST /clock", func(w http.ResponseWriter, r *http.Request) {
		var q ClockRequest
		err := readJSON(r, &q)
		if err == nil {
			err = s.advance(time.Duration(q.Advance))
		}
		done(w, err)
	})
	return mux
}

type errorBody struct {
	Error string `json:"error"`
}

// readJSON reads one JSON object with known fields only.
func readJSON(r *http.Request, v any) error {
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return fmt.Errorf("body: %w", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return fmt.Errorf("body: more than one JSON value")
	}
	return nil
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(v) // a client that went away needs no answer
}

// done answers 204, or 400 with the error.
func done(w http.ResponseWriter, err error) {
	if err != nil {
		writeJSON(w, http.StatusBadRequest, errorBody{err.Error()})
		return
	}
	w.WriteHeader(http.StatusNoContent)
}
