package tree

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
)

func TestGenerateSize(t *testing.T) {
	for generation := 4; generation <= 6; generation++ {
		for _, c := range []struct{ asked, want int }{
			{0, DefaultResources}, {250, 250}, {DefaultResources, DefaultResources}, {541, 541}, {MaxResources + 1, MaxResources},
		} {
			tr := Generate(GenerateOptions{generation, c.asked})
			if tr.Len() != c.want {
				t.Errorf("iLO %d: %d resources, want %d", generation, tr.Len(), c.want)
			}
			if g, firmware := tr.Generation(); g != generation || firmware == "" {
				t.Errorf("the generated iLO %d says it is an iLO %d %q", generation, g, firmware)
			}
		}
		if n := Generate(GenerateOptions{generation, 1}).Len(); n < 50 || n > 200 {
			t.Errorf("iLO %d: the smallest server has %d resources", generation, n)
		}
	}
}

func TestGenerateIsDeterministic(t *testing.T) {
	for generation := 4; generation <= 6; generation++ {
		a, b := generate(generation, 700), generate(generation, 700)
		if !reflect.DeepEqual(a.Resources(), b.Resources()) {
			t.Errorf("iLO %d: two trees with the same options differ", generation)
		}
	}
}

// TestGenerateIsConsistent follows every link and counts every collection.
func TestGenerateIsConsistent(t *testing.T) {
	for generation := 4; generation <= 6; generation++ {
		for _, size := range []int{1, DefaultResources, 1100} {
			t.Run(fmt.Sprintf("ilo%d/%d", generation, size), func(t *testing.T) {
				tr := Generate(GenerateOptions{generation, size})
				linked := map[string]bool{Key(Root): true}
				for _, r := range tr.Resources() {
					var body map[string]any
					if err := json.Unmarshal(r.Body, &body); err != nil {
						t.Fatal(err)
					}
					if id := body["@odata.id"]; id != nil && Key(id.(string)) != Key(r.URI) {
						t.Errorf("%s calls itself %s", r.URI, id)
					}
					if n, ok := body["Members@odata.count"]; ok && int(n.(float64)) != len(body["Members"].([]any)) {
						t.Errorf("%s counts %v members and has %d", r.URI, n, len(body["Members"].([]any)))
					}
					if r.URI != string(Root) && strings.HasSuffix(r.URI, "/") != (generation == 4 && !store(r.URI)) {
						t.Errorf("%s has not the slash form of an iLO %d", r.URI, generation)
					}
					delete(body, "@odata.id")
					follow(body, func(uri string) {
						linked[Key(uri)] = true
						if _, ok := tr.Lookup(uri); !ok {
							t.Errorf("%s links to %s, which is not there", r.URI, uri)
						}
					})
				}
				for _, r := range tr.Resources() {
					if !linked[Key(r.URI)] {
						t.Errorf("nothing links to %s", r.URI)
					}
				}
			})
		}
	}
}

func store(uri string) bool { return strings.Contains(uri, "Store/") }

// follow calls f for all links in a value: @odata.id without its fragment, and
// the Uri of a registry's or schema's Location. Targets of actions are none.
func follow(v any, f func(uri string)) {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			follow(e, f)
		}
	case map[string]any:
		for key, e := range v {
			if uri, ok := e.(string); ok && (key == "@odata.id" || key == "Uri") {
				uri, _, _ = strings.Cut(uri, "#")
				f(uri)
			}
			follow(e, f)
		}
	}
}

func TestGenerateDirectory(t *testing.T) {
	for generation := 4; generation <= 6; generation++ {
		tr := Generate(GenerateOptions{Generation: generation})
		r, ok := tr.Lookup(Root + "/ResourceDirectory")
		if !ok {
			t.Fatalf("iLO %d: no ResourceDirectory", generation)
		}
		var directory struct {
			Instances []struct {
				ID          string `json:"@odata.id"`
				Type        string `json:"@odata.type"`
				ETag        string
				HTTPMethods []string `json:"HttpMethods"`
			}
		}
		if err := json.Unmarshal(r.Body, &directory); err != nil {
			t.Fatal(err)
		}
		if len(directory.Instances) < 60 {
			t.Errorf("iLO %d: only %d instances", generation, len(directory.Instances))
		}
		for _, e := range directory.Instances {
			r, ok := tr.Lookup(e.ID)
			var body struct {
				ETag string `json:"@odata.etag"`
				Type string `json:"@odata.type"`
			}
			if !ok || json.Unmarshal(r.Body, &body) != nil || body.Type != e.Type || len(e.HTTPMethods) < 2 || e.ETag == "" ||
				body.ETag != e.ETag && !(generation == 4 && body.ETag == "") {
				t.Errorf("iLO %d: entry %+v, resource %+v", generation, e, body)
			}
		}
	}
}

// TestGenerateShapes looks at what tools look for first (PROTOCOL.md §3,
// agent/ILO.md §1).
func TestGenerateShapes(t *testing.T) {
	for generation := 4; generation <= 6; generation++ {
		tr := Generate(GenerateOptions{Generation: generation, Resources: 600})
		vendor, slash := "Hpe", ""
		if generation == 4 {
			vendor, slash = "Hp", "/"
		}
		root, _ := tr.Lookup(Root)
		for _, want := range []string{
			fmt.Sprintf(`"ManagerType":"iLO %d"`, generation),
			fmt.Sprintf(`"Oem":{"%s":{`, vendor),
			fmt.Sprintf(`"ResourceDirectory":{"@odata.id":"/redfish/v1/ResourceDirectory%s"}`, slash),
			fmt.Sprintf(`"Sessions":{"@odata.id":"/redfish/v1/SessionService/Sessions%s"}`, slash),
		} {
			if !strings.Contains(string(root.Body), want) {
				t.Errorf("iLO %d: the root has no %s", generation, want)
			}
		}
		for _, path := range []string{"Systems/1", "Managers/1", "Chassis/1/Thermal", "Chassis/1/Power", "Systems/1/Memory/proc1dimm1",
			"Systems/1/Processors/1", "systems/1/bios/settings", "Managers/1/LogServices/IEL/Entries/1", "Systems/1/LogServices/IML/Entries/1",
			"AccountService/Accounts/1", "EventService/Subscriptions", "Registries/Base", "JsonSchemas/Thermal"} {
			if _, ok := tr.Lookup(Root + "/" + path); !ok {
				t.Errorf("iLO %d has no %s", generation, path)
			}
		}
		big, _ := tr.Lookup(Root + "/RegistryStore/registries/en/" + biosRegistry)
		if len(big.Body) < 200_000 {
			t.Errorf("iLO %d: the BIOS attribute registry has only %d bytes", generation, len(big.Body))
		}
		bios, _ := tr.Lookup(Root + "/Systems/1/Bios")
		if !strings.Contains(string(bios.Body), `"@odata.id":"/redfish/v1/systems/1/bios/"`) {
			t.Errorf("iLO %d: the BIOS does not call itself by its lower-case URI", generation)
		}
	}
}

func BenchmarkGenerate(b *testing.B) {
	for range b.N {
		generate(5, DefaultResources)
	}
}
