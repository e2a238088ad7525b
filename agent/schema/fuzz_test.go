package schema_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/ilod/ilod/agent/schema"
)

// FuzzCheck has everything be anything: nothing panics or goes on for ever, what
// is said is the same each time, and a body that is no JSON is called so.
func FuzzCheck(f *testing.F) {
	const (
		document = `{"$ref":"#/definitions/Thing","definitions":{"Thing":{"additionalProperties":false,"requiredOnCreate":["A"],"properties":{
			"A":{"type":["string",null],"enum":["x","y",null],"readonly":false},"B":{"anyOf":[{"$ref":"#/definitions/N"},{"type":"null"}]},
			"C":{"type":"array","items":{"$ref":"Thing.json#"},"readonly":true},"Attributes":{}},"patternProperties":{"^D+$":{"type":"object"}}},
			"N":{"type":"integer","minimum":1,"maximum":5,"oneOf":[{"$ref":"#/definitions/N"}]}}}`
		registry = `{"RegistryEntries":{"Attributes":[{"AttributeName":"E","Type":"Enumeration","Value":[{"ValueName":"On"}],"ReadOnly":true},
			{"AttributeName":"I","Type":"Integer","LowerBound":0,"UpperBound":9},{"AttributeName":"S","Type":"String","MinLength":1,"MaxLength":3,
			"ValueExpression":"^a+$","DefaultValue":""}],"Dependencies":[{"Dependency":{"MapToAttribute":"E","MapToProperty":"ReadOnly"}}]}}`
		current = `{"@odata.type":"#Thing.v1_0_0.Thing","AttributeRegistry":"R","A":"z","A@Redfish.AllowableValues":["x"],"B":7,
			"C":[{"A":"x","@Redfish.WriteableProperties":["B"],"B@Redfish.AllowableNumbers":["1:2","4"]}],"Attributes":{"E":"On"}}`
	)
	f.Add(document, registry, current, `{"A":"x","B":null,"C":[{"A":1,"B":9}],"DD":{},"Attributes":{"E":"Off","I":10,"S":"b"}}`, "/C/0/B")
	f.Add(document, registry, `{"@odata.type":"#ThingCollection.ThingCollection"}`, `{"B":2.5e99}`, "A")
	f.Add(`{}`, `{}`, `{"Actions":{"#X.Y":{"target":"/x/Actions/X.Y"}}}`, `{"a":{"b":[1,2,{"c":"\u00e9"}]}}`, "/~01/0")
	f.Add(`[`, `null`, `{"a":"\"","b":[tru,{]}`, "{\"a\":\xff}", "")
	f.Fuzz(func(t *testing.T, document, registry, current, body, pointer string) {
		next := &files{body: map[string]string{
			catalogURI: `{"Members":[{"@odata.id":"/l"},{"@odata.id":"` + locationURI + `"}]}`, locationURI: `{"Location":[{"Uri":"/s"}]}`, "/s": document,
			"/redfish/v1/Registries/": `{"Members":[{"@odata.id":"/R"}]}`, "/R": `{"Location":[{"Uri":"/r"}]}`, "/r": registry, "/x": current, "/x/": current,
		}}
		c := schema.NewChecker(next)
		for _, w := range []schema.Write{
			{Method: http.MethodPatch, Path: "/x"}, {Method: http.MethodPut, Path: "/x"}, {Method: http.MethodPost, Path: "/x"},
			{Method: http.MethodPost, Path: "/x/Actions/X.Y"},
		} {
			w.Body, w.Current = []byte(body), []byte(current)
			first, err := c.Check(t.Context(), w)
			if err != nil {
				t.Fatal(err)
			}
			second, _ := c.Check(t.Context(), w)
			if !slices.Equal(keys(first), keys(second)) {
				t.Errorf("%v, then %v", first, second)
			}
			malformed := slices.ContainsFunc(first, func(v schema.Violation) bool { return v.Key == "MalformedJSON" })
			if !malformed && strings.TrimSpace(body) != "" && !json.Valid([]byte(body)) {
				t.Errorf("%q is no JSON", body)
			}
			for _, v := range first {
				if v.Key == "" || v.Text == "" {
					t.Errorf("%+v says nothing", v)
				}
			}
		}
		_, _ = c.Property(t.Context(), "/x", pointer)
		all, _ := c.Properties(t.Context(), "/x")
		for _, i := range all {
			if i.Pointer == "" {
				t.Errorf("%+v is nowhere", i)
			}
		}
	})
}
