package health_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/ilod/ilod/agent/server/health"
	"github.com/ilod/ilod/chif/chiftest/redfish"
	"github.com/ilod/ilod/chif/chiftest/tree"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// service is a simulated iLO without a channel.
type service struct {
	http.Handler
	requests atomic.Int64
}

func (s *service) RoundTrip(r *http.Request) (*http.Response, error) {
	s.requests.Add(1)
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	resp := w.Result()
	resp.Request = r
	return resp, nil
}

func serve(tb testing.TB, tr *tree.Tree) *service {
	tb.Helper()
	generation, _ := tr.Generation() // an iLO 7 would want credentials
	s, err := redfish.New(redfish.Options{Tree: tr, Generation: min(generation, 6), Frozen: true, AllowSessionless: true})
	if err != nil {
		tb.Fatal(err)
	}
	return &service{Handler: s}
}

// captured is the tree of a real server, without most of what a report has no
// use for.
func captured(tb testing.TB, name string) *tree.Tree {
	tb.Helper()
	tr, err := tree.Load(filepath.Join(tree.Testdata(tb), "trees", name+".jsonl.gz"))
	if err != nil {
		tb.Fatal(err)
	}
	useless := regexp.MustCompile(`/(JsonSchemas|SchemaStore|Registries|RegistryStore|TelemetryService)(/|$)|/Entries/`)
	tr, err = tree.New(slices.DeleteFunc(slices.Clone(tr.Resources()), func(r tree.Resource) bool { return useless.MatchString(r.URI) }))
	if err != nil {
		tb.Fatal(err)
	}
	return tr
}

// edited is a tree with some bodies changed.
func edited(tb testing.TB, tr *tree.Tree, edits map[string]func(body map[string]any)) *tree.Tree {
	tb.Helper()
	resources := slices.Clone(tr.Resources())
	done := 0
	for i, r := range resources {
		edit := edits[r.URI]
		if edit == nil {
			continue
		}
		var body map[string]any
		if err := json.Unmarshal(r.Body, &body); err != nil {
			tb.Fatal(err)
		}
		edit(body)
		var err error
		if resources[i].Body, err = json.Marshal(body); err != nil {
			tb.Fatal(err)
		}
		done++
	}
	if done != len(edits) {
		tb.Fatalf("%d of %d resources are in the tree", done, len(edits))
	}
	tr, err := tree.New(resources)
	if err != nil {
		tb.Fatal(err)
	}
	return tr
}

// at is the value at a path of keys and indices.
func at(v any, path ...any) map[string]any {
	for _, p := range path {
		switch p := p.(type) {
		case string:
			v = v.(map[string]any)[p]
		case int:
			v = v.([]any)[p]
		}
	}
	return v.(map[string]any)
}

