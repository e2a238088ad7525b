//go:build unix

package platform

import "testing"

func TestDirectories(t *testing.T) {
	for name, c := range map[string]struct {
		euid int
		env  map[string]string
		want Directories
	}{
		"root": {0, map[string]string{"XDG_STATE_HOME": "/x", "XDG_RUNTIME_DIR": "/y"}, Directories{"/var/lib/ilod", "/run/ilod", "/etc/ilod"}},
		"XDG":  {1000, map[string]string{"HOME": "/home/u", "XDG_STATE_HOME": "/x", "XDG_RUNTIME_DIR": "/y"}, Directories{"/x/ilod", "/y/ilod", "/etc/ilod"}},
		"home": {1000, map[string]string{"HOME": "/home/u"}, Directories{"/home/u/.local/state/ilod", "/run/user/1000/ilod", "/etc/ilod"}},
		"relative": {1000, map[string]string{"HOME": "/home/u", "XDG_STATE_HOME": "x", "XDG_RUNTIME_DIR": "y"},
			Directories{"/home/u/.local/state/ilod", "/run/user/1000/ilod", "/etc/ilod"}},
		"nothing": {1000, nil, Directories{"/.local/state/ilod", "/run/user/1000/ilod", "/etc/ilod"}},
	} {
		if got := directories(c.euid, func(name string) string { return c.env[name] }); got != c.want {
			t.Errorf("%s: %+v", name, got)
		}
	}
}
