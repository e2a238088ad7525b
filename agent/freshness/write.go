package freshness

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/ilod/ilod/agent/ilopath"
	"github.com/ilod/ilod/agent/schedule"
)

// settling is how long an action may take to show after the iLO has accepted it:
// a host shuts down, a drive is rebuilt.
const settling = 5 * time.Minute

// write carries a request that may change something. What it may have changed is
// dropped before it is sent, in case this process ends before the answer comes,
// and again when it is over, whatever the answer: a GET that ran meanwhile may
// have seen the time before. If the change may come later still, what is read
// until then is volatile.
func (c *Cache) write(r *http.Request) (*http.Response, error) {
	affected, action := func(*entry) bool { return true }, true // no telling what it is about
	if key, ok := appendKey(nil, r.URL); ok {
		affected, action = c.affected(r.Method, pathOf(string(key)))
	}
	c.drop(affected)
	c.mu.Lock()
	c.stats.Writes++
	c.mu.Unlock()
	resp, err := c.o.Next.RoundTrip(forServer(r))
	if err != nil && !errors.Is(err, schedule.ErrNotSent) || err == nil && (action || resp.StatusCode == http.StatusAccepted) {
		c.mu.Lock()
		c.settled = c.o.Now().Add(settling)
		c.mu.Unlock()
	}
	c.drop(affected)
	if err != nil {
		return nil, err
	}
	resp.Header.Set("Cache-Status", "ilod; fwd=method")
	return resp, nil
}

// mirror says which resources show what a write to one of others changes.
type mirror struct {
	written []string // patterns, as in rules
	shown   []string
}

// mirrors are tried in order. A server is one thing that an iLO shows from
// several sides: its serial number, asset tag, power state and health are those
// of the system and of the chassis, a drive is in the chassis and in a storage
// controller, a network port in four places. The trees of real servers tell which
// (see TestNoReadIsOlderThanAWriteToWhatItShows). Settings of the BIOS wait for the
// next boot, so that they change nothing else before.
var mirrors = []mirror{
	{[]string{"systems/*/bios/**"}, []string{
		"systems/*", "systems/*/bios/**", "systems/*/bootoptions/**", "systems/*/secureboot/**", "chassis/*",
		"managers/*/licenseservice/**", securityPattern,
	}},
	{[]string{"systems/**", "chassis/**", "fabrics/**"}, []string{
		"systems/**", "chassis/**", "fabrics/**", "managers/*", "managers/*/licenseservice/**", securityPattern,
	}},
	{[]string{"managers/**"}, []string{"managers/**", "systems/*", "systems/*/bios", "chassis/*"}},
}

// securityPattern is of the security dashboard, which shows settings of all
// services.
const securityPattern = "managers/*/securityservice/**"

// shownBy returns the patterns of what a write to a resource may change: all of
// its service at least.
func shownBy(parts []string) [][]string {
	shown := []string{"managers/*", securityPattern}
	if len(parts) > 0 {
		shown = append(shown, parts[0]+"/**")
	}
	for _, m := range mirrors {
		if slices.ContainsFunc(m.written, func(p string) bool { return fits(segments(p), parts) }) {
			shown = m.shown
			break
		}
	}
	patterns := [][]string{nil} // the root
	for _, p := range shown {
		patterns = append(patterns, segments(p))
	}
	return patterns
}

// acts tells whether a request is an action, which may change anything but the
// firmware's own files. An iLO 4 also takes {"Action": ...} by POST to the
// resource itself.
func acts(method string, parts []string) bool {
	return method == http.MethodPost && (slices.Contains(parts, "actions") ||
		len(parts) > 0 && slices.Contains([]string{"systems", "chassis", "managers", "fabrics"}, parts[0]))
}

// affected tells which entries a write to a path may have changed, and whether it
// is an action. For what is none, these are the resource with all below it; what
// shows the same things (see mirrors); the collection that it is in; what names
// it as its settings, and what it names; and what was read with a query, which may
// bring anything.
func (c *Cache) affected(method, path string) (which func(*entry) bool, action bool) {
	parts := below(path)
	if acts(method, parts) {
		return func(e *entry) bool { return e.class != Immutable }, true
	}
	shown, above := shownBy(parts), []string{directoryPath, parent(path)}
	own := hash(path)
	var twins []uint64
	c.mu.Lock()
	for _, e := range c.entries {
		if e.path == path && e.twin != 0 {
			twins = append(twins, e.twin)
		}
	}
	c.mu.Unlock()
	return func(e *entry) bool {
		if ilopath.Within(e.path, path) || slices.Contains(above, e.path) || e.twin == own || slices.Contains(twins, hash(e.path)) {
			return true
		}
		if _, member := slices.BinarySearch(e.members, own); member || e.class == Immutable {
			return member
		}
		rest := below(e.path)
		return e.query() || slices.ContainsFunc(shown, func(p []string) bool { return fits(p, rest) })
	}, false
}

// below are the segments of a canonical path below the service root.
func below(path string) []string {
	return segments(strings.TrimPrefix(strings.TrimPrefix(path, root), "/"))
}

// drop takes entries out of index and store, and sees to it that no GET under way
// is kept or joined: what it will read, and what that shows, is not known yet.
func (c *Cache) drop(which func(*entry) bool) {
	c.disk.Lock()
	defer c.disk.Unlock()
	var keys []string
	c.mu.Lock()
	for _, e := range c.entries {
		if which(e) {
			c.forget(e)
			keys = append(keys, e.key)
		}
	}
	c.abandon()
	c.mu.Unlock()
	c.o.Store.Drop(keys...)
}

// abandon sees to it that no GET under way is kept or joined; the caller holds
// mu.
func (c *Cache) abandon() {
	for f := range c.active {
		f.discard = true
	}
	clear(c.flights)
}