func read(tb testing.TB, tr *tree.Tree) health.Report {
	tb.Helper()
	r, err := health.Read(tb.Context(), serve(tb, tr), health.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

// part finds a part of a report.
func part(tb testing.TB, r health.Report, name string) health.Part {
	tb.Helper()
	i := slices.IndexFunc(r.Parts, func(p health.Part) bool { return p.Name == name })
	if i < 0 {
		tb.Fatalf("no part %s", name)
	}
	return r.Parts[i]
}

// figures is what a person reads in a tree, in one comparable value.
type figures struct {
	State                                    health.State
	Model, Serial, ILO, BIOS, License        string
	Processors, Memory, GiB, Storage, Drives int
	Fans                                     int
	Percent                                  float64 // of the first fan
	Temperatures                             int
	Closest                                  string // to a threshold
	Margin                                   float64
	Supplies, Watts, Capacity, Output        float64
	Critical                                 int
	Newest                                   string
}

func figuresOf(r health.Report) figures {
	f := figures{
		State: r.State, Model: r.System.Model, Serial: r.System.SerialNumber, GiB: r.System.MemoryGiB,
		Processors: len(r.Processors), Memory: len(r.Memory), Drives: len(r.Drives), Fans: len(r.Fans), Temperatures: len(r.Temperatures),
		Supplies: float64(len(r.PowerSupplies)), Critical: len(r.Log), Margin: math.Inf(1),
	}
	for _, fw := range r.Firmware {
		switch fw.Name {
		case "ilo":
			f.ILO = fw.Version
		case "bios":
			f.BIOS = fw.Version
		}
	}
	for _, l := range r.Licenses {
		f.License += l.Name + "/" + l.Type + l.Expires
	}
	for _, p := range r.Parts {
		if p.Name == "storage" {
			f.Storage = p.Count
		}
	}
	if len(r.Fans) > 0 && r.Fans[0].Percent != nil {
		f.Percent = *r.Fans[0].Percent
	}
	for _, t := range r.Temperatures {
		if t.Margin != nil && *t.Margin < f.Margin {
			f.Closest, f.Margin = t.Name, *t.Margin
		}
	}
	for _, p := range r.PowerSupplies {
		f.Output += *p.Watts
	}
	for _, p := range r.Power {
		f.Watts += p.Watts
		f.Capacity += *p.CapacityWatts
	}
	if len(r.Log) > 0 {
		f.Newest = r.Log[0].Time.Format(time.RFC3339)
	}
	return f
}

// TestTrees compares reports of real servers with what was read in their trees by
// other means.
func TestTrees(t *testing.T) {
	for name, want := range map[string]figures{
		"ilo5-2.46-dl325-gen10plus-fc": {
			State: health.OK, Model: "ProLiant DL325 Gen10 Plus - SIMULATED", Serial: "MXQ019020B", // two links are down
			ILO: "iLO 5 v2.46", BIOS: "A43 v2.52 (10/29/2021)", License: "iLO Advanced/Perpetual",
			Processors: 1, Memory: 4, GiB: 64, Storage: 3, Drives: 2, Fans: 6, Percent: 35, Temperatures: 27, Closest: "01-Inlet Ambient", Margin: 25,
			Supplies: 2, Watts: 97, Capacity: 1000, Output: 97, Critical: 5, Newest: "2021-07-30T17:39:54Z",
		},
		"ilo5-3.11-dl360-gen10plus": { // the same drives on Storage and on SmartStorage
			State: health.OK, Model: "ProLiant DL360 Gen10 Plus - SIMULATED", Serial: "MXQ2390RHW",
			ILO: "iLO 5 v3.11", BIOS: "U46 v2.34 (03/11/2025)", License: "iLO Advanced limited-distribution test/InternalActivated until 31 Jan 2026",
			Processors: 2, Memory: 12, GiB: 192, Storage: 5, Drives: 2, Fans: 7, Percent: 26, Temperatures: 38, Closest: "20-HD Max", Margin: 20,
			Supplies: 2, Watts: 150, Capacity: 1600, Output: 150, Critical: 5, Newest: "2025-05-29T06:35:55Z",
		},
		"ilo6-1.66-dl380a-gen11": {
			State: health.OK, Model: "ProLiant DL380a Gen11 -- SIMULATED", Serial: "2M2D2J00L4",
			ILO: "iLO 6 v1.66", BIOS: "U58 v2.44 (01/17/2025)", License: "iLO Advanced/Perpetual",
			Processors: 4, Memory: 16, GiB: 512, Storage: 11, Drives: 7, Fans: 6, Percent: 23, Temperatures: 29, Closest: "33.1-PCI 2-Network controller", Margin: 6,
			Supplies: 4, Watts: 565, Capacity: 8800, Output: 565, Critical: 2, Newest: "2025-05-28T08:01:01Z",
		},
		"ilo7-1.14-dl360-gen12": { // two of 26 sensors are of empty places
			State: health.OK, Model: "HPE ProLiant Compute DL360 Gen12 -- SIMULATED", Serial: "3M1D2V13TW",
			ILO: "1.14.00 May 28 2025", BIOS: "U68 v1.40 (05/22/2025)", License: "iLO Advanced/Perpetual",
			Processors: 2, Memory: 16, GiB: 256, Storage: 3, Drives: 2, Fans: 7, Percent: 16, Temperatures: 24, Closest: "01-Inlet Ambient", Margin: 24,
			Supplies: 2, Watts: 217, Capacity: 2000, Output: 217,
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, captured(t, name))
			r, err := health.Read(t.Context(), s, health.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, figuresOf(r)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if len(r.Problems) > 0 {
				t.Errorf("problems: %v", r.Problems)
			}
			if n := s.requests.Load(); n > 100 {
				t.Errorf("%d requests", n)
			}
			text, err := json.Marshal(r)
			if err != nil {
				t.Fatal(err)
			}
			if bytes.Contains(text, []byte("LicenseKey")) || regexp.MustCompile(`[0-9A-Z]{5}(-[0-9A-Z]{5}){4}`).Match(text) {
				t.Error("the report has a licence key")
			}
			t.Logf("%d requests, %d bytes", s.requests.Load(), len(text))
		})
	}
}

// TestGenerated reads made-up trees of every generation.
func TestGenerated(t *testing.T) {
	for generation := 4; generation <= 6; generation++ {
		r := read(t, tree.Generate(tree.GenerateOptions{Generation: generation}))
		if r.State != health.OK || len(r.Drives) != 8 || len(r.Memory) != 16 || len(r.Fans) != 6 || len(r.PowerSupplies) != 2 || len(r.Problems) > 0 {
			t.Errorf("iLO %d: %+v", generation, r)
		}
		if network := part(t, r, "network"); network.State != health.NotReported {
			t.Errorf("iLO %d: the network is %s", generation, network.State)
		}
	}
}

const (
	thermalURI = "/redfish/v1/Chassis/1/Thermal"
	powerURI   = "/redfish/v1/Chassis/1/Power"
	systemURI  = "/redfish/v1/Systems/1"
	driveURI   = "/redfish/v1/Chassis/DE00A000/Drives/2556"
)

// TestFailures has components fail; the worst state wins everywhere.
func TestFailures(t *testing.T) {
	tr := captured(t, "ilo5-3.11-dl360-gen10plus")
	type edits = map[string]func(map[string]any)
	failedFan := func(b map[string]any) {
		at(b, "Fans", 2)["Status"] = map[string]any{"Health": "Critical", "State": "Enabled"}
		at(b, "Fans", 2)["Reading"] = 0
	}
	hot := func(celsius float64) func(map[string]any) {
		return func(b map[string]any) { at(b, "Temperatures", 0)["ReadingCelsius"] = celsius }
	}
	predicted := func(b map[string]any) {
		b["FailurePredicted"], b["Status"] = true, map[string]any{"Health": "Warning", "State": "Enabled"}
	}
	for name, c := range map[string]struct {
		edits  edits
		state  health.State
		part   string
		unwell string // the first unhealthy component
		reason string
	}{
		"fan failed": {edits{thermalURI: failedFan}, health.Critical, "fans", "Fan 3", ""},
		"fan pulled": {edits{thermalURI: func(b map[string]any) {
			at(b, "Fans", 0)["Status"] = map[string]any{"Health": "Critical", "State": "Absent"}
		}}, health.Critical, "fans", "Fan 1", "Absent"},
		"too hot":     {edits{thermalURI: hot(43)}, health.Critical, "temperatures", "01-Inlet Ambient", "43 °C, critical at 42 °C"},
		"far too hot": {edits{thermalURI: hot(47)}, health.Critical, "temperatures", "01-Inlet Ambient", "47 °C, fatal at 47 °C"},
		"warm": {edits{thermalURI: func(b map[string]any) {
			for _, s := range b["Temperatures"].([]any) {
				if at(s)["Name"] == "29.1-LOM Card-CORE" {
					at(s)["ReadingCelsius"] = 112
				}
			}
		}}, health.Warning, "temperatures", "29.1-LOM Card-CORE", "112 °C, caution at 110 °C"},
		"drive predicted": {edits{driveURI: predicted}, health.Warning, "storage", "Slot=12:Port=2I:Box=1:Bay=1", "failure predicted"},
		"drive says OK":   {edits{driveURI: func(b map[string]any) { b["FailurePredicted"] = true }}, health.Warning, "storage", "Slot=12:Port=2I:Box=1:Bay=1", "failure predicted"},
		"drive conditions": {edits{driveURI: func(b map[string]any) {
			b["Status"] = map[string]any{"Health": "Critical", "State": "Enabled", "Conditions": []any{map[string]any{"Message": "The drive has failed."}}}
		}}, health.Critical, "storage", "Slot=12:Port=2I:Box=1:Bay=1", "The drive has failed."},
		"supply failed": {edits{powerURI: func(b map[string]any) {
			at(b, "PowerSupplies", 1)["Status"] = map[string]any{"Health": "Critical", "State": "Enabled"}
			at(b, "PowerSupplies", 1, "Oem", "Hpe", "PowerSupplyStatus")["State"] = "InputPowerLoss"
		}}, health.Critical, "power", "Power supply 2", "InputPowerLoss"},
		"supply pulled": {edits{powerURI: func(b map[string]any) {
			at(b, "PowerSupplies", 1)["Status"] = map[string]any{"State": "Absent"}
			at(b, "Redundancy", 0, "Status")["Health"] = "Warning"
		}}, health.Warning, "power", "PowerSupply Redundancy Group 1", "redundancy lost"},
		"redundancy lost": {edits{systemURI: func(b map[string]any) {
			at(b, "Oem", "Hpe", "AggregateHealthStatus")["FanRedundancy"] = "FailedRedundant"
		}}, health.Warning, "fans", "redundancy", "lost"},
		"module degraded": {edits{systemURI + "/Memory/proc1dimm1": func(b map[string]any) { at(b, "Oem", "Hpe")["DIMMStatus"] = "Degraded" }}, health.Warning, "memory", "PROC 1 DIMM 1", "Degraded"},
		"battery":         {edits{"/redfish/v1/Chassis/1": func(b map[string]any) { at(b, "Oem", "Hpe", "SmartStorageBattery", 0, "Status")["Health"] = "Critical" }}, health.Critical, "storage", "HPE Smart Stor Hybridcap 1", ""},
		"self-test":       {edits{"/redfish/v1/Managers/1": func(b map[string]any) { at(b, "Oem", "Hpe", "iLOSelfTestResults", 1)["Status"] = "Degraded" }}, health.Warning, "ilo", "EmbeddedFlash", "Controller firmware revision  2.11.00"},
		"the iLO's word": {edits{systemURI: func(b map[string]any) {
			at(b, "Oem", "Hpe", "AggregateHealthStatus", "Storage", "Status")["Health"] = "Critical"
		}}, health.Critical, "storage", "storage", "in the iLO's summary"},
		"all at once": {edits{thermalURI: func(b map[string]any) {
			failedFan(b)
			at(b, "Fans", 0)["Status"] = map[string]any{"Health": "Warning", "State": "Enabled"}
		}, driveURI: predicted}, health.Critical, "fans", "Fan 3", ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := read(t, edited(t, tr, c.edits))
			if r.State != c.state || len(r.Problems) > 0 {
				t.Errorf("the state is %s, want %s; %v", r.State, c.state, r.Problems)
			}
			worst := r.Parts[0]
			if worst.Name != c.part || worst.State != c.state || len(worst.Unhealthy) == 0 {
				t.Fatalf("the worst part is %+v", worst)
			}
			if u := worst.Unhealthy[0]; u.Name != c.unwell || u.Reason != c.reason || u.State != c.state {
				t.Errorf("the worst component is %+v", u)
			}
		})
	}
}

