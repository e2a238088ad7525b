package freshness

import (
	"bytes"
	"errors"
	"net/http"
	"net/url"
	"testing"
)

func TestStored(t *testing.T) {
	body := bytes.Repeat([]byte("body "), 100)
	d := &document{status: http.StatusOK, header: http.Header{"Content-Encoding": {"gzip"}}, body: deflate(body), gzip: true}
	absent := errors.New("absent")
	get := func(key string) ([]byte, error) {
		switch key {
		case root + "/systems/":
			return encode(&entry{status: http.StatusOK}, d, pack(d)), nil
		case root + "/damaged":
			return []byte("damaged"), nil
		}
		return nil, absent
	}
	for path, want := range map[string]error{
		"/redfish/v1//Systems/": nil, "/redfish/v1/Systems": absent, "/redfish/v1/Damaged": errEnvelope, "/redfish/../v1": errEnvelope,
	} {
		got, err := Stored(get, &url.URL{Path: path})
		if !errors.Is(err, want) || want == nil && !bytes.Equal(got, body) {
			t.Errorf("%s: %q, %v", path, got, err)
		}
	}
}
