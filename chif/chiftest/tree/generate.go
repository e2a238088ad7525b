package tree

import (
	"bytes"
	"crypto/md5"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"slices"
	"strings"
	"sync"
)

// Sizes of a generated tree, in resources.
const (
	DefaultResources = 320
	MaxResources     = 3000
)

// GenerateOptions say which server Generate makes up.
type GenerateOptions struct {
	Generation int // of the iLO: 4, 5 or 6; any other number means 5
	Resources  int // 0: DefaultResources; at most MaxResources, at least what every server has
}

// generated keeps the trees made so far, as a tree does not change and tests ask
// for the same one again and again.
var generated sync.Map

// Generate makes up a ProLiant server with an iLO 4, 5 or 6: the same tree for
// the same options each time, in which every link leads to a resource. Hardware
// grows with the number of resources asked for; JSON schemas and log entries
// make up the exact number. Nothing in it comes from a real server.
func Generate(o GenerateOptions) *Tree {
	if o.Generation != 4 && o.Generation != 6 {
		o.Generation = 5
	}
	if o.Resources == 0 {
		o.Resources = DefaultResources
	}
	o.Resources = min(o.Resources, MaxResources)
	t, ok := generated.Load(o)
	if !ok {
		t, _ = generated.LoadOrStore(o, generate(o.Generation, o.Resources))
	}
	return t.(*Tree)
}

func generate(generation, size int) *Tree {
	b := &builder{generation: generation, schemas: make(map[string]bool)}
	b.root()
	b.sessions()
	b.accounts()
	b.events()
	b.manager()
	b.system(size)
	b.chassis(size)
	b.bios()
	b.updates(size)
	b.registries()
	b.rest(size)
	t, err := New(b.resources)
	if err != nil {
		panic("tree: generated " + err.Error()) // a mistake in this package
	}
	return t
}

// between is a number of devices for a tree of some size.
func between(few, many, size int) int {
	return few + (many-few)*max(0, size-DefaultResources)/(MaxResources-DefaultResources)
}

type (
	obj  = map[string]any
	list = []any
)

type builder struct {
	generation int
	resources  []Resource
	directory  list
	schemas    map[string]bool // used in the tree
}

// versions are those of an iLO 5; schemas that are not here have v1_0_0. An
// iLO 4 writes versions in another way and has early ones only.
var versions = map[string]string{
	"ServiceRoot": "v1_5_1", "ComputerSystem": "v1_17_0", "Chassis": "v1_10_2", "Manager": "v1_5_1", "Bios": "v1_0_4",
	"Memory": "v1_7_1", "Processor": "v1_7_2", "Thermal": "v1_6_2", "Power": "v1_3_0", "Storage": "v1_15_0",
	"StorageController": "v1_7_2", "Drive": "v1_18_0", "NetworkAdapter": "v1_5_0", "Port": "v1_9_0", "EthernetInterface": "v1_4_1",
	"AccountService": "v1_5_0", "ManagerAccount": "v1_3_0", "Role": "v1_2_1", "EventService": "v1_0_8", "UpdateService": "v1_2_1",
	"SoftwareInventory": "v1_2_0", "PCIeDevice": "v1_4_0", "PCIeFunction": "v1_2_3", "BootOption": "v1_0_1", "VirtualMedia": "v1_3_0",
	"HpeiLO": "v2_13_0", "HpeiLOServiceExt": "v2_5_0", "HpeComputerSystemExt": "v2_14_0", "HpeServerChassis": "v2_3_1",
	"HpeiLOResourceDirectory": "v2_0_0", "HpeiLODateTime": "v2_0_0", "HpePowerMeter": "v2_0_1", "HpeLogEntry": "v2_4_0",
}

// name is the name of a schema; those of HPE are called Hp on an iLO 4.
func (b *builder) name(schema string) string {
	if b.generation == 4 && strings.HasPrefix(schema, "Hpe") {
		return "Hp" + schema[len("Hpe"):]
	}
	return schema
}

func (b *builder) typ(schema string) string {
	name, version := b.name(schema), versions[schema]
	switch {
	case strings.HasSuffix(schema, "Collection"):
		return "#" + name + "." + name
	case b.generation == 4:
		version = "1.0.0"
	case version == "":
		version = "v1_0_0"
	}
	return "#" + name + "." + version + "." + name
}

func (b *builder) context(schema string) string {
	return "/redfish/v1/$metadata#" + b.name(schema) + "." + b.name(schema)
}

// uri is the URI of a path below the root, with the slash that an iLO 4 wants.
func (b *builder) uri(path string) string {
	uri := Root
	if path != "" {
		uri += "/" + path
	}
	if b.generation == 4 && !strings.HasSuffix(uri, ".json") {
		uri += "/"
	}
	return uri
}

func (b *builder) link(path string) obj { return obj{"@odata.id": b.uri(path)} }

func (b *builder) links(paths ...string) list {
	l := list{}
	for _, p := range paths {
		l = append(l, b.link(p))
	}
	return l
}

