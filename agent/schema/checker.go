// Package schema checks a write before ilod sends it. It knows which writes the iLO's
// JSON Schemas and registries allow.
//
// It refuses only what these documents forbid beyond doubt. If they leave something
// open, or do not describe it, the iLO decides.
package schema

import (
	"bytes"
	"context"
	"maps"
	"net/http"
	"strings"
)

// Write is a request that changes a resource.
type Write struct {
	Method  string
	Path    string // of the request, without query
	Body    []byte // JSON; what is not sent as JSON must not be checked
	Current []byte // the resource at Path as it is; nil if not known
}

// Violation is a reason why the iLO would refuse a write.
type Violation struct {
	Key     string   // of the message in the Base registry, such as PropertyUnknown
	Args    []string // of this message, in its order
	Pointer string   // JSON pointer to the place in the body
	Text    string   // for people; has no value of a property that may be secret
	Allowed []string // the values allowed here, if they are counted
}

// Checker checks writes against schemas and registries of one iLO, which it
// fetches when it needs them. It is safe for concurrent use.
type Checker struct {
	library *library
}

// NewChecker makes a Checker that reads through next, which should be a cache.
func NewChecker(next http.RoundTripper) *Checker { return &Checker{newLibrary(next)} }

// Check names all that is wrong with a PATCH, PUT or POST. Read-only properties
// are wrong in a PATCH only: in others, an iLO may ignore them, or take them for a
// new resource. What a POST has more than a schema knows is left to the iLO, too.
// A rule that the present values break is not applied. Of a body with very many
// values not all are looked at, and not everything wrong is told: the rest is the
// iLO's to judge.
//
// The error is one of reading a document that may be needed to tell; a document
// that does not exist, or is not understood, allows everything.
func (c *Checker) Check(ctx context.Context, w Write) ([]Violation, error) {
	switch w.Method {
	case http.MethodPatch, http.MethodPut, http.MethodPost:
	default:
		return nil, nil
	}
	content := bytes.TrimSpace(w.Body)
	if len(content) == 0 && w.Method == http.MethodPost {
		return nil, nil // an action without parameters
	}
	body, bad := ParseObject(w.Body)
	if bad != nil {
		return []Violation{*bad}, nil
	}
	if w.Method == http.MethodPatch && len(body) > 0 && onlyOData(body) {
		return []Violation{{Key: "NoOperation", Text: "the body has nothing but annotations of OData: there is nothing to change"}}, nil
	}
	j := &judge{life: ctx, c: c, method: w.Method}
	if err := j.write(w, body); err != nil {
		return nil, err
	}
	return j.violations(), context.Cause(ctx)
}

// onlyOData reports a body of which a service takes nothing (DSP0266, PATCH).
func onlyOData(body map[string]any) bool {
	for name := range body {
		if !strings.Contains(name, "@odata.") {
			return false
		}
	}
	return true
}

func (j *judge) write(w Write, body map[string]any) error {
	path, action := w.Path, false
	if w.Method == http.MethodPost {
		if i := strings.LastIndex(strings.ToLower(path), "/actions/"); i >= 0 {
			path, action, w.Current = path[:i+1], true, nil
		}
	}
	resource := present(bytes.TrimSpace(w.Current))
	if len(resource) == 0 {
		var err error
		if resource, err = j.c.resource(j.life, path); err != nil {
			return err
		}
	}
	members := resource.members()
	typ := members["@odata.type"].text()
	create := w.Method == http.MethodPost && !action
	if create {
		var collection bool
		if typ, collection = memberType(typ); !collection {
			return nil
		}
	}
	d, err := j.c.schema(j.life, typ)
	switch {
	case err != nil:
		return err
	case action:
		j.action(w.Path, resource, d, body)
	case create:
		at := place{node: j.root(d, nil)}
		if at.current, err = j.c.capabilities(j.life, members); err != nil {
			return err
		}
		j.required(at, body)
		j.object(at, body)
	default:
		j.object(place{node: j.root(d, members), current: resource}, body)
	}
	return j.err
}

// root is the schema of a resource, with that of its attributes. A resource with
// attributes has no others properties than it shows and its schema has: an iLO
// answers 200 to others, and throws them away.
func (j *judge) root(d *document, members map[string]present) *node {
	var n *node
	if d != nil {
		n = j.resolve(d.root)
	}
	registry, err := j.c.registry(j.life, members["AttributeRegistry"].text())
	if err != nil {
		j.err = err
	}
	has := members[attributes].kind() == object
	j.top, j.attributes, j.registry = members, members[attributes].members(), registry
	if registry == nil && !has {
		return n
	}
	n = n.copy()
	if n.properties = maps.Clone(n.properties); n.properties == nil {
		n.properties = map[string]*node{}
	}
	if _, described := n.properties["Oem"]; !described { // each resource may have it
		n.properties["Oem"] = nil
	}
	if n.closed = n.closed || has; registry != nil {
		n.properties[attributes] = &node{rule: rule{kinds: object}, properties: registry, closed: true}
	}
	return n
}

// attributes is the property in which the settings stand that an attribute
// registry describes. Up to iLO 4 they stand at the top of the resource.
const attributes = "Attributes"

// elsewhere says where in the resource an attribute stands that is no property of
// a place, or is empty.
func (j *judge) elsewhere(o inner, name string) string {
	_, known := j.registry[name]
	_, inside := j.attributes[name]
	_, above := j.top[name]
	switch {
	case !o.trail.is(attributes) && j.top[attributes].kind() == object && (known || inside):
		return ": it belongs in " + attributes
	case o.trail.is(attributes) && j.top[attributes] == nil && above:
		return ": it belongs at the top of this resource, not in " + attributes
	}
	return ""
}

// resource reads one through the cache, nil if it is not there.
func (c *Checker) resource(ctx context.Context, path string) (present, error) {
	status, _, body, err := c.library.read(ctx, path, "")
	if err != nil || status != http.StatusOK {
		return nil, err
	}
	return body, nil
}

// memberType is the type of what is in a collection, without version.
func memberType(collection string) (typ string, ok bool) {
	base, _, _ := strings.Cut(collection, ".")
	return strings.CutSuffix(base, "Collection")
}

// capabilities is the resource that describes what can be created in a
// collection, nil if there is none, or more than one.
func (c *Checker) capabilities(ctx context.Context, collection map[string]present) (present, error) {
	list := collection["@Redfish.CollectionCapabilities"].members()["Capabilities"].elements()
	if len(list) != 1 {
		return nil, nil
	}
	uri := list[0].members()["CapabilitiesObject"].members()["@odata.id"].text()
	if !isPath(uri) {
		return nil, nil
	}
	return c.resource(ctx, uri)
}
