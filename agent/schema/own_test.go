package schema_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/ilod/ilod/agent/schema"
)

// TestObjectWithATypeOfItsOwn is judged by the schema of its type, if that of the
// resource does not say what is in it.
func TestObjectWithATypeOfItsOwn(t *testing.T) {
	pages := map[string]string{
		"/redfish/v1/JsonSchemas/":          `{"Members":[{"@odata.id":"/redfish/v1/JsonSchemas/A.v1_0_0/"},{"@odata.id":"/redfish/v1/JsonSchemas/B.v1_0_0/"}]}`,
		"/redfish/v1/JsonSchemas/A.v1_0_0/": `{"Location":[{"Uri":"/a.json"}]}`,
		"/redfish/v1/JsonSchemas/B.v1_0_0/": `{"Location":[{"Uri":"/b.json"}]}`,
		"/a.json":                           `{"$ref":"#/definitions/A","definitions":{"A":{"type":"object","properties":{"Oem":{"type":"object"},"Said":{"type":"object","properties":{"X":{}}}}}}}`,
		"/b.json":                           `{"$ref":"#/definitions/B","definitions":{"B":{"type":"object","properties":{"X":{"type":"string"}}}}}`,
	}
	checker := schema.NewChecker(inProcess{http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, there := pages[r.URL.Path]
		if !there {
			w.WriteHeader(http.StatusNotFound)
		}
		_, _ = io.WriteString(w, body)
	})})
	const typed = `{"@odata.type":"#B.v1_0_0.B","X":"a"}`
	for body, want := range map[string]string{
		`{"Oem":{"Hpe":{"X":7}}}`: "PropertyValueTypeError /Oem/Hpe/X",
		`{"Oem":{"Old":{"X":7}}}`: "",
		`{"Said":{"X":7}}`:        "",
	} {
		v, err := checker.Check(t.Context(), schema.Write{Method: http.MethodPatch, Path: "/x", Body: []byte(body),
			Current: []byte(`{"@odata.type":"#A.v1_0_0.A","Oem":{"Hpe":` + typed + `,"Old":{"X":1}},"Said":` + typed + `}`)})
		if got := strings.Join(keys(v), ","); got != want || err != nil {
			t.Errorf("%s: %q, want %q: %v", body, got, want, err)
		}
	}
}
