package redfish

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/ilod/ilod/chif/chiftest/tree"
)

// settings is the SettingsObject of a resource: what is written to it waits
// for the next boot of the host (§10).
type settings struct {
	twin    *resource // the SettingsObject
	owner   *resource // the resource that has it
	pending []object  // what was written, in order
}

// indexSettings finds the twins by @Redfish.Settings.
func (s *Service) indexSettings() {
	s.settings = make(map[string]*settings)
	for _, x := range s.order {
		if !bytes.Contains(x.body, []byte(`"@Redfish.Settings"`)) {
			continue
		}
		var id string
		_ = json.Unmarshal(getIn(x.body, "@Redfish.Settings", "SettingsObject", "@odata.id"), &id)
		twin := s.resources[tree.Key(id)]
		if twin == nil || twin == x || id == "" {
			continue
		}
		if !twin.allows(http.MethodPatch) {
			twin.methods = append(twin.methods[:len(twin.methods):len(twin.methods)], http.MethodPatch)
		}
		s.settings[twin.key] = &settings{twin: twin, owner: x}
	}
}

// ApplyPending does what the host does when it boots: pending settings are
// applied, and @Redfish.Settings tells which of them could not be. The
// service does it by itself when a client resets the host or powers it on.
func (s *Service) ApplyPending() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.applyPending()
}

func (s *Service) applyPending() {
	for _, set := range s.settings {
		if len(set.pending) > 0 {
			s.apply(set)
		}
	}
}

func (s *Service) apply(set *settings) {
	m := merger{s: s}
	body := json.RawMessage(set.owner.body)
	for _, change := range set.pending {
		body = m.object(body, change.writable(), "")
	}
	set.pending = nil
	verdict := m.refused
	if len(verdict) == 0 {
		verdict = []info{{MessageID: s.messages.id("Success")}}
	}
	now := s.clock.now()
	for property, value := range map[string]any{
		"Messages": verdict,
		"Time":     now.Format("2006-01-02T15:04:05-07:00"),
		"ETag":     strings.Trim(s.etagOf(body, strongETag), `"`),
	} {
		body, _ = setIn(body, encode(value), "@Redfish.Settings", property)
	}
	// Both bodies were parsed before.
	_ = s.update(set.owner, body)
	twin, _ := parseObject(set.twin.body)
	owner, _ := parseObject(set.owner.body)
	for _, p := range twin.writable() {
		if v, ok := owner.get(p.key); ok {
			twin.set(p.key, v)
		}
	}
	_ = s.update(set.twin, twin.bytes())
}

// writable leaves out what names and describes the object.
func (o object) writable() object {
	var w object
	for _, m := range o {
		if !strings.HasPrefix(m.key, "@") && m.key != "Id" && m.key != "Name" && m.key != "Actions" && m.key != "Links" {
			w = append(w, m)
		}
	}
	return w
}
