// Package platform holds the differences between operating systems: peers of sockets,
// locks, services, directories. Package agent does not import it: cmd/ilod passes
// these functions in.
package platform

import "errors"

// ErrNotOurs: something with a name of ilod's belongs to somebody who is neither
// an administrator nor this user, and who may have made it to be mistaken for
// ilod.
var ErrNotOurs = errors.New("it belongs to a user who is not an administrator")

// Directories are where ilod keeps its files. They need not exist.
type Directories struct {
	State   string // survives a boot of the host
	Runtime string // does not; in memory where the system offers that
	Config  string // the administrator's
}
