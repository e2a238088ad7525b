package health_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ilod/ilod/agent/redfisherror"
	"github.com/ilod/ilod/agent/server/health"
	"github.com/ilod/ilod/chif/chiftest/tree"
)

// replaced is a tree whose numbers are something else.
func replaced(tb testing.TB, tr *tree.Tree, with func(number string) string) *tree.Tree {
	tb.Helper()
	resources := slices.Clone(tr.Resources())
	for i, r := range resources {
		if !regexp.MustCompile("/(Systems|Chassis|Managers)/").MatchString(r.URI) {
			continue
		}
		var body any
		d := json.NewDecoder(bytes.NewReader(r.Body))
		d.UseNumber()
		if err := d.Decode(&body); err != nil {
			tb.Fatal(err)
		}
		var err error
		if resources[i].Body, err = json.Marshal(replace(body, with)); err != nil {
			tb.Fatal(err)
		}
	}
	tr, err := tree.New(resources)
	if err != nil {
		tb.Fatal(err)
	}
	return tr
}

func replace(v any, with func(number string) string) any {
	switch v := v.(type) {
	case map[string]any:
		for name := range v {
			if !strings.HasPrefix(name, "Members@") { // which the simulator needs
				v[name] = replace(v[name], with)
			}
		}
	case []any:
		for i := range v {
			v[i] = replace(v[i], with)
		}
	case json.Number:
		return json.RawMessage(with(v.String()))
	}
	return v
}

// numbers are the paths of the numbers in a report as JSON.
func numbers(v any, at string) (all []string) {
	switch v := v.(type) {
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			all = append(all, numbers(v[name], at+"."+name)...)
		}
	case []any:
		for _, e := range v {
			all = append(all, numbers(e, at)...)
		}
	case float64:
		all = append(all, at)
	}
	return all
}

var captures = []string{"ilo5-2.46-dl325-gen10plus-fc", "ilo5-3.11-dl360-gen10plus", "ilo6-1.66-dl380a-gen11", "ilo7-1.14-dl360-gen12"}

// TestNoNumberIsInvented puts another JSON type in the place of every number of
// real servers: the report has no numbers but those that it counts itself.
func TestNoNumberIsInvented(t *testing.T) {
	for i, name := range captures {
		tr := captured(t, name)
		others := []string{`"N/A"`, `null`, `"12"`, `true`, `{"Reading":7}`, `[7]`, `1e400`}
		if i > 0 { // the first has seen them all
			others = others[:1]
		}
		for _, other := range others {
			r := read(t, replaced(t, tr, func(string) string { return other }))
			text, err := json.Marshal(r)
			if err != nil {
				t.Fatal(err)
			}
			var body any
			if err := json.Unmarshal(text, &body); err != nil {
				t.Fatal(err)
			}
			got := slices.DeleteFunc(numbers(body, ""), func(at string) bool { return at == ".age" || at == ".parts.count" })
			if len(got) > 0 {
				t.Errorf("%s: %s: %v", name, other, slices.Compact(got))
			}
			if len(r.Problems) > 0 {
				t.Errorf("%s: %s: %v", name, other, r.Problems)
			}
		}
	}
}

