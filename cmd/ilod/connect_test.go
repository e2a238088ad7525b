package main

import (
	"slices"
	"testing"

	"github.com/ilod/ilod/agent"
	"github.com/ilod/ilod/platform"
)

// TestAgentIsTheUsersOwnOrElseTheSystems, unless its socket or directory is named.
func TestAgentIsTheUsersOwnOrElseTheSystems(t *testing.T) {
	system := platform.Directories{Runtime: "/run/ilod"}
	user := platform.Directories{Runtime: "/run/user/1000/ilod"}
	in := func(dir string) string { return (&agent.Config{RuntimeDir: dir}).SocketPath() }
	for name, c := range map[string]struct {
		config agent.Config
		ours   platform.Directories
		want   []string
	}{
		"a user's":            {agent.Config{RuntimeDir: user.Runtime}, user, []string{in(user.Runtime), in(system.Runtime)}},
		"root's":              {agent.Config{RuntimeDir: system.Runtime}, system, []string{in(system.Runtime)}},
		"of a named socket":   {agent.Config{RuntimeDir: user.Runtime, Socket: "/s"}, user, []string{"/s"}},
		"in a directory":      {agent.Config{RuntimeDir: "/other"}, user, []string{in("/other")}},
		"in the system's one": {agent.Config{RuntimeDir: system.Runtime}, user, []string{in(system.Runtime)}},
	} {
		if got := sockets(c.config, c.ours, system); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}
