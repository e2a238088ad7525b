package selection

import (
	"errors"
	"strings"
	"testing"
)

// TestAction finds actions, of HPE's, too, and gives their parameters values that
// they take.
func TestAction(t *testing.T) {
	x := resource(t, `{"Actions":{
		"#ComputerSystem.Reset":{"target":"/reset","ResetType@Redfish.AllowableValues":["On","ForceOff"]},
		"#Manager.Reset":{"target":"/manager"},
		"#Other.Reset":{"target":"/other"},
		"#Lost.Reset":{"Title":"without target"},
		"Oem":{"Hpe":{"#HpeComputerSystemExt.PowerButton":{"target":"/button","PushType@Redfish.AllowableValues":["Press"]},
			"#HpOlder.Reset":{"target":"/older","Type@Redfish.AllowableValues":[]}}}}}`)
	for _, c := range []struct{ name, parameter, value, want string }{
		{"ComputerSystem.Reset", "ResetType", "On", `/reset {"ResetType":"On"}`},
		{"ComputerSystem.Reset", "ResetType", "Nmi", "ComputerSystem.Reset takes no Nmi; allowed: On ForceOff"},
		{"ComputerSystem.Reset", "Other", "Nmi", `/reset {"Other":"Nmi"}`}, // nothing is known of it
		{"Manager.Reset", "ResetType", "GracefulRestart", `/manager {}`},
		{"Other.Reset", "ResetType", "x", `/other {"ResetType":"x"}`},
		{"ComputerSystemExt.PowerButton", "PushType", "Press", `/button {"PushType":"Press"}`},
		{"ComputerSystemExt.PowerButton", "PushType", "Hold", "takes no Hold"},
		{"Older.Reset", "Type", "x", "takes no x"},
		{"Lost.Reset", "Type", "x", "has no action Lost.Reset"},
		{"Reset", "Type", "x", "has no action Reset"},
	} {
		a, err := x.Action(c.name, c.parameter, c.value)
		if strings.HasPrefix(c.want, "/") {
			if got := a.Target + " " + strings.TrimSpace(JSON(a.Body, "")); err != nil || got != c.want {
				t.Errorf("%s: %s, want %s: %v", c.name, got, c.want, err)
			}
		} else if !errors.Is(err, ErrValue) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %s: %v", c.name, c.value, err)
		}
	}
}
