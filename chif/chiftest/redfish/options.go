package redfish

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ilod/ilod/chif/chiftest/tree"
)

// Defaults of Options.
const (
	DefaultMaxSessions    = 32
	DefaultIdleTimeout    = 30 * time.Minute
	DefaultServiceVersion = "1.0.3"
)

// NoIdleTimeout is the idle timeout that an iLO shows as 0: a session lives
// until somebody deletes it.
const NoIdleTimeout time.Duration = -1

// Unlimited as a number of sessions sets no limit.
const Unlimited = -1

// InBandUser is the name of the pseudo-user that owns the sessions opened
// without credentials over the host channel (§2).
const InBandUser = "System Administrator"

// Choices of Options. The empty string is the first of each.
const (
	BodySession = "session" // a login answers with the Session object
	BodyCreated = "created" // a login answers with a Created message, as older firmware

	DeleteSuccess    = "success"    // a logout answers 200 with Success
	DeleteTerminated = "terminated" // a logout answers 200 with SessionTerminated
	DeleteNoContent  = "nocontent"  // a logout answers 204

	SlashAuto     = "auto"     // as generation and firmware say
	SlashRedirect = "redirect" // 308 to the URI with a trailing slash: iLO 4, and iLO 5 before 1.40
	SlashAlias    = "alias"    // both forms answer

	GzipStores = "stores" // registries and schemas are sent compressed to those who accept it
	GzipOff    = "off"    // nothing is
	GzipAll    = "all"    // everything is
)

// Options are the properties of a simulated iLO that do not change while it
// runs. The zero value is an iLO 5 with a generated tree.
type Options struct {
	Tree       *tree.Tree // the resources; nil: tree.Generate
	Generation int        // 4 to 7; 0: as the tree's service root says, else 5
	Firmware   string     // such as "2.46"; empty: as the service root says

	// Frozen serves every GET of a resource in the tree from the tree, the
	// session collection and the ResourceDirectory included, which are
	// otherwise made from the current state. It is meant for comparing bytes.
	Frozen bool

	Clock       func() time.Time // nil: time.Now
	ClockOffset time.Duration    // what the iLO's clock is ahead
	ClockDrift  float64          // seconds that it gains each second
	ResetClock  time.Time        // if set, Reset sets the clock to it

	MaxSessions               int            // sessions of all kinds; 0: DefaultMaxSessions
	MaxSessionsByTag          map[string]int // sessions by UserTag
	LimitStatus               int            // HTTP status of a login over the limit: 400 (default), 403 or 503
	LimitMessage              string         // its message; default SessionLimitExceeded
	IdleTimeout               time.Duration  // 0: as the tree says, else DefaultIdleTimeout; shown in whole minutes
	Foreign                   []Foreign      // sessions of others that exist from the start
	InBandTag                 string         // UserTag of our sessions; default RESTHost, on an iLO 4 Unknown
	Accounts                  []Account      // default: Administrator with the password "password"
	LoginBody                 string         // BodySession or BodyCreated
	DeleteAnswer              string         // DeleteSuccess, DeleteTerminated or DeleteNoContent
	LocationHost              string         // host in the Location of a login; empty: as in the request, so none in-band
	LocationBlank             bool           // Location with a literal blank instead of %20
	FailedLoginDelay          time.Duration  // how long a login waits after one that failed
	AllowSessionless          bool           // in-band requests need no token while no credentials are asked for
	SecurityState             int            // as in PROTOCOL.md §7: 0 for 3, Production; 5 and above ask for credentials
	RequireHostAuthentication bool           // Managers/1 RequireHostAuthentication: credentials in-band
	TrailingSlash             string         // SlashAuto, SlashRedirect or SlashAlias
	RewriteLinks              bool           // links in a body follow the form of the request (§5)
	CaseSensitive             bool           // paths in another case answer 404
	IfNoneMatch               bool           // If-None-Match answers 304
	IgnoreIfMatch             bool           // If-Match is not looked at
	Gzip                      string         // GzipStores, GzipOff or GzipAll
	DirectoryLag              time.Duration  // age up to which the ResourceDirectory is not made anew
	HonestETags               bool           // ETags cover readings and the members of collections, unlike real ones (§6)
	VolatileReadings          bool           // sensors, usage and clocks change on each GET
	NoQueryOptions            bool           // query options are ignored, as always on an iLO 4
	ServiceVersion            string         // X_HP-CHRP-Service-Version; default DefaultServiceVersion
}

