package redfish

import (
	"net/http"

	"github.com/ilod/ilod/chif/chiftest/tree"
)

// document is one of the documents that every Redfish service has and that no
// session is needed for (§5). Where the tree has one, the tree's is served.
type document struct {
	uri, contentType string
	body             func(root object) []byte
}

// documents are those of them that a tree may lack, by key.
var documents = map[string]document{
	"/redfish":               {"/redfish", "application/json", versions},
	tree.Root + "/odata":     {tree.Root + "/odata", "application/json", odataService},
	tree.Root + "/$metadata": {tree.Root + "/$metadata", "application/xml", metadata},
}

// serveDocument answers a request for a document that the tree lacks; nil if it
// is not for one.
func (s *Service) serveDocument(q *request) *reply {
	d, found := documents[q.key]
	if !found || s.o.CaseSensitive && !sameSpelling(q.path, d.uri) {
		return nil
	}
	allowed := []string{http.MethodGet, http.MethodHead}
	if !q.reads() {
		return notAllowed(allowed...)
	}
	var root object
	if x := s.resources[tree.Root]; x != nil {
		root, _ = parseObject(x.body) // was parsed when the tree was read
	}
	return &reply{status: http.StatusOK, body: d.body(root), header: http.Header{
		"Allow": {allowed[0] + ", " + allowed[1]}, "Content-Type": {d.contentType}}}
}

func versions(object) []byte { return []byte(`{"v1":"` + tree.Root + `/"}`) }

// odataService lists the links of the root, in the form of the captured ones.
func odataService(root object) []byte {
	type entry struct {
		Name string `json:"name"`
		Kind string `json:"kind"`
		URL  string `json:"url"`
	}
	list := []entry{{"Service", "Singleton", tree.Root + "/"}}
	add := func(o object) {
		for _, m := range o {
			if to, err := parseObject(m.value); err == nil && to.text("@odata.id") != "" {
				list = append(list, entry{m.key, "Singleton", to.text("@odata.id")})
			}
		}
	}
	add(root)
	if raw, ok := root.get("Links"); ok {
		links, _ := parseObject(raw) // a root without is listed without
		add(links)
	}
	return object{{"@odata.context", encode(tree.Root + "/$metadata")}, {"value", encode(list)}}.bytes()
}

// metadata is the least that OData asks for: the schema of the root, and the
// container of the service. What else an iLO's refers to was not captured.
func metadata(object) []byte {
	return []byte(`<?xml version="1.0" encoding="UTF-8"?>
<edmx:Edmx xmlns:edmx="http://docs.oasis-open.org/odata/ns/edmx" Version="4.0">
<edmx:Reference Uri="http://redfish.dmtf.org/schemas/v1/ServiceRoot_v1.xml">
<edmx:Include Namespace="ServiceRoot"/><edmx:Include Namespace="ServiceRoot.v1_0_0"/>
</edmx:Reference>
<edmx:DataServices>
<Schema xmlns="http://docs.oasis-open.org/odata/ns/edm" Namespace="Service">
<EntityContainer Name="Service" Extends="ServiceRoot.v1_0_0.ServiceContainer"/>
</Schema>
</edmx:DataServices>
</edmx:Edmx>
`)
}
