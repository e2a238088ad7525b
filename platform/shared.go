package platform

import "fmt"

// SharedError: users other than root and the one who is meant to can change a file or
// a directory of ilod, and so what ilod does.
type SharedError struct {
	Path   string
	Why    string // follows the path
	Remedy string // a command
}

func (e *SharedError) Error() string {
	return fmt.Sprintf("%s %s; run '%s'", e.Path, e.Why, e.Remedy)
}