// TestRollup lets the system's own judgement count, which may know more.
func TestRollup(t *testing.T) {
	r := read(t, edited(t, captured(t, "ilo6-1.66-dl380a-gen11"), map[string]func(map[string]any){
		systemURI: func(b map[string]any) { at(b, "Status")["HealthRollup"] = "Critical" },
	}))
	if r.State != health.Critical || !slices.ContainsFunc(r.Parts, func(p health.Part) bool { return p.State == health.OK }) {
		t.Errorf("%s, %+v", r.State, r.Parts)
	}
}

// TestNetwork has a link that is down count only if the iLO itself counts it.
func TestNetwork(t *testing.T) {
	tr := captured(t, "ilo5-2.46-dl325-gen10plus-fc") // two links are down
	for _, c := range []struct {
		network, rollup string
		want            health.State
		reason          string
	}{
		{"Warning", "OK", health.OK, "in the iLO's summary, not in its state of the server"},
		{"Warning", "Warning", health.Warning, "in the iLO's summary"},
		{"Warning", "", health.Warning, "in the iLO's summary"},
		{"Critical", "OK", health.Critical, "in the iLO's summary"},
	} {
		r := read(t, edited(t, tr, map[string]func(map[string]any){
			systemURI: func(b map[string]any) {
				b["Status"] = map[string]any{"Health": c.rollup, "HealthRollup": c.rollup}
				at(b, "Oem", "Hpe", "AggregateHealthStatus", "Network", "Status")["Health"] = c.network
			},
		}))
		p := part(t, r, "network")
		if r.State != c.want || string(p.State) != c.network || len(p.Unhealthy) != 1 || p.Unhealthy[0].Reason != c.reason {
			t.Errorf("%v: %s, %+v", c, r.State, p)
		}
	}
}