// oem is the vendor's part of a body.
func (b *builder) oem(schema string, body obj) obj {
	if schema != "" {
		b.schemas[schema] = true
		body["@odata.context"], body["@odata.type"] = b.context(schema), b.typ(schema)
	}
	if b.generation == 4 {
		return obj{"Hp": body}
	}
	return obj{"Hpe": body}
}

// actions offers actions of a resource: "Manager.Reset".
func (b *builder) actions(path string, names ...string) obj {
	a := obj{}
	for _, name := range names {
		infix := "/Actions/"
		if strings.HasPrefix(name, "Hpe") {
			infix = "/Actions/Oem/Hpe/"
		}
		a["#"+name] = obj{"target": b.uri(path + infix + name)}
	}
	return a
}

var healthy = obj{"Health": "OK", "State": "Enabled"}

func last(path string) string { return path[strings.LastIndexByte(path, '/')+1:] }

// add adds a resource. Methods beyond GET and HEAD go to the directory.
func (b *builder) add(path, schema string, body obj, methods ...string) {
	b.schemas[schema] = true
	defaults := obj{"@odata.context": b.context(schema), "@odata.id": b.uri(path), "@odata.type": b.typ(schema),
		"Id": last(path), "Name": last(path)}
	for key, value := range defaults {
		if _, given := body[key]; !given {
			body[key] = value
		}
	}
	uri, style := b.uri(path), `W/"%08X"`
	switch {
	case schema == "LogEntry" || schema == "JsonSchemaFile" || schema == "MessageRegistryFile":
		b.put(uri, body, b.etag(style, body))
		return
	case strings.HasPrefix(path, "systems/"):
		style = `W/"%X"`
	case strings.HasPrefix(schema, "Storage") || strings.HasPrefix(schema, "Drive") || strings.HasPrefix(schema, "Volume"):
		style = `"%08X"`
	}
	etag := b.etag(style, body)
	b.directory = append(b.directory, obj{"@odata.id": uri, "@odata.type": body["@odata.type"], "ETag": etag,
		"HttpMethods": append([]string{"GET", "HEAD"}, methods...)})
	b.put(uri, body, etag)
}

// etag is made of the body, that of a collection of its size only, as an iLO
// does it (agent/ILO.md §6).
func (b *builder) etag(style string, body obj) string {
	data := encode(body)
	if n, ok := body["Members@odata.count"]; ok {
		data = fmt.Append(nil, n, " members")
	}
	if style == `W/"%X"` {
		return fmt.Sprintf(style, md5.Sum(data))
	}
	return fmt.Sprintf(style, crc32.ChecksumIEEE(data))
}

// put stores a body. An iLO 4 shows no ETag in many.
func (b *builder) put(uri string, body obj, etag string) {
	if etag != "" && (b.generation != 4 || body["Members@odata.count"] == nil) {
		body["@odata.etag"] = etag
	}
	b.resources = append(b.resources, Resource{URI: uri, Body: encode(body)})
}

// collection adds a collection of what is at paths.
func (b *builder) collection(path, schema string, members list, methods ...string) {
	b.add(path, schema+"Collection", obj{"Members": members, "Members@odata.count": len(members),
		"Description": last(path) + " view"}, methods...)
}

// members adds n members, named by id, and their collection.
func (b *builder) members(path, schema string, n int, id func(i int) string, body func(i int) obj, methods ...string) {
	var paths []string
	for i := range n {
		p := path + "/" + id(i)
		b.add(p, schema, body(i), methods...)
		paths = append(paths, p)
	}
	b.collection(path, schema, b.links(paths...))
}

// number names members 1, 2, 3 …
func number(i int) string { return fmt.Sprint(i + 1) }

// rest adds schemas and log entries so that there are size resources, and last
// of all the directory.
func (b *builder) rest(size int) {
	b.schemas["LogEntry"], b.schemas["HpeLogEntry"], b.schemas["JsonSchemaFile"] = true, true, true
	b.schemas["HpeiLOResourceDirectory"] = true
	names := make([]string, 0, len(b.schemas))
	for name := range b.schemas {
		if !strings.HasSuffix(name, "Collection") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	// Left to add: the schema collection, two resources a schema, three
	// resources of each log, the entries, the directory.
	left := max(0, size-len(b.resources)-1-2*2-2-1)
	names = names[:min(len(names), left/4)]
	left -= 2 * len(names)
	b.jsonSchemas(names)
	b.log("Managers/1", "IEL", "iLO Event Log", left-left/3)
	b.log("Systems/1", "IML", "Integrated Management Log", left/3)
	b.add("ResourceDirectory", "HpeiLOResourceDirectory", obj{"Instances": b.directory, "Name": "Resource Directory"})
}

func encode(v any) []byte {
	var buf bytes.Buffer
	e := json.NewEncoder(&buf)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic("tree: " + err.Error()) // maps of strings and numbers always encode
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n"))
}