// TestEveryFormOfANumber writes numbers as JSON lets them be written: 480 GB as
// 4.8e+11.
func TestEveryFormOfANumber(t *testing.T) {
	for _, name := range captures {
		tr := captured(t, name)
		forms := replaced(t, tr, func(n string) string {
			var f float64
			if err := json.Unmarshal([]byte(n), &f); err != nil {
				t.Fatal(err)
			}
			return fmt.Sprintf("%.17e", f)
		})
		want, got := read(t, tr), read(t, forms)
		got.Time = want.Time
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// TestSizesThatAreNone are sizes that no drive has.
func TestSizesThatAreNone(t *testing.T) {
	tr := captured(t, "ilo5-3.11-dl360-gen10plus")
	for size, want := range map[string]int64{"-1": 0, "1e300": 0, "-4.8e+11": 0, "480103981056": 480103981056, "4.8e+11": 480000000000} {
		r := read(t, edited(t, tr, map[string]func(map[string]any){driveURI: func(b map[string]any) {
			delete(b, "CapacityMiB")
			b["CapacityBytes"] = json.Number(size)
		}}))
		i := slices.IndexFunc(r.Drives, func(d health.Drive) bool { return strings.HasPrefix(d.Path, driveURI) })
		if i < 0 || r.Drives[i].CapacityBytes != want {
			t.Errorf("%s: %+v, want %d", size, r.Drives, want)
		}
	}
}

// TestSensorThatDoesNotMeasure is not well, and does not say how hot it is.
func TestSensorThatDoesNotMeasure(t *testing.T) {
	r := read(t, edited(t, captured(t, "ilo5-3.11-dl360-gen10plus"), map[string]func(map[string]any){thermalURI: func(b map[string]any) {
		at(b, "Temperatures", 0)["ReadingCelsius"] = "N/A"
		at(b, "Temperatures", 0)["Status"] = map[string]any{"Health": "Critical", "State": "Enabled"}
	}}))
	if p := part(t, r, "temperatures"); p.State != health.Critical || len(p.Unhealthy) != 1 || p.Unhealthy[0].Name != "01-Inlet Ambient" {
		t.Errorf("%+v", p)
	}
	for _, s := range r.Temperatures {
		if s.Name == "01-Inlet Ambient" {
			t.Errorf("%+v", s)
		}
	}
}

// TestPowerOfAllSupplies: a sum in which a supply is missing would be too small.
func TestPowerOfAllSupplies(t *testing.T) {
	const supply = `{"Status":{"Health":"OK","State":"Enabled"},"Metrics":{"@odata.id":"/M%d"}}`
	for metrics, want := range map[string]string{
		`{"InputPowerWatts":{"Reading":75}}`: "150", `{"InputPowerWatts":{"Reading":"N/A"}}`: "none", `{}`: "none", ``: "none",
	} {
		r, err := health.Read(t.Context(), &service{Handler: log{
			"/redfish/v1/": `{"Chassis":{"@odata.id":"/C"}}`, "/C": `{"Members":[{"@odata.id":"/C/1"}]}`,
			"/C/1": `{"PowerSubsystem":{"@odata.id":"/P"}}`, "/P": `{"CapacityWatts":800,"PowerSupplies":{"@odata.id":"/S"}}`,
			"/S": `{"Members":[{"@odata.id":"/S/1"},{"@odata.id":"/S/2"}]}`, "/S/1": fmt.Sprintf(supply, 1), "/S/2": fmt.Sprintf(supply, 2),
			"/M1": `{"InputPowerWatts":{"Reading":75}}`, "/M2": metrics,
		}}, health.Options{})
		if err != nil {
			t.Fatal(err)
		}
		got := "none"
		if len(r.Power) > 0 {
			got = fmt.Sprint(r.Power[0].Watts)
		}
		if got != want || len(r.PowerSupplies) != 2 {
			t.Errorf("%s: %s W of %d, want %s", metrics, got, len(r.PowerSupplies), want)
		}
	}
}

// TestLogIsReadOrNull tells a log without critical entries from one that was not
// read, or not whole.
func TestLogIsReadOrNull(t *testing.T) {
	const entries = "/L/X/E"
	const filtered = entries + "?$filter=Severity%20eq%20'Critical'"
	const ok = `{"Message":"m","Severity":"OK"}`
	for name, c := range map[string]struct {
		pages log
		read  bool
	}{
		"nothing critical":        {log{filtered: `{"Members":[` + ok + `]}`}, true},
		"empty":                   {log{filtered: `{"Members":[]}`}, true},
		"gone":                    {log{}, false},
		"no JSON":                 {log{filtered: "<html>"}, false},
		"no entries":              {log{"/L/X": `{"Id":"IML"}`}, false},
		"no such log":             {log{"/L/X": `{"Id":"Event"}`}, false},
		"no logs":                 {log{"/L": `{"Members":[]}`}, false},
		"logs are gone":           {log{"/L": ``}, false},
		"second page is gone":     {log{filtered: `{"Members":[` + ok + `],"Members@odata.nextLink":"/2"}`}, false},
		"no end":                  {log{filtered: `{"Members":[` + ok + `],"Members@odata.nextLink":"/2"}`, "/2": `{"Members":[],"Members@odata.nextLink":"/2"}`}, false},
		"one of two entries gone": {log{filtered: `{"Members":[{"@odata.id":"/1"},{"@odata.id":"/2"}]}`, "/2": ok}, false},
	} {
		pages := log{
			"/redfish/v1/": `{"Systems":{"@odata.id":"/S"}}`, "/S": `{"Members":[{"@odata.id":"/S/A"}]}`, "/S/A": `{"LogServices":{"@odata.id":"/L"}}`,
			"/L": `{"Members":[{"@odata.id":"/L/X"}]}`, "/L/X": `{"Id":"IML","Entries":{"@odata.id":"` + entries + `"}}`,
		}
		maps.Copy(pages, c.pages)
		r, err := health.Read(t.Context(), &service{Handler: pages}, health.Options{})
		if err != nil || len(r.Log) > 0 || (r.Log != nil) != c.read {
			t.Errorf("%s: %#v, %v, %v", name, r.Log, r.Problems, err)
		}
	}
}

// TestEntryWithoutDate is newer than those before it.
func TestEntryWithoutDate(t *testing.T) {
	const filtered = "/L/X/E?$filter=Severity%20eq%20'Critical'"
	entry := func(message, created string) string {
		return fmt.Sprintf(`{"Message":%q,"Severity":"Critical","Created":%q}`, message, created)
	}
	dated := func(day int) string {
		return entry(fmt.Sprint(day), time.Date(2026, 1, day, 0, 0, 0, 0, time.UTC).Format(time.RFC3339))
	}
	for name, c := range map[string]struct{ entries, want string }{
		"the newest": {strings.Join([]string{dated(1), dated(2), dated(3), dated(4), dated(5), dated(6), entry("x", "")}, ","), "x 6 5 4 3"},
		"in between": {strings.Join([]string{dated(1), entry("x", "soon"), dated(2)}, ","), "2 x 1"},
		"the oldest": {strings.Join([]string{entry("x", "[NOT SET]"), dated(1), dated(2), dated(3), dated(4)}, ","), "4 3 2 1 x"},
		"repeated":   {strings.Join([]string{dated(9), dated(2), entry("x", ""), dated(3)}, ","), "x 9 3 2"},
		"none dated": {strings.Join([]string{entry("a", ""), entry("b", ""), entry("c", "")}, ","), "c b a"},
	} {
		r, err := health.Read(t.Context(), &service{Handler: log{
			"/redfish/v1/": `{"Systems":{"@odata.id":"/S"}}`, "/S": `{"Members":[{"@odata.id":"/S/A"}]}`, "/S/A": `{"LogServices":{"@odata.id":"/L"}}`,
			"/L": `{"Members":[{"@odata.id":"/L/X"}]}`, "/L/X": `{"Id":"IML","Entries":{"@odata.id":"/L/X/E"}}`, filtered: `{"Members":[` + c.entries + `]}`,
		}}, health.Options{})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, e := range r.Log {
			got = append(got, e.Message)
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: %v, want %s", name, got, c.want)
		}
	}
}

// TestNothingIsNoReport answers with an error whatever is asked below the root.
func TestNothingIsNoReport(t *testing.T) {
	_, err := health.Read(t.Context(), &service{Handler: log{
		"/redfish/v1/": `{"Systems":{"@odata.id":"/S"},"Chassis":{"@odata.id":"/C"},"Managers":{"@odata.id":"/M"}}`, "/M": "<html>",
	}}, health.Options{})
	if e, ok := errors.AsType[*redfisherror.Error](err); !ok || e.Path != "/C" {
		t.Error(err)
	}
	r, err := health.Read(t.Context(), &service{Handler: log{
		"/redfish/v1/": `{"Systems":{"@odata.id":"/S"},"Managers":{"@odata.id":"/M"}}`, "/M": `{"Members":[{"@odata.id":"/M/1"}]}`, "/M/1": `{}`,
	}}, health.Options{})
	if err != nil || len(r.Problems) != 1 {
		t.Error(r, err)
	}
}

// TestReasonsThatSayNothing are left out of why a drive is not well.
func TestReasonsThatSayNothing(t *testing.T) {
	for reasons, want := range map[string]string{`["None","TooHot","Ok","Removed"]`: "TooHot, Removed", `["None"]`: "", `"TooHot"`: ""} {
		r := read(t, edited(t, captured(t, "ilo5-3.11-dl360-gen10plus"), map[string]func(map[string]any){driveURI: func(b map[string]any) {
			b["Status"] = map[string]any{"Health": "Warning", "State": "Enabled"}
			b["DiskDriveStatusReasons"] = json.RawMessage(reasons)
		}}))
		got := part(t, r, "storage").Unhealthy
		if len(got) == 0 || got[0].Reason != want {
			t.Errorf("%s: %+v, want %q", reasons, got, want)
		}
	}
}
