package clients

import (
	"bytes"
	"encoding/json"
	"iter"
	"strings"
)

// The keys whose values are links.
const (
	linkKey     = `"@odata.id"`
	nextLinkKey = `@odata.nextLink"` // after the name of the property
)

// link is a link in a JSON document.
type link struct {
	start, end int  // of the string, with its quotes
	next       bool // to more members, not to a resource
}

// links finds the links of a valid JSON document, in their order. It looks at
// tokens only, so that everything else can stay as it is, byte for byte.
func links(doc []byte) iter.Seq[link] {
	return func(yield func(link) bool) {
		for end := 0; ; {
			i := bytes.IndexByte(doc[end:], '"')
			if i < 0 {
				return
			}
			start := end + i
			end = stringEnd(doc, start)
			// Only a key is followed by a colon.
			key := doc[start:end]
			next := bytes.HasSuffix(key, []byte(nextLinkKey))
			if !next && string(key) != linkKey {
				continue
			}
			i = space(doc, end)
			if i == len(doc) || doc[i] != ':' {
				continue
			}
			if i = space(doc, i+1); i == len(doc) || doc[i] != '"' {
				continue
			}
			if end = stringEnd(doc, i); !yield(link{i, end, next}) {
				return
			}
		}
	}
}

// stringEnd is where the string ends that begins with the quote at start.
func stringEnd(doc []byte, start int) int {
	for i := start + 1; i < len(doc); {
		quote := bytes.IndexByte(doc[i:], '"')
		if quote < 0 {
			break
		}
		escape := bytes.IndexByte(doc[i:i+quote], '\\')
		if escape < 0 {
			return i + quote + 1
		}
		i += escape + 2
	}
	return len(doc)
}

// space is the index of the first byte from i on that is not white space.
func space(doc []byte, i int) int {
	for i < len(doc) && strings.IndexByte(" \t\r\n", doc[i]) >= 0 {
		i++
	}
	return i
}

// unquote is the value of a JSON string.
func unquote(s []byte) (out string) {
	if bytes.IndexByte(s, '\\') < 0 {
		return string(s[1 : len(s)-1])
	}
	_ = json.Unmarshal(s, &out) // of a valid document
	return out
}
