package gateway

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"github.com/ilod/ilod/agent/api"
	"github.com/ilod/ilod/agent/clients"
)

const maxSettings = 64 << 10 // bytes of a body about a client session, a limit or a transaction

func listClientSessions(g *Gateway, w http.ResponseWriter, c *call) *failure {
	return g.get(w, c, func() (any, *failure) {
		list := g.clients.List(c.who.sees)
		for i := range list {
			list[i].Current = c.lease != nil && list[i].ID == c.session.ID
		}
		return api.Sessions{Path: sessionsPattern, Members: append([]api.Session{}, list...), Count: len(list)}, nil
	})
}

func createClientSession(g *Gateway, w http.ResponseWriter, c *call) *failure {
	var q api.NewSession
	if bad := settings(g, w, c, &q, q); bad != nil {
		return bad
	}
	kind := api.KindSocket
	switch {
	case q.Command:
		kind = api.KindCommand
	case c.who.peer == nil:
		kind = api.KindTLS
	}
	s, bad := g.create(w, c, c.who, clients.Request{Name: q.Name, Kind: kind})
	if bad != nil {
		return bad
	}
	w.Header().Set("Location", s.Path)
	g.reply(w, http.StatusCreated, s)
	return nil
}

// named finds the client session that the path names after /ilod/v1/sessions;
// "current" is that of the request.
func (g *Gateway) named(c *call) (api.Session, *failure) {
	id := strings.Split(strings.Trim(c.path, "/"), "/")[3]
	if id == "current" && c.lease != nil {
		id = c.session.ID
	}
	return g.mine(c, id)
}

func showClientSession(g *Gateway, w http.ResponseWriter, c *call) *failure {
	return g.get(w, c, func() (any, *failure) {
		s, bad := g.named(c)
		return s, bad
	})
}

func setVariables(g *Gateway, w http.ResponseWriter, c *call) *failure {
	s, bad := g.named(c)
	if bad != nil {
		return bad
	}
	changes, bad := g.object(w, c)
	if bad != nil {
		return bad
	}
	if bad := g.mayBecomeActive(c, s, changes); bad != nil {
		return bad
	}
	current := s.Current
	s, err := g.clients.Set(s.ID, func(v *api.Variables) error {
		return change(v, api.Variables{}, changes)
	})
	if err != nil {
		return g.explain(c, err)
	}
	s.Current = current
	g.reply(w, http.StatusOK, s)
	return nil
}

func endClientSession(g *Gateway, w http.ResponseWriter, c *call) *failure {
	s, bad := g.named(c)
	if bad != nil {
		return bad
	}
	if bad := g.end(c, s); bad != nil {
		return bad
	}
	g.reply(w, http.StatusNoContent, nil)
	return nil
}

// newHandle makes a handle of a session whose old one is good no more. Since
// nothing but the kernel says whose session it is, it is for the Unix socket.
func newHandle(g *Gateway, w http.ResponseWriter, c *call) *failure {
	if c.who.peer == nil {
		return insufficientPrivilege()
	}
	s, bad := g.named(c)
	switch {
	case bad != nil:
		return bad
	case s.Owner != c.who.owner:
		return insufficientPrivilege()
	}
	s, handle, err := g.clients.Reissue(s.ID)
	if err != nil {
		return g.explain(c, err)
	}
	w.Header().Set(tokenHeader, handle)
	g.reply(w, http.StatusOK, s)
	return nil
}

func rotateKey(g *Gateway, w http.ResponseWriter, c *call) *failure {
	if err := g.clients.RotateKey(); err != nil {
		return g.explain(c, err)
	}
	g.audit(c, api.SessionEvent{Event: api.KeyChanged})
	g.reply(w, http.StatusNoContent, nil)
	return nil
}

func showLimits(g *Gateway, w http.ResponseWriter, c *call) *failure {
	return g.get(w, c, func() (any, *failure) { return g.clients.ShownLimits(), nil })
}

func setLimits(g *Gateway, w http.ResponseWriter, c *call) *failure {
	changes, bad := g.object(w, c)
	if bad != nil {
		return bad
	}
	named := map[string]bool{}
	for name, value := range changes {
		named[ownName(name)] = string(value) != "null"
	}
	before, after, err := g.clients.SetLimits(named, func(l *api.Limits) error { return change(l, *l, changes) })
	if err != nil {
		return g.explain(c, err)
	}
	g.auditLimits(c, before, after)
	g.reply(w, http.StatusOK, g.clients.ShownLimits())
	return nil
}

// propertyError is a property of a request that is none of the resource, or that
// has a value of another type.
type propertyError struct{ name, value string }

func (e *propertyError) Error() string {
	return "property " + e.name + " is unknown or of another type"
}

// change changes the properties of an object to the values in JSON, and to those
// of defaults where they are null. Names that begin with a capital letter, as earlier
// versions had them, are taken, too. It fails with a propertyError.
func change[T any](of *T, defaults T, changes map[string]json.RawMessage) error {
	var all, initial map[string]json.RawMessage
	if err := errors.Join(json.Unmarshal(encode(of), &all), json.Unmarshal(encode(defaults), &initial)); err != nil {
		return err
	}
	for name, value := range changes {
		own := ownName(name)
		if _, twice := changes[own]; all[own] == nil || twice && own != name {
			return &propertyError{name: name}
		}
		if string(value) == "null" {
			value = initial[own]
		}
		if err := json.Unmarshal(encode(map[string]json.RawMessage{own: value}), of); err != nil {
			return &propertyError{name, string(value)}
		}
	}
	return nil
}

// ownName is the name of a property that earlier versions began with a capital letter.
func ownName(name string) string {
	first := min(1, len(name))
	return strings.ToLower(name[:first]) + name[first:]
}

// settings reads a body that sets properties of an object.
func settings[T any](g *Gateway, w http.ResponseWriter, c *call, of *T, defaults T) *failure {
	changes, bad := g.object(w, c)
	if bad != nil {
		return bad
	}
	if err := change(of, defaults, changes); err != nil {
		return g.explain(c, err)
	}
	return nil
}

// object reads a body that is strict JSON; nothing is an empty object.
func (g *Gateway) object(w http.ResponseWriter, c *call) (map[string]json.RawMessage, *failure) {
	body, release, bad := g.readBody(w, c, maxSettings)
	if bad != nil {
		return nil, bad
	}
	defer release()
	properties := map[string]json.RawMessage{}
	if body = bytes.TrimSpace(body); len(body) == 0 {
		return properties, nil
	}
	if bad := wantJSON(c); bad != nil {
		return nil, bad
	}
	if bad := g.mustBeStrict(c, body); bad != nil {
		return nil, bad
	}
	if json.Unmarshal(body, &properties) != nil {
		return nil, &failure{status: http.StatusBadRequest, key: "MalformedJSON"}
	}
	return properties, nil
}
