package redfish

import (
	"cmp"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/ilod/ilod/chif/chiftest/tree"
)

// directory is the ResourceDirectory, the list of all resources with their
// ETags that an iLO keeps (§6).
type directory struct {
	key     string  // empty: the tree has none
	frame   object  // its body without the list
	entries []entry // in order
	body    []byte  // as made last
	etag    string
	made    time.Time
}

type entry struct {
	ID          string   `json:"@odata.id"`
	Type        string   `json:"@odata.type"`
	ETag        string   `json:",omitempty"`
	HTTPMethods []string `json:"HttpMethods"`
	resource    *resource
	listed      string // the ETag in the tree's directory, which lists some for resources that show none
	encoded     []byte // with etag in it
	etag        string
}

// bytes is the entry with an ETag, encoded anew only when that changed.
func (e *entry) bytes(etag string) []byte {
	if e.encoded == nil || e.etag != etag {
		e.etag, e.ETag = etag, etag
		e.encoded = encode(e)
	}
	return e.encoded
}

// indexDirectory reads the tree's directory, and from it what each resource
// allows. Sessions in it are left out: the service adds its own.
func (s *Service) indexDirectory() {
	for _, x := range s.order {
		if x.schema == "HpeiLOResourceDirectory" || x.schema == "HpiLOResourceDirectory" {
			s.directory.key = x.key
			s.directory.frame, _ = parseObject(x.body)
		}
	}
	var instances []entry
	raw, _ := s.directory.frame.get("Instances")
	_ = json.Unmarshal(raw, &instances)
	for _, e := range instances {
		key := tree.Key(e.ID)
		x := s.resources[key]
		if x == nil || key == sessionsKey || strings.HasPrefix(key, sessionsKey+"/") {
			continue
		}
		x.methods, e.resource, e.listed = e.HTTPMethods, x, e.ETag
		s.directory.entries = append(s.directory.entries, e)
	}
}

// list adds a resource to the directory.
func (s *Service) list(x *resource, odataType string) {
	s.directory.entries = append(s.directory.entries, entry{ID: x.uri, Type: odataType, HTTPMethods: x.methods, resource: x})
}

// unlist takes a resource out of the directory.
func (s *Service) unlist(x *resource) {
	s.directory.entries = slices.DeleteFunc(s.directory.entries, func(e entry) bool { return e.resource == x })
}

// directoryBody makes the directory from the current state, unless it may lag.
func (s *Service) directoryBody() (body []byte, etag string) {
	now := s.clock.now()
	d := &s.directory
	if d.body != nil && (s.faults.DirectoryFrozen || now.Sub(d.made) < s.o.DirectoryLag) {
		return d.body, d.etag
	}
	list := []byte{'['}
	for i := range d.entries {
		e := &d.entries[i]
		list = append(append(list, e.bytes(cmp.Or(e.resource.etag, e.listed))...), ',')
	}
	reads := []string{http.MethodGet, http.MethodHead}
	for _, x := range s.table.live {
		e := entry{ID: s.uri(x.URI), Type: s.sessionType(), HTTPMethods: append(reads, http.MethodDelete)}
		list = append(append(list, e.bytes(etagIn(s.sessionBody(x, false)))...), ',')
	}
	e := entry{ID: s.uri(sessionsURI), Type: "#SessionCollection.SessionCollection", HTTPMethods: append(reads, http.MethodPost)}
	list = append(append(list, e.bytes(etagIn(s.sessionCollection(nil)))...), ']')
	d.etag, d.made = s.etagOf(list, shortETag), now
	frame := slices.Clone(d.frame)
	frame.set("Instances", list)
	frame.set("@odata.etag", encode(d.etag))
	d.body = frame.bytes()
	return d.body, d.etag
}
