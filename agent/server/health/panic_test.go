package health_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/ilod/ilod/agent/server/health"
	"github.com/ilod/ilod/chif/chiftest/tree"
)

// A panic while a part is read costs that part alone.
func TestPanicIsAProblem(t *testing.T) {
	for path, part := range map[string]string{
		"/redfish/v1/Systems": "system", "/redfish/v1/Systems/1": "system", "/redfish/v1/Managers": "ilo", "/redfish/v1/Chassis": "system",
		"/redfish/v1/Systems/1/Memory": "memory", "/redfish/v1/Systems/1/Processors": "processors",
	} {
		s := serve(t, tree.Generate(tree.GenerateOptions{}))
		next := s.Handler
		s.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.TrimSuffix(r.URL.Path, "/") == path {
				panic("a fault of the program")
			}
			next.ServeHTTP(w, r)
		})
		report, err := health.Read(t.Context(), s, health.Options{})
		if err != nil || len(report.Problems) != 1 || report.Problems[0].Part != part || report.Problems[0].Error != "panic: a fault of the program" {
			t.Errorf("%s: %v, problems %+v", path, err, report.Problems)
		}
	}
}
