package api

import "time"

// ILOSession is one session in the iLO's own table. Times are by the iLO's clock, which
// may be wrong by decades; Age and Idle are differences to the time of its answer, and
// negative if it does not tell.
type ILOSession struct {
	ID       string    `json:"id"`
	Path     string    `json:"path"` // escaped
	UserName string    `json:"userName"`
	Kind     string    `json:"kind"` // its UserTag, such as "Remote Console" (ILO.md §2)
	UserType string    `json:"userType"`
	UserIP   string    `json:"userIP"`
	Login    time.Time `json:"login"`
	Access   time.Time `json:"access"` // AccessTime: of its last request
	// Expires is UserExpires: when it ends if nobody uses it any more; zero if it never
	// does so, or the iLO does not tell.
	Expires time.Time `json:"expires,omitzero"`
	Age     Seconds   `json:"age"`
	Idle    Seconds   `json:"idle"`
	InBand  bool      `json:"inBand"` // opened over a host channel, by ilod or another program
	Ours    bool      `json:"ours"`   // in ilod's ledger
	Current bool      `json:"current"`

	// Read is when the iLO showed it, by its clock; zero if it does not tell. It does
	// not leave the agent.
	Read time.Time `json:"-"`
}

// Whose says it in a word: "current", "ours", "host program" or "other".
func (e ILOSession) Whose() string {
	switch {
	case e.Current:
		return "current"
	case e.Ours:
		return "ours"
	case e.InBand:
		return "host program"
	}
	return "other"
}

// ILOSessions are the iLO's table of sessions.
type ILOSessions struct {
	Path    string       `json:"@odata.id"`
	Members []ILOSession `json:"Members"`
	Count   int          `json:"Members@odata.count"`
}
