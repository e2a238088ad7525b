package cache

import (
	"errors"

	"github.com/ilod/ilod/platform/ownedfile"
)

// SpaceToOpen is how many bytes must be free for a store on disk.
const SpaceToOpen = freeToOpen

// ErrUnclean: the last process did not close the store, which happens when it is
// killed. The next Open reads all of it before it is used.
var ErrUnclean = errors.New("the last process did not close them")

// Inspect looks at the directory of a store that no process has open, and
// returns the apparent size of its files in bytes. An error tells what the next
// Open will find: fs.ErrNotExist for no store at all, ErrUnclean, or the reason
// why it will remove the files. Inspect changes nothing.
func Inspect(dir string) (bytes int64, err error) {
	d := directory(dir)
	if _, err := ownedfile.Lstat(d.database()); err != nil {
		return 0, err
	}
	bytes = d.size()
	switch state := d.state(); {
	case state == stateOpening:
		return bytes, errOpening
	case state == stateOpen:
		return bytes, ErrUnclean
	case !d.intact():
		return bytes, errChanged
	}
	return bytes, nil
}
