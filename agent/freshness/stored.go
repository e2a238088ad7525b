package freshness

import (
	"fmt"
	"net/url"
)

// Stored is the body that a store has of the answer to a GET, of whatever age and
// server: a hint for who must neither ask the iLO nor change the store. get is
// that of the store; Stored fails as it does, and where the entry is damaged.
func Stored(get func(key string) ([]byte, error), u *url.URL) ([]byte, error) {
	key, ok := appendKey(nil, u)
	if !ok {
		return nil, fmt.Errorf("%s: %w", u.Path, errEnvelope)
	}
	value, err := get(string(key))
	if err != nil {
		return nil, err
	}
	_, d, err := decode(string(key), value, true)
	if err != nil {
		return nil, err
	}
	plain, _, err := d.plain()
	return plain, err
}
