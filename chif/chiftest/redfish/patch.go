package redfish

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"
)

// idleMinutes are the idle timeouts that an iLO offers, in minutes (§3).
var idleMinutes = []int{0, 15, 30, 60, 120}

// patch changes properties (§5). All of them are changed, or none and the
// answer names each one that cannot be. OData's annotations alone are a change
// of nothing, which is refused (DSP0266). PUT does the same: iLO allows it on
// settings only, whose other properties a client must send back unchanged.
func (s *Service) patch(q *request, x *resource) *reply {
	change, err := parseObject(q.body)
	if err != nil {
		return s.message(http.StatusBadRequest, "MalformedJSON")
	}
	if len(change) == 0 {
		return s.message(http.StatusOK, "NoOperation")
	}
	if !slices.ContainsFunc(change, func(m member) bool { return !strings.HasPrefix(m.key, "@odata.") }) {
		return s.message(http.StatusBadRequest, "NoOperation")
	}
	set := s.settings[x.key]
	m := merger{s: s, lax: set != nil}
	if x.predefined() {
		for _, c := range change {
			m.refuse("PropertyNotWritable", c.key)
		}
		return &reply{status: http.StatusBadRequest, body: envelope(m.refused...)}
	}
	body := m.object(x.body, change, "")
	if len(m.refused) == 0 && set == nil {
		m.refused = s.refuseValues(x, body)
	}
	if len(m.refused) > 0 {
		return &reply{status: http.StatusBadRequest, body: envelope(m.refused...)}
	}
	if x.schema == "ManagerAccount" {
		body = s.changeAccount(x.body, body)
	}
	if err := s.update(x, body); err != nil {
		return s.message(http.StatusBadRequest, "MalformedJSON")
	}
	if set != nil {
		set.pending = append(set.pending, change)
		return s.message(http.StatusOK, "SystemResetRequired")
	}
	if err := s.applyProperties(x); err != nil {
		return s.message(http.StatusInternalServerError, "InternalError")
	}
	return s.message(http.StatusOK, "Success")
}

// merger puts changes into a body and collects those that cannot be.
type merger struct {
	s       *Service
	lax     bool // settings take any name; the verdict comes at the next boot (§10)
	refused []info
}

func (m *merger) refuse(name string, args ...string) {
	m.refused = append(m.refused, info{args, m.s.messages.id(name)})
}

func (m *merger) object(old json.RawMessage, change object, path string) json.RawMessage {
	o, err := parseObject(old)
	if err != nil {
		m.refuse("PropertyValueTypeError", "{}", path)
		return old
	}
	for _, c := range change {
		current, known := o.get(c.key)
		switch {
		case strings.HasPrefix(c.key, "@odata.") && m.lax:
		case strings.HasPrefix(c.key, "@") || path == "" && slices.Contains([]string{"Id", "Members", "Links", "Actions"}, c.key):
			m.refuse("PropertyNotWritable", c.key)
		case known:
			o.set(c.key, m.value(current, c.value, c.key))
		case m.lax:
			o.set(c.key, c.value)
		default:
			m.refuse("PropertyUnknown", c.key)
		}
	}
	return o.bytes()
}

func (m *merger) value(old, change json.RawMessage, name string) json.RawMessage {
	was, is := kind(old), kind(change)
	switch {
	case was == 'n' || is == 'n':
		return change
	case was != is:
		m.refuse("PropertyValueTypeError", string(change), name)
		return old
	case is == '{':
		o, err := parseObject(change)
		if err != nil {
			m.refuse("PropertyValueTypeError", string(change), name)
			return old
		}
		return m.object(old, o, name)
	case is == '[':
		return m.array(old, change, name)
	}
	return change
}

// array merges element by element: an object changes the element at its place,
// null removes it, and what the change has no place for is dropped.
func (m *merger) array(old, change json.RawMessage, name string) json.RawMessage {
	var before, after []json.RawMessage
	if err := errors.Join(json.Unmarshal(old, &before), json.Unmarshal(change, &after)); err != nil {
		m.refuse("PropertyValueTypeError", string(change), name)
		return old
	}
	merged := []json.RawMessage{}
	for i, v := range after {
		switch {
		case kind(v) == 'n':
		case i < len(before):
			merged = append(merged, m.value(before[i], v, name))
		default:
			merged = append(merged, v)
		}
	}
	return encode(merged)
}

// kind is the kind of a JSON value: one of { [ " t 0 n.
func kind(v json.RawMessage) byte {
	switch {
	case len(v) == 0:
		return 'n'
	case v[0] == 'f':
		return 't'
	case v[0] == '-' || v[0] >= '0' && v[0] <= '9':
		return '0'
	}
	return v[0]
}

// timeoutProperty is where a resource shows the idle timeout (§1), nil if it
// does not.
func timeoutProperty(x *resource) []string {
	switch x.schema {
	case "SessionService":
		return []string{"SessionTimeout"}
	case "Manager":
		return []string{"Oem", "Hpe", "IdleConnectionTimeoutMinutes"}
	case "ManagerNetworkService":
		return []string{"SessionTimeoutMinutes"}
	}
	return nil
}

func (s *Service) refuseValues(x *resource, body []byte) []info {
	path := timeoutProperty(x)
	raw := getIn(body, path...)
	if path == nil || raw == nil {
		return nil
	}
	var minutes int
	if err := json.Unmarshal(raw, &minutes); err == nil &&
		(slices.Contains(idleMinutes, minutes) || string(raw) == string(getIn(x.body, path...))) {
		return nil
	}
	return []info{{[]string{string(raw), path[len(path)-1]}, s.messages.id("PropertyValueNotInList")}}
}

// applyProperties makes true what a resource now says.
func (s *Service) applyProperties(x *resource) error {
	if raw := getIn(x.body, "Oem", "Hpe", "RequireHostAuthentication"); x.key == managerKey && raw != nil {
		if err := json.Unmarshal(raw, &s.requireHostAuth); err != nil {
			return err
		}
	}
	path := timeoutProperty(x)
	if path == nil {
		return nil
	}
	minutes := s.shownMinutes()
	if raw := getIn(x.body, path...); raw == nil || json.Unmarshal(raw, &minutes) != nil || minutes == s.shownMinutes() {
		return nil
	}
	if s.table.idleTimeout = time.Duration(minutes) * time.Minute; minutes == 0 {
		s.table.idleTimeout = NoIdleTimeout
	}
	return s.showIdleTimeout()
}

// shownMinutes is the idle timeout as resources show it.
func (s *Service) shownMinutes() int {
	if s.table.idleTimeout <= 0 {
		return 0
	}
	return int((s.table.idleTimeout + time.Minute - 1) / time.Minute)
}

// showIdleTimeout writes the idle timeout wherever the tree has a place for it.
func (s *Service) showIdleTimeout() error {
	for _, x := range s.order {
		path := timeoutProperty(x)
		if path == nil || getIn(x.body, path...) == nil {
			continue
		}
		if err := s.setProperty(x.key, s.shownMinutes(), path...); err != nil {
			return err
		}
	}
	return nil
}

// treeIdleTimeout is the idle timeout that the tree shows.
func (s *Service) treeIdleTimeout() time.Duration {
	for _, x := range s.order {
		path := timeoutProperty(x)
		if path == nil {
			continue
		}
		var minutes *int
		if json.Unmarshal(getIn(x.body, path...), &minutes) == nil && minutes != nil {
			if *minutes == 0 {
				return NoIdleTimeout
			}
			return time.Duration(*minutes) * time.Minute
		}
	}
	return DefaultIdleTimeout
}
