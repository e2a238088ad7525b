package gateway

import (
	"cmp"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"
)

// errSessionsFull: there are as many client sessions as there may be.
var errSessionsFull = errors.New("there are too many client sessions")

// sessionPrefix begins the ids of client sessions. Those of an iLO begin with
// the user's name and end in hexadecimal digits (ilo-behaviour §0.6), so that
// none looks like "ilod-" and 16 digits by chance.
const sessionPrefix = "ilod-"

// clientSession is a session of a local client with the agent. It costs the iLO
// nothing.
type clientSession struct {
	id      string
	hash    [sha256.Size]byte // of the token, which is not kept
	key     string            // for fairness
	owner   string            // who may use, see and end it
	user    string
	local   bool // of the Unix socket, not of the TLS listener
	role    Role // of the account; that of a local user is asked each time
	created time.Time
	used    time.Time
}

// clientSessions are all of them. They are safe for concurrent use.
type clientSessions struct {
	now     func() time.Time
	random  io.Reader
	max     int
	timeout time.Duration

	mu     sync.Mutex
	hashes map[[sha256.Size]byte]*clientSession
	ids    map[string]*clientSession
	swept  time.Time
	made   int64
}

func newClientSessions(now func() time.Time, random io.Reader, max int, timeout time.Duration) *clientSessions {
	return &clientSessions{
		now: now, random: random, max: max, timeout: timeout,
		hashes: map[[sha256.Size]byte]*clientSession{}, ids: map[string]*clientSession{},
	}
}

// create makes a session of what s says about its owner and returns it with its
// token, which nobody can ask for again. It fails with errSessionsFull.
func (c *clientSessions) create(s clientSession) (clientSession, string, error) {
	var random [8 + 32]byte
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, err := io.ReadFull(c.random, random[:]); err != nil {
		return s, "", fmt.Errorf("client session: %w", err)
	}
	now := c.now()
	if len(c.ids) >= c.max || now.Sub(c.swept) > c.timeout/2 {
		c.sweep(now)
	}
	if len(c.ids) >= c.max {
		return s, "", errSessionsFull
	}
	s.id = sessionPrefix + hex.EncodeToString(random[:8])
	if c.ids[s.id] != nil {
		return s, "", errors.New("client session: the random source repeats itself")
	}
	token := base64.RawURLEncoding.EncodeToString(random[8:])
	s.key, s.created, s.used, s.hash = "session:"+s.id, now, now, sha256.Sum256([]byte(token))
	c.ids[s.id], c.hashes[s.hash] = &s, &s
	c.made++
	return s, token, nil
}

// sweep forgets the sessions that have expired.
func (c *clientSessions) sweep(now time.Time) {
	c.swept = now
	for _, s := range c.ids {
		if c.expired(s, now) {
			c.drop(s)
		}
	}
}

func (c *clientSessions) expired(s *clientSession, now time.Time) bool {
	return now.Sub(s.used) >= c.timeout
}

func (c *clientSessions) drop(s *clientSession) {
	delete(c.ids, s.id)
	delete(c.hashes, s.hash)
}

// byToken returns the session of a token and counts as a use of it; nil if there
// is none. What can be learnt from how long it takes is about the hash, of which
// nobody can choose a token.
func (c *clientSessions) byToken(token string) *clientSession {
	hash := sha256.Sum256([]byte(token))
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.hashes[hash]
	if s == nil || subtle.ConstantTimeCompare(s.hash[:], hash[:]) != 1 {
		return nil
	}
	now := c.now()
	if c.expired(s, now) {
		c.drop(s)
		return nil
	}
	s.used = now
	return s
}

// byID returns a session without using it.
func (c *clientSessions) byID(id string) (clientSession, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.ids[id]
	if s == nil || c.expired(s, c.now()) {
		return clientSession{}, false
	}
	return *s, true
}

// end forgets a session.
func (c *clientSessions) end(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s := c.ids[id]; s != nil {
		c.drop(s)
	}
}

// list returns the sessions that a caller may see, oldest first.
func (c *clientSessions) list(visible func(*clientSession) bool) []clientSession {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sweep(c.now())
	var out []clientSession
	for _, s := range c.ids {
		if visible(s) {
			out = append(out, *s)
		}
	}
	slices.SortFunc(out, func(a, b clientSession) int {
		return cmp.Or(a.created.Compare(b.created), cmp.Compare(a.id, b.id))
	})
	return out
}

// count returns how many there are and how many there have been.
func (c *clientSessions) count() (live int, made int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.ids), c.made
}
