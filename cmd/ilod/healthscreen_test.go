package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/ilod/ilod/agent/server/health"
	"github.com/ilod/ilod/chif/chiftest/redfish"
	"github.com/ilod/ilod/chif/chiftest/tree"
)

// withoutChannel is a simulated iLO for requests of this process.
type withoutChannel struct{ http.Handler }

func (h withoutChannel) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result(), nil
}

// TestHealthScreen shows real servers, none of which has a failure but a link
// that is down, on a terminal of 80 columns and 24 lines.
func TestHealthScreen(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(tree.Testdata(t), "trees", "*.jsonl.gz"))
	if err != nil || len(files) != 4 {
		t.Fatalf("%d trees: %v", len(files), err)
	}
	for _, file := range files {
		tr, err := tree.Load(file)
		if err != nil {
			t.Fatal(err)
		}
		generation, _ := tr.Generation()
		service, err := redfish.New(redfish.Options{Tree: tr, Generation: min(generation, 6), Frozen: true, AllowSessionless: true})
		if err != nil {
			t.Fatal(err)
		}
		r, err := health.Read(t.Context(), withoutChannel{service}, health.Options{})
		if err != nil {
			t.Fatal(err)
		}
		text := (&screen{width: 80}).render(&r)
		t.Logf("%s\n%s", filepath.Base(file), text)
		if n := strings.Count(text, "\n"); n > 23 { // the last line is for the prompt
			t.Errorf("%s: %d lines", file, n)
		}
		for line := range strings.Lines(text) {
			if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > 80 || strings.ContainsRune(line, '\x1b') {
				t.Errorf("%d columns: %q", n, line)
			}
		}
		coloured := (&screen{width: 80, colours: true}).render(&r)
		if plain := regexp.MustCompile("\x1b\\[[0-9]*m").ReplaceAllString(coloured, ""); plain != text || coloured == text {
			t.Errorf("in colours it is another text:\n%s", plain)
		}
	}
}

func TestHealthScreenUnwell(t *testing.T) {
	margin, critical := -3.0, 42.0
	r := health.Report{
		State: health.Critical, Time: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC), Age: 75,
		Parts: []health.Part{
			{Name: "temperatures", State: health.Critical, Count: 2, Unhealthy: []health.Component{{Name: "Inlet", State: health.Critical, Reason: "45 °C, critical at 42 °C"}}},
			{Name: "fans", State: health.Warning, Count: 6, Unhealthy: []health.Component{{Name: "Fan\n\x1b[2J3", State: health.Warning}}},
			{Name: "ilo", State: health.Unknown}, {Name: "memory", State: health.OK, Count: 1}, {Name: "network"},
		},
		Temperatures: []health.Temperature{{Component: health.Component{Name: "Inlet"}, Celsius: 45, Critical: &critical, Margin: &margin}},
		Log:          []health.LogEntry{{Message: "no time"}},
	}
	for i := range 7 {
		r.Problems = append(r.Problems, health.Problem{Path: fmt.Sprint("/", i), Error: "404"})
	}
	got := new(screen).render(&r)
	want := `
Critical, read at ` + r.Time.Local().Format(time.DateTime+" MST") + `, the oldest value 1m15s older

temperatures    Critical       2  nearest to a limit: 45 of 42 °C, Inlet
                Critical          Inlet: 45 °C, critical at 42 °C
fans            Warning        6
                Warning           Fan  [2J3
ilo             Unknown
memory          OK
network         not reported

firmware        not reported
licence         not reported
critical events the last of the log
  at an unknown time  no time
not read
  /0: 404
  /1: 404
  /2: 404
  /3: 404
  /4: 404
  and 2 others
`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	narrow := (&screen{width: 20}).render(&r)
	if !strings.Contains(narrow, "\ntemperatures    Cri…\n") {
		t.Errorf("narrow:\n%s", narrow)
	}
}

// TestOneTimeZone shows all times in the zone of this host, with its name.
func TestOneTimeZone(t *testing.T) {
	zone := time.Local
	defer func() { time.Local = zone }()
	time.Local = time.FixedZone("EAST", 5*3600)
	text := new(screen)
	got := text.render(&health.Report{
		Time: time.Date(2026, 11, 21, 22, 0, 0, 0, time.UTC),
		Log: []health.LogEntry{
			{Time: time.Date(2026, 11, 21, 20, 30, 0, 0, time.UTC), Message: "of an iLO in UTC"},
			{Time: time.Date(2026, 11, 21, 20, 30, 0, 0, time.FixedZone("", -6*3600)), Message: "of one in America"},
		},
	})
	for _, want := range []string{", read at 2026-11-22 03:00:00 EAST,", "\n  2026-11-22 01:30 EAST  of an iLO in UTC\n", "\n  2026-11-22 07:30 EAST  of one in America\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in\n%s", want, got)
		}
	}
}

// TestWhatTheScreenDoesNotKnow is not told as nothing, or as zero.
func TestWhatTheScreenDoesNotKnow(t *testing.T) {
	for want, r := range map[string]health.Report{
		"critical events none in the log\n":           {Log: []health.LogEntry{}},
		"critical events not reported\n":              {},
		"critical events the log could not be read\n": {Problems: []health.Problem{{Part: "log", Path: "/L"}}},
		"2 drives\n":         {Parts: []health.Part{{Name: "storage"}}, Drives: []health.Drive{{CapacityBytes: 1e12}, {}}},
		"2 drives, 1.5 TB\n": {Parts: []health.Part{{Name: "storage"}}, Drives: []health.Drive{{CapacityBytes: 1e12}, {CapacityBytes: 5e11}}},
	} {
		if got := new(screen).render(&r); !strings.Contains(got, want) {
			t.Errorf("%q is not in\n%s", want, got)
		}
	}
}