// TestSubsystems reads a server that has the newer resources alone.
func TestSubsystems(t *testing.T) {
	tr := captured(t, "ilo6-1.66-dl380a-gen11")
	classic := read(t, tr)
	r := read(t, edited(t, tr, map[string]func(map[string]any){
		"/redfish/v1/Chassis/1": func(b map[string]any) { delete(b, "Thermal"); delete(b, "Power") },
		"/redfish/v1/Chassis/1/PowerSubsystem": func(b map[string]any) {
			at(b, "PowerSupplyRedundancy", 1, "Status")["Health"] = "Warning"
		},
	}))
	if len(r.Problems) > 0 || len(r.Fans) != 6 || *r.Fans[0].Percent != 23 || len(r.PowerSupplies) != 4 || *r.PowerSupplies[0].CapacityWatts != 2200 {
		t.Errorf("%v, %+v, %+v", r.Problems, r.Fans, r.PowerSupplies)
	}
	for _, list := range [][]health.Temperature{classic.Temperatures, r.Temperatures} {
		for i := range list {
			list[i].Path = ""
		}
		slices.SortFunc(list, func(a, b health.Temperature) int { return strings.Compare(a.Name, b.Name) })
	}
	if diff := cmp.Diff(classic.Temperatures, r.Temperatures); diff != "" {
		t.Errorf("temperatures, -Thermal +Sensors:\n%s", diff)
	}
	if p := part(t, r, "power"); p.State != health.Warning || p.Unhealthy[0].Name != "redundancy group 2" {
		t.Errorf("power: %+v", p)
	}
}

