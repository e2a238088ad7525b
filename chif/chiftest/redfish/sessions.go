package redfish

import (
	"cmp"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/ilod/ilod/chif/chiftest/tree"
)

const (
	sessionService = "/redfish/v1/sessionservice"
	sessionsKey    = sessionService + "/sessions"
	sessionsURI    = "/redfish/v1/SessionService/Sessions"
)

// Session is what a simulated iLO knows about one session, without its token.
type Session struct {
	ID       string    `json:"id"`
	URI      string    `json:"uri"` // with %20, without a trailing slash
	UserName string    `json:"userName"`
	UserTag  string    `json:"userTag"`
	UserType string    `json:"userType"`
	UserIP   string    `json:"userIP"`
	Login    time.Time `json:"login"`
	Access   time.Time `json:"access"`
	Expires  time.Time `json:"expires"` // equal to Access when there is no idle timeout
	Foreign  bool      `json:"foreign"` // not opened through this service
}

type session struct {
	Session
	key       string // tree.Key of the URI
	token     string
	timeout   time.Duration // NoIdleTimeout: never
	abandoned bool
	readOnly  bool
}

// table is the session table and the record of what happened to it.
type table struct {
	live        []*session // in order of login
	leaked      []string   // sessions of ours that expired instead of being deleted
	violated    []string   // foreign sessions that were deleted through the service
	idleTimeout time.Duration
}

// touch is an access to the session at t.
func (x *session) touch(t time.Time) {
	x.Access, x.Expires = t, t
	if x.timeout > 0 {
		x.Expires = t.Add(x.timeout)
	}
}

// expire ends what has been idle too long at now. Foreign sessions that are
// not abandoned are used by their owners now and then.
func (s *Service) expire(now time.Time) {
	var ended []*session
	for _, x := range s.table.live {
		switch idle := now.Sub(x.Access); {
		case x.timeout <= 0 || idle < x.timeout:
		case x.Foreign && !x.abandoned:
			x.touch(now)
		default:
			ended = append(ended, x)
		}
	}
	for _, x := range ended {
		s.remove(x)
		if !x.Foreign {
			s.stats.Expired++
			s.table.leaked = append(s.table.leaked, x.ID)
		}
	}
}

func (s *Service) remove(x *session) {
	s.table.live = slices.DeleteFunc(slices.Clone(s.table.live), func(y *session) bool { return y == x })
}

// open adds a session. Its id is the lower-case user name, 16 hex digits of the
// login time and up to 8 hex digits (§2).
func (s *Service) open(x session) *session {
	now := s.clock.now()
	var r [20]byte
	for {
		_, _ = rand.Read(r[:])
		x.ID = fmt.Sprintf("%s%016x%x", strings.ToLower(x.UserName), x.Login.Unix(), binary.LittleEndian.Uint32(r[:]))
		if s.session(tree.Key(sessionsURI+"/"+x.ID)) == nil {
			break
		}
	}
	x.URI = sessionsURI + "/" + url.PathEscape(x.ID)
	x.key, x.token = tree.Key(x.URI), hex.EncodeToString(r[4:])
	if x.timeout = s.table.idleTimeout; x.Access.IsZero() {
		x.Access = now
	}
	x.touch(x.Access)
	s.table.live = append(s.table.live, &x)
	s.stats.MaxSessions = max(s.stats.MaxSessions, len(s.table.live))
	return &x
}

// session finds a live session by the key of its URI.
func (s *Service) session(key string) *session {
	for _, x := range s.table.live {
		if x.key == key {
			return x
		}
	}
	return nil
}