// Account is a local user of the iLO.
type Account struct {
	UserName string
	Password string
	ReadOnly bool // has only the privilege to log in
}

// Foreign is a session of somebody else that exists from the start.
type Foreign struct {
	UserTag   string        // such as "Remote Console" (§2)
	UserName  string        // default Administrator; InBandUser for a host tool
	Age       time.Duration // since its login
	Idle      time.Duration // since its last request, at most Age
	Abandoned bool          // nobody uses it any more, so that it expires like ours
}

// EveryKind is one active foreign session of each kind that captures show, and
// one of another tool on this host.
func EveryKind() []Foreign {
	var all []Foreign
	for i, tag := range []string{"Web UI", "Remote Console", "SSH", "IPMI/RMCP", "REST"} {
		all = append(all, Foreign{UserTag: tag, Age: time.Duration(i+1) * time.Hour})
	}
	return append(all, Foreign{UserTag: "RESTHost", UserName: InBandUser, Age: 40 * time.Minute})
}

func (o *Options) setDefaults() error {
	if o.Tree == nil {
		o.Tree = tree.Generate(tree.GenerateOptions{Generation: o.Generation})
	}
	generation, firmware := o.Tree.Generation()
	if o.Generation == 0 {
		o.Generation = generation
	}
	if o.Generation == 0 {
		o.Generation = 5
	}
	if o.Firmware == "" {
		o.Firmware = firmware
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.MaxSessions == 0 {
		o.MaxSessions = DefaultMaxSessions
	}
	if o.LimitStatus == 0 {
		o.LimitStatus = 400
	}
	if o.SecurityState == 0 {
		o.SecurityState = 3
	}
	if o.Accounts == nil {
		o.Accounts = []Account{{UserName: "Administrator", Password: "password"}}
	}
	for field, value := range map[*string]string{
		&o.LimitMessage: "SessionLimitExceeded", &o.InBandTag: "RESTHost", &o.LoginBody: BodySession,
		&o.DeleteAnswer: DeleteSuccess, &o.TrailingSlash: SlashAuto, &o.Gzip: GzipStores,
		&o.ServiceVersion: DefaultServiceVersion,
	} {
		if *field == "" {
			if *field = value; field == &o.InBandTag && o.Generation == 4 {
				*field = "Unknown"
			}
		}
	}
	if o.TrailingSlash == SlashAuto {
		o.TrailingSlash = SlashAlias
		if o.Generation == 4 || o.Generation == 5 && before(o.Firmware, 1, 40) {
			o.TrailingSlash = SlashRedirect
		}
	}
	return o.validate()
}

func (o *Options) validate() error {
	for _, c := range []struct {
		name, value string
		choices     []string
	}{
		{"LoginBody", o.LoginBody, []string{BodySession, BodyCreated}},
		{"DeleteAnswer", o.DeleteAnswer, []string{DeleteSuccess, DeleteTerminated, DeleteNoContent}},
		{"TrailingSlash", o.TrailingSlash, []string{SlashRedirect, SlashAlias}},
		{"Gzip", o.Gzip, []string{GzipStores, GzipOff, GzipAll}},
	} {
		if !slices.Contains(c.choices, c.value) {
			return fmt.Errorf("option %s: %q is not one of %q", c.name, c.value, c.choices)
		}
	}
	switch {
	case o.Generation < 4 || o.Generation > 7:
		return fmt.Errorf("option Generation: there is no iLO %d", o.Generation)
	case o.LimitStatus < 400 || o.LimitStatus > 599:
		return fmt.Errorf("option LimitStatus: %d is not the status of a refusal", o.LimitStatus)
	case o.IdleTimeout < NoIdleTimeout:
		return fmt.Errorf("option IdleTimeout: %v is negative", o.IdleTimeout)
	}
	return nil
}

// before tells whether a firmware version such as "1.37" is older.
func before(firmware string, major, minor int) bool {
	v := strings.SplitN(firmware, ".", 3)
	if len(v) < 2 {
		return false
	}
	a, err1 := strconv.Atoi(v[0])
	b, err2 := strconv.Atoi(v[1])
	return err1 == nil && err2 == nil && (a < major || a == major && b < minor)
}
