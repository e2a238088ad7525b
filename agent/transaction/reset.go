package transaction

import (
	"strings"

	"github.com/ilod/ilod/agent/api"
	"github.com/ilod/ilod/agent/ilopath"
	"github.com/ilod/ilod/agent/redfisherror"
)

// either is what one of two changes needs.
func either(r, other api.Reset) api.Reset {
	return api.Reset{Server: r.Server || other.Server, ILO: r.ILO || other.ILO, Device: r.Device || other.Device}
}

// resets are the messages of the registries of iLO 4 to 7 that ask for a reset, by
// registry and key, as their texts say: iLO.ResetRequired is about the management
// processor.
var resets = map[string]api.Reset{
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
func resetOf(m redfisherror.Message) api.Reset {
	registry, _, _ := strings.Cut(m.ID, ".")
	key := strings.ToLower(m.Key())
	if r, known := resets[strings.ToLower(registry)+"."+key]; known {
		return r
	}
	switch {
	case key == "resetrequired" && len(m.Args) > 0:
		return resetNamed(m.Args[0])
	case strings.HasSuffix(key, "systemresetrequired"), strings.HasSuffix(key, "rebootrequired"):
		return api.Reset{Server: true}
	case strings.HasSuffix(key, "resetrequired"):
		return api.Reset{Device: true}
	}
	return api.Reset{}
}

// resetNamed is for the messages that name what has to be reset: HpeCommon's with
// a word, Base's with the path of an action.
func resetNamed(what string) api.Reset {
	if strings.HasPrefix(what, "/") {
		key := ilopath.Canonical(what)
		return api.Reset{
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
	r := api.Reset{Server: has("system", "server", "host"), ILO: has("ilo", "management processor", "manager", "bmc")}
	r.Device = r == api.Reset{}
	return r
}
