package health_test

import (
	"maps"
	"strings"
	"testing"

	"github.com/ilod/ilod/agent/server/health"
)

// small is the report of a service with a system and what pages add to it.
func small(t *testing.T, pages log) health.Report {
	t.Helper()
	all := log{"/redfish/v1/": `{"Systems":{"@odata.id":"/S"}}`, "/S": `{"Members":[{"@odata.id":"/S/A"}]}`, "/S/A": `{"Status":{"Health":"OK"}}`}
	maps.Copy(all, pages)
	r, err := health.Read(t.Context(), &service{Handler: all}, health.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestPagesOfALogAreApart: what an entry does not say is not taken from one of
// another page.
func TestPagesOfALogAreApart(t *testing.T) {
	const full = `{"Message":"old","Severity":"Critical","Created":"2026-01-01T00:00:00Z","Oem":{"Hp":{"Count":7}}}`
	for name, pages := range map[string]log{
		"by number": {"/L/X/E?$filter=Severity%20eq%20'Critical'": `{"Members":[` + full + `],"Members@odata.count":2,"links":{"NextPage":{"page":2}}}`,
			"/L/X/E?page=2": `{"Members":[{"Message":"new"},{"Message":"bad","Severity":"Critical"}]}`},
		"by link": {"/L/X/E?$filter=Severity%20eq%20'Critical'": `{"Members":[` + full + `],"Members@odata.nextLink":"/2"}`,
			"/2": `{"Members":[{"Message":"new"},{"Message":"bad","Severity":"Critical"}]}`},
	} {
		maps.Copy(pages, log{"/S/A": `{"LogServices":{"@odata.id":"/L"}}`, "/L": `{"Members":[{"@odata.id":"/L/X"}]}`, "/L/X": `{"Id":"IML","Entries":{"@odata.id":"/L/X/E"}}`})
		r := small(t, pages)
		if len(r.Problems) > 0 || len(r.Log) == 0 || r.Log[0].Message != "bad" || !r.Log[0].Time.IsZero() || r.Log[0].Count != 0 {
			t.Errorf("%s: %+v, %v", name, r.Log, r.Problems)
		}
		for _, e := range r.Log {
			if e.Message == "new" {
				t.Errorf("%s: %+v is not critical", name, e)
			}
		}
	}
}

// TestMemoryBehindTheVendorsLink is where an iLO 4 has it.
func TestMemoryBehindTheVendorsLink(t *testing.T) {
	r := small(t, log{"/S/A": `{"Oem":{"Hp":{"Links":{"Memory":{"@odata.id":"/M"}}}}}`, "/M": `{"Members":[{"@odata.id":"/M/1"}]}`,
		"/M/1": `{"SocketLocator":"PROC 1 DIMM 1","DIMMStatus":"GoodInUse","SizeMB":8192}`})
	if len(r.Memory) != 1 || r.Memory[0].CapacityMiB != 8192 || r.Memory[0].State != health.OK {
		t.Errorf("%+v, %v", r.Memory, r.Problems)
	}
	both := small(t, log{"/S/A": `{"Memory":{"@odata.id":"/N"},"Oem":{"Hp":{"Links":{"Memory":{"@odata.id":"/M"}}}}}`, "/N": `{"Members":[]}`})
	if len(both.Memory) != 0 || len(both.Problems) != 0 {
		t.Errorf("%+v, %v", both.Memory, both.Problems)
	}
}

// TestLinksThatAreNone are told as such, and not followed.
func TestLinksThatAreNone(t *testing.T) {
	for _, link := range []string{"x", "http://[::", "%zz", "?x"} {
		r := small(t, log{"/S/A": `{"Memory":{"@odata.id":"` + link + `"},"Status":{"Health":"OK"}}`, "/": `{"Members":[]}`, "/x": `{"Members":[]}`})
		if len(r.Problems) != 1 || !strings.HasSuffix(r.Problems[0].Error, " is not a link") || part(t, r, "memory").State != health.Unknown {
			t.Errorf("%s: %v", link, r.Problems)
		}
	}
}

// TestStorageAsAWhole may be worse than what is in it.
func TestStorageAsAWhole(t *testing.T) {
	for status, want := range map[string]health.State{
		`{"Health":"OK","HealthRollup":"Critical"}`: health.Critical, `{"Health":"Warning","HealthRollup":"OK"}`: health.Warning, `{"Health":"OK"}`: health.OK,
	} {
		r := small(t, log{"/S/A": `{"Storage":{"@odata.id":"/T"},"Status":{"Health":"OK"}}`, "/T": `{"Members":[{"@odata.id":"/T/1"}]}`,
			"/T/1": `{"Name":"unit","Status":` + status + `,"StorageControllers":[{"Name":"c","Status":{"Health":"OK"}}]}`})
		if p := part(t, r, "storage"); p.State != want || r.State != want || want != health.OK && (len(p.Unhealthy) != 1 || p.Unhealthy[0].Name != "unit") {
			t.Errorf("%s: %+v, %s", status, p, r.State)
		}
	}
}

// TestThresholdsThatAreNone stand for places of none: 0, below, and 65535.
func TestThresholdsThatAreNone(t *testing.T) {
	for threshold, want := range map[string]bool{"0": false, "-1": false, "65535": false, "70000": false, `"60"`: false, "null": false, "0.5": true, "60": true, "65534": true} {
		r, err := health.Read(t.Context(), &service{Handler: log{
			"/redfish/v1/": `{"Chassis":{"@odata.id":"/C"}}`, "/C": `{"Members":[{"@odata.id":"/C/1"}]}`, "/C/1": `{"Thermal":{"@odata.id":"/T"}}`,
			"/T": `{"Temperatures":[{"Name":"a","ReadingCelsius":0.1,"UpperThresholdCritical":` + threshold + `}]}`,
		}}, health.Options{})
		if err != nil || len(r.Temperatures) != 1 || (r.Temperatures[0].Critical != nil) != want {
			t.Errorf("%s: %+v, %v", threshold, r.Temperatures, err)
		}
	}
}
