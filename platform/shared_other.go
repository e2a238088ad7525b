//go:build !linux

package platform

// SharedFile is nil: on Windows, Trust tells.
func SharedFile(string) error { return nil }

// SharedDirectory is nil: on Windows ilod gives its directories to administrators
// alone when it makes or opens them.
func SharedDirectory(string, ...string) error { return nil }
