package gateway

import "testing"

// On Windows all users have one UID, and the SID tells whose a client session is.
func TestClientSessionsOfWindowsBelongToTheSID(t *testing.T) {
	g := newGateway(t, Options{})
	one, other := Peer{UID: 7, User: "olga", SID: "S-1-5-21-1"}, Peer{UID: 7, User: "olga", SID: "S-1-5-21-2"}
	s, _ := newSession(t, g, &one)
	if s.Owner != "sid:S-1-5-21-1" {
		t.Errorf("%+v", s)
	}
	wantFailure(t, ask(g, &other, "GET", s.Path, ""), 404, "ResourceMissingAtURI")
}
