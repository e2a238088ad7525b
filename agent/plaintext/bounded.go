package plaintext

import (
	"errors"
	"fmt"
	"io"
	"os"
)

// ErrTooLarge: there is more than a reader takes.
var ErrTooLarge = errors.New("too large")

// Read reads all of r. More than limit bytes are ErrTooLarge: a device, a pipe or a
// file that grows must not take the memory.
func Read(r io.Reader, limit int) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, int64(limit)+1))
	if err == nil && len(b) > limit {
		err = fmt.Errorf("%w: more than %d KiB", ErrTooLarge, limit>>10)
	}
	if err != nil {
		return nil, err
	}
	return b, nil
}

// ReadFile is Read of a file. The error names it.
func ReadFile(name string, limit int) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := Read(f, limit)
	if errors.Is(err, ErrTooLarge) {
		return nil, fmt.Errorf("%s is %w", name, err)
	}
	return b, err
}
