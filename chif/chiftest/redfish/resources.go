package redfish

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/ilod/ilod/chif/chiftest/tree"
)

// Keys of resources that the service knows by name.
const (
	managerKey = "/redfish/v1/managers/1"
	systemKey  = "/redfish/v1/systems/1"
	chassisKey = "/redfish/v1/chassis/1"
	biosKey    = "/redfish/v1/systems/1/bios"
)

// resource is one resource of the tree in its current state.
type resource struct {
	uri     string
	key     string
	schema  string // name of its schema: "Chassis"
	status  int
	body    []byte
	etag    string
	style   etagStyle
	methods []string
	zipped  []byte // body compressed, once somebody asked for it

	firstETag  string // of a collection in the tree
	firstCount int    // and the number of its members
}

func (x *resource) allows(method string) bool { return slices.Contains(x.methods, method) }

// schemaOf is the name of a schema in an @odata.type of either form.
func schemaOf(odataType string) string {
	name, _, _ := strings.Cut(strings.TrimPrefix(odataType, "#"), ".")
	return name
}

// index takes over the tree.
func (s *Service) index() error {
	s.resources = make(map[string]*resource, s.o.Tree.Len())
	for _, r := range s.o.Tree.Resources() {
		var head struct {
			ETag string `json:"@odata.etag"`
			Type string `json:"@odata.type"`
			Size int    `json:"Members@odata.count"`
		}
		if err := json.Unmarshal(r.Body, &head); err != nil {
			return fmt.Errorf("tree: %s: %w", r.URI, err)
		}
		x := &resource{
			uri: r.URI, key: tree.Key(r.URI), schema: schemaOf(head.Type), status: r.Status, body: r.Body,
			etag: head.ETag, style: styleOf(head.ETag), firstETag: head.ETag, firstCount: head.Size,
		}
		x.methods = methodsOf(x.schema)
		s.resources[x.key] = x
		s.order = append(s.order, x)
	}
	s.indexDirectory()
	s.indexSettings()
	return nil
}

// methodsOf is what a resource allows that no ResourceDirectory tells about.
func methodsOf(schema string) []string {
	methods := []string{http.MethodGet, http.MethodHead}
	switch schema {
	case "ManagerAccountCollection", "EventDestinationCollection":
		return append(methods, http.MethodPost)
	case "ManagerAccount", "EventDestination":
		return append(methods, http.MethodPatch, http.MethodDelete)
	case "Manager", "ComputerSystem", "Chassis", "AccountService", "SessionService", "ManagerNetworkProtocol":
		return append(methods, http.MethodPatch)
	}
	return methods
}

// view is what a GET finds.
type view struct {
	body     []byte
	etag     string
	schema   string
	status   int
	methods  []string
	resource *resource // nil for sessions and the directory
}

// view is the current state of what is at a key; nil if there is nothing.
func (s *Service) view(q *request, key string) *view {
	reads := []string{http.MethodGet, http.MethodHead}
	x := s.resources[key]
	if !s.o.Frozen || x == nil {
		switch own := s.session(key); {
		case key == sessionsKey:
			body := s.sessionCollection(q.session)
			return &view{body, etagIn(body), "SessionCollection", http.StatusOK, append(reads, http.MethodPost), nil}
		case own != nil:
			body := s.sessionBody(own, own == q.session)
			return &view{body, etagIn(body), "Session", http.StatusOK, append(reads, http.MethodDelete), nil}
		case strings.HasPrefix(key, sessionsKey+"/"):
			return nil
		case x != nil && key == s.directory.key:
			body, etag := s.directoryBody()
			return &view{body, etag, x.schema, http.StatusOK, reads, nil}
		}
	}
	if x == nil {
		return nil
	}
	v := &view{x.body, x.etag, x.schema, x.status, x.methods, x}
	if _, changes := readings[x.schema]; changes && s.o.VolatileReadings {
		s.reads++
		var covered bool
		v.body, covered = s.fluctuate(x.schema, v.body, s.reads)
		if o, err := parseObject(v.body); err == nil && (covered || s.o.HonestETags) {
			v.body = s.newETag(o, x.schema, x.style)
			v.etag = etagIn(v.body)
		}
		v.resource = nil
	}
	return v
}

