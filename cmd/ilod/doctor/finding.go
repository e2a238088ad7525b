package doctor

import "fmt"

// Finding is the result of one check.
type Finding struct {
	Check  string `json:"check"`
	Status string `json:"status"` // ok, problem, skip, or fixed: what --fix has done
	Detail string `json:"detail"`
	Remedy string `json:"remedy,omitempty"` // empty: that of Err, if it has one
	Err    error  `json:"-"`                // of a problem
}

// findings collects results in order.
type findings []Finding

func (x *findings) add(status, check, detail, remedy string, err error) {
	*x = append(*x, Finding{check, status, detail, remedy, err})
}

func (x *findings) ok(check, format string, args ...any) { x.advise(check, "", format, args...) }

// advise is ok with something that could be better.
func (x *findings) advise(check, remedy, format string, args ...any) {
	x.add("ok", check, fmt.Sprintf(format, args...), remedy, nil)
}

func (x *findings) skip(check, why string) { x.add("skip", check, why, "", nil) }

func (x *findings) problem(check string, err error) { x.trouble(check, "", err) }

// trouble is a problem with a remedy of its own.
func (x *findings) trouble(check, remedy string, err error) {
	x.add("problem", check, err.Error(), remedy, err)
}

func (x *findings) fixed(check, format string, args ...any) {
	x.add("fixed", check, fmt.Sprintf(format, args...), "", nil)
}
