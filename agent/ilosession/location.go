package ilosession

import (
	"fmt"
	"net/url"
	"strings"
)

// locationPath takes the path of a new session from its Location. Scheme and
// authority of an in-band answer are useless and may be empty, and the id may
// hold literal blanks (chif-protocol §5.2): what counts begins at the first
// /redfish or /rest, and a blank becomes %20.
func locationPath(location string) (string, error) {
	path := location
	if _, rest, found := strings.Cut(path, "//"); found && !strings.HasPrefix(path, "/redfish/") && !strings.HasPrefix(path, "/rest/") {
		path = rest[max(strings.IndexByte(rest, '/'), 0):]
	}
	start := -1
	for _, root := range []string{"/redfish/", "/rest/"} {
		if i := strings.Index(path, root); i >= 0 && (start < 0 || i < start) {
			start = i
		}
	}
	if start < 0 {
		return "", fmt.Errorf("the Location %q of the session is not a path of the iLO", location)
	}
	path = strings.ReplaceAll(path[start:], " ", "%20")
	if _, err := url.ParseRequestURI(path); err != nil {
		return "", fmt.Errorf("the Location of the session: %w", err)
	}
	return path, nil
}
