package freshness

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"regexp"
	"slices"
	"strings"
)

// An iLO gives different bodies the same ETag: a sensor's reading, a collection's
// members and much else take no part in it. So the ETag that a client gets here
// has a second part, which is made of the body; and the iLO gets its own ETag back.
//
// tagMark is between the two parts: W/"570254F2" becomes
// W/"570254F2.ilod-0123456789abcdef01234567".
const tagMark = ".ilod-"

var secondPart = regexp.MustCompile(regexp.QuoteMeta(tagMark) + `[0-9a-f]{24}"`)

// validator is the ETag of a body, or empty if the iLO gave it none that can have
// a second part.
func validator(etag string, body []byte) string {
	first, ok := strings.CutSuffix(etag, `"`)
	if !ok || first == "" {
		return ""
	}
	sum := sha256.Sum256(body)
	return first + tagMark + hex.EncodeToString(sum[:12]) + `"`
}

// ServerTags takes the parts that a Cache added to ETags out of the value of a
// header field, so that the iLO's own ETags are left.
func ServerTags(value string) string { return secondPart.ReplaceAllString(value, `"`) }

// IfNoneMatch tells whether the values of an If-None-Match name the ETag of a body,
// so that the client has that body. "*" names none: whoever sends it may hold any
// body or no body at all. An empty ETag is that of no body.
func IfNoneMatch(values []string, etag string) bool {
	return etag != "" && names(values, etag)
}

// IfMatch tells whether the values of an If-Match allow a write to what has an
// ETag of the iLO's. The parts that a Cache added do not count. If the iLO gives no
// ETag, etag is empty, and only "*" allows the write.
func IfMatch(values []string, etag string) bool {
	return slices.ContainsFunc(values, func(v string) bool {
		return strings.TrimSpace(v) == "*" || etag != "" && names([]string{ServerTags(v)}, etag)
	})
}

// names tells whether an ETag is in lists of them (RFC 9110 §8.8.3, §13.1). A list
// ends where something else begins, but what an iLO has quoted in its own way is
// an ETag too if it is the whole value. Weak and strong ETags are compared weakly,
// also for an If-Match, since all that an iLO has are weak, and it takes them.
func names(values []string, etag string) bool {
	etag = strings.TrimPrefix(etag, "W/")
	for _, v := range values {
		if strings.TrimPrefix(strings.TrimSpace(v), "W/") == etag {
			return true
		}
		for separated := true; separated; {
			tag := strings.TrimPrefix(strings.TrimLeft(v, " \t,"), "W/")
			quoted, isTag := strings.CutPrefix(tag, `"`)
			opaque, rest, closed := strings.Cut(quoted, `"`)
			v = strings.TrimLeft(rest, " \t")
			if separated = v != "" && v[0] == ','; !isTag || !closed || v != "" && !separated {
				break
			}
			if `"`+opaque+`"` == etag {
				return true
			}
		}
	}
	return false
}

// forServer returns the request as the iLO may get it: with its own ETags; and a
// GET without If-None-Match, because an iLO's 304 proves nothing about the body.
func forServer(r *http.Request) *http.Request {
	if len(r.Header["If-Match"])+len(r.Header["If-None-Match"]) == 0 {
		return r
	}
	own := *r
	own.Header = r.Header.Clone()
	switch r.Method {
	case http.MethodGet, http.MethodHead, "":
		delete(own.Header, "If-None-Match")
	}
	for _, name := range []string{"If-Match", "If-None-Match"} {
		for i, v := range own.Header[name] {
			own.Header[name][i] = ServerTags(v)
		}
	}
	return &own
}
