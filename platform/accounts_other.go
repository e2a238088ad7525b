//go:build !windows

package platform

// AccountIDs returns the names of users and groups as they are: PeerOf tells
// names, too.
func AccountIDs(names []string) ([]string, error) { return names, nil }