// TestILO4 reads a drive, a log and modules as an iLO 4 has them.
func TestILO4(t *testing.T) {
	generated := tree.Generate(tree.GenerateOptions{Generation: 4})
	var drives []map[string]any
	sample, err := os.ReadFile(filepath.Join(tree.Testdata(t), "trees/proliantutils/ilo4-rest-v1/disk_details_list.json"))
	if err == nil {
		err = json.Unmarshal(sample, &drives)
	}
	if err != nil {
		t.Fatal(err)
	}
	tr := edited(t, generated, map[string]func(map[string]any){
		"/redfish/v1/Systems/1/SmartStorage/ArrayControllers/0/DiskDrives/1/": func(b map[string]any) {
			clear(b)
			maps.Copy(b, drives[0])
		},
		"/redfish/v1/Systems/1/Memory/proc1dimm1/": func(b map[string]any) {
			clear(b)
			maps.Copy(b, map[string]any{"@odata.type": "#HpMemory.1.0.0.HpMemory", "Name": "proc1dimm1", "SocketLocator": "PROC 1 DIMM 1", "SizeMB": 16384, "DIMMStatus": "MapOutError"})
		},
		"/redfish/v1/Systems/1/LogServices/IML/Entries/": func(b map[string]any) {
			members := b["Members"].([]any)
			for i := range members {
				members[i] = map[string]any{"@odata.id": at(members[i])["@odata.id"]}
			}
		},
	})
	s := serve(t, tr)
	r, err := health.Read(t.Context(), s, health.Options{})
	if err != nil || len(r.Problems) > 0 {
		t.Fatal(err, r.Problems)
	}
	if d := r.Drives[0]; d.Name != "1I:1:1" || d.Model != "EG0600FBVFP" || d.CapacityBytes != 572325<<20 || d.State != health.OK {
		t.Errorf("drive: %+v", d)
	}
	if m := r.Memory[0]; m.State != health.Warning || m.CapacityMiB != 16384 || m.Name != "PROC 1 DIMM 1" || m.Reason != "MapOutError" {
		t.Errorf("module: %+v", m)
	}
	if n := s.requests.Load(); n > 100 {
		t.Errorf("%d requests: the log was walked", n)
	}
}

