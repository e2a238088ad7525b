package redfish

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/ilod/ilod/chif/chiftest/tree"
)

// act answers a POST to an action. Resets of the iLO and of the host have
// their effect; every other action that a resource offers just succeeds.
func (s *Service) act(q *request) *reply {
	owner, name, _ := strings.Cut(q.key, "/actions/")
	x := s.resources[owner]
	if x == nil {
		return s.missing(q)
	}
	path, _, _ := strings.Cut(q.key, "?")
	action := actionAt(x.body, path)
	if action == nil {
		return s.message(http.StatusBadRequest, "ActionNotSupported", name)
	}
	if q.readOnly {
		return s.message(http.StatusForbidden, "InsufficientPrivilege")
	}
	var parameters object
	if len(q.body) > 0 {
		var err error
		if parameters, err = parseObject(q.body); err != nil {
			return s.message(http.StatusBadRequest, "MalformedJSON")
		}
	}
	for _, p := range parameters {
		var allowed []string
		raw, ok := action.get(p.key + "@Redfish.AllowableValues")
		_ = json.Unmarshal(raw, &allowed)
		if v := parameters.text(p.key); ok && !slices.Contains(allowed, v) {
			return s.message(http.StatusBadRequest, "ActionParameterNotSupported", v, p.key)
		}
	}
	switch name {
	case "manager.reset":
		r := s.message(http.StatusOK, "ResetInProgress")
		if r.after = s.onReset; r.after == nil {
			r.after = s.Reset
		}
		return r
	case "computersystem.reset":
		return s.resetHost(parameters.text("ResetType"))
	}
	return s.message(http.StatusOK, "Success")
}

// actionAt finds the action with a target in a body, OEM actions included.
func actionAt(body json.RawMessage, target string) object {
	if !bytes.Contains(body, []byte(`"target"`)) {
		return nil
	}
	o, err := parseObject(body)
	if err != nil {
		return nil
	}
	if tree.Key(o.text("target")) == target {
		return o
	}
	for _, m := range o {
		if kind(m.value) == '{' {
			if found := actionAt(m.value, target); found != nil {
				return found
			}
		}
	}
	return nil
}

// resetHost changes the power state; a boot applies pending settings.
func (s *Service) resetHost(resetType string) *reply {
	var state string
	if x := s.resources[systemKey]; x != nil {
		o, _ := parseObject(x.body)
		state = o.text("PowerState")
	}
	boots, on := false, state == "On"
	switch resetType {
	case "On":
		if on {
			return s.message(http.StatusBadRequest, "InvalidOperationForSystemState")
		}
		boots, on = true, true
	case "ForceOff", "GracefulShutdown":
		if !on {
			return s.message(http.StatusBadRequest, "InvalidOperationForSystemState")
		}
		on = false
	case "ForceRestart", "GracefulRestart":
		if !on {
			return s.message(http.StatusBadRequest, "InvalidOperationForSystemState")
		}
		boots = true
	case "PushPowerButton":
		on = !on
		boots = on
	case "Nmi":
	default:
		return s.message(http.StatusBadRequest, "ActionParameterMissing", "ComputerSystem.Reset", "ResetType")
	}
	if state = "Off"; on {
		state = "On"
	}
	for _, key := range []string{systemKey, chassisKey} {
		if x := s.resources[key]; x != nil && getIn(x.body, "PowerState") != nil {
			_ = s.setProperty(key, state, "PowerState") // was parsed before
		}
	}
	if boots {
		s.applyPending()
	}
	return s.message(http.StatusOK, "Success")
}
