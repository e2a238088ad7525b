package transaction

import (
	"encoding/json"
	"strings"

	"github.com/ilod/ilod/agent/ilopath"
	"github.com/ilod/ilod/agent/redfisherror"
)

// Reset says what has to be reset before a change takes effect.
type Reset struct {
	Server bool
	ILO    bool
	Device bool // another: a drive, an adapter, the chassis
}

// Any reports whether anything has to be.
func (r Reset) Any() bool { return r != Reset{} }

// String names what has to be reset, for people; it is empty if nothing has.
func (r Reset) String() string {
	var all []string
	if r.Server {
		all = append(all, "the server")
	}
	if r.ILO {
		all = append(all, "the iLO")
	}
	if r.Device {
		all = append(all, "a device")
	}
	return strings.Join(all, " and ")
}

// UnmarshalJSON also reads what journals of earlier versions have: whether the
// server has to be reset.
func (r *Reset) UnmarshalJSON(data []byte) error {
	if string(data) == "true" || string(data) == "false" {
		*r = Reset{Server: string(data) == "true"}
		return nil
	}
	type plain Reset
	return json.Unmarshal(data, (*plain)(r))
}

func (r Reset) or(other Reset) Reset {
	return Reset{r.Server || other.Server, r.ILO || other.ILO, r.Device || other.Device}
}

// resets are the messages of the registries of iLO 4 to 7 that ask for a reset, by
// registry and key, as their texts say: iLO.ResetRequired is about the management
// processor.
var resets = map[string]Reset{
	"ilo.resetrequired":                   {ILO: true},
	"ilo.interfacedisabledresetrequired":  {ILO: true},
	"ilo.systemresetrequired":             {Server: true},
	"ilo.iloresetandsystemrebootrequired": {Server: true, ILO: true},
	"ilo.deviceresetrequired":             {Device: true},
	"ilo.chassisresetrequired":            {Device: true},

	"smartstoragemessages.rebootrequired":         {Server: true},
	"smartstoragemessages.rebootandretryrequired": {Server: true},
	"sut.iloqueuedupdaterebootrequired":           {Server: true},
}

// resetOf is what a message says that has to be reset.
func resetOf(m redfisherror.Message) Reset {
	registry, _, _ := strings.Cut(m.ID, ".")
	key := strings.ToLower(m.Key())
	if r, known := resets[strings.ToLower(registry)+"."+key]; known {
		return r
	}
	switch {
	case key == "resetrequired" && len(m.Args) > 0:
		return resetNamed(m.Args[0])
	case strings.HasSuffix(key, "systemresetrequired"), strings.HasSuffix(key, "rebootrequired"):
		return Reset{Server: true}
	case strings.HasSuffix(key, "resetrequired"):
		return Reset{Device: true}
	}
	return Reset{}
}

// resetNamed is for the messages that name what has to be reset: HpeCommon's with
// a word, Base's with the path of an action.
func resetNamed(what string) Reset {
	if strings.HasPrefix(what, "/") {
		key := ilopath.Canonical(what)
		return Reset{
			Server: ilopath.Within(key, "/redfish/v1/systems"),
			ILO:    ilopath.Within(key, "/redfish/v1/managers"),
			Device: !ilopath.Within(key, "/redfish/v1/systems") && !ilopath.Within(key, "/redfish/v1/managers"),
		}
	}
	what = strings.ToLower(what)
	has := func(words ...string) bool {
		for _, word := range words {
			if strings.Contains(what, word) {
				return true
			}
		}
		return false
	}
	r := Reset{Server: has("system", "server", "host"), ILO: has("ilo", "management processor", "manager", "bmc")}
	r.Device = r == Reset{}
	return r
}