func (s *Service) seed(foreign []Foreign) error {
	now := s.clock.now()
	foreign = slices.SortedStableFunc(slices.Values(foreign), func(f, g Foreign) int { return cmp.Compare(g.Age, f.Age) })
	for _, f := range foreign {
		if f.UserTag == "" || f.Age < f.Idle || f.Idle < 0 {
			return fmt.Errorf("option Foreign: session of %q has no UserTag, or times that cannot be", f.UserName)
		}
		x := session{abandoned: f.Abandoned}
		x.Foreign, x.UserTag, x.UserName, x.UserType, x.UserIP = true, f.UserTag, f.UserName, "Local", "192.0.2.10"
		if x.UserName == "" {
			x.UserName = "Administrator"
		}
		if x.UserName == InBandUser {
			x.UserType, x.UserIP = "System", "127.0.0.1"
		}
		x.Login, x.Access = now.Add(-f.Age), now.Add(-f.Idle)
		s.open(x)
	}
	return nil
}

// Sessions are the live sessions in order of login, foreign ones included.
func (s *Service) Sessions() []Session {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expire(s.clock.now())
	sessions := make([]Session, len(s.table.live))
	for i, x := range s.table.live {
		sessions[i] = x.Session
	}
	return sessions
}

// EndSession ends a session as an operator at the iLO's own web page would:
// without a trace in Check. It reports whether there was one with this id.
func (s *Service) EndSession(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, x := range s.table.live {
		if x.ID == id {
			s.remove(x)
			return true
		}
	}
	return false
}

// Check is nil when everybody who logged in through the service also logged
// out and nobody deleted a foreign session. A session of ours that expired
// instead of being deleted counts as left; one that ended with Reset,
// EndSession or its account does not.
func (s *Service) Check() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expire(s.clock.now())
	var errs []error
	for _, x := range s.table.live {
		if !x.Foreign {
			errs = append(errs, fmt.Errorf("session %q of ours is left", x.ID))
		}
	}
	for _, id := range s.table.leaked {
		errs = append(errs, fmt.Errorf("session %q of ours expired instead of being deleted", id))
	}
	for _, id := range s.table.violated {
		errs = append(errs, fmt.Errorf("foreign session %s was deleted", id))
	}
	return errors.Join(errs...)
}

// ForgiveExpired makes Check forget the sessions of ours that have expired so
// far, for a test that wants them to.
func (s *Service) ForgiveExpired() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expire(s.clock.now())
	s.table.leaked = nil
}

// serveSessions answers requests to the session collection and its members.
func (s *Service) serveSessions(q *request) *reply {
	if q.key == sessionsKey {
		if !q.reads() {
			return notAllowed("GET", "HEAD", "POST")
		}
		return s.serveResource(q)
	}
	x := s.session(q.key)
	switch {
	case x == nil:
		return s.missing(q)
	case q.reads():
		return s.serveResource(q)
	case q.Method == http.MethodDelete:
		return s.deleteSession(q, x)
	}
	return notAllowed("GET", "HEAD", "DELETE")
}

// deleteSession ends a session: its own, or with the privilege to administer
// users any (§4).
func (s *Service) deleteSession(q *request, x *session) *reply {
	if x != q.session && q.readOnly {
		return s.message(http.StatusForbidden, "InsufficientPrivilege")
	}
	if r := s.precondition(q, s.view(q, q.key).etag); r != nil {
		return r
	}
	s.remove(x)
	s.stats.Deletes++
	if x.Foreign {
		s.stats.ForeignDeleted++
		s.table.violated = append(s.table.violated, fmt.Sprintf("%q (%s)", x.ID, x.UserTag))
	}
	switch s.o.DeleteAnswer {
	case DeleteTerminated:
		return s.message(http.StatusOK, "SessionTerminated")
	case DeleteNoContent:
		return &reply{status: http.StatusNoContent}
	}
	return s.message(http.StatusOK, "Success")
}

type link struct {
	ID string `json:"@odata.id"`
}

// oem is a vendor's part of a body under the key of the generation.
func (s *Service) oem(v any) map[string]any {
	if s.o.Generation == 4 {
		return map[string]any{"Hp": v}
	}
	return map[string]any{"Hpe": v}
}