// log is a Redfish service of a log alone, in whatever form.
type log map[string]string

func (l log) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, ok := l[r.URL.RequestURI()]
	if strings.HasPrefix(r.Header.Get("Cache-Control"), "only-if-cached") {
		w.WriteHeader(http.StatusGatewayTimeout)
	} else if !ok {
		w.WriteHeader(http.StatusNotFound)
	}
	fmt.Fprint(w, body)
}

func TestLog(t *testing.T) {
	const entries = "/redfish/v1/L/X/E"
	const filtered = entries + "?$filter=Severity%20eq%20'Critical'"
	entry := func(severity, day string) string {
		return fmt.Sprintf(`{"Message":"m%s","Severity":%q,"Created":"2026-01-%sT00:00:00Z"}`, day, severity, day)
	}
	for name, c := range map[string]struct {
		pages    log
		want     string // days of the messages
		problems int
	}{
		"filtered":   {log{filtered: `{"Members":[` + entry("Critical", "01") + `,` + entry("Critical", "02") + `]}`}, "m02 m01", 0},
		"unfiltered": {log{filtered: `{"Members":[` + entry("OK", "01") + `,` + entry("Critical", "02") + `,` + entry("Warning", "03") + `]}`}, "m02", 0},
		"six": {log{filtered: `{"Members":[` + strings.Join([]string{entry("Critical", "01"), entry("Critical", "02"), entry("Critical", "03"), entry("Critical", "04"),
			entry("Critical", "05"), entry("Critical", "06")}, ",") + `]}`}, "m06 m05 m04 m03 m02", 0},
		"next":    {log{filtered: `{"Members":[` + entry("Critical", "01") + `],"Members@odata.nextLink":"/2"}`, "/2": `{"Members":[` + entry("Critical", "02") + `]}`}, "m02 m01", 0},
		"endless": {log{filtered: `{"Members":[` + entry("Critical", "01") + `],"Members@odata.nextLink":"/2"}`, "/2": `{"Members":[],"Members@odata.nextLink":"/2"}`}, "m01", 1},
		"pages of an iLO 4": {log{filtered: `{"Members":[` + entry("Critical", "01") + `,` + entry("Critical", "02") + `],"Members@odata.count":5,"links":{"NextPage":{"page":2}}}`,
			entries + "?page=3": `{"Members":[` + entry("Critical", "05") + `]}`}, "m05", 0},
		"gone": {log{}, "", 1},
	} {
		t.Run(name, func(t *testing.T) {
			c.pages["/redfish/v1/"] = `{"Systems":{"@odata.id":"/redfish/v1/S"}}`
			c.pages["/redfish/v1/S"] = `{"Members":[{"@odata.id":"/redfish/v1/S/A"}]}`
			c.pages["/redfish/v1/S/A"] = `{"LogServices":{"@odata.id":"/redfish/v1/L"},"Status":{"Health":"OK"}}`
			c.pages["/redfish/v1/L"] = `{"Members":[{"@odata.id":"/redfish/v1/L/X"}]}`
			c.pages["/redfish/v1/L/X"] = `{"Id":"IML","Entries":{"@odata.id":"` + entries + `"}}`
			r, err := health.Read(t.Context(), &service{Handler: c.pages}, health.Options{})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, e := range r.Log {
				got = append(got, e.Message)
			}
			if strings.Join(got, " ") != c.want || len(r.Problems) != c.problems || r.State != health.OK {
				t.Errorf("%v, %s, %v", got, r.State, r.Problems)
			}
		})
	}
}

