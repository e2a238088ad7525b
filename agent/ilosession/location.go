package ilosession

import (
	"fmt"
	"strings"

	"github.com/ilod/ilod/agent/ilopath"
)

// locationPath takes the path of a new session from its Location.
func locationPath(location string) (string, error) {
	path, ok := ilopath.Location(location)
	if !ok {
		return "", fmt.Errorf("the Location %q of the session is not a path of the iLO", location)
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
	if n := len(steps); !strings.EqualFold(steps[n-2], "sessions") || strings.ContainsAny(path, "?#") {
		return "", fmt.Errorf("the Location %q is not the path of a session", location)
	}
	return path, nil
}
