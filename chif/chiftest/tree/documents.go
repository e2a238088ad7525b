package tree

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
)

// Documents is a tree for measurements: the smallest server that Generate makes,
// whose ResourceDirectory lists n resources and nothing else. They change only
// when somebody changes them, and have the sizes of a large server's, measured on
// captured trees: log-normal, 11 KB on average and 1.5 KB as gzip, 130 KB at most.
func Documents(n int) *Tree {
	b := &builder{generation: 5, schemas: map[string]bool{}}
	for _, r := range Generate(GenerateOptions{}).Resources() {
		if Key(r.URI) != Key(directoryURI) {
			b.resources = append(b.resources, r)
		}
	}
	random := rand.New(rand.NewPCG(1, 2))
	var instances list
	for i := range n {
		uri := DocumentURI(i)
		size := min(5000*math.Exp(1.2*random.NormFloat64())+2000, 130<<10)
		properties := obj{"@odata.id": uri, "@odata.type": "#Memory.v1_7_1.Memory", "Id": fmt.Sprint(i), "Name": fmt.Sprint("Document ", i)}
		for p := range int(size) / 80 {
			properties[fmt.Sprintf("PropertyOfSomeLength%02d", p)] = fmt.Sprintf("%s %05x", strings.Repeat("value ", 7), random.Uint32N(1<<20))
		}
		etag := fmt.Sprintf(`W/"%08X"`, random.Uint32())
		properties["@odata.etag"] = etag
		b.resources = append(b.resources, Resource{URI: uri, Body: encode(properties)})
		instances = append(instances, obj{"@odata.id": uri, "@odata.type": properties["@odata.type"], "ETag": etag, "HttpMethods": []string{"GET", "HEAD"}})
	}
	b.resources = append(b.resources, Resource{URI: directoryURI, Body: encode(obj{
		"@odata.id": directoryURI, "@odata.type": "#HpeiLOResourceDirectory.v2_0_0.HpeiLOResourceDirectory",
		"Id": "ResourceDirectory", "Name": "Resource Directory", "Instances": instances,
	})})
	t, err := New(b.resources)
	if err != nil {
		panic("tree: generated " + err.Error()) // a mistake in this package
	}
	return t
}

const directoryURI = Root + "/ResourceDirectory/"

// DocumentURI is where document i of Documents is.
func DocumentURI(i int) string { return fmt.Sprintf("%s/Systems/1/Memory/document%d/", Root, i) }
