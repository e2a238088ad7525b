package ilosession

import (
	"fmt"
	"net/url"
	"strings"
)

// locationPath takes the path of a new session from its Location. Scheme and
// authority of an in-band answer are useless and may be empty, and the id may
// hold literal blanks (chif/PROTOCOL.md §3): what counts begins at the first
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

// sessionPath is locationPath for what must be a member of the collection of
// sessions: the path is one that will be deleted.
func sessionPath(location string) (string, error) {
	path, err := locationPath(location)
	if err != nil {
		return "", err
	}
	steps := strings.Split(strings.TrimRight(path, "/"), "/")
	if n := len(steps); n < 2 || !strings.EqualFold(steps[n-2], "sessions") || strings.ContainsAny(path, "?#") {
		return "", fmt.Errorf("the Location %q is not the path of a session", location)
	}
	return path, nil
}
