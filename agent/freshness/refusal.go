package freshness

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/ilod/ilod/agent/redfisherror"
)

// refusals are the messages of a resource that will not be there, or not in a
// moment, while the rest of the tree is well (ILO.md §8). Those that ask
// to try again are not among them.
var refusals = []string{
	"ResourceMissingAtURI", "ResourceTemporarilyUnavailable", "LicenseKeyRequired",
	"InvalidOperationForSystemState", "UnsupportedOperation", "SamplesNotCaptured",
}

// Bounds of the refusals that are kept: in bytes of one, in bytes of all, and in
// number.
const (
	maxRefusal      = 64 << 10
	maxRefusalBytes = 512 << 10
	maxRefusals     = 256
)

// refuses tells whether an answer is a refusal worth repeating for a while. The
// BIOS provider registers late, after a reset of the iLO, and must be asked
// again at once.
func refuses(path string, d *document) bool {
	if d.status < 400 || d.gzip || len(d.body) > maxRefusal || strings.Contains(path, "/bios") {
		return false
	}
	return d.status == http.StatusNotFound || slices.ContainsFunc(redfisherror.Parse(d.body), func(m redfisherror.Message) bool {
		return slices.Contains(refusals, m.Key())
	})
}

// refuse keeps a refusal in memory, and lets go of the oldest ones and of those
// that are too old; the caller holds mu.
func (c *Cache) refuse(e *entry, d *document) {
	e.doc, e.place = d, c.refused.PushBack(e)
	c.refusedBytes += len(d.body)
	for c.refused.Len() > maxRefusals || c.refusedBytes > maxRefusalBytes {
		c.forget(c.refused.Front().Value.(*entry))
	}
}

// ageRefusals lets go of the refusals that are too old; the caller holds mu.
func (c *Cache) ageRefusals(now time.Time) {
	for oldest := c.refused.Front(); oldest != nil; oldest = c.refused.Front() {
		e := oldest.Value.(*entry)
		if c.ttl(e, now) >= 0 {
			return
		}
		c.forget(e)
	}
}
