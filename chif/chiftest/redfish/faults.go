package redfish

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/ilod/ilod/chif/chiftest/tree"
)

// Faults are what goes wrong, and may change while a service runs. The zero
// value is a healthy iLO.
type Faults struct {
	Answers          []Answer `json:"answers,omitempty"`          // tried in order, the first that fits counts
	Latency          Duration `json:"latency,omitempty"`          // before each answer
	LoginLatency     Duration `json:"loginLatency,omitempty"`     // in addition before each answer to a login
	PostStates       []string `json:"postStates,omitempty"`       // PostState of Systems/1 at its next GETs; the last one stays
	BiosUnregistered bool     `json:"biosUnregistered,omitempty"` // the BIOS provider is missing: 404 (§8)
	VanishedSessions int      `json:"vanishedSessions,omitempty"` // so many GETs of a listed session answer 404
	DirectoryFrozen  bool     `json:"directoryFrozen,omitempty"`  // the ResourceDirectory stays as it was asked for last
}

// Answer replaces or delays the answers to some requests.
type Answer struct {
	Method  string   `json:"method,omitempty"`  // empty: any
	Path    string   `json:"path,omitempty"`    // in any spelling; with a final * a prefix; empty: any
	Skip    int      `json:"skip,omitempty"`    // let so many requests that fit pass first
	Times   int      `json:"times,omitempty"`   // then answer so many; 0: always
	Latency Duration `json:"latency,omitempty"` // before the answer

	Status      int      `json:"status,omitempty"`      // 0: the true answer, only delayed
	MessageID   string   `json:"messageId,omitempty"`   // "ResourceNotReadyRetry" or with its registry; empty: no body
	MessageArgs []string `json:"messageArgs,omitempty"` // such as the seconds to wait

	used int
}

// Duration is a time.Duration that JSON writes as "40ms".
type Duration time.Duration

// MarshalText is time.Duration.String.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText is time.ParseDuration; a duration may not be negative.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	if err == nil && v < 0 {
		err = fmt.Errorf("duration %s is negative", text)
	}
	*d = Duration(v)
	return err
}

// Faults returns the faults that are set.
func (s *Service) Faults() Faults {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.faults.clone()
}

// SetFaults replaces all faults; Faults{} heals the service. An error says what
// cannot be and changes nothing.
func (s *Service) SetFaults(f Faults) error {
	for i, a := range f.Answers {
		switch {
		case a.Status != 0 && (a.Status < 200 || a.Status > 599):
			return fmt.Errorf("fault answers[%d]: status %d is impossible", i, a.Status)
		case a.Status == 0 && a.Latency == 0:
			return fmt.Errorf("fault answers[%d]: neither status nor latency", i)
		case a.Status == 0 && a.MessageID != "":
			return fmt.Errorf("fault answers[%d]: messageId without status", i)
		case a.Path != "" && a.Path[0] != '/':
			return fmt.Errorf("fault answers[%d]: path %q does not begin with a slash", i, a.Path)
		case a.Skip < 0 || a.Times < 0 || a.Latency < 0:
			return fmt.Errorf("fault answers[%d]: a number is negative", i)
		}
	}
	if f.Latency < 0 || f.LoginLatency < 0 || f.VanishedSessions < 0 {
		return fmt.Errorf("faults: a number is negative")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = f.clone()
	return nil
}

func (f Faults) clone() Faults {
	f.Answers = append([]Answer(nil), f.Answers...)
	f.PostStates = append([]string(nil), f.PostStates...)
	return f
}

func (a *Answer) fits(q *request) bool {
	if a.Method != "" && !strings.EqualFold(a.Method, q.Method) {
		return false
	}
	prefix, isPrefix := strings.CutSuffix(a.Path, "*")
	return a.Path == "" || !isPrefix && tree.Key(a.Path) == q.key ||
		isPrefix && strings.HasPrefix(q.key, strings.ToLower(prefix))
}

// fault is the answer that a fault gives instead of the true one, and the delay
// of whichever it will be; s.mu is held.
func (s *Service) fault(q *request) (*reply, time.Duration) {
	delay := time.Duration(s.faults.Latency)
	for i := range s.faults.Answers {
		a := &s.faults.Answers[i]
		if !a.fits(q) || a.Times > 0 && a.used >= a.Skip+a.Times {
			continue
		}
		if a.used++; a.used <= a.Skip {
			continue
		}
		delay += time.Duration(a.Latency)
		switch {
		case a.Status == 0:
			return nil, delay
		case a.MessageID == "":
			return &reply{status: a.Status}, delay
		}
		return s.message(a.Status, a.MessageID, a.MessageArgs...), delay
	}
	return nil, delay
}

// broken is the answer of a part of the iLO that does not work.
func (s *Service) broken(q *request) *reply {
	switch {
	case s.faults.BiosUnregistered && (q.key == biosKey || strings.HasPrefix(q.key, biosKey+"/")):
		return s.missing(q)
	case s.faults.VanishedSessions > 0 && q.Method == http.MethodGet && s.session(q.key) != nil:
		s.faults.VanishedSessions--
		return s.missing(q)
	case len(s.faults.PostStates) > 0 && q.key == systemKey && q.Method == http.MethodGet:
		s.showPostState(s.faults.PostStates[0])
		s.faults.PostStates = s.faults.PostStates[1:]
	}
	return nil
}

// showPostState makes Systems/1 tell how far the host's POST is (§8).
func (s *Service) showPostState(state string) {
	discovery := "vAuxDeviceDiscoveryComplete"
	if state == "FinishedPost" || state == "InPostDiscoveryComplete" {
		discovery = "vMainDeviceDiscoveryComplete"
	}
	vendor := "Hpe"
	if s.o.Generation == 4 {
		vendor = "Hp"
	}
	// A Systems/1 without Oem is left as it is.
	if s.setProperty(systemKey, state, "Oem", vendor, "PostState") == nil && vendor == "Hpe" {
		_ = s.setProperty(systemKey, discovery, "Oem", vendor, "DeviceDiscoveryComplete", "DeviceDiscovery")
	}
}