// oemType is the context and the type of an OEM schema, named as from iLO 5 on.
func (s *Service) oemType(name, version string) (context, typ string) {
	if s.o.Generation == 4 {
		name, version = strings.Replace(name, "Hpe", "Hp", 1), "1.0.0"
	}
	return "/redfish/v1/$metadata#" + name + "." + name, "#" + name + "." + version + "." + name
}

// sessionCollection is the body of the collection as one session sees it (§2).
func (s *Service) sessionCollection(own *session) []byte {
	type links struct{ MySession link }
	type summary struct {
		Context string `json:"@odata.context"`
		Type    string `json:"@odata.type"`
		Links   links
	}
	body := struct {
		Context     string `json:"@odata.context"`
		ETag        string `json:"@odata.etag"`
		ID          string `json:"@odata.id"`
		Type        string `json:"@odata.type"`
		Description string
		Name        string
		Oem         map[string]any `json:",omitempty"`
		Members     []link
		Count       int `json:"Members@odata.count"`
	}{
		Context: "/redfish/v1/$metadata#SessionCollection.SessionCollection", ID: s.uri(sessionsURI),
		Type: "#SessionCollection.SessionCollection", Description: "Manager User Sessions", Name: "Sessions",
		Members: []link{}, Count: len(s.table.live),
	}
	if own != nil {
		context, typ := s.oemType("HpeiLOSessionsSummary", "v2_0_0")
		body.Oem = s.oem(summary{context, typ, links{link{s.uri(own.URI)}}})
	}
	for _, x := range s.table.live {
		body.Members = append(body.Members, link{s.uri(x.URI)})
	}
	body.ETag = s.etagOf(encode(body.Members), shortETag)
	return encode(body)
}

// sessionBody is the body of a session; mine tells that the session asks for
// itself. Privileges are shown to the owner only (§2).
func (s *Service) sessionBody(x *session, mine bool) []byte {
	type ext struct {
		Context     string `json:"@odata.context"`
		Type        string `json:"@odata.type"`
		AccessTime  string
		LoginTime   string
		MySession   bool
		Privileges  map[string]bool `json:",omitempty"`
		UserExpires string
		UserIP      string
		UserTag     string
		UserType    string
	}
	context, typ := s.oemType("HpeiLOSession", "v2_1_0")
	e := ext{context, typ, stamp(x.Access), stamp(x.Login), mine, nil, stamp(x.Expires), x.UserIP, x.UserTag, x.UserType}
	if mine {
		e.Privileges = s.privileges(x.readOnly)
	}
	body := struct {
		Context     string `json:"@odata.context"`
		ETag        string `json:"@odata.etag"`
		ID          string `json:"@odata.id"`
		Type        string `json:"@odata.type"`
		Key         string `json:"Id"`
		Description string
		Name        string
		Oem         map[string]any
		UserName    string
	}{
		"/redfish/v1/$metadata#Session.Session", "", s.uri(x.URI), s.sessionType(), x.ID,
		"Manager User Session", "User Session", s.oem(e), x.UserName,
	}
	body.ETag = s.etagOf(encode(body), shortETag)
	return encode(body)
}

func (s *Service) sessionType() string {
	if s.o.Generation == 4 {
		return "#Session.1.0.0.Session"
	}
	return "#Session.v1_0_0.Session"
}

func (s *Service) privileges(readOnly bool) map[string]bool {
	names := []string{"LoginPriv", "RemoteConsolePriv", "UserConfigPriv", "VirtualMediaPriv",
		"VirtualPowerAndResetPriv", "iLOConfigPriv"}
	if s.o.Generation > 4 {
		names = append(names, "HostBIOSConfigPriv", "HostNICConfigPriv", "HostStorageConfigPriv", "SystemRecoveryConfigPriv")
	}
	p := make(map[string]bool, len(names))
	for _, name := range names {
		p[name] = !readOnly || name == "LoginPriv"
	}
	return p
}
