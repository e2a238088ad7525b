package clients

import (
	"cmp"

	"github.com/ilod/ilod/agent/api"
)

// end is how a session ends.
type end struct {
	deed api.SessionDeed
	by   Owner
	why  string
}

// ends is the end of a session by somebody.
func (o Owner) ends(s *session, why string) end {
	if o.Key == s.Owner && why == "" {
		return end{api.SessionEnded, o, why}
	}
	return end{api.SessionTerminated, o, why}
}

// String is for the log of a transaction that goes with the session.
func (e end) String() string {
	switch {
	case e.deed == api.SessionExpired:
		return "expired"
	case e.why != "":
		return "ended " + e.why
	}
	return "terminated by " + cmp.Or(e.by.Name, e.by.Key)
}

// tell notes what happens to a session for Options.Audit.
func (r *Registry) tell(deed api.SessionDeed, s *session, by Owner, why string) {
	e := api.SessionEvent{
		Time: r.o.Now(), Event: deed, Session: s.ID, Owner: s.Owner, User: cmp.Or(s.User, s.Owner), By: cmp.Or(by.Name, by.Key), From: by.From(), Why: why,
	}
	if deed == api.SessionMade {
		e.Sessions = r.explicit[s.Owner]
		if r.defaults[s.Owner] != nil {
			e.Sessions++
		}
	}
	r.events = append(r.events, e)
}
