package selection

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Action is a POST that makes a resource do something.
type Action struct {
	Target string
	Body   map[string]any
}

// Action finds an action by its name, such as "ComputerSystem.Reset" or HPE's
// "ComputerSystemExt.PowerButton", and gives a value to its parameter, if it has one.
// The error wraps ErrValue if the action does not exist or does not allow the value.
func (x *Resource) Action(name, parameter, value string) (Action, error) {
	found := findAction(x.Body, name)
	target, _ := found["target"].(string)
	if target == "" {
		return Action{}, fmt.Errorf("%w: %s has no action %s", ErrValue, x.Path, name)
	}
	allowed, counted := found[parameter+"@Redfish.AllowableValues"].([]any)
	switch {
	case !counted && name == "Manager.Reset": // iLO 4 and 5 want none
		return Action{target, map[string]any{}}, nil
	case counted && !slices.Contains(allowed, any(value)):
		return Action{}, fmt.Errorf("%w: %s takes no %s; allowed: %s", ErrValue, name, value, strings.Trim(fmt.Sprint(allowed), "[]"))
	}
	return Action{target, map[string]any{parameter: value}}, nil
}

// findAction searches the object and all objects in it.
func findAction(object map[string]any, name string) map[string]any {
	for _, n := range slices.Sorted(maps.Keys(object)) {
		inner, ok := object[n].(map[string]any)
		if !ok {
			continue
		}
		if short, action := strings.CutPrefix(n, "#"); action && strings.TrimPrefix(strings.TrimPrefix(short, "Hpe"), "Hp") == name {
			return inner
		}
		if found := findAction(inner, name); found != nil {
			return found
		}
	}
	return nil
}
