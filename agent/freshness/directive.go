package freshness

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// forever is longer than anything lasts here.
const forever = time.Duration(math.MaxInt64)

// directives are what a request asks of a cache (RFC 9111 §5.2.1, RFC 5861 §4).
type directives struct {
	maxAge       time.Duration // forever unless given
	maxStale     time.Duration // how long past its time an answer is good
	staleIfError time.Duration // the same, once the iLO did not answer
	onlyIfCached bool
	noStore      bool
}

func parseDirectives(h http.Header) directives {
	d := directives{maxAge: forever}
	values := h["Cache-Control"]
	if len(values) == 0 {
		if pragma := h["Pragma"]; len(pragma) > 0 && strings.Contains(strings.ToLower(pragma[0]), "no-cache") {
			d.maxAge = 0
		}
		return d
	}
	for _, v := range values {
		for part := range strings.SplitSeq(v, ",") {
			name, arg, given := strings.Cut(strings.TrimSpace(part), "=")
			switch strings.ToLower(strings.TrimSpace(name)) {
			case "no-cache":
				d.maxAge = 0
			case "max-age":
				d.maxAge = min(d.maxAge, seconds(arg, given, 0))
			case "max-stale":
				d.maxStale = seconds(arg, given, forever)
			case "stale-if-error":
				d.staleIfError = seconds(arg, given, forever)
			case "only-if-cached":
				d.onlyIfCached = true
			case "no-store":
				d.noStore = true
			}
		}
	}
	return d
}

// seconds reads the argument of a directive: without is what its absence means,
// and what is no number means 0, which is on the safe side everywhere.
func seconds(arg string, given bool, without time.Duration) time.Duration {
	if !given {
		return without
	}
	n, err := strconv.ParseUint(strings.Trim(strings.TrimSpace(arg), `"`), 10, 64)
	switch {
	case err != nil && n == math.MaxUint64, n > uint64(forever/time.Second):
		return forever
	case err != nil:
		return 0
	}
	return time.Duration(n) * time.Second
}

// ownRequest reports whether the answer to a GET must be neither shared nor kept:
// because of its client's identity, a range, a precondition, another protocol version,
// or a body.
func ownRequest(r *http.Request) bool {
	for _, name := range []string{"Authorization", "X-Auth-Token", "Cookie", "Range", "If-Match", "If-Unmodified-Since"} {
		if len(r.Header[name]) > 0 {
			return true
		}
	}
	version := r.Header["Odata-Version"]
	return len(version) > 0 && version[0] != "4.0" || r.Body != nil && r.Body != http.NoBody
}
