package gateway

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/ilod/ilod/agent/api"
	"github.com/ilod/ilod/agent/clients"
)

// Peer is who is at the other end of a connection, as the kernel knows it. UID 0
// is root, and on Windows an administrator: a listener that does not know must not
// put a Peer into the context.
type Peer struct {
	UID, GID, PID uint32
	User          string   // the name of UID or SID, if it has one
	Groups        []uint32 // the supplementary groups
	Process       string   // the name of PID, if it has one
	Started       uint64   // when PID began, by a clock of the system's; 0: not known

	// On Windows, where UID and GID say nothing else:
	SID       string   // the user
	GroupSIDs []string // its groups
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

func known(p Peer) *knownPeer {
	owner := "uid:" + strconv.FormatUint(uint64(p.UID), 10)
	if p.SID != "" {
		owner = "sid:" + p.SID
	}
	return &knownPeer{p, owner}
}

func (p *knownPeer) context(ctx context.Context) context.Context {
	return context.WithValue(ctx, peerKey{}, p)
}

// name is the user's name, or the number of one without.
func (p *Peer) name() string { return cmp.Or(p.User, p.SID, strconv.FormatUint(uint64(p.UID), 10)) }

// Role is what somebody may do; each one may do what the ones before it may.
type Role int

const (
	// Anyone has no role. It is what a login needs and what Redfish keeps open:
	// the service root and its like (DSP0266 §13.3.1).
	Anyone Role = iota
	// Reader reads.
	Reader
	// Operator also changes the server: power, BIOS, boot order, firmware. That is
	// enough to become root on it.
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

// Members are users and groups, each by name or by number, or by SID.
type Members struct {
	Users  []string
	Groups []string
}

// roles are Roles made ready for questions.
type roles struct {
	users map[string]Role
	uids  map[uint32]Role
	gids  map[uint32]Role
	sids  map[string]Role // of users and groups
}

func (r Roles) compile(lookupGroup func(string) (uint32, error)) (*roles, error) {
	out := &roles{users: map[string]Role{}, uids: map[uint32]Role{0: Admin}, gids: map[uint32]Role{}, sids: map[string]Role{}}
	for _, of := range []struct {
		role    Role
		members Members
	}{{Reader, r.Reader}, {Operator, r.Operator}, {Admin, r.Admin}} { // the highest last
		for _, name := range of.members.Users {
			if name == "" {
				return nil, fmt.Errorf("role %s: a user without a name", of.role)
			}
			if isSID(name) {
				out.sids[name] = of.role
			} else if uid, err := strconv.ParseUint(name, 10, 32); err == nil {
				out.uids[uint32(uid)] = max(of.role, out.uids[uint32(uid)])
			} else {
				out.users[name] = of.role
			}
		}
		for _, name := range of.members.Groups {
			if isSID(name) {
				out.sids[name] = of.role
				continue
			}
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

// isSID reports the form in which Windows writes security identifiers.
func isSID(name string) bool { return strings.HasPrefix(name, "S-1-") }

// Role is the highest role of a peer.
func (g *Gateway) Role(p *Peer) Role { return g.roles.of(p) }

// of returns the highest role of a peer.
func (r *roles) of(p *Peer) Role {
	role := max(r.uids[p.UID], r.gids[p.GID], r.sids[p.SID])
	if p.User != "" {
		role = max(role, r.users[p.User])
	}
	for _, gid := range p.Groups {
		role = max(role, r.gids[gid])
	}
	for _, sid := range p.GroupSIDs {
		role = max(role, r.sids[sid])
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
		g.wrongLogins.warn(g.log, "a login on the TLS listener was refused")
	}
	return a, ok
}

// accountPrefix begins the key of an account as the owner of client sessions.
const accountPrefix = "account:"

// caller is who makes a request.
type caller struct {
	known bool // by the kernel or by a login
	role  Role
	name  string
	owner string // whose client sessions it may see
	peer  *Peer  // nil: not a connection of the Unix socket
	// address is from where, for a connection of the TLS listener.
	address string
	agent   string // User-Agent
}

// be makes the caller an account.
func (c *caller) be(a account) {
	*c = caller{known: true, role: a.role, name: a.name, owner: accountPrefix + a.name, address: c.address, agent: c.agent}
}

// asOwner is the caller as the owner of client sessions.
func (c *caller) asOwner() clients.Owner {
	o := clients.Owner{Key: c.owner, Name: c.name, Address: c.address, Agent: c.agent}
	if c.peer != nil {
		o.PID, o.Process, o.Started = c.peer.PID, c.peer.Process, c.peer.Started
	}
	return o
}

// sees reports whether the caller may see a client session, and end it: one of
// its own, an admin any.
func (c *caller) sees(s api.Session) bool { return c.role == Admin || s.Owner == c.owner }

// identify fills in who, and begins the use of the client session whose handle
// the request has, in X-Auth-Token or as a Bearer. It fails for a handle that is
// not good, or is one of somebody else: a session of the Unix socket belongs to
// its user, one of the TLS listener stays there. Whoever names a session and does
// not get it gets none, not even the default one.
//
// Without a handle the TLS listener takes HTTP Basic authentication as well
// (DSP0266, Authentication). On the Unix socket the kernel has said who it is, so
// that name and password of Basic say nothing, as in the body of a login.
func (g *Gateway) identify(c *call) *failure {
	peer, _ := c.Context().Value(peerKey{}).(*knownPeer)
	if peer != nil {
		c.who = caller{known: true, role: g.roles.of(&peer.Peer), name: peer.name(), owner: peer.owner, peer: &peer.Peer}
	} else {
		c.who.address, _, _ = net.SplitHostPort(c.RemoteAddr)
	}
	c.who.agent = c.UserAgent()
	handles, logins := credentials(c.Header)
	name, password, basic := c.BasicAuth()
	switch {
	case len(handles) == 1:
		return g.use(c, handles[0])
	case len(handles) > 1:
		return g.explain(c, clients.ErrHandle)
	case logins == 0:
		return nil
	case logins > 1 || !basic:
		f := noValidSession()
		f.text = "The header Authorization has neither a handle as Bearer nor one Basic login."
		return f
	case peer != nil && (clients.IsHandle(name) || clients.IsHandle(password)):
		f := g.explain(c, clients.ErrHandle)
		f.text = "Send a handle in the header " + tokenHeader + "."
		return f
	case peer != nil:
		return nil
	}
	a, ok := g.login(name, password)
	if !ok {
		g.auditLogin(c)
		return noValidSession()
	}
	c.who.be(a)
	return nil
}

// credentials are the handles in a header, and how often it has others.
func credentials(h http.Header) (handles []string, logins int) {
	handles = h[tokenHeader]
	for _, value := range h["Authorization"] {
		if scheme, handle, _ := strings.Cut(value, " "); strings.EqualFold(scheme, "Bearer") {
			handles = append(slices.Clip(handles), strings.TrimSpace(handle))
		} else {
			logins++
		}
	}
	return handles, logins
}

// use begins the use of the client session of a handle.
func (g *Gateway) use(c *call, handle string) *failure {
	lease, err := g.clients.Use(handle, c.who.owner)
	if stale, ok := errors.AsType[*clients.StaleError](err); ok {
		c.named = stale.Session
	}
	if err != nil {
		g.auditUse(c, handle, err)
		return g.explain(c, err)
	}
	s := lease.Session()
	if c.who.peer == nil {
		i := slices.IndexFunc(g.accounts, func(a account) bool { return accountPrefix+a.name == s.Owner })
		if i < 0 { // it is in the configuration no more
			lease.Release()
			return g.explain(c, clients.ErrHandle)
		}
		c.who.be(g.accounts[i])
	}
	lease.By(c.who.asOwner())
	c.lease, c.session = lease, s
	return nil
}

// useDefault begins the use of the user's default client session. There is none
// on the TLS listener.
func (g *Gateway) useDefault(c *call) *failure {
	if c.lease != nil {
		return nil
	}
	if c.who.peer == nil {
		if c.who.known && g.clients.Limits().ForceSessions {
			return g.explain(c, clients.ErrForceSessions)
		}
		return nil
	}
	lease, err := g.clients.Default(c.who.asOwner())
	if err != nil {
		return g.explain(c, err)
	}
	c.lease, c.session = lease, lease.Session()
	return nil
}

// roleKey is the key of the caller's Role in a context.
type roleKey struct{}

// Allowed reports whether whoever made the request of the context may read
// something of the iLO. It is for rooms that read more than they were asked for.
func Allowed(ctx context.Context, u *url.URL) bool { return allowedTo(ctx, http.MethodGet, u) }

// MayWrite reports whether whoever made the request of the context may write to
// something of the iLO. It is for rooms that write later, or elsewhere, than they were
// asked to.
func MayWrite(ctx context.Context, method, uri string) bool {
	u, err := url.ParseRequestURI(uri)
	return err == nil && allowedTo(ctx, method, u)
}

func allowedTo(ctx context.Context, method string, u *url.URL) bool {
	path, bad := canonicalPath(u)
	if bad != nil {
		return false
	}
	role, _ := ctx.Value(roleKey{}).(Role)
	r, _ := find(path, method)
	return r != nil && ofILO(path) && role >= r.role(path, method)
}
