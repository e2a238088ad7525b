package doctor

import (
	"errors"

	"github.com/ilod/ilod/platform"
)

// service says whether an agent starts with the system.
func (d *doctor) service(bool) {
	state, _, err := platform.ServiceState(d.Service)
	switch {
	case errors.Is(err, platform.ErrNoService):
		d.advise("service", "run 'ilod service install' if an agent is wanted", "not installed; commands work without it")
	case err != nil: // Windows PE need not have a service manager
		d.skip("service", err.Error())
	case state == "stopped":
		d.advise("service", "run 'ilod service start' if an agent is wanted", "installed, stopped")
	default:
		d.ok("service", "installed, %s", state)
	}
}
