package redfish

import (
	"bytes"
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
	made    time.Time
}

type entry struct {
	ID          string   `json:"@odata.id"`
	Type        string   `json:"@odata.type"`
	ETag        string   `json:",omitempty"`
	HTTPMethods []string `json:"HttpMethods"`
	resource    *resource
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
		x.methods, e.resource = e.HTTPMethods, x
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
func (s *Service) directoryBody() []byte {
	now := s.clock.now()
	d := &s.directory
	if d.body != nil && (s.faults.DirectoryFrozen || now.Sub(d.made) < s.o.DirectoryLag) {
		return d.body
	}
	var b bytes.Buffer
	separator := byte('[')
	add := func(e entry) {
		b.WriteByte(separator)
		b.Write(encode(e))
		separator = ','
	}
	for _, e := range d.entries {
		e.ETag = e.resource.etag
		add(e)
	}
	reads := []string{http.MethodGet, http.MethodHead}
	for _, x := range s.table.live {
		add(entry{s.uri(x.URI), "#Session.v1_0_0.Session", etagIn(s.sessionBody(x, false)), append(reads, http.MethodDelete), nil})
	}
	add(entry{s.uri(sessionsURI), "#SessionCollection.SessionCollection", etagIn(s.sessionCollection(nil)), append(reads, http.MethodPost), nil})
	b.WriteByte(']')
	frame := append(object(nil), d.frame...)
	frame.set("Instances", b.Bytes())
	d.body, d.made = s.newETag(frame, "", shortETag), now
	return d.body
}
