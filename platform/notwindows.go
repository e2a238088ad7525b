//go:build !windows

package platform

import "github.com/ilod/ilod/platform/ownedfile"

// What Windows alone has, or needs.

// Pipe is empty: agents listen on sockets.
const Pipe = ""

// AccountIDs returns the names of users and groups as they are: PeerOf tells
// names, too.
func AccountIDs(names []string) ([]string, error) { return names, nil }

// WinPE is false.
func WinPE() bool { return false }

// Sealing is nil: the runtime directory is in memory.
func Sealing() (seal, unseal func([]byte) ([]byte, error)) { return nil, nil }

// Trust is nil: only root can have put something into /etc.
func Trust(string) error { return nil }

func makeDirectory(dir string) error { return ownedfile.MakeAll(dir, 0o755) }
