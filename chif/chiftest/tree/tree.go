// Package tree holds Redfish trees: captured from real servers, or generated.
//
// It keeps each body byte for byte and never encodes JSON again.
package tree

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// Root is the URI of the Redfish service root, without its trailing slash.
const Root = "/redfish/v1"

// ErrFormat marks a tree that cannot be read: broken JSON, a resource without
// body, two resources at one URI, or none at all.
var ErrFormat = errors.New("not a Redfish tree")

// Resource is one resource of a tree.
type Resource struct {
	URI    string // path, spelled as captured
	Status int    // HTTP status of its GET: 200, or 400 or 404 for a captured refusal
	Body   []byte // JSON, byte for byte as captured; not to be changed
}

// Tree is an ordered set of resources. It does not change after New.
type Tree struct {
	resources []Resource
	index     map[string]int
}

// New makes a tree of resources, in their order. A status of 0 becomes 200.
// The error wraps ErrFormat when a URI is not a path or appears twice (see
// Key), a status is impossible, or a body is not a JSON object.
func New(resources []Resource) (*Tree, error) {
	if len(resources) == 0 {
		return nil, fmt.Errorf("%w: no resource in it", ErrFormat)
	}
	t := &Tree{resources: resources, index: make(map[string]int, len(resources))}
	for i := range resources {
		r := &resources[i]
		if r.Status == 0 {
			r.Status = http.StatusOK
		}
		key := Key(r.URI)
		switch _, twice := t.index[key]; {
		case !strings.HasPrefix(r.URI, "/"):
			return nil, fmt.Errorf("%w: URI %q does not begin with a slash", ErrFormat, r.URI)
		case twice:
			return nil, fmt.Errorf("%w: %s appears twice", ErrFormat, r.URI)
		case r.Status < 200 || r.Status > 599:
			return nil, fmt.Errorf("%w: %s has the impossible status %d", ErrFormat, r.URI, r.Status)
		case !isObject(r.Body):
			return nil, fmt.Errorf("%w: the body of %s is not a JSON object", ErrFormat, r.URI)
		}
		t.index[key] = i
	}
	return t, nil
}

func isObject(body []byte) bool {
	return bytes.HasPrefix(bytes.TrimLeft(body, " \t\r\n"), []byte("{")) && json.Valid(body)
}

// Key is the canonical form of a path, under which two spellings of one
// resource are equal: percent-decoded, lower-case, without repeated and
// trailing slashes (agent/ILO.md §5).
func Key(path string) string {
	if strings.Contains(path, "%") {
		if s, err := url.PathUnescape(path); err == nil {
			path = s
		}
	}
	path = strings.ToLower(path)
	for strings.Contains(path, "//") {
		path = strings.ReplaceAll(path, "//", "/")
	}
	if len(path) > 1 {
		path = strings.TrimSuffix(path, "/")
	}
	return path
}

// Len is the number of resources.
func (t *Tree) Len() int { return len(t.resources) }

// Resources returns all resources in order. Neither the slice nor the bodies
// may be changed.
func (t *Tree) Resources() []Resource { return t.resources }

// Lookup finds the resource at a path in any spelling that Key makes equal.
func (t *Tree) Lookup(path string) (Resource, bool) {
	i, ok := t.index[Key(path)]
	if !ok {
		return Resource{}, false
	}
	return t.resources[i], true
}

// Generation is the generation of the iLO, 4 to 7, as the service root tells
// it, or 0 when it does not. Firmware is its version, such as "2.46", or empty.
// (agent/ILO.md §1: Oem.Hp or Oem.Hpe, Manager[].ManagerType, Moniker.PRODGEN.)
func (t *Tree) Generation() (generation int, firmware string) {
	type oem struct {
		Manager []struct{ ManagerType, ManagerFirmwareVersion string }
		Moniker struct{ PRODGEN string }
	}
	var body struct{ Oem struct{ Hp, Hpe oem } }
	root, ok := t.Lookup(Root)
	if !ok || json.Unmarshal(root.Body, &body) != nil {
		return 0, ""
	}
	for _, o := range []oem{body.Oem.Hpe, body.Oem.Hp} {
		names := []string{o.Moniker.PRODGEN}
		for _, m := range o.Manager {
			names = append(names, m.ManagerType)
			firmware = m.ManagerFirmwareVersion
		}
		for _, name := range names {
			if n, err := strconv.Atoi(strings.TrimPrefix(name, "iLO ")); err == nil && n >= 4 && n <= 7 {
				return n, firmware
			}
		}
	}
	return 0, ""
}
