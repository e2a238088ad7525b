package redfish

import (
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/ilod/ilod/chif/chiftest/tree"
)

// isLogin tells whether a request is a POST to the login URL or to one of its
// documented aliases (§4).
func (q *request) isLogin() bool {
	return q.Method == http.MethodPost &&
		(q.key == sessionsKey || q.key == "/rest/v1/sessions" || q.key == "/rest/v1/sessionservice/sessions")
}

// login opens a session (§4).
func (s *Service) login(q *request) *reply {
	o, err := parseObject(q.body)
	if err != nil {
		return s.message(http.StatusBadRequest, "MalformedJSON")
	}
	var credentials struct{ UserName, Password *string }
	for _, m := range o {
		switch m.key {
		case "UserName":
			err = json.Unmarshal(m.value, &credentials.UserName)
		case "Password":
			err = json.Unmarshal(m.value, &credentials.Password)
		case "Token", "Oem":
		default:
			return s.message(http.StatusBadRequest, "PropertyUnknown", m.key)
		}
		if err != nil {
			return s.message(http.StatusBadRequest, "PropertyValueTypeError", string(m.value), m.key)
		}
	}
	x := session{}
	x.UserTag, x.UserIP = s.o.InBandTag, "127.0.0.1"
	if credentials.UserName == nil && credentials.Password == nil && s.inBand() {
		x.UserName, x.UserType = InBandUser, "System"
	} else if a := s.account(credentials.UserName, credentials.Password); a != nil {
		x.UserName, x.UserType, x.readOnly = *credentials.UserName, "Local", a.ReadOnly
	} else {
		s.stats.RefusedLogins++
		s.failedLogins++
		return s.message(http.StatusUnauthorized, "UnauthorizedLoginAttempt")
	}
	s.failedLogins = 0
	s.expire(s.clock.now())
	if s.full(x.UserTag) {
		s.stats.RefusedLogins++
		return s.message(s.o.LimitStatus, s.o.LimitMessage)
	}
	x.Login = s.clock.now()
	s.stats.Logins++
	return s.created(q, s.open(x))
}

// inBand tells whether the host channel is trusted without credentials
// (PROTOCOL.md §7).
func (s *Service) inBand() bool {
	return s.o.Generation < 7 && s.o.SecurityState < 5 && !s.requireHostAuth
}

// account finds the account that credentials fit. User names have no case.
func (s *Service) account(user, password *string) *Account {
	if user == nil || password == nil {
		return nil
	}
	for i, a := range s.accounts {
		if strings.EqualFold(a.UserName, *user) && a.Password == *password {
			return &s.accounts[i]
		}
	}
	return nil
}

// full tells whether one more session with this tag would exceed a limit.
func (s *Service) full(tag string) bool {
	if s.o.MaxSessions >= 0 && len(s.table.live) >= s.o.MaxSessions {
		return true
	}
	limit, ok := s.o.MaxSessionsByTag[tag]
	for _, x := range s.table.live {
		if x.UserTag == tag {
			limit--
		}
	}
	return ok && limit <= 0
}

// created is the 201 of a login. The session does not count as the caller's
// own in it, because the POST had no token (§2).
func (s *Service) created(q *request, x *session) *reply {
	host := s.o.LocationHost
	if host == "" {
		host = q.Host
	}
	location := "https://" + host + x.URI + "/"
	if s.o.LocationBlank {
		location = strings.ReplaceAll(location, "%20", " ")
	}
	r := &reply{status: http.StatusCreated, header: http.Header{
		"X-Auth-Token": {x.token},
		"Location":     {location},
		"Link":         {"<" + x.URI + "/>; rel=self"},
	}}
	r.body = s.sessionBody(x, false)
	r.header["Etag"] = []string{etagIn(r.body)}
	if s.o.LoginBody == BodyCreated {
		r.body = envelope(info{MessageID: s.messages.id("Created")})
	}
	return r
}

// loginDelay is how long a login has to wait for one that failed before (§3).
func (s *Service) loginDelay() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := time.Duration(s.faults.LoginLatency)
	if s.failedLogins > 0 {
		d += s.o.FailedLoginDelay
	}
	return d
}

// authenticate finds out who asks. It returns the refusal, if any.
func (s *Service) authenticate(q *request) *reply {
	now := s.clock.now()
	s.expire(now)
	if token := q.Header.Get("X-Auth-Token"); token != "" {
		for _, x := range s.table.live {
			if !x.Foreign && x.token == token {
				x.touch(now)
				q.session, q.readOnly = x, x.readOnly
				return nil
			}
		}
	} else if user, password, ok := q.BasicAuth(); ok {
		a := s.account(&user, &password)
		switch {
		case a == nil:
			s.failedLogins++
			return s.message(http.StatusUnauthorized, "UnauthorizedLoginAttempt")
		case s.full("REST"):
			return s.message(s.o.LimitStatus, s.o.LimitMessage)
		}
		q.readOnly = a.ReadOnly
		return nil
	} else if s.o.AllowSessionless && s.inBand() {
		return nil
	}
	if _, open := documents[q.key]; (open || q.key == tree.Root) && q.reads() {
		q.anonymous = true
		return nil
	}
	return s.message(http.StatusUnauthorized, "NoValidSession")
}
