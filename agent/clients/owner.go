package clients

import (
	"cmp"
	"fmt"
)

// Owner is who has a client session, as the kernel or a login has told.
type Owner struct {
	Key     string // "uid:1000" for a user of this host, "account:NAME" for one of the TLS listener
	Name    string // for people
	PID     uint32 // of the process that asks, 0 if not known
	Process string // its name
	Address string // from where, on the TLS listener
}

// From is where it asks from, for people.
func (o Owner) From() string {
	if o.PID == 0 {
		return o.Address
	}
	return fmt.Sprintf("%s (%d)", cmp.Or(o.Process, "process"), o.PID)
}

// accountPrefix begins the keys of those whose handle alone is enough.
const accountPrefix = "account:"
