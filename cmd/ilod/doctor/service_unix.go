//go:build unix

package doctor

import (
	"fmt"

	"github.com/ilod/ilod/agent"
	"github.com/ilod/ilod/cmd/ilod/agentsocket"
	"github.com/ilod/ilod/platform"
)

// service says whether an agent starts with the system.
func (d *doctor) service(running bool) {
	s := platform.FindService(d.root, d.Service)
	ours := d.Config.SocketPath() == (&agent.Config{RuntimeDir: platform.SystemDirectories().Runtime}).SocketPath()
	switch {
	case s.Manager == "":
		d.skip("service", "there is no systemd here")
	case s.Unit == "":
		d.advise("service", "install ilod's package if an agent is wanted", "not installed; commands work without it")
	case s.Masked:
		d.advise("service", "run 'systemctl unmask ilod' if an agent is wanted", "%s, masked", s.Unit)
	case !s.Enabled:
		d.advise("service", "run 'systemctl enable --now ilod' if an agent is wanted", "%s, not enabled", s.Unit)
	case !running && ours:
		d.trouble("service", "run 'systemctl restart ilod', and see 'journalctl -u ilod'", fmt.Errorf("%s is enabled, but %w", s.Unit, agentsocket.ErrNoAgent))
	default:
		d.ok("service", "%s, enabled", s.Unit)
	}
}
