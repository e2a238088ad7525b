package freshness

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Class says how long an answer may be used; the path of a resource decides it
// (ILO.md §7).
type Class int

const (
	// Never is passed through: sessions, actions, downloads, what changes by
	// itself within a second.
	Never Class = iota
	// Live is kept, but read anew for each client that did not ask for what is
	// stale: settings, which show what is pending.
	Live
	// Volatile changes by itself under an ETag that may stay: readings, clocks.
	Volatile
	// Slow changes by itself within minutes: logs, link states.
	Slow
	// Static changes when somebody changes it.
	Static
	// Immutable is part of a firmware: schemas, registries.
	Immutable

	classes = iota
)

var classNames = [classes]string{"never", "live", "volatile", "slow", "static", "immutable"}

// String is the lower-case name of the class.
func (c Class) String() string {
	if c < 0 || c >= classes {
		return fmt.Sprintf("Class(%d)", int(c))
	}
	return classNames[c]
}

// ages are the limits of a class.
type ages struct {
	// fresh is how long an answer is good after it was read, or after a sweep
	// found its resource listed with the same ETag.
	fresh time.Duration
	// most is how long it is good at most after it was read, whatever sweeps
	// find: an iLO's ETag does not prove anything (ILO.md §6).
	most time.Duration
}

var agesOf = [classes]ages{
	Live:      {fresh: -1},
	Volatile:  {fresh: 10 * time.Second, most: 10 * time.Second},
	Slow:      {fresh: time.Minute, most: 5 * time.Minute},
	Static:    {fresh: 2 * time.Minute, most: 15 * time.Minute},
	Immutable: {fresh: 24 * time.Hour, most: 24 * time.Hour},
}

// negativeAge is how long a refusal is repeated without asking again.
const negativeAge = 10 * time.Second

// rule gives the resources that fit a pattern a class. Patterns are canonical
// paths below /redfish/v1 in which * stands for one segment or the beginning of
// it, and ** for any number of segments.
type rule struct {
	pattern string
	class   Class
	large   bool // its answers are large: read as bulk
}

// rules are tried in order; what fits none is static.
//
// Settings go by their name here: a class is asked for before there is a body, and
// only the body of another resource leads to them. All those of the four trees
// that were captured have it.
var rules = []rule{
	{"sessionservice/sessions/**", Never, false},
	{"sessionservice/sessions*", Never, false}, // as a session is spelled in one captured directory
	{"sessions/**", Never, false},
	{"**/actions/**", Never, false},
	{"eventservice/sse", Never, true},
	{"taskservice/taskmonitors/**", Never, false},
	{"**/settings", Live, false},

	{"jsonschemas/**", Immutable, false},
	{"schemastore/**", Immutable, true},
	{"registries/**", Immutable, false},
	{"registrystore/**", Immutable, true},
	{"$metadata", Immutable, true},
	{"odata", Immutable, false},

	{"", Volatile, false}, // the root shows the time
	{"resourcedirectory", Volatile, false},
	{"systems/*", Volatile, false},
	{"managers/*", Volatile, false},
	{"managers/*/datetime", Volatile, false},
	{"managers/*/federationpeers/**", Volatile, false},
	{"chassis/*/thermal", Volatile, false},
	{"chassis/*/thermalsubsystem/**", Volatile, false},
	{"chassis/*/sensors/**", Volatile, false},
	{"chassis/*/power/**", Volatile, false},
	{"chassis/*/powersubsystem/**", Volatile, false},
	{"**/*metrics", Volatile, false},
	{"**/workloadperformanceadvisor/**", Volatile, false},
	{"telemetryservice/*reports/**", Volatile, false},
	{"taskservice/tasks/**", Volatile, false},
	{"updateservice", Volatile, false}, // and not kept while a flash runs
	{"updateservice/updatetaskqueue/**", Volatile, false},
	{"accountservice/directorytest", Volatile, false},

	{"**/logservices/*/entries", Slow, true},
	{"**/logservices/**", Slow, false},
	{"eventservice/subscriptions/**", Slow, false},
	{"managers/*/securityservice/**", Slow, false},
	{"managers/*/virtualmedia/**", Slow, false},
	{"**/ethernetinterfaces/**", Slow, false},
	{"**/networkinterfaces/**", Slow, false},
	{"**/networkadapters/**", Slow, false},
	{"**/basenetworkadapters/**", Slow, false},
	{"**/ports/**", Slow, false},
	{"updateservice/**", Slow, false},
}

var patterns = func() [][]string {
	all := make([][]string, len(rules))
	for i, r := range rules {
		all[i] = segments(r.pattern)
	}
	return all
}()

func segments(path string) []string {
	if path == "" {
		return nil
	}
	return strings.Split(path, "/")
}

// classify finds the class of a canonical path.
func classify(path string) (c Class, large bool) {
	rest, ok := strings.CutPrefix(path, root)
	if !ok || rest != "" && rest[0] != '/' {
		// /redfish lists the versions; anything else is no Redfish: downloads of
		// hundreds of megabytes (ILO.md §5, extref).
		if path == "/redfish" {
			return Immutable, false
		}
		return Never, true
	}
	parts := segments(strings.TrimPrefix(rest, "/"))
	i := slices.IndexFunc(patterns, func(p []string) bool { return fits(p, parts) })
	if i < 0 {
		return Static, false
	}
	return rules[i].class, rules[i].large
}

func fits(pattern, path []string) bool {
	if len(pattern) == 0 {
		return len(path) == 0
	}
	if pattern[0] == "**" {
		for i := range len(path) + 1 {
			if fits(pattern[1:], path[i:]) {
				return true
			}
		}
		return false
	}
	if len(path) == 0 {
		return false
	}
	before, after, wild := strings.Cut(pattern[0], "*")
	one := path[0] == pattern[0] ||
		wild && len(path[0]) >= len(before)+len(after) && strings.HasPrefix(path[0], before) && strings.HasSuffix(path[0], after)
	return one && fits(pattern[1:], path[1:])
}
