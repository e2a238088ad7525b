package health

import "slices"

// State says how something is.
type State string

const (
	NotReported State = "" // the iLO has no such thing, or gives no state
	OK          State = "OK"
	Unknown     State = "Unknown" // it could not be read
	Warning     State = "Warning"
	Critical    State = "Critical"
)

// states are all of them, from best to worst.
var states = []State{NotReported, OK, Unknown, Warning, Critical}

// Severity is 0 for OK, 1 for Warning, 2 for Critical, and 3 for anything else: the
// codes of monitoring plugins and of the metrics.
func (s State) Severity() int {
	if i := slices.Index([]State{OK, Warning, Critical}, s); i >= 0 {
		return i
	}
	return 3
}

// worse is the worst of several states.
func worse(all ...State) State {
	return slices.MaxFunc(all, func(a, b State) int { return slices.Index(states, a) - slices.Index(states, b) })
}

// healthy reports a state that needs nobody's attention.
func (s State) healthy() bool { return s == OK || s == NotReported }

// status is the Status of a Redfish resource.
type status struct {
	Health, HealthRollup, State string
	Conditions                  []struct{ Message string }
}

// known is the State of a Redfish Health; NotReported for any other word.
func known(health string) State {
	if s := State(health); s == OK || s == Warning || s == Critical {
		return s
	}
	return NotReported
}

// absent reports an empty place that is no fault. An iLO also lists empty bays and
// sockets.
func (s *status) absent() bool { return s.State == "Absent" && known(s.Health).healthy() }

// component is a component with this status.
func (s *status) component(name, path string) Component {
	c := Component{Name: name, State: known(s.Health), Path: path}
	if !c.State.healthy() {
		for _, condition := range s.Conditions {
			c.because(c.State, condition.Message)
		}
		if c.Reason == "" && s.State != "Enabled" {
			c.Reason = s.State
		}
	}
	return c
}
