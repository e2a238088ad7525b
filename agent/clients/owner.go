package clients

import (
	"cmp"
	"fmt"
	"strings"
	"unicode"

	"github.com/ilod/ilod/agent/api"
)

// Owner is who has a client session, as the kernel or a login has told.
type Owner struct {
	Key     string // "uid:1000" for a user of this host, "account:NAME" for one of the TLS listener
	Name    string // for people
	PID     uint32 // of the process that asks, 0 if not known
	Process string // its name
	Started uint64 // when it began, by a clock of the system's; 0 if not known
	Address string // from where, on the TLS listener
	Agent   string // the User-Agent of the request
}

// From is where it asks from, for people.
func (o Owner) From() string {
	if o.PID == 0 {
		return o.Address
	}
	return fmt.Sprintf("%s (%d)", cmp.Or(o.Process, "process"), o.PID)
}

// maxAgent is in bytes.
const maxAgent = 128

// agent is the User-Agent as far as it is kept.
func (o Owner) agent() string {
	text := strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(o.Agent, "?"))
	return strings.ToValidUTF8(text[:min(len(text), maxAgent)], "")
}

// use notes who uses a session.
func (o Owner) use(s *api.Session) {
	s.Process = api.Process{ID: o.PID, Name: o.Process, Started: o.Started}
	s.Address, s.Agent = o.Address, o.agent()
}

// accountPrefix begins the keys of those whose handle alone is enough.
const accountPrefix = "account:"