// TestDegraded takes resources away one at a time: the others are told.
func TestDegraded(t *testing.T) {
	tr := captured(t, "ilo6-1.66-dl380a-gen11")
	for uri, want := range map[string]string{
		thermalURI: "fans", powerURI: "power", systemURI: "system", systemURI + "/Memory": "memory", systemURI + "/Memory/proc1dimm1": "memory",
		systemURI + "/Storage/DE00A000/Controllers/0": "storage", "/redfish/v1/Managers/1": "ilo", "/redfish/v1/Chassis": "system",
		systemURI + "/LogServices/IML/Entries": "log", "/redfish/v1/Managers/1/LicenseService/1": "license",
	} {
		t.Run(strings.ReplaceAll(uri[12:], "/", "_"), func(t *testing.T) {
			resources := slices.DeleteFunc(slices.Clone(tr.Resources()), func(r tree.Resource) bool { return r.URI == uri })
			without, err := tree.New(resources)
			if err != nil {
				t.Fatal(err)
			}
			r := read(t, without)
			if len(r.Problems) != 1 || r.Problems[0].Part != want || !strings.HasPrefix(r.Problems[0].Path, uri) || !strings.Contains(r.Problems[0].Error, "404") {
				t.Errorf("problems: %v", r.Problems)
			}
			state := health.Unknown
			if want == "log" || want == "license" {
				state = health.OK
			} else if p := part(t, r, want); p.State != health.Unknown {
				t.Errorf("%+v", p)
			}
			if r.State != state {
				t.Errorf("the state is %s", r.State)
			}
		})
	}
}

// TestAges finds the oldest datum, and hands directives on.
func TestAges(t *testing.T) {
	s := serve(t, tree.Generate(tree.GenerateOptions{}))
	next := s.Handler
	s.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !slices.Contains(r.Header["Cache-Control"], "max-age=7") || r.Header.Get("OData-Version") != "4.0" {
			t.Errorf("%s: %v", r.URL, r.Header)
		}
		switch {
		case strings.HasSuffix(r.URL.Path, "/Power"):
			w.Header().Set("Age", "42")
		case strings.HasSuffix(r.URL.Path, "/Memory"):
			w.Header().Set("Age", "7")
		}
		next.ServeHTTP(w, r)
	})
	now := time.Date(2026, 11, 21, 12, 0, 0, 5e8, time.UTC)
	r, err := health.Read(t.Context(), s, health.Options{Header: http.Header{"Cache-Control": {"max-age=7"}}, Now: func() time.Time { return now }})
	if err != nil || r.Age != 42 || r.Oldest != powerURI || !r.Time.Equal(now.Truncate(time.Second)) {
		t.Errorf("%v: %d s, %s, %s", err, r.Age, r.Oldest, r.Time)
	}
}

