package schema

import (
	"context"
	"fmt"
	"path"
	"strings"
)

const (
	schemasPath    = "/redfish/v1/JsonSchemas/"
	registriesPath = "/redfish/v1/Registries/"
	maxHops        = 16 // of references that lead to references
)

// catalog finds the files of schemas or registries by lower-case name.
type catalog map[string]string

func parseCatalog(body []byte) (catalog, error) {
	members := present(body).members()["Members"].elements()
	if members == nil {
		return nil, fmt.Errorf("%w: no collection", errDocument)
	}
	c := make(catalog, 2*len(members))
	for _, m := range members {
		uri := m.members()["@odata.id"].text()
		if !isPath(uri) {
			continue
		}
		// "Bios.v1_0_4.Bios" is the file Bios.v1_0_4.json.
		name := strings.ToLower(path.Base(uri))
		c[name] = uri
		if i := strings.LastIndexByte(name, '.'); i > 0 && strings.Contains(name[:i], ".") {
			c[name[:i]] = uri
		}
	}
	return c, nil
}

// parseLocation reads where a file is: the English one, if there are several.
func parseLocation(body []byte) (uri string, err error) {
	for _, l := range present(body).members()["Location"].elements() {
		m := l.members()
		if u := m["Uri"].text(); isPath(u) && (uri == "" || strings.HasPrefix(m["Language"].text(), "en")) {
			uri = u
		}
	}
	if uri == "" {
		return "", fmt.Errorf("%w: no location", errDocument)
	}
	return uri, nil
}

// find reads the first file that a catalogue has under one of the names.
func find[T any](ctx context.Context, l *library, catalogPath string, parse func([]byte) (T, error), names ...string) (none T, err error) {
	c, err := load(ctx, l, catalogPath, parseCatalog)
	if err != nil {
		return none, err
	}
	for _, name := range names {
		file, ok := c[strings.ToLower(name)]
		if !ok {
			continue
		}
		uri, err := load(ctx, l, file, parseLocation)
		if err != nil || uri == "" {
			return none, err
		}
		return load(ctx, l, uri, parse)
	}
	return none, nil
}

// schema is that of a type such as "#Bios.v1_0_4.Bios", nil if there is none.
func (c *Checker) schema(ctx context.Context, typ string) (*document, error) {
	name := strings.TrimPrefix(typ, "#")
	if name == "" {
		return nil, nil
	}
	namespace := name
	if i := strings.LastIndexByte(name, '.'); i > 0 {
		namespace = name[:i]
	}
	base, _, _ := strings.Cut(name, ".")
	return find(ctx, c.library, schemasPath, parseDocument, name, namespace, base)
}

// registry is an attribute registry, nil if there is none.
func (c *Checker) registry(ctx context.Context, name string) (map[string]*node, error) {
	if name == "" {
		return nil, nil
	}
	return find(ctx, c.library, registriesPath, parseRegistry, name)
}

// resolve follows references; nil if they lead nowhere.
func (c *Checker) resolve(ctx context.Context, n *node) (*node, error) {
	for hop := 0; n != nil && n.ref != ""; hop++ {
		if hop == maxHops {
			return nil, nil
		}
		file, fragment, _ := strings.Cut(n.ref, "#")
		d := n.document
		if file != "" {
			var err error
			if d, err = find(ctx, c.library, schemasPath, parseDocument, strings.TrimSuffix(path.Base(file), ".json")); err != nil {
				return nil, err
			}
		}
		if d == nil {
			return nil, nil
		}
		target := d.root
		if name, ok := strings.CutPrefix(fragment, "/definitions/"); ok {
			target = d.definitions[name]
		} else if strings.Trim(fragment, "/") != "" {
			target = nil
		}
		if target == nil {
			return nil, nil
		}
		n = n.over(target)
	}
	return n, nil
}
