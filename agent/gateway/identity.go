package gateway

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/ilod/ilod/agent/schedule"
)

// Peer is who is at the other end of a connection, as the kernel knows it. UID 0
// is root: a listener that does not know must not put a Peer into the context.
type Peer struct {
	UID, GID, PID uint32
	User          string   // the name of UID, if it has one
	Groups        []uint32 // the supplementary groups
	Process       string   // the name of PID, if it has one
}

// peerKey is the key of a *knownPeer in a context.
type peerKey struct{}

// knownPeer is a Peer with what each request of its connection needs of it.
type knownPeer struct {
	Peer
	owner string // of its client sessions, and its key for fairness
}

// WithPeer returns a context for the requests of a connection; see
// http.Server.ConnContext. The Peer comes from the kernel, never from a request.
func WithPeer(ctx context.Context, p Peer) context.Context {
	return known(p).context(ctx)
}

func known(p Peer) *knownPeer { return &knownPeer{p, "uid:" + strconv.FormatUint(uint64(p.UID), 10)} }

func (p *knownPeer) context(ctx context.Context) context.Context {
	return schedule.WithPeer(context.WithValue(ctx, peerKey{}, p), p.owner)
}

// name is the user's name, or the number of one without.
func (p *Peer) name() string {
	if p.User != "" {
		return p.User
	}
	return strconv.FormatUint(uint64(p.UID), 10)
}

// Role is what somebody may do; each one may do what the ones before it may.
type Role int

const (
	// Anyone has no role. It is what a login needs and what Redfish keeps open:
	// the service root and its like (DSP0266 §13.3.1).
	Anyone Role = iota
	// Reader reads.
	Reader
	// Operator also changes the server: power, BIOS, boot order, firmware.
	Operator
	// Admin also changes the iLO itself, its accounts and sessions.
	Admin
)

// String is the name in configurations and logs.
func (r Role) String() string {
	return [...]string{"anyone", "reader", "operator", "admin"}[r]
}

// Roles say which users of this host have which role. Who is in several has the
// highest one; root is an admin in any case, because whoever can open the channel
// already is the iLO's administrator.
type Roles struct {
	Admin, Operator, Reader Members
}

// Members are users and groups, each by name or by number.
type Members struct {
	Users  []string
	Groups []string
}

// roles are Roles made ready for questions.
type roles struct {
	users map[string]Role
	uids  map[uint32]Role
	gids  map[uint32]Role
}

func (r Roles) compile(lookupGroup func(string) (uint32, error)) (*roles, error) {
	out := &roles{users: map[string]Role{}, uids: map[uint32]Role{0: Admin}, gids: map[uint32]Role{}}
	for _, of := range []struct {
		role    Role
		members Members
	}{{Reader, r.Reader}, {Operator, r.Operator}, {Admin, r.Admin}} { // the highest last
		for _, name := range of.members.Users {
			if name == "" {
				return nil, fmt.Errorf("role %s: a user without a name", of.role)
			}
			if uid, err := strconv.ParseUint(name, 10, 32); err == nil {
				out.uids[uint32(uid)] = max(of.role, out.uids[uint32(uid)])
			} else {
				out.users[name] = of.role
			}
		}
		for _, name := range of.members.Groups {
			gid, err := strconv.ParseUint(name, 10, 32)
			if err != nil {
				id, err := lookupGroup(name)
				if err != nil {
					return nil, fmt.Errorf("role %s: group %q: %w", of.role, name, err)
				}
				gid = uint64(id)
			}
			out.gids[uint32(gid)] = of.role
		}
	}
	return out, nil
}

// of returns the highest role of a peer.
func (r *roles) of(p *Peer) Role {
	role := max(r.uids[p.UID], r.gids[p.GID])
	if p.User != "" {
		role = max(role, r.users[p.User])
	}
	for _, gid := range p.Groups {
		role = max(role, r.gids[gid])
	}
	return role
}

// minPassword is the least length of a password in bytes. The TLS listener does
// not slow down guesses, which would let any user lock out the others; a
// password must be too long to guess.
const minPassword = 20

// Account is a local login of the TLS listener; the iLO knows nothing of it.
type Account struct {
	Name     string
	Password string // at least 20 bytes, best a random one made at each start
	Role     Role
}

// account is an Account without its password.
type account struct {
	name string
	hash [sha256.Size]byte
	role Role
}

func compileAccounts(in []Account) ([]account, error) {
	var out []account
	for _, a := range in {
		if a.Name == "" || a.Role <= Anyone || a.Role > Admin {
			return nil, errors.New("a local account needs a name and a role")
		}
		if len(a.Password) < minPassword {
			return nil, fmt.Errorf("the password of the local account %s is shorter than %d bytes", a.Name, minPassword)
		}
		if slices.ContainsFunc(out, func(b account) bool { return a.Name == b.name }) {
			return nil, fmt.Errorf("there are two local accounts %s", a.Name)
		}
		out = append(out, account{a.Name, sha256.Sum256([]byte(a.Password)), a.Role})
	}
	return out, nil
}

// login finds an account, in a time that does not depend on how much of the
// password is right.
func (g *Gateway) login(name, password string) (a account, ok bool) {
	hash := sha256.Sum256([]byte(password))
	if i := slices.IndexFunc(g.accounts, func(a account) bool { return a.name == name }); i >= 0 {
		a = g.accounts[i]
		ok = subtle.ConstantTimeCompare(a.hash[:], hash[:]) == 1
	}
	if !ok {
		g.log.Warn("a login on the TLS listener was refused")
	}
	return a, ok
}

// owner is the account as the owner of client sessions.
func (a *account) owner() string { return "account:" + a.name }

// caller is who makes a request.
type caller struct {
	known   bool // by the kernel or by a session
	role    Role
	name    string
	owner   string         // whose client sessions it may see; its key for fairness without one
	session *clientSession // nil: none was named
	peer    *Peer          // nil: not a connection of the Unix socket
}

// key is what package schedule is fair between.
func (c *caller) key() string {
	if c.session != nil {
		return c.session.key
	}
	return c.owner
}

// identify fills in who. It reports false for a token that is not one of a
// client session, or of one of somebody else: a session of the Unix socket
// belongs to its user, one of the TLS listener stays there. Without a token the
// TLS listener takes HTTP Basic authentication as well (DSP0266, Authentication);
// on the Unix socket the kernel has said who it is.
func (g *Gateway) identify(c *call) (valid bool) {
	peer, _ := c.Context().Value(peerKey{}).(*knownPeer)
	if peer != nil {
		c.who = caller{known: true, role: g.roles.of(&peer.Peer), name: peer.name(), owner: peer.owner, peer: &peer.Peer}
	}
	tokens, given := c.Header[tokenHeader]
	if !given {
		name, password, basic := c.BasicAuth()
		if peer != nil || !basic {
			return true
		}
		a, ok := g.login(name, password)
		if ok {
			c.who = caller{known: true, role: a.role, name: a.name, owner: a.owner()}
		}
		return ok
	}
	if len(tokens) != 1 {
		return false
	}
	s := g.sessions.byToken(tokens[0])
	if s == nil || s.local != (peer != nil) || peer != nil && s.owner != peer.owner {
		return false
	}
	c.who.session = s
	if peer == nil {
		c.who = caller{known: true, role: s.role, name: s.user, owner: s.owner, session: s}
	}
	return true
}