// TestStaleLog asks the cache for an older log, and for nothing else that is old.
func TestStaleLog(t *testing.T) {
	s := serve(t, tree.Generate(tree.GenerateOptions{}))
	next := s.Handler
	var asked []string
	s.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if values := r.Header["Cache-Control"]; len(values) > 0 { // all from one goroutine
			asked = append(asked, strings.Join(values, "; "))
			if strings.Contains(values[0], "only-if-cached") {
				w.WriteHeader(http.StatusGatewayTimeout)
				return
			}
		}
		next.ServeHTTP(w, r)
	})
	for stale, want := range map[time.Duration][]string{0: {"only-if-cached"}, time.Minute: {"only-if-cached, max-stale=60", "max-stale=60"}} {
		asked = nil
		if r, err := health.Read(t.Context(), s, health.Options{StaleLog: stale}); err != nil || len(r.Problems) > 0 || !slices.Equal(asked, want) {
			t.Errorf("%v: %v, %q", err, r.Problems, asked)
		}
	}
}

// TestNothing: no report at all.
func TestNothing(t *testing.T) {
	if _, err := health.Read(t.Context(), &service{Handler: log{"/redfish/v1/": `{}`}}, health.Options{}); !errors.Is(err, health.ErrNothing) {
		t.Errorf("an empty root: %v", err)
	}
	if _, err := health.Read(t.Context(), &service{Handler: log{}}, health.Options{}); err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("no root: %v", err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	s := serve(t, tree.Generate(tree.GenerateOptions{}))
	next, gone := s.Handler, errors.New("gone")
	s.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		cancel(gone)
		next.ServeHTTP(w, r)
	})
	if _, err := health.Read(ctx, s, health.Options{}); !errors.Is(err, gone) {
		t.Errorf("the caller has left: %v", err)
	}
}

// TestBounded ends on a tree without end.
func TestBounded(t *testing.T) {
	s := &service{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/redfish/v1/" {
			fmt.Fprint(w, `{"Systems":{"@odata.id":"/redfish/v1/S"},"Chassis":{"@odata.id":"/redfish/v1/S"},"Managers":{"@odata.id":"/redfish/v1/S"}}`)
			return
		}
		var members []string
		for i := range 1000 {
			members = append(members, fmt.Sprintf(`{"@odata.id":"%s/%d"}`, r.URL.Path, i))
		}
		fmt.Fprintf(w, `{"Members":[%s],"Memory":{"@odata.id":"/m"},"Sensors":{"@odata.id":"/s"},"Status":"bad","Oem":[]}`, strings.Join(members, ","))
	})}
	r, err := health.Read(t.Context(), s, health.Options{MaxRequests: 50})
	if err != nil || r.State != health.Unknown || s.requests.Load() > 50 || len(r.Problems) == 0 {
		t.Errorf("%v: %s, %d requests", err, r.State, s.requests.Load())
	}
}

// FuzzRead feeds a server of nonsense: a report or an error, never a panic.
func FuzzRead(f *testing.F) {
	f.Add([]byte(`{"Systems":{"@odata.id":"/a"},"Members":[{"@odata.id":"/a"}],"Fans":[{}],"Temperatures":[null,{"ReadingCelsius":1e300}]}`))
	f.Add([]byte(`{"Chassis":{"@odata.id":"/a b"},"Members":[{"@odata.id":"/%zz"},{"@odata.id":"/c"}],"Thermal":{"@odata.id":"/t#x"},"Power":{"@odata.id":""},"Status":{"Health":3}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		s := &service{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(body) })}
		r, err := health.Read(t.Context(), s, health.Options{MaxRequests: 30})
		if err != nil {
			return
		}
		if _, err := json.Marshal(r); err != nil {
			t.Error(err)
		}
	})
}

// BenchmarkRead makes a report from answers in memory.
func BenchmarkRead(b *testing.B) {
	s := serve(b, captured(b, "ilo6-1.66-dl380a-gen11"))
	for b.Loop() {
		if _, err := health.Read(b.Context(), s, health.Options{}); err != nil {
			b.Fatal(err)
		}
	}
}
