package health

import (
	"math"
	"strconv"
)

// number is a number that an iLO gives; v is nil if it gives none. What stands
// there in another JSON type, such as "N/A", is none: it is never taken for 0.
type number struct{ v *float64 }

// UnmarshalJSON takes a JSON number in each form, and leaves out all else.
func (n *number) UnmarshalJSON(b []byte) error {
	n.v = nil
	if v, err := strconv.ParseFloat(string(b), 64); err == nil {
		n.v = &v
	}
	return nil
}

// largest is the largest number up to which a float64 has all whole ones.
const largest = 1 << 53

// whole is the number without its fraction; 0 if there is none, or one that
// counts nothing because it is negative or too large.
func (n number) whole() int64 {
	if n.v == nil || *n.v < 0 || *n.v > largest {
		return 0
	}
	return int64(*n.v)
}

// bytes is a size given in bytes, or in MiB if that is not there; 0 if neither is.
func bytes(size, mebibytes number) int64 {
	if n := size.whole(); n > 0 {
		return n
	}
	return min(mebibytes.whole(), math.MaxInt64>>20) << 20
}

// either is the first value that is there.
func either(values ...number) number {
	for _, n := range values {
		if n.v != nil {
			return n
		}
	}
	return number{}
}
