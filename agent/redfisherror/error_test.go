package redfisherror_test

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ilod/ilod/agent/redfisherror"
)

func TestParse(t *testing.T) {
	for name, c := range map[string]struct {
		body string
		want []redfisherror.Message
	}{
		"iLO 6": {
			`{"error":{"code":"iLO.0.10.ExtendedInfo","message":"See @Message.ExtendedInfo for more information.","@Message.ExtendedInfo":[{"MessageId":"Base.1.12.NoValidSession"}]}}`,
			[]redfisherror.Message{{ID: "Base.1.12.NoValidSession"}},
		},
		"arguments of any type": {
			`{"error":{"@Message.ExtendedInfo":[{"MessageId":"Base.1.4.X","MessageArgs":["a",7,true]}]}}`,
			[]redfisherror.Message{{ID: "Base.1.4.X", Args: []string{"a", "7", "true"}}},
		},
		"annotation of a resource": {
			`{"Id":"1","@Message.ExtendedInfo":[{"MessageId":"iLO.2.15.SystemResetRequired"}]}`,
			[]redfisherror.Message{{ID: "iLO.2.15.SystemResetRequired"}},
		},
		"early iLO 4": {
			`{"Messages":[{"MessageID":"Base.0.10.Success"}],"Name":"Extended Error Information","Type":"ExtendedError.0.9.6"}`,
			[]redfisherror.Message{{ID: "Base.0.10.Success"}},
		},
		"iLO 4 in both forms": {
			`{"error":{"code":"iLO.0.10.ExtendedInfo","@Message.ExtendedInfo":[{"MessageID":"Base.0.10.X"},{"MessageID":"Base.0.10.X"}]},` +
				`"Messages":[{"MessageID":"Base.0.10:X","MessageArgs":[]},{"MessageID":"Base.0.10.X","MessageArgs":["a"]}],"Type":"ExtendedError.1.0.0"}`,
			[]redfisherror.Message{{ID: "Base.0.10.X"}, {ID: "Base.0.10.X"}, {ID: "Base.0.10.X", Args: []string{"a"}}},
		},
		"no extended info": {
			`{"error":{"code":"Base.1.0.GeneralError","message":"it broke"}}`,
			[]redfisherror.Message{{ID: "Base.1.0.GeneralError", Text: "it broke"}},
		},
		"one part of the wrong type": {
			`{"error":{"code":7,"@Message.ExtendedInfo":[{"MessageId":"Base.1.4.X"}]}}`,
			[]redfisherror.Message{{ID: "Base.1.4.X"}},
		},
		"empty entries": {`{"error":{"@Message.ExtendedInfo":[{},null]}}`, nil},
		"not JSON":      {`<html>`, nil},
		"null":          {`null`, nil},
		"empty":         {``, nil},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, redfisherror.Parse([]byte(c.body))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestMessageString(t *testing.T) {
	for want, m := range map[string]redfisherror.Message{
		"Base.1.4.ResourceMissingAtURI: there is no resource at /x": {ID: "Base.1.4.ResourceMissingAtURI", Args: []string{"/x"}},
		"Base.1.4.ResourceMissingAtURI":                             {ID: "Base.1.4.ResourceMissingAtURI"},
		"iLO.9.9.Unheard: a, b":                                     {ID: "iLO.9.9.Unheard", Args: []string{"a", "b"}},
		"NoDots":                                                    {ID: "NoDots"},
		"only text":                                                 {Text: "only text"},
		"Base.1.0.NoValidSession: their own text":                   {ID: "Base.1.0.NoValidSession", Text: "their own text"},
	} {
		if got := m.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestFromResponse(t *testing.T) {
	err := redfisherror.FromResponse(&http.Response{
		StatusCode: http.StatusNotFound,
		Body:       io.NopCloser(strings.NewReader(`{"error":{"@Message.ExtendedInfo":[{"MessageId":"Base.1.4.ResourceMissingAtURI","MessageArgs":["/x?y"]}]}}`)),
		Request:    &http.Request{Method: "GET", URL: &url.URL{Scheme: "http", Host: "ilo", Path: "/x", RawQuery: "y"}},
	})
	const want = "GET /x?y: 404 Not Found: Base.1.4.ResourceMissingAtURI: there is no resource at /x?y"
	if err.Error() != want {
		t.Errorf("got  %s\nwant %s", err, want)
	}
	if !err.Has("X", "ResourceMissingAtURI") || err.Has("MissingAtURI") {
		t.Error("Has compares whole keys")
	}
}