// serveResource answers GET and HEAD.
func (s *Service) serveResource(q *request) *reply {
	v := s.view(q, q.key)
	if v == nil {
		return s.missing(q)
	}
	r := &reply{status: v.status, header: http.Header{}}
	if v.status != http.StatusOK {
		r.body = v.body
		return r
	}
	plain := v.body
	v = s.query(q, v)
	r.header["Allow"] = []string{strings.Join(v.methods, ", ")}
	if v.schema != "" {
		r.header["Link"] = []string{"</redfish/v1/SchemaStore/en/" + v.schema + ".json/>; rel=describedby"}
	}
	if v.etag != "" {
		r.header["Etag"] = []string{v.etag}
		if none := q.Header.Get("If-None-Match"); s.o.IfNoneMatch && none != "" && matches(none, v.etag) {
			r.status = http.StatusNotModified
			return r
		}
	}
	r.body = v.body
	if s.o.RewriteLinks {
		r.body = rewriteLinks(r.body, strings.HasSuffix(q.path, "/"))
	}
	if s.compresses(q) {
		r.header["Content-Encoding"] = []string{"gzip"}
		if v.resource != nil && len(plain) == len(r.body) && !s.o.RewriteLinks {
			if v.resource.zipped == nil {
				v.resource.zipped = compress(r.body)
			}
			r.body = v.resource.zipped
		} else {
			r.body = compress(r.body)
		}
	}
	return r
}

// compresses tells whether an answer is sent gzipped (§5).
func (s *Service) compresses(q *request) bool {
	if s.o.Gzip == GzipOff || !strings.Contains(q.Header.Get("Accept-Encoding"), "gzip") {
		return false
	}
	return s.o.Gzip == GzipAll || strings.HasPrefix(q.key, "/redfish/v1/registrystore/") ||
		strings.HasPrefix(q.key, "/redfish/v1/schemastore/")
}

func compress(body []byte) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write(body) // a bytes.Buffer takes everything
	_ = z.Close()
	return b.Bytes()
}

var links = regexp.MustCompile(`("@odata\.id":\s*"/[^"#]*?)/?"`)

// rewriteLinks gives every link in a body a trailing slash, or none.
func rewriteLinks(body []byte, slash bool) []byte {
	if slash {
		return links.ReplaceAll(body, []byte(`$1/"`))
	}
	return links.ReplaceAll(body, []byte(`$1"`))
}

// redirect is the 308 to the form of a URI that the firmware wants (§5); on an
// iLO 4 it makes /rest/v1 another name of /redfish/v1 instead.
func (s *Service) redirect(q *request) *reply {
	path := q.path
	if rest, ok := strings.CutPrefix(q.key, "/rest/v1"); ok && (rest == "" || rest[0] == '/') {
		if s.o.Generation == 4 {
			q.key = tree.Root + rest
			return nil
		}
		if n := len("/rest/v1"); len(path) >= n && strings.EqualFold(path[:n], "/rest/v1") {
			rest = path[n:]
		}
		path = tree.Root + strings.TrimSuffix(rest, "/") + "/"
	} else if s.o.TrailingSlash == SlashRedirect && !strings.HasSuffix(path, "/") && s.known(q.key) {
		path += "/"
	}
	if path == q.path {
		return nil
	}
	if q.URL.RawQuery != "" {
		path += "?" + q.URL.RawQuery
	}
	return &reply{status: http.StatusPermanentRedirect, header: http.Header{"Location": {path}}}
}

// known tells whether a key names a resource that has a form with a slash.
func (s *Service) known(key string) bool {
	return !strings.HasSuffix(key, ".json") &&
		(s.resources[key] != nil || key == sessionsKey || s.session(key) != nil)
}

// uri is the URI of a resource made here in the form of the generation.
func (s *Service) uri(uri string) string {
	if s.o.Generation == 4 {
		return uri + "/"
	}
	return uri
}

func sameSpelling(path, uri string) bool {
	if p, err := url.PathUnescape(path); err == nil {
		path = p
	}
	return strings.TrimRight(path, "/") == strings.TrimRight(uri, "/")
}

// update gives a resource a new body, and the ETag of it.
func (s *Service) update(x *resource, body []byte) error {
	o, err := parseObject(body)
	if err != nil {
		return err
	}
	if x.etag == "" {
		x.body = o.bytes()
	} else {
		x.body = s.newETag(o, x.schema, x.style)
		x.etag = etagIn(x.body)
	}
	x.zipped = nil
	return nil
}

// setProperty changes one property of a resource, if that is in the tree.
func (s *Service) setProperty(key string, value any, path ...string) error {
	x := s.resources[key]
	if x == nil || x.status != http.StatusOK {
		return nil
	}
	body, err := setIn(x.body, encode(value), path...)
	if err != nil {
		return err
	}
	return s.update(x, body)
}
