package chif_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/ilod/ilod/chif/chiftest"
	"github.com/ilod/ilod/chif/chiftest/redfish"
)

// inProcess is a RoundTripper that hands each request to a handler.
type inProcess struct{ http.Handler }

func (h inProcess) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result(), nil
}

func newRedfish(t testing.TB) *redfish.Service {
	t.Helper()
	service, err := redfish.New(redfish.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return service
}

func TestConformanceInProcess(t *testing.T) {
	s := chiftest.New(t, chiftest.Options{Handler: newRedfish(t), Serial: true})
	chiftest.Conformance(t, s.Device(), chiftest.Client{Transport: inProcess{s.Control()}})
}
