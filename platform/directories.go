// Package platform holds what differs from one operating system to another.
package platform

// Directories are where ilod keeps its files. They need not exist.
type Directories struct {
	State   string // survives a boot of the host
	Runtime string // does not; in memory where the system offers that
	Config  string // the administrator's
}
