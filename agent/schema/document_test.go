package schema_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/ilod/ilod/agent/schema"
)

// described is an iLO with one schema, of the type A.
func described(document string) schemaOnly { return schemaOnly(document) }

type schemaOnly string

func (s schemaOnly) RoundTrip(r *http.Request) (*http.Response, error) {
	body, there := map[string]string{
		"/redfish/v1/JsonSchemas/":          `{"Members":[{"@odata.id":"/redfish/v1/JsonSchemas/A.v1_0_0/"}]}`,
		"/redfish/v1/JsonSchemas/A.v1_0_0/": `{"Location":[{"Language":"en","Uri":"/a.json"}]}`,
		"/a.json":                           string(s),
	}[r.URL.Path]
	status := http.StatusOK
	if !there {
		status = http.StatusNotFound
	}
	return &http.Response{StatusCode: status, Request: r, Body: io.NopCloser(strings.NewReader(body))}, nil
}

func violations(t *testing.T, document, body, current string) string {
	t.Helper()
	v, err := schema.NewChecker(described(document)).Check(t.Context(), schema.Write{
		Method: http.MethodPatch, Path: "/redfish/v1/a", Body: []byte(body), Current: []byte(current),
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(keys(v), ",")
}

// TestOddSchemas: what a schema says in an odd form, as those of real iLOs do, is
// either understood or allows everything.
func TestOddSchemas(t *testing.T) {
	const resource = `{"@odata.type":"#A.v1_0_0.A"}`
	for property, c := range map[string]struct{ body, want string }{
		`{"type":["string",null]}`:            {`{"P":7}`, "PropertyValueTypeError /P"},
		`{"type":["string",null] }`:           {`{"P":null}`, ""},
		`{"type":["string"]}`:                 {`{"P":null}`, "PropertyValueTypeError /P"},
		`{"type":[null]}`:                     {`{"P":7}`, ""},
		`{"type":["enum","string"]}`:          {`{"P":7}`, ""},
		`{"type":7}`:                          {`{"P":7}`, ""},
		`{"minimum":10,"maximum":5}`:          {`{"P":7}`, ""},
		`{"minimum":5,"maximum":10}`:          {`{"P":11}`, "PropertyValueOutOfRange /P"},
		`{"minimum":5}`:                       {`{"P":4}`, "PropertyValueOutOfRange /P"},
		`{"maximum":5}`:                       {`{"P":6}`, "PropertyValueOutOfRange /P"},
		`{"minimum":5,"maximum":5}`:           {`{"P":5.0}`, ""},
		`{"minimum":"5"}`:                     {`{"P":4}`, ""},
		`{"enum":["a",{}]}`:                   {`{"P":"b"}`, ""},
		`{"enum":["a",null],"type":"string"}`: {`{"P":null}`, ""},
	} {
		document := `{"$ref":"#/definitions/A","definitions":{"A":{"type":"object","properties":{"P":` + property + `}}}}`
		if got := violations(t, document, c.body, resource); got != c.want {
			t.Errorf("%s: %s: %q, want %q", property, c.body, got, c.want)
		}
	}
}

// TestLargestDocument is read whole; a larger one allows everything.
func TestLargestDocument(t *testing.T) {
	const document = `{"$ref":"#/definitions/A","definitions":{"A":{"type":"object","properties":{"P":{"type":"string"}}}}}`
	for size, want := range map[int]string{16 << 20: "PropertyValueTypeError /P", 16<<20 + 1: ""} {
		padded := strings.Repeat(" ", size-len(document)) + document
		if got := violations(t, padded, `{"P":7}`, `{"@odata.type":"#A.v1_0_0.A"}`); got != want {
			t.Errorf("%d bytes: %q, want %q", size, got, want)
		}
	}
}

// TestLocationThatIsNone is not followed.
func TestLocationThatIsNone(t *testing.T) {
	for _, location := range []string{`{}`, `{"Location":[]}`, `{"Location":[{"Uri":"http://elsewhere/a.json"}]}`, `{"Location":[{"Uri":""}]}`, `[`} {
		asked := 0
		checker := schema.NewChecker(inProcess{http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			asked++
			body := location
			if r.URL.Path == "/redfish/v1/JsonSchemas/" {
				body = `{"Members":[{"@odata.id":"/redfish/v1/JsonSchemas/A.v1_0_0/"}]}`
			}
			_, _ = io.WriteString(w, body)
		})})
		v, err := checker.Check(t.Context(), schema.Write{Method: http.MethodPatch, Path: "/a", Body: []byte(`{"P":7}`), Current: []byte(`{"@odata.type":"#A.v1_0_0.A"}`)})
		if err != nil || len(v) > 0 || asked != 2 {
			t.Errorf("%s: %v, %v, %d requests", location, v, err, asked)
		}
	}
}
