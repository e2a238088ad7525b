package freshness

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
)

// outlineOf reads from a body what entry.outline holds. A body that is no JSON
// has none.
func outlineOf(body []byte) (o outline) {
	type link struct {
		ID string `json:"@odata.id"`
	}
	var doc struct {
		Members  *[]link
		Settings struct{ SettingsObject link } `json:"@Redfish.Settings"`
	}
	// A part of the wrong type does not hide the others.
	_ = json.Unmarshal(body, &doc)
	if o.collection = doc.Members != nil; o.collection {
		for _, m := range *doc.Members {
			o.members = append(o.members, hash(pathOfLink(m.ID)))
		}
		slices.Sort(o.members)
	}
	if path := pathOfLink(doc.Settings.SettingsObject.ID); path != "" {
		o.twin = hash(path)
	}
	return o
}

// flashing tells whether the UpdateService shows a flash under way, whose
// progress must be live.
func flashing(path string, body []byte) bool {
	type oem struct{ State string }
	var doc struct{ Oem struct{ Hp, Hpe oem } }
	if path != root+"/updateservice" || json.Unmarshal(body, &doc) != nil {
		return false
	}
	return !slices.Contains([]string{"", "Idle", "Complete", "Completed", "Error"}, doc.Oem.Hpe.State+doc.Oem.Hp.State)
}

const (
	maxLinks = 20_000  // that are followed from one body
	maxLink  = 2 << 10 // bytes of one
)

// links are the links in a body, in order, without those into a resource. It looks
// at each byte a few times at most, whatever the body is.
func links(body []byte) (all []string) {
	for _, name := range []string{`"@odata.id"`, `"Members@odata.nextLink"`} {
		for _, rest, found := bytes.Cut(body, []byte(name)); found && len(all) < maxLinks; _, rest, found = bytes.Cut(rest, []byte(name)) {
			if link := linkAt(rest[:min(len(rest), maxLink)]); link != "" && !strings.Contains(link, "#") {
				all = append(all, link)
			}
		}
	}
	return all
}

// linkAt is the string after a colon with which a text begins, empty if there is
// none that ends.
func linkAt(text []byte) (link string) {
	after, ok := bytes.CutPrefix(bytes.TrimLeft(text, " \t\r\n"), []byte(":"))
	after = bytes.TrimLeft(after, " \t\r\n")
	if !ok || len(after) == 0 || after[0] != '"' {
		return ""
	}
	for i := 1; i < len(after); i++ {
		switch after[i] {
		case '\\':
			i++
		case '"':
			_ = json.Unmarshal(after[:i+1], &link)
			return link
		}
	}
	return ""
}
