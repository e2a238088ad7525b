package health

import (
	"math"
	"strconv"
)

// number is a JSON number; v is nil if there is none. A value of another type, such as
// "N/A", counts as none, never as 0.
type number struct{ v *float64 }

// UnmarshalJSON takes any JSON number, and ignores all else.
func (n *number) UnmarshalJSON(b []byte) error {
	n.v = nil
	if v, err := strconv.ParseFloat(string(b), 64); err == nil {
		n.v = &v
	}
	return nil
}

// largest: up to here a float64 holds every whole number.
const largest = 1 << 53

// whole is the number without its fraction. It is 0 if there is none, or if it is
// negative or too large to count anything.
func (n number) whole() int64 {
	if n.v == nil || *n.v < 0 || *n.v > largest {
		return 0
	}
	return int64(*n.v)
}

// bytes is a size in bytes, from bytes or else from MiB; 0 if neither is there.
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
