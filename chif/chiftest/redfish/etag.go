package redfish

import (
	"crypto/md5"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"net/http"
	"regexp"
	"slices"
	"strings"
)

// maxETag is the longest If-Match that an iLO takes, in bytes (§6).
const maxETag = 63

// etagStyle is the form of an ETag, which differs by provider (§1, §6).
type etagStyle int

const (
	shortETag   etagStyle = iota // W/"440AC418"
	strongETag                   // "440AC418": storage providers
	longETag                     // W/"…32 hex digits…": BIOS
	decimalETag                  // W/"509123669": iLO 7
)

func styleOf(etag string) etagStyle {
	digits := strings.Trim(strings.TrimPrefix(etag, "W/"), `"`)
	switch {
	case len(digits) == 32:
		return longETag
	case etag != "" && !strings.HasPrefix(etag, "W/"):
		return strongETag
	}
	return shortETag
}

// etagOf makes the ETag of data.
func (s *Service) etagOf(data []byte, style etagStyle) string {
	sum := crc32.ChecksumIEEE(data)
	if style == shortETag && s.o.Generation == 7 {
		style = decimalETag
	}
	switch style {
	case strongETag:
		return fmt.Sprintf(`"%08X"`, sum)
	case longETag:
		return fmt.Sprintf(`W/"%X"`, md5.Sum(data))
	case decimalETag:
		return fmt.Sprintf(`W/"%d"`, sum)
	}
	return fmt.Sprintf(`W/"%08X"`, sum)
}

func etagIn(body []byte) string {
	var b struct {
		ETag string `json:"@odata.etag"`
	}
	_ = json.Unmarshal(body, &b)
	return b.ETag
}

// What changes by itself in a resource, by the name of its schema. The first
// list is not covered by the ETag, the second is (§6 table, §7).
var readings = map[string]struct{ uncovered, covered *regexp.Regexp }{
	"Thermal":        {uncovered: numbers("Reading", "ReadingCelsius")},
	"ComputerSystem": {uncovered: numbers("CurrentPowerOnTimeSeconds", "PowerOnMinutes", `AvgCPU\dFreq`, `CPU\dPower`, "CPUICUtil", "CPUUtil", "IOBusUtil", "JitterCount", "MemoryBusUtil")},
	"Power":          {covered: numbers("PowerConsumedWatts", "LastPowerOutputWatts")},
	"ServiceRoot":    {uncovered: clocks("Time")},
	"HpeiLODateTime": {uncovered: clocks("DateTime")},
	"HpiLODateTime":  {uncovered: clocks("DateTime")},
	"Manager":        {uncovered: clocks("DateTime")},
}

func numbers(names ...string) *regexp.Regexp {
	return regexp.MustCompile(`("(?:` + strings.Join(names, "|") + `)":\s*)(\d+)`)
}

func clocks(name string) *regexp.Regexp {
	return regexp.MustCompile(`("` + name + `":\s*)("[^"]*")`)
}

// fluctuate changes the readings in a body. Two calls with successive turns
// give different ones.
func (s *Service) fluctuate(schema string, body []byte, turn int) (changed []byte, covered bool) {
	r := readings[schema]
	for _, re := range []*regexp.Regexp{r.uncovered, r.covered} {
		if re == nil {
			continue
		}
		body = re.ReplaceAllFunc(body, func(match []byte) []byte {
			m := re.FindSubmatch(match)
			if m[2][0] == '"' {
				return fmt.Appendf(nil, "%s%q", m[1], stamp(s.clock.now()))
			}
			var n int
			_, _ = fmt.Sscan(string(m[2]), &n)
			return fmt.Appendf(nil, "%s%d", m[1], n+turn%7)
		})
	}
	return body, r.covered != nil
}

// newETag puts into a body the ETag of what it covers.
func (s *Service) newETag(o object, schema string, style etagStyle) []byte {
	covered := make(object, 0, len(o))
	for _, m := range o {
		if m.key != "@odata.etag" {
			covered = append(covered, m)
		}
	}
	data := covered.bytes()
	if re := readings[schema].uncovered; re != nil && !s.o.HonestETags {
		data = re.ReplaceAll(data, []byte("$1"))
	}
	o.set("@odata.etag", encode(s.etagOf(data, style)))
	return o.bytes()
}

// precondition looks at If-Match: 412 if no ETag in it is the resource's,
// ETagTooLong for one that an iLO refuses to look at (§6).
func (s *Service) precondition(q *request, etag string) *reply {
	match := q.Header.Get("If-Match")
	switch {
	case match == "" || s.o.IgnoreIfMatch:
		return nil
	case len(match) > maxETag:
		return s.message(http.StatusBadRequest, "ETagTooLong", fmt.Sprint(maxETag))
	case !matches(match, etag):
		return s.message(http.StatusPreconditionFailed, "PreconditionFailed")
	}
	return nil
}

// matches compares a list of ETags weakly.
func matches(list, etag string) bool {
	etag = strings.TrimPrefix(etag, "W/")
	return slices.ContainsFunc(strings.Split(list, ","), func(e string) bool {
		e = strings.TrimSpace(e)
		return e == "*" || etag != "" && strings.TrimPrefix(e, "W/") == etag
	})
}
